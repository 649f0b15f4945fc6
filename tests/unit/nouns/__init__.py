"""The nouns: the modules at the root of `tagger/`."""
