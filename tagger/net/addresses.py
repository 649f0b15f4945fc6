"""Which network addresses a server may be sent to by a stranger's URL. Pure; `tagger/net/pinned.py` resolves and connects.

`ipaddress.is_global` cannot be used: on Python 3.11 it is True for NAT64 and 6to4 forms of the metadata address, for site-local
and for multicast. So the forbidden ranges are listed (IANA special-purpose registries), and IPv6 must lie in 2000::/3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tagger.errors import AddressForbidden
from tagger.net.url import host_and_port, parse_url

Address = IPv4Address | IPv6Address

# An operator may open these, for a named host. The others have no honest image server behind them.
PRIVATE = frozenset({"loopback", "private", "carrier-grade NAT", "unique local"})
USUAL_PORTS = frozenset({80, 443})

_RANGES: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmark"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmark"),
    ("2001:db8::/32", "documentation"),
    ("2001::/23", "protocol assignments"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
_NETWORKS: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple((ip_network(text), name) for text, name in _RANGES)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def forbidden(address: Address) -> str | None:
    """The name of the class that forbids `address`, or None when it is an ordinary public one."""
    for network, name in _NETWORKS:
        if address.version == network.version and address in network:
            return name
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "reserved"
    return None


def plainly_forbidden(host: str) -> str | None:
    """The class that forbids a host which is written as an address, or is `localhost`; None for any other name."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "loopback"
    try:
        return forbidden(ip_address(name))
    except ValueError:
        return None


def unreachable(url: str, allow_private: bool) -> str | None:
    """The class that forbids the host of an endpoint's URL, where that can be seen without asking for its name.

    Errors: AddressForbidden for a URL that cannot be read.
    """
    kind = plainly_forbidden(parse_url(url).host)
    return None if kind in PRIVATE and allow_private else kind


@dataclass(frozen=True, kw_only=True)
class AllowedHost:
    """One entry of `Site.allowed_hosts`: "cms.lan" (ports 80 and 443) or "127.0.0.1:8090", "[::1]:8090" (exactly that port)."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> AllowedHost:
        """The host is read as that of a URL is, so that both are the same. Errors: ValueError when it is no host or host:port."""
        entry = text.strip()
        if entry.count(":") > 1 and not entry.startswith("["):
            entry = f"[{entry}]"  # a bare IPv6 address, which cannot have a port
        try:
            host, port = host_and_port(entry)
        except AddressForbidden:
            raise ValueError(f"{text!r} is not a host") from None
        return cls(host=host, port=port or None)

    @classmethod
    def known(cls, texts: Sequence[str]) -> tuple[AllowedHost, ...]:
        """Those of a site; one that an earlier version took and that is no host opens nothing."""
        networks = []
        for text in texts:
            with contextlib.suppress(ValueError):
                networks.append(cls.parse(text))
        return tuple(networks)

    def covers(self, host: str, port: int) -> bool:
        """A name alone does not open whatever else listens on that machine, such as its database or its admin pages."""
        return self.host == host and (port in USUAL_PORTS if self.port is None else port == self.port)

    def trusts(self, host: str, port: int, *, encrypted: bool) -> bool:
        """Whether credentials may go there: in clear text only to a port that was named, as in "cms.lan:80"."""
        return self.covers(host, port) and (encrypted or self.port is not None)


@dataclass(frozen=True, kw_only=True)
class AddressPolicy:
    """Which servers a request may reach."""

    allowed_hosts: tuple[AllowedHost, ...] = ()  # these may have private addresses, and get the request's credentials
    ports: frozenset[int] | None = frozenset({80, 443, 8080, 8443})  # of other hosts; None: every port
    allow_private: bool = False  # the requested URL may lead to a private address; a redirect may not

    def names(self, host: str, port: int) -> bool:
        return any(entry.covers(host, port) for entry in self.allowed_hosts)

    def trusts(self, host: str, port: int, *, encrypted: bool) -> bool:
        """Whether credentials may go there."""
        return any(entry.trusts(host, port, encrypted=encrypted) for entry in self.allowed_hosts)
