"""The processes that do the work; started as `python -m workers`, never imported by `tagger`."""
