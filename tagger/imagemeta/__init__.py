"""Metadata inside image files: reads EXIF, IPTC and XMP, and writes texts into a copy."""
