"""Writes texts into an XMP packet: adds missing ones, replaces unchanged ones of tagger, keeps all others.

Notes of tagger beside them show a later edit by a person: `tagger:wrote` (property and hash of its value), `tagger:added`
(keywords of tagger), `tagger:brought` (copied keywords of IPTC and EXIF), and in a copy `tagger:source` (hash of the original)
and `tagger:seal` (hash of the copy).
"""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tagger.catalog.labels import folded
from tagger.imagemeta import xmp
from tagger.imagemeta.read import meant

Outcome = Literal["written", "unchanged", "kept"]

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
OURS = xmp.OURS
PREFIXES = {"x": "adobe:ns:meta/", "rdf": xmp.RDF, "dc": xmp.DC, "Iptc4xmpCore": xmp.IPTC_CORE, "tagger": OURS}
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
END = '\n<?xpacket end="w"?>'
WROTE, ADDED, BROUGHT, SOURCE, SEAL = (f"{{{OURS}}}{name}" for name in ("wrote", "added", "brought", "source", "seal"))
NO_SEAL = "0" * 64  # placeholder for the seal
CAPTION, SUBJECT = f"{{{xmp.DC}}}description", f"{{{xmp.DC}}}subject"
ALT_TEXT = f"{{{xmp.IPTC_CORE}}}AltTextAccessibility"
DESCRIPTION, BAG, ALT, LI = (f"{{{xmp.RDF}}}{name}" for name in ("Description", "Bag", "Alt", "li"))


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts to write. None and () do not change a property."""

    locale: str
    caption: str | None = None  # dc:description
    alt_text: str | None = None  # Iptc4xmpCore:AltTextAccessibility
    keywords: Sequence[str] = ()  # dc:subject; added to those that are there


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What people wrote into other places of the same file: IPTC, EXIF, comments, XMP that is continued elsewhere."""

    caption: bool = False
    alt_text: bool = False
    keywords: Sequence[str] = ()
    unread_keywords: bool = False  # there are more, in an unknown encoding


@dataclass(frozen=True, kw_only=True)
class Packet:
    data: bytes
    outcomes: dict[str, Outcome]  # "caption", "alt_text", "keywords" → outcome


def with_words(
    packet: bytes, words: Words, elsewhere: Elsewhere | None = None, *, source: str = "", sealed: bool = False
) -> Packet:
    """`packet`: the packet of the file, or empty. `source`: for a copy, the hash of its original. `sealed`: leave a place for the
    seal.

    Errors: XmpRefused if the packet of the file cannot be read; it is not overwritten.
    """
    elsewhere = elsewhere or Elsewhere()
    root = _parse(packet)
    rdf = root if root.tag == f"{{{xmp.RDF}}}RDF" else root.find(f"{{{xmp.RDF}}}RDF")
    if rdf is None:
        raise xmp.XmpRefused("The XMP packet holds no rdf:RDF.")
    for description in rdf.findall(DESCRIPTION):
        _unfold(description)
    ours = _ours(rdf)
    outcomes: dict[str, Outcome] = {}
    if elsewhere.caption:
        _take_back(rdf, ours, CAPTION)
    if words.caption is not None:
        outcomes["caption"] = "kept" if elsewhere.caption else _put_text(rdf, ours, CAPTION, words.caption, words.locale)
    if words.alt_text is not None:
        outcomes["alt_text"] = "kept" if elsewhere.alt_text else _put_text(rdf, ours, ALT_TEXT, words.alt_text, words.locale)
    if words.keywords:
        hidden = elsewhere.unread_keywords and _found(rdf, SUBJECT) is None  # they would vanish behind a list of ours
        outcomes["keywords"] = "kept" if hidden else _add_keywords(rdf, words.keywords, elsewhere.keywords)
    _note_list(rdf, WROTE, [f"{tag} {digest}" for tag, digest in sorted(ours.items())])
    if source:
        _note(rdf, SOURCE, source)
        _note(rdf, SEAL, NO_SEAL if sealed else "")
    body = ET.tostring(root, encoding="unicode")
    return Packet(data=(BEGIN + body + END).encode(), outcomes=outcomes)


def _parse(packet: bytes) -> ET.Element:
    for prefix, uri in PREFIXES.items():
        ET.register_namespace(prefix, uri)
    stripped = xmp.trimmed(packet)
    if not stripped:
        root = ET.Element("{adobe:ns:meta/}xmpmeta")
        ET.SubElement(root, f"{{{xmp.RDF}}}RDF")
        return root
    xmp.read(stripped)  # refuses a DOCTYPE, entities, depth and size before any other parser sees them
    for _, (prefix, uri) in ET.iterparse(io.BytesIO(stripped), events=["start-ns"]):  # noqa: S314 - checked above
        if prefix and uri not in PREFIXES.values() and not prefix.startswith("ns"):
            ET.register_namespace(prefix, uri)
    return ET.fromstring(stripped)  # noqa: S314 - checked above


