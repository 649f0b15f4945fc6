"""The URLs of settings: a scheme that tagger can use, and a host and port that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")  # those of kombu that speak Redis
HTTP_SCHEMES = ("https", "http")


def check_url(url: str, schemes: Sequence[str]) -> None:
    """Each library that reads the URL later would raise an error of its own. The message names nothing of the URL but its scheme:
    the rest may hold a password. Errors: ValueError.
    """
    for one in url.split(";") if url else ():  # of several sentinels
        scheme, separator, _ = one.partition("://")
        if not separator or scheme not in schemes:
            given = f"`{scheme}` is none" if separator and scheme.isascii() and scheme.isprintable() else "this has none"
            raise ValueError(f"a URL begins with {' or '.join(f'{name}://' for name in schemes)}; {given} of them")
        try:
            _ = urlsplit(one).port
        except ValueError:
            raise ValueError("the host or the port of the URL is not valid") from None
