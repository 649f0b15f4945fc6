"""A table of image addresses as the source of a backfill."""