def _unfold(description: ET.Element) -> None:
    """Turn properties that are attributes into elements, so that all are found in the same way."""
    for tag in (CAPTION, ALT_TEXT, SUBJECT, SOURCE, SEAL):
        if tag in description.attrib:
            ET.SubElement(description, tag).text = description.attrib.pop(tag)


def _found(rdf: ET.Element, tag: str) -> ET.Element | None:
    return next((found for description in rdf.findall(DESCRIPTION) if (found := description.find(tag)) is not None), None)


def _made(rdf: ET.Element, tag: str) -> ET.Element:
    description = rdf.find(DESCRIPTION)
    if description is None:
        description = ET.SubElement(rdf, DESCRIPTION, {f"{{{xmp.RDF}}}about": ""})
    return ET.SubElement(description, tag)


def _hash(element: ET.Element) -> str:
    return hashlib.sha256("\0".join(t.strip() for t in element.itertext() if t.strip()).encode()).hexdigest()[:16]


def _said(element: ET.Element) -> str:
    """The text of a property, also where `rdf:value` holds it as an attribute."""
    values = [inner.get(f"{{{xmp.RDF}}}value", "") for inner in element.iter()]
    return "".join([*element.itertext(), *values]).strip()


def _ours(rdf: ET.Element) -> dict[str, str]:
    """Property → hash of the value that tagger wrote."""
    found = _found(rdf, WROTE)
    pairs = ((li.text or "").split(" ") for li in found.iter(LI)) if found is not None else ()
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _put_text(rdf: ET.Element, ours: dict[str, str], tag: str, text: str, locale: str) -> Outcome:
    there = _found(rdf, tag)
    said = "" if there is None else _said(there)
    if not said:
        if tag in ours:  # tagger wrote one, and a person removed it
            return "kept"
    elif there is not None and ours.get(tag) != _hash(there) and meant(said):
        return "kept"
    element = there if there is not None else _made(rdf, tag)
    before = _hash(element)
    element.clear()
    choices = ET.SubElement(element, ALT)
    for language in ("x-default", locale):
        ET.SubElement(choices, LI, {XML_LANG: language}).text = text
    ours[tag] = _hash(element)
    return "unchanged" if there is not None and ours[tag] == before else "written"


def _take_back(rdf: ET.Element, ours: dict[str, str], tag: str) -> None:
    """Remove an unedited text of tagger, because it would hide a person's text in another part of the file."""
    there = _found(rdf, tag)
    if there is not None and tag in ours and ours[tag] == _hash(there):
        _drop(rdf, there)
        del ours[tag]


def _drop(rdf: ET.Element, element: ET.Element) -> None:
    for description in rdf.findall(DESCRIPTION):
        if element in list(description):
            description.remove(element)


def _add_keywords(rdf: ET.Element, keywords: Sequence[str], elsewhere: Sequence[str]) -> Outcome:
    """Also copy the keywords of other parts of the file, because most programs show only `dc:subject`."""
    element = _found(rdf, SUBJECT)
    element = element if element is not None else _made(rdf, SUBJECT)
    bag = next((child for child in element if child.tag != LI), None)
    if bag is None:
        alone = (element.text or "").strip()
        element.text = None
        bag = ET.SubElement(element, BAG)
        if alone:
            ET.SubElement(bag, LI).text = alone
    known = {folded((li.text or "").strip()) for li in bag.iter(LI)}
    added, brought = _listed(rdf, ADDED), _listed(rdf, BROUGHT)
    removed = {folded(word) for word in [*added, *brought]} - known  # removed by a person: not added again
    missing = [word for word in dict.fromkeys([*elsewhere, *keywords]) if folded(word) not in known | removed]
    for word in missing:
        ET.SubElement(bag, LI).text = word
    theirs = {folded(word) for word in elsewhere}
    new = [word for word in missing if folded(word) not in theirs]
    _note_list(rdf, ADDED, [*added, *new])
    _note_list(rdf, BROUGHT, [*brought, *(word for word in missing if folded(word) in theirs)])
    if new:
        return "written"
    return "kept" if any(folded(word) in removed for word in keywords) else "unchanged"


def _listed(rdf: ET.Element, tag: str) -> list[str]:
    found = _found(rdf, tag)
    return [(li.text or "").strip() for li in found.iter(LI)] if found is not None else []


def _note_list(rdf: ET.Element, tag: str, lines: Sequence[str]) -> None:
    element = _found(rdf, tag)
    if not lines:
        if element is not None:
            _drop(rdf, element)
        return
    element = element if element is not None else _made(rdf, tag)
    element.clear()
    bag = ET.SubElement(element, BAG)
    for line in lines:
        ET.SubElement(bag, LI).text = line


def _note(rdf: ET.Element, tag: str, text: str) -> None:
    element = _found(rdf, tag)
    if not text:
        if element is not None:
            _drop(rdf, element)
        return
    element = element if element is not None else _made(rdf, tag)
    element.clear()
    element.text = text
