"""Who calls without a key, by address: the peer of the connection, unless that is a proxy of ours that names another.

`X-Forwarded-For` is a line that any client can write. It is read only where `trusted_proxies` names the peer, and then from the
right, where the nearest proxy wrote: the first address that is no trusted proxy is the caller. A request that came through any
other proxy is refused, because the proxy's own address says nothing about who is behind it.
"""

from __future__ import annotations

import ipaddress
from functools import cache

from starlette.requests import Request

from tagger.errors import Forbidden, SettingsError
from tagger.net import same_origin
from tagger.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


@cache  # asked with every request, of two settings that never change
def networks(name: str, text: str) -> Networks:
    """The addresses and networks that a setting lists. Errors: SettingsError."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as err:
        raise SettingsError(f"{name}: {err}") from err


def allowed(settings: Settings) -> Networks:
    return networks("compat_addresses", settings.compat_addresses)


def trusted(settings: Settings) -> Networks:
    return networks("trusted_proxies", settings.trusted_proxies)


def check_caller(request: Request, settings: Settings) -> None:
    """Errors: Forbidden."""
    caller = calling_address(request, trusted(settings))
    if not _among(caller, allowed(settings)):
        raise Forbidden(f"The address {caller} is not in `compat_addresses`.")


def check_page(request: Request, settings: Settings) -> None:
    """These routes take no key, so a web page must not be able to use its reader's browser for them. Errors: Forbidden."""
    names = {name.strip().lower() for name in (settings.compat_hosts + "," + settings.api_host).split(",")}
    refused = same_origin.refusal(request.method, request.headers, names - {""})
    if refused is not None:
        raise Forbidden(
            refused, "Call these routes by address, or add the name to `compat_hosts`. Web pages may not call these routes."
        )


def calling_address(request: Request, proxies: Networks) -> Address:
    """Errors: Forbidden."""
    peer = _address(request.client.host if request.client is not None else "")
    if not _among(peer, proxies):
        if any(name in request.headers for name in FORWARDED):
            raise Forbidden("The request came through a proxy that is not in `trusted_proxies`.")
        return peer
    named = [part for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    for part in reversed(named):
        peer = _address(part)
        if not _among(peer, proxies):
            return peer
    return peer


def _address(text: str) -> Address:
    """Errors: Forbidden."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise Forbidden("The address of the caller is unknown.") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _among(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
