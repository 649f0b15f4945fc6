"""What strangers send, altered at random: signatures, hooks, addresses of images, metadata of pictures.

Each property says what must come out, so that a reader which merely never raises does not pass.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import pytest
import urllib3
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tagger.cms.generic.hook import parse_hook
from tagger.errors import AddressForbidden, BadRequest, SignatureInvalid
from tagger.file_metadata import Said
from tagger.imagemeta import exif, iptc, xmp
from tagger.imagemeta.read import BOILERPLATE, MAX_KEYWORDS, MAX_TEXT, read_metadata
from tagger.net import signing
from tagger.net.url import parse_url
from tagger.site import Site

# --- signatures -------------------------------------------------------------------------------------------------------

SECRET = signing.new_secret()
NOW = 1_795_000_000


@given(
    body=st.binary(min_size=1, max_size=40), at=st.integers(0, 200), bit=st.integers(0, 7),
    part=st.sampled_from(["body", "webhook-id", "webhook-timestamp", "webhook-signature"]),
)  # fmt: skip
def test_one_bit_changed_anywhere_is_refused(body: bytes, at: int, bit: int, part: str) -> None:
    headers = signing.sign([SECRET], "dlv_1", NOW, body)
    assert signing.verify([SECRET], headers, body, NOW) == "dlv_1"
    raw = bytearray(body if part == "body" else headers[part].encode())
    raw[at % len(raw)] ^= 1 << bit
    changed = dict(headers) if part == "body" else {**headers, part: raw.decode("latin-1")}
    # the last character of base64 holds two bits that mean nothing: what decodes to the same signature is the same signature
    assume(part != "webhook-signature" or _decoded(changed[part]) != _decoded(headers[part]))
    with pytest.raises(SignatureInvalid):
        signing.verify([SECRET], changed, bytes(raw) if part == "body" else body, NOW)


def _decoded(signature: str) -> tuple[str, str | bytes]:
    version, _, text = signature.partition(",")
    try:
        return version, base64.b64decode(text, validate=True)
    except ValueError:
        return version, text.rstrip("=")


@given(age=st.integers(-(10**6), 10**6))
def test_only_five_minutes_are_good(age: int) -> None:
    headers = signing.sign([SECRET], "dlv_1", NOW - age, b"x")
    if abs(age) <= 300:
        assert signing.verify([SECRET], headers, b"x", NOW) == "dlv_1"
    else:
        with pytest.raises(SignatureInvalid):
            signing.verify([SECRET], headers, b"x", NOW)


# --- hooks ------------------------------------------------------------------------------------------------------------

SITE = Site(id="demo", name="Demo", profile="news", locales=("en",))
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
HOOKS = st.fixed_dictionaries(
    {
        "id": WORDS | st.integers(-(2**63) + 1, 2**63 - 1),
        "revision": st.none() | WORDS | st.integers(0, 10**12),
        "role": st.sampled_from(["informative", "decorative", "link", "button", "logo", "unknown"]),
        "title": st.none() | WORDS,
        "contains_text": st.none() | st.booleans(),
        "metadata": st.dictionaries(WORDS, WORDS, max_size=3),
    }
)


def _message(wanted: dict[str, Any], **data: Any) -> bytes:
    asset = {"id": wanted["id"], "revision": wanted["revision"], "image": {"url": "https://cms.example/a.jpg"}}
    context = {key: wanted[key] for key in ("role", "title", "contains_text")}
    whole = {"asset": asset, "context": context, "metadata": wanted["metadata"], **data}
    return json.dumps({"type": "asset.created", "data": whole}).encode()


@given(HOOKS)
def test_what_an_honest_hook_says_is_what_the_job_says(wanted: dict[str, Any]) -> None:
    request = parse_hook(SITE, "evt_1", _message(wanted))
    assert request is not None
    assert request.asset_id == str(wanted["id"])
    assert request.asset_revision == (None if wanted["revision"] is None else str(wanted["revision"]))
    assert (request.context.role, request.context.title) == (wanted["role"], wanted["title"])
    assert request.context.contains_text is wanted["contains_text"]
    assert request.metadata == wanted["metadata"]
    assert (request.site_id, request.profile, request.event_id) == ("demo", "news", "evt_1")


BROKEN = [None, True, [], {}, "", "x\x00", "\ud800", 1.5, "y" * 5000]


@given(HOOKS, st.sampled_from(["id", "role", "title", "metadata"]), st.sampled_from(BROKEN))
def test_one_broken_part_is_pointed_at(wanted: dict[str, Any], part: str, value: Any) -> None:
    honest = {"id": [], "role": [None], "title": [None, "", "y" * 5000], "metadata": [None, {}, []]}[part]
    assume(not any(value == good and type(value) is type(good) for good in honest))
    with pytest.raises(BadRequest) as caught:
        parse_hook(SITE, "evt_1", _message({**wanted, part: value}))
    where = {"id": "/data/asset/id", "metadata": "/data/metadata"}.get(part, f"/data/context/{part}")
    assert [p.pointer for p in caught.value.errors] == [where]


# --- addresses of images ----------------------------------------------------------------------------------------------

HOSTS = st.sampled_from(
    ["cms.example", "127.0.0.1", "[::1]", "CMS.example.", "bücher.example", "a_b.example", "2130706433", "0x7f.1"]
)
GLUE = st.text(st.sampled_from(list("/\\@:?#%[]. \t\n;&=.,'\"<>éx１。-_")), max_size=6)


@given(
    scheme=st.sampled_from(["http:", "https:", "HTTP:", "ftp:", "file:", "javascript:", ""]),
    before=GLUE,
    host=HOSTS,
    after=GLUE,
    other=HOSTS,
)
@example(scheme="http:", before="//", host="cms.example", after="\\@", other="127.0.0.1")
@example(scheme="http:", before="//", host="cms.example", after="#@", other="127.0.0.1")
@example(scheme="http:", before="//", host="cms.example", after="@", other="127.0.0.1")
@example(scheme="http:", before="//", host="cms.example", after="。", other="127.0.0.1")
def test_checker_and_client_read_the_same_host(scheme: str, before: str, host: str, after: str, other: str) -> None:
    """The classic hole: one parser checks `cms.example`, another connects to 127.0.0.1."""
    for text in (scheme + before + host + after + other, scheme + "//" + host + after + other):
        try:
            hop = parse_url(text)
        except AddressForbidden as err:
            assert [p.pointer for p in err.errors] == ["/asset/image/url"]  # noqa: PT017 - most of them are refused, not all
            continue
        assert hop.scheme in ("http", "https")
        assert "@" not in urlsplit(text).netloc
        assert hop.host == hop.host.lower()
        assert hop.host.isascii()
        for read in (urllib3.util.parse_url(hop.url).host, urlsplit(hop.url).hostname):
            assert (read or "").strip("[]") == hop.host
        assert parse_url(hop.url) == hop, "what is rebuilt reads the same again"
        assert not set(hop.url) & set(" \t\r\n\\")
        assert "?" not in hop.masked.removesuffix("?…"), "a query may hold a signature"


# --- metadata of pictures ---------------------------------------------------------------------------------------------

PLAIN = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30).filter(
    lambda text: text.lower() not in BOILERPLATE
)


def _iim(*sets: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in sets)


def _photoshop(block: bytes, name: bytes) -> bytes:
    """Behind another resource with a name, padded to even lengths as the format has it."""
    padded = bytes([len(name)]) + name + (b"" if len(name) % 2 else b"\0")
    other = b"8BIM" + struct.pack(">H", 0x0425) + padded + struct.pack(">I", 3) + b"abc\0"
    return b"Photoshop 3.0\0" + other + b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">I", len(block)) + block


def _tiff(order: str, text: bytes, orientation: int, junk: list[tuple[int, int, int, int]]) -> bytes:
    """One directory: junk entries, the orientation, a description; its text behind the directory."""
    entries = [*junk, (exif.ORIENTATION, 3, 1, -1), (exif.DESCRIPTION, 2, len(text), 8 + 2 + 12 * (len(junk) + 2) + 4)]
    made = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        made += struct.pack(order + "HHI", tag, kind, count)
        made += struct.pack(order + "HH", orientation, 0) if value == -1 else struct.pack(order + "I", value)
    return made + bytes(4) + text


@given(caption=PLAIN, words=st.lists(PLAIN, max_size=5), name=st.binary(max_size=5), wrapped=st.booleans())
def test_iptc_is_read_as_it_was_written(caption: str, words: list[str], name: bytes, wrapped: bool) -> None:
    block = _iim((iptc.CAPTION, caption.encode()), *((iptc.KEYWORD, word.encode()) for word in words))
    found = read_metadata(iptc_block=_photoshop(block, name) if wrapped else block)
    assert found.caption == Said(text=caption, source="iptc")
    assert [said.text.casefold() for said in found.keywords] == list(dict.fromkeys(word.casefold() for word in words))


JUNK = st.lists(st.tuples(st.integers(0x9D00, 0xFFFF), st.integers(0, 0xFFFF), *[st.integers(0, 2**32 - 1)] * 2), max_size=6)


@given(
    order=st.sampled_from("<>"),
    text=PLAIN,
    orientation=st.integers(0, 65_535),
    junk=JUNK,
    prefix=st.sampled_from([b"", b"Exif\0\0"]),
)
def test_exif_is_read_in_either_byte_order_past_any_junk(
    order: str, text: str, orientation: int, junk: list[tuple[int, int, int, int]], prefix: bytes
) -> None:
    padded = text.encode() + b"\0" * 5  # longer than the four bytes that lie in the entry itself
    found = read_metadata(exif_block=prefix + _tiff(order, padded, orientation, junk))
    assert found.caption == Said(text=text, source="exif")
    assert found.orientation == (orientation if 1 <= orientation <= 8 else 1)
    assert found.warnings == ()


def _xmp(text: str, words: list[str], depth: int = 0) -> bytes:
    items = "".join(f"<rdf:li>{escape(word)}</rdf:li>" for word in words)
    packet = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description xmlns:dc="{xmp.DC}">'
        f"{'<dc:x>' * depth}{'</dc:x>' * depth}"
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></dc:description>'
        f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return packet.encode()


@given(text=PLAIN, words=st.lists(PLAIN, max_size=5), depth=st.integers(0, 200))
def test_xmp_is_read_as_it_was_written_or_refused_as_too_deep(text: str, words: list[str], depth: int) -> None:
    found = read_metadata(xmp_packet=_xmp(text, words, depth))
    if depth + 3 > xmp.MAX_DEPTH:
        assert found.caption is None
        assert found.warnings
    else:
        assert found.caption == Said(text=text, source="xmp")
        assert [said.text.casefold() for said in found.keywords] == list(dict.fromkeys(word.casefold() for word in words))


@pytest.mark.parametrize(
    "head", ['<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">']
)
def test_xmp_with_entities_is_refused_and_nothing_is_expanded(head: str) -> None:
    found = read_metadata(xmp_packet=head.encode() + _xmp("&b;", []).replace(b"&amp;", b"&"))
    assert found.caption is None
    assert found.warnings


BLOCKS = st.sampled_from([
    _iim((iptc.CAPTION, b"A cat"), (iptc.KEYWORD, b"cat")), _photoshop(_iim((iptc.CAPTION, b"A cat")), b"nam"),
    _tiff("<", b"A cat\0\0", 6, [(0x8769, 4, 1, 8)]), _tiff(">", b"A cat\0\0", 6, []), _xmp("A cat", ["cat"]),
])  # fmt: skip


@given(block=BLOCKS, data=st.data())
def test_an_altered_block_is_read_or_passed_over_and_never_more(block: bytes, data: st.DataObject) -> None:
    raw = bytearray(block)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=4))
        if not raw:
            break
    cut = bytes(raw)[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else bytes(raw)
    for found in (read_metadata(exif_block=cut), read_metadata(iptc_block=cut), read_metadata(xmp_packet=cut)):
        assert 1 <= found.orientation <= 8
        for said in (found.caption, found.title, found.alt_text, *found.keywords):
            assert said is None or (0 < len(said.text) <= MAX_TEXT and said.text.isprintable())


def test_endless_metadata_is_cut() -> None:
    sets = _iim(*((iptc.KEYWORD, b"word %d" % n) for n in range(5_000)), (iptc.CAPTION, b"x" * 32_000))
    assert len(read_metadata(iptc_block=sets).keywords) == MAX_KEYWORDS
    assert len(read_metadata(iptc_block=_iim((iptc.CAPTION, b"x" * 32_000))).caption.text) == MAX_TEXT  # type: ignore[union-attr]
    circle = _tiff("<", b"A cat\0\0", 3, [(0x8769, 4, 1, 8)])  # the inner directory is the outer one
    assert read_metadata(exif_block=circle).orientation == 3
    with pytest.raises(xmp.XmpRefused):
        xmp.read(b"<a>" + b" " * xmp.MAX_BYTES + b"</a>")
