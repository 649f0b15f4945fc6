"""An http(s) URL, read in one way only and kept as the caller wrote it. Pure.

Path and query are part of many signatures, so they go onto the wire unchanged: `%7E` stays `%7E`, `%2f` stays lower case, and
`+`, `?` without a query and dot segments stay too. Only what HTTP cannot carry is percent-encoded (blanks and non-ASCII), and
what browsers encode, since no URL may hold it and strict servers refuse it: `"`, `<`, `>`, and in the path a backtick and braces.
A backslash in the path is a slash, as in browsers; one at the border of the host is refused, because readers disagree there.
The host is read strictly, because the checks of `addresses.py` and the connection must see the same one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

import idna

from tagger.errors import AddressForbidden, Pointer, UrlInvalid

MAX_URL = 8192  # characters
DEFAULT_PORTS = {"http": 80, "https": 443}
URL_POINTER = (Pointer(pointer="/asset/image/url"),)

BLANKS = " \t\r\n"  # around a URL; not str.strip(), which also takes bytes of UTF-8 that are read as Latin-1
_VISIBLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_QUERY_CHARS = "".join(char for char in _VISIBLE_ASCII if char not in '"<>')
_PATH_CHARS = "".join(char for char in _QUERY_CHARS if char not in "`{}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_TWO_SLASHES = re.compile(r"[/\\]{2}")
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(\.[a-z0-9_-]+)*")  # no empty label: clients drop dots, each in its own way


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One URL, taken apart: the checks, the connection and the request line all use these parts."""

    scheme: str
    host: str  # ASCII, lower case; IPv6 without brackets
    port: int
    target: str  # path and query, ASCII without blanks, otherwise as they were written; see `_as_sent`

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def masked(self) -> str:
        path, query, _ = self.target.partition("?")
        return self.origin + path + ("?…" if query else "")


def parse_url(text: str) -> Hop:
    """Errors: UrlInvalid when the URL cannot be read in one way only; AddressForbidden when it is not plain http(s) or holds
    user info. Neither tells the URL, which may hold a secret.
    """
    text = text.strip(BLANKS)
    if len(text) > MAX_URL:
        raise _invalid(f"The URL has more than {MAX_URL} characters.")
    if any(c < " " or c == "\x7f" for c in text):
        raise _invalid("The URL holds a control character.")
    match = _URL.fullmatch(text)
    if match is None:
        if (other := _SCHEME.match(text)) is not None and other[0].lower() not in ("http:", "https:"):
            raise _forbidden_scheme()
        raise _invalid("The URL is not absolute: it must begin with http:// or https:// and a host.")
    scheme = match[1].lower()
    if scheme not in DEFAULT_PORTS:
        raise _forbidden_scheme()
    if "\\" in match[2]:
        raise _invalid("The URL holds a backslash beside its host.")
    if "@" in match[2]:
        raise AddressForbidden(
            "The URL holds a user name or a password.",
            "Send the image's bytes, or serve the image without a login.",
            errors=URL_POINTER,
        )
    host, port = host_and_port(match[2])
    target = _slashed(match[3] if match[3].startswith("/") else "/" + match[3])
    return Hop(scheme=scheme, host=host, port=port or DEFAULT_PORTS[scheme], target=_as_sent(target))


def follow(hop: Hop, location: str) -> Hop:
    """Where a `Location` leads, from the URL that answered with it. `location`: its bytes, each read as a Latin-1 character.

    UTF-8 is what servers mean by bytes above 127; others go back to the server as the bytes that it sent.
    Errors: as `parse_url`.
    """
    raw = location.encode("latin-1", "replace")
    try:
        reference = raw.decode().strip(BLANKS)
    except UnicodeDecodeError:
        reference = quote(raw, safe=_VISIBLE_ASCII + BLANKS).strip(BLANKS)
    if _SCHEME.match(reference):
        return parse_url(reference)
    if _TWO_SLASHES.match(reference) and not reference.startswith("//"):
        raise _invalid("The redirect holds a backslash beside its host.")
    if reference.startswith("//"):
        return parse_url(f"{hop.scheme}:{reference}")
    return parse_url(hop.origin + _resolved(hop.target, _slashed(reference.partition("#")[0])))


def _slashed(target: str) -> str:
    """Path and query with slashes for the path's backslashes: Windows wrote it."""
    path, mark, query = target.partition("?")
    return path.replace("\\", "/") + mark + query


def _resolved(target: str, reference: str) -> str:
    """A relative reference (RFC 3986, 5.2). `urljoin` would drop an empty query and touch a path that is complete."""
    path = target.partition("?")[0]
    if not reference:
        return target
    if reference.startswith("?"):
        return path + reference
    own, mark, query = reference.partition("?")
    if not own.startswith("/"):
        own = path[: path.rindex("/") + 1] + own
    return _without_dots(own) + mark + query


def _without_dots(path: str) -> str:
    parts = path.split("/")[1:]
    segments: list[str] = []
    for part in parts:
        if part == "..":
            del segments[-1:]
        elif part != ".":
            segments.append(part)
    if parts[-1] in (".", ".."):
        segments.append("")
    return "/" + "/".join(segments)


def host_and_port(authority: str) -> tuple[str, int]:
    """The host, and the port or 0 for the scheme's own. Errors: UrlInvalid."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _invalid("The URL's host or port is not valid.")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise _invalid("The URL's port must be a number from 1 to 65535.")
    return (_v6_host(match["v6"]) if match["v6"] else _ascii_host(match["name"])), port or 0


def _v6_host(text: str) -> str:
    try:
        return str(IPv6Address(text))  # one spelling, as in a site's list of hosts
    except AddressValueError:
        raise _invalid("The URL's IPv6 address is not valid.") from None


def _ascii_host(name: str) -> str:
    try:
        host = name if name.isascii() else ".".join(map(_ascii_label, idna.uts46_remap(name, std3_rules=False).split(".")))
    except (idna.IDNAError, UnicodeError):
        host = ""
    host = host.lower().removesuffix(".")
    if not _NAME.fullmatch(host):
        raise _invalid("The URL's host name is not valid.")
    return host


def _ascii_label(label: str) -> str:
    """As browsers do (UTS 46). IDNA 2008 would refuse `my_shop` beside `müller`, and a heart, although names with both exist."""
    if label.isascii():
        return label
    if unicodedata.category(label[0]).startswith("M"):
        raise idna.IDNAError("a label begins with a mark")
    return "xn--" + label.encode("punycode").decode("ascii")


def _as_sent(target: str) -> str:
    path, mark, query = target.partition("?")
    try:
        return quote(path, safe=_PATH_CHARS) + mark + quote(query, safe=_QUERY_CHARS)
    except UnicodeEncodeError:
        raise _invalid("The URL is not valid Unicode.") from None


def _invalid(detail: str) -> UrlInvalid:
    return UrlInvalid(detail, errors=URL_POINTER)


def _forbidden_scheme() -> AddressForbidden:
    return AddressForbidden("Only http and https URLs are fetched.", errors=URL_POINTER)
