"""The raw metadata blocks of an image that Pillow opened."""

from __future__ import annotations

import json

from PIL import Image

from tagger.imagemeta import exif
from tagger.imagemeta.jpeg_file import extended_xmp
from tagger.imagemeta.read import MAX_TEXT, Blocks, blocks_of
from workers.decode.protocol import MAX_BLOCK

IPTC_TAG, PHOTOSHOP_TAG = 33723, 34377  # of TIFF


def blocks(image: Image.Image, data: bytes) -> dict[str, bytes]:
    """`exif`, `iptc`, `xmp`, `extended`, and `texts` as JSON; a block over `MAX_BLOCK` is left out."""
    metadata = blocks_of({str(key): value for key, value in image.info.items()})
    if image.format == "TIFF":
        metadata = _of_tiff(data, metadata.xmp)
    texts = {name: text[:MAX_TEXT] for name, text in metadata.texts.items()}
    every = {
        "exif": metadata.exif,
        "iptc": metadata.iptc,
        "xmp": metadata.xmp,
        "extended": extended_xmp(data),
        "texts": json.dumps(texts).encode() if texts else b"",
    }
    return {name: block if len(block) <= MAX_BLOCK else b"" for name, block in every.items()}


def _of_tiff(data: bytes, xmp: bytes) -> Blocks:
    """A TIFF has its EXIF fields, and the blocks of IPTC and Photoshop, among its own tags. Pillow cuts some of them short."""
    fields = exif.raw(data, (*exif.TEXTS, IPTC_TAG, PHOTOSHOP_TAG))
    iptc = fields.pop(IPTC_TAG, b"")
    resources = fields.pop(PHOTOSHOP_TAG, b"")
    return Blocks(exif=exif.pack(fields), iptc=iptc or resources, xmp=xmp)
