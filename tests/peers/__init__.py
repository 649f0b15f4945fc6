"""tagger beside real software: `make peers`."""
