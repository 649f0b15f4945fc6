"""Whether a request without a key may come from a web page of somebody else's. Pure.

A page can make its reader's browser call any address that the browser reaches: directly, which the browser tells of in `Origin`
and `Sec-Fetch-Site`, or under a name of the page's own that suddenly means this machine (DNS rebinding), which then stands in
`Host`. A plain address in `Host` is no name, and so cannot have been made to mean something else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

LOCAL = frozenset({"localhost"})
SAFE = frozenset({"GET", "HEAD"})


def refusal(method: str, headers: Mapping[str, str], hosts: Collection[str]) -> str | None:
    """Why the request is refused; None: it may be answered. `hosts`: names that mean this service, in lower case.

    A page may link to ours, and cannot read what a GET of another site answers.
    """
    authority = headers.get("host", "")
    name = _name(authority)
    if name is None or not (_is_address(name) or name in LOCAL or name in hosts):
        return f"{authority[:100]!r} is not a name of this service."
    if method in SAFE:
        return None
    origin = headers.get("origin")
    if origin is not None and _authority(origin) != authority.lower():
        return "The request came from a web page of another site."
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "The request came from a web page of another site."
    return None


def host_of(authority: str) -> str:
    """The name in a `Host` header, in lower case; empty if there is none."""
    return _name(authority) or ""


def _name(authority: str) -> str | None:
    try:
        parts = urlsplit(f"//{authority}")
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return None
        return parts.hostname
    except ValueError:
        return None


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
