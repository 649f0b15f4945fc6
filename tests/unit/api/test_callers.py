"""Who may call without a key: the peer's address, and a forwarded one only from a proxy that the operator named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from tagger.api.callers import check_caller
from tagger.errors import Forbidden, SettingsError
from tagger.settings import Settings

OFFICE = "127.0.0.1, ::1,198.51.100.0/24,2001:db8::/32"


def request(peer: str | None, **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "client": None if peer is None else (peer, 1), "headers": named})


def allowed(peer: str | None, *, addresses: str = OFFICE, proxies: str = "", **headers: str) -> bool:
    try:
        check_caller(request(peer, **headers), Settings(compat_addresses=addresses, trusted_proxies=proxies))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("peer", "good"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("::1", True),
        ("198.51.100.0", True),
        ("198.51.100.255", True),
        ("198.51.101.0", False),
        ("::ffff:198.51.100.9", True),  # IPv4 on a socket that takes both
        ("::ffff:203.0.113.9", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("testclient", False),
        (None, False),
    ],
)
def test_the_list_covers_exactly_what_it_names(peer: str | None, good: bool) -> None:
    assert allowed(peer) is good


@pytest.mark.parametrize("addresses", ["", " , "])
def test_an_empty_list_lets_nobody_in(addresses: str) -> None:
    assert not allowed("127.0.0.1", addresses=addresses)


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_a_proxy_that_nobody_named_is_no_way_in(name: str) -> None:
    """Its own address, often loopback, would let in everybody behind it; and a client may write such a line itself."""
    assert not allowed("127.0.0.1", **{name: "203.0.113.9"})
    assert not allowed("127.0.0.1", **{name: "127.0.0.1"})
    assert not allowed("203.0.113.9", **{name: "127.0.0.1"})


@pytest.mark.parametrize(
    ("forwarded", "good"),
    [
        ("198.51.100.7", True),
        ("203.0.113.9", False),
        ("198.51.100.7, 203.0.113.9", False),  # the caller wrote the first; our proxy wrote the last
        ("203.0.113.9, 198.51.100.7", True),
        ("198.51.100.7, 10.0.0.2", True),  # through two proxies of ours
        ("203.0.113.9,10.0.0.2 ,10.0.0.2", False),
        ("198.51.100.7, nonsense", False),
        ("198.51.100.7, ", False),
        ("", False),
        ("10.0.0.2", False),  # the proxy itself asks
        ("198.51.100.7:4711", False),
        ("2001:db8::7", True),
    ],
)
def test_a_named_proxy_is_believed_from_the_right(forwarded: str, good: bool) -> None:
    assert allowed("10.0.0.1", proxies="10.0.0.0/24", x_forwarded_for=forwarded) is good


def test_a_named_proxy_that_says_nothing_is_itself_the_caller() -> None:
    assert not allowed("10.0.0.1", proxies="10.0.0.0/24")
    assert allowed("10.0.0.1", proxies="10.0.0.0/24", addresses="10.0.0.1")


def test_a_mistake_in_a_list_is_named() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        check_caller(request("127.0.0.1"), Settings(trusted_proxies="everyone"))
    with pytest.raises(SettingsError, match="compat_addresses"):
        check_caller(request("127.0.0.1"), Settings(compat_addresses="10.0.0.1/8"))


STRANGERS = st.ip_addresses(v=4).map(str).filter(lambda text: not text.startswith(("198.51.100.", "127.", "10.")))


@given(stranger=STRANGERS, claimed=st.lists(st.sampled_from(["127.0.0.1", "198.51.100.7", "::1", "10.0.0.9"]), max_size=4))
def test_no_claim_lets_a_stranger_in(stranger: str, claimed: list[str]) -> None:
    line = ", ".join([*claimed, stranger])
    assert not allowed("10.0.0.1", proxies="10.0.0.0/24", x_forwarded_for=line)
    assert not allowed(stranger, proxies="10.0.0.0/24", x_forwarded_for=line)
    assert not allowed("127.0.0.1", x_forwarded_for=line)
