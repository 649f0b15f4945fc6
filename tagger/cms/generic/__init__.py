"""The generic signed protocol between tagger and a CMS: hooks in, callbacks out. Pure."""
