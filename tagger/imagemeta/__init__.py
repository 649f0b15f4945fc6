"""Metadata inside image files: read EXIF, IPTC and XMP, and write words into a copy."""
