"""Writes texts as XMP into a copy of a JPEG, PNG or WebP file. No pixel changes. Pure: bytes in, bytes out.

A text that a person wrote stays, in any part of the file: XMP, IPTC, EXIF, or a text field of the format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tagger.errors import EmbedRefused
from tagger.imagemeta import xmp
from tagger.imagemeta.containers import Opened, opened
from tagger.imagemeta.read import Blocks, guesses, meant, read_metadata
from tagger.imagemeta.xmp import XmpRefused
from tagger.imagemeta.xmp_packet import NO_SEAL, Elsewhere, Outcome, Words, with_words

SEALED = re.compile(rb"(<tagger:seal>)([0-9a-f]{64})(?=</tagger:seal>)")


@dataclass(frozen=True, kw_only=True)
class Embedded:
    data: bytes
    outcomes: dict[str, Outcome]  # "caption", "alt_text", "keywords" → written | unchanged | kept


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The notes inside a copy that tagger wrote."""

    source: str  # SHA-256 of the original that it is a copy of
    untouched: bool  # no byte changed since then


def embed(data: bytes, words: Words, *, source: str = "", seal: bool = False) -> Embedded:
    """`source`: SHA-256 of the original. `seal`: add a hash, so that `origin` can detect later changes.

    Errors: EmbedRefused: another format, a broken file, an XMP packet that cannot be read, or too much text.
    """
    file = opened(data)
    try:
        packet = with_words(file.blocks.xmp, words, _elsewhere(file.blocks), source=source, sealed=seal)
    except XmpRefused as err:
        raise EmbedRefused(str(err)) from err
    made = file.with_xmp(packet.data)
    if seal and source:
        made = file.with_xmp(_with_seal(packet.data, hashlib.sha256(made).hexdigest()))
    return Embedded(data=made, outcomes=packet.outcomes)


def origin(data: bytes) -> Origin | None:
    """None if tagger did not write the file."""
    try:
        file = opened(data)
        source = next((v.text for v in xmp.read(file.blocks.xmp).get(xmp.SOURCE, ())), "") if file.blocks.xmp else ""
        return Origin(source=source, untouched=_unchanged(data, file)) if source else None
    except (EmbedRefused, XmpRefused):
        return None


def _unchanged(data: bytes, file: Opened) -> bool:
    found = SEALED.search(file.blocks.xmp)
    if found is None:
        return False
    unsealed = file.with_xmp(_with_seal(file.blocks.xmp, NO_SEAL))
    return hashlib.sha256(unsealed).hexdigest().encode() == found[2] and file.with_xmp(file.blocks.xmp) == data


def _with_seal(packet: bytes, seal: str) -> bytes:
    return SEALED.sub(lambda m: m[1] + seal.encode(), packet)


def _elsewhere(blocks: Blocks) -> Elsewhere:
    """The texts of the file outside of the three properties that tagger writes. Errors: XmpRefused."""
    said = read_metadata(exif_block=blocks.exif, iptc_block=blocks.iptc, texts=blocks.texts)
    packet = xmp.read(blocks.xmp) if blocks.xmp else {}
    extended = xmp.read(blocks.extended, xmp.MAX_EXTENDED) if blocks.extended else {}
    guessed = guesses(blocks.iptc) if blocks.iptc else frozenset()
    captions = [
        *_texts(packet, xmp.TIFF_DESCRIPTION, xmp.USER_COMMENT),
        *_texts(extended, xmp.DESCRIPTION, xmp.TIFF_DESCRIPTION, xmp.USER_COMMENT),
    ]
    return Elsewhere(
        caption=said.caption is not None or bool(captions),
        alt_text=bool(_texts(extended, xmp.ALT_TEXT)),
        keywords=(*(word.text for word in said.keywords if word.text not in guessed), *_texts(extended, xmp.SUBJECT)),
        unread_keywords=any(word.text in guessed for word in said.keywords),
    )


def _texts(packet: Mapping[str, list[xmp.Value]], *names: str) -> list[str]:
    return [value.text for name in names for value in packet.get(name, ()) if meant(value.text)]
