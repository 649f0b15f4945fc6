"""Which addresses and hosts a URL may lead to (promise I2)."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address

import pytest

from tagger.errors import AddressForbidden, FetchFailed
from tagger.net.addresses import AllowedHost, forbidden
from tagger.net.pinned import resolve_checked, system_resolve

BAD = [
    ("0.0.0.0", "this network"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.169.254", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.8", "protocol assignments"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.1.1", "private"),
    ("198.18.0.1", "benchmark"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "IPv4-mapped"),
    ("::ffff:8.8.8.8", "IPv4-mapped"),
    ("::ffff:0:127.0.0.1", "IPv4-translated"),
    ("64:ff9b::a9fe:a9fe", "NAT64"),
    ("64:ff9b:1::a9fe:a9fe", "NAT64"),
    ("100::1", "discard"),
    ("2001::1", "Teredo"),
    ("2001:2::1", "benchmark"),
    ("2001:10::1", "protocol assignments"),
    ("2001:20::1", "protocol assignments"),
    ("2001:db8::1", "documentation"),
    ("2002:a9fe:a9fe::", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "unique local"),
    ("fe80::1", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
]
GOOD = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"]
GOOD += ["192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1"]


def _resolved(*answers: str, private: bool = False) -> list[str]:
    found = resolve_checked("h.test", 80, private=private, deadline=time.monotonic() + 10, resolve=lambda _host, _port: answers)
    return [str(address) for address in found]


@pytest.mark.parametrize(("text", "kind"), BAD)
def test_every_special_class_is_named_and_refused(text: str, kind: str) -> None:
    assert forbidden(ip_address(text)) == kind
    with pytest.raises(AddressForbidden, match=kind):
        _resolved(text)


@pytest.mark.parametrize("text", GOOD)
def test_ordinary_public_addresses_pass(text: str) -> None:
    assert forbidden(ip_address(text)) is None
    assert _resolved(text) == [text]


def test_one_bad_answer_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(AddressForbidden):
        _resolved("8.8.8.8", "2606:4700::1111", "10.0.0.1")


@pytest.mark.parametrize(("text", "kind"), BAD)
def test_a_named_host_may_be_private_but_never_stranger_than_that(text: str, kind: str) -> None:
    if kind in {"loopback", "private", "carrier-grade NAT", "unique local"}:
        assert _resolved(text, private=True) == [text]
    else:
        with pytest.raises(AddressForbidden):
            _resolved(text, private=True)


def test_a_scoped_answer_is_refused() -> None:
    with pytest.raises(AddressForbidden):
        _resolved("fe80::1%eth0", private=True)


@pytest.mark.parametrize(
    "spelling", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "localhost"]
)
def test_odd_spellings_of_loopback_are_seen_through(spelling: str) -> None:
    with pytest.raises(AddressForbidden):
        resolve_checked(spelling, 80, private=False, deadline=time.monotonic() + 10, resolve=system_resolve)


def test_names_that_do_not_resolve_are_worth_another_attempt() -> None:
    def fails(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(FetchFailed) as caught:
        resolve_checked("h.test", 80, private=False, deadline=time.monotonic() + 10, resolve=fails)
    assert caught.value.retryable
    with pytest.raises(FetchFailed):
        _resolved()


@pytest.mark.parametrize(
    ("entry", "host", "port", "covered"),
    [
        ("cms.lan", "cms.lan", 80, True),
        ("CMS.lan.", "cms.lan", 443, True),
        ("cms.lan", "cms.lan", 6379, False),
        ("cms.lan", "cms.lan", 8080, False),
        ("cms.lan", "evil.cms.lan", 80, False),
        ("cms.lan", "cms.lan.evil", 80, False),
        ("127.0.0.1:8090", "127.0.0.1", 8090, True),
        ("127.0.0.1:8090", "127.0.0.1", 8091, False),
        ("[::1]:8090", "::1", 8090, True),
        ("[::1]", "::1", 80, True),
        ("::1", "::1", 80, True),
    ],
)
def test_allowed_hosts_cover_exactly_what_they_name(entry: str, host: str, port: int, covered: bool) -> None:
    assert AllowedHost.parse(entry).covers(host, port) is covered


@pytest.mark.parametrize(
    "entry", ["", "http://cms.lan", "a b", "cms.lan:x", "user@cms.lan", "[::1", ":80", "cms.lan:0", "cms.lan:65536", "cms.lan:٣"]
)
def test_a_malformed_allowed_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        AllowedHost.parse(entry)
