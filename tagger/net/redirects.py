"""The URLs of one request, from the first to the last redirect: which may be asked, and with what rights. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from tagger.errors import AddressForbidden
from tagger.net.addresses import AddressPolicy
from tagger.net.url import URL_POINTER, Hop, follow, parse_url


@dataclass(frozen=True, kw_only=True)
class Step:
    """One URL on the way, with its rights."""

    hop: Hop
    private: bool  # private addresses are allowed
    authorization: str | None = field(repr=False)


class Walk:
    """Follows redirects without carrying rights along.

    A host may have private addresses only while every host before it was named by the policy: a stranger may not send us into
    the network. Credentials stay on the server of the first URL; only a change from http to https keeps them.
    """

    def __init__(self, policy: AddressPolicy, authorization: str | None) -> None:
        self._policy = policy
        self._authorization = authorization
        self._trusted = True
        self._hop: Hop | None = None

    def start(self, url: str) -> Step:
        """Errors: AddressForbidden, UrlInvalid."""
        return self._step(parse_url(url), private=self._policy.allow_private)

    def follow(self, location: str) -> Step:
        """Errors: AddressForbidden, UrlInvalid."""
        before = self._hop
        assert before is not None
        onward = follow(before, location)
        if onward.origin not in (before.origin, f"https://{before.origin.removeprefix('http://')}"):
            self._authorization = None
        return self._step(onward, private=False)

    def _step(self, hop: Hop, *, private: bool) -> Step:
        named = self._policy.names(hop.host, hop.port)
        self._trusted &= named
        if not named and self._policy.ports is not None and hop.port not in self._policy.ports:
            raise AddressForbidden(f"Port {hop.port} is not allowed.", errors=URL_POINTER)
        self._hop = hop
        trusts = self._policy.trusts(hop.host, hop.port, encrypted=hop.scheme == "https")
        return Step(hop=hop, private=private or self._trusted, authorization=self._authorization if trusts else None)
