"""Reads the needed XMP properties. XML with a DOCTYPE is refused, so there are no entities, no bombs and no fetches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MAX_BYTES = 1 << 20
MAX_EXTENDED = 16 << 20  # phones keep a depth map there
MAX_DEPTH = 64
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
DC, PHOTOSHOP, XMP_BASIC, EXIF, TIFF, OURS = (
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/photoshop/1.0/",
    "http://ns.adobe.com/xap/1.0/",
    "http://ns.adobe.com/exif/1.0/",
    "http://ns.adobe.com/tiff/1.0/",
    "https://tagger.dev/ns#",
)
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"

DESCRIPTION, TITLE, SUBJECT = f"{DC} description", f"{DC} title", f"{DC} subject"
ALT_TEXT, HEADLINE = f"{IPTC_CORE} AltTextAccessibility", f"{PHOTOSHOP} Headline"
TIFF_DESCRIPTION, USER_COMMENT = f"{TIFF} ImageDescription", f"{EXIF} UserComment"
DATES = (f"{PHOTOSHOP} DateCreated", f"{EXIF} DateTimeOriginal", f"{XMP_BASIC} CreateDate")
SOURCE = f"{OURS} source"  # in a copy that tagger wrote: the SHA-256 of its original
WANTED = frozenset({DESCRIPTION, TITLE, SUBJECT, ALT_TEXT, HEADLINE, TIFF_DESCRIPTION, USER_COMMENT, SOURCE, *DATES})


class XmpRefused(ValueError):
    """The packet has a DOCTYPE, is too deep or too large, or is not XML."""


@dataclass(frozen=True, kw_only=True)
class Value:
    text: str
    locale: str = ""  # xml:lang; "" where the packet names none, or x-default


@dataclass
class _Reader:
    """Collects text inside wanted properties of rdf:Description, in the order of the packet."""

    found: dict[str, list[Value]] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    wanted: str | None = None
    depth: int = 0  # of the wanted property
    locale: str = ""
    text: list[str] = field(default_factory=list)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise XmpRefused("The XMP packet is nested too deeply.")
        if name == f"{RDF} Description" and self.wanted is None:
            for key, value in attributes.items():
                if key in WANTED:
                    self.found.setdefault(key, []).append(Value(text=value))
        if self.wanted is None and name in WANTED and self.stack and self.stack[-1] == f"{RDF} Description":
            self.wanted, self.depth = name, len(self.stack)
        if self.wanted is not None:
            self.text.clear()
            lang = attributes.get(XML_LANG, "")
            self.locale = "" if lang == "x-default" else lang
        self.stack.append(name)

    def end(self, name: str) -> None:
        self.stack.pop()
        if self.wanted is None:
            return
        text = "".join(self.text).strip()
        self.text.clear()
        if text and (name == f"{RDF} li" or len(self.stack) == self.depth):
            self.found.setdefault(self.wanted, []).append(Value(text=text, locale=self.locale))
        if len(self.stack) == self.depth:
            self.wanted = None

    def data(self, text: str) -> None:
        if self.wanted is not None:
            self.text.append(text)


def read(packet: bytes, limit: int = MAX_BYTES) -> Mapping[str, list[Value]]:
    """ "namespace name" → values in order. Errors: XmpRefused."""
    if len(packet) > limit:
        raise XmpRefused(f"The XMP packet is larger than {limit >> 20} MiB.")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(trimmed(packet), True)
    except (expat.ExpatError, UnicodeDecodeError, LookupError) as err:
        raise XmpRefused(f"The XMP packet is not well-formed XML: {err}.") from err
    return reader.found


def trimmed(packet: bytes) -> bytes:
    """Without the padding around it. In UTF-16 the null bytes are halves of characters."""
    return packet if packet.startswith((b"\xff\xfe", b"\xfe\xff")) else packet.strip(b"\0 \t\r\n")


def _refuse(*_: Any) -> None:
    raise XmpRefused("The XMP packet has a DOCTYPE or an entity.")
