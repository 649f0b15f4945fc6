"""Images that a folder holds under names which do not say so: `IMG_0001`, `cat.jpg?w=200`, `cat.jpg.1`, `cat.jpg_large`."""

from __future__ import annotations

import os
import re

ENDING = re.compile(r"\.[a-z][a-z0-9]{1,9}", re.IGNORECASE)  # another kind of file, which is not opened: a folder may hold many
BACKUPS = ("~", "_original")  # of an editor, of exiftool
HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")


def is_misnamed(entry: os.DirEntry[str]) -> bool:
    """Whether a file begins like an image although its name does not end like one. Errors: OSError."""
    if ENDING.fullmatch(os.path.splitext(entry.name)[1]) or entry.name.endswith(BACKUPS):
        return False
    if not entry.is_file(follow_symlinks=False):  # neither a pipe nor what a stranger's link leads to is opened
        return False
    with open(entry.path, "rb") as file:
        head = file.read(12)
    return (
        head.startswith(HEADS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP") or (head[4:8] == b"ftyp" and head[8:] in BRANDS)
    )
