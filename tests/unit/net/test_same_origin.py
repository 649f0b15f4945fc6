"""Requests without a key: those from a web page of another site are refused, those from a program are not."""

from __future__ import annotations

import pytest

from tagger.net.same_origin import refusal

OWN = {"tagger.internal"}


@pytest.mark.parametrize("host", ["127.0.0.1:8400", "127.0.0.1", "[::1]:8400", "10.1.2.3", "localhost:1", "Tagger.Internal:80"])
def test_a_program_may_call_by_address_or_by_a_name_of_ours(host: str) -> None:
    assert refusal("POST", {"host": host}, OWN) is None
    assert refusal("POST", {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}, OWN) is None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8400", "127.0.0.1.evil.example", "", "a@127.0.0.1", "127.0.0.1/x", "[::1"],
)
def test_another_name_is_refused(method: str, host: str) -> None:
    assert refusal(method, {"host": host}, OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_page_is_refused(headers: dict[str, str]) -> None:
    assert refusal("POST", {"host": "127.0.0.1:8400", **headers}, OWN)
    assert refusal("GET", {"host": "127.0.0.1:8400", **headers}, OWN) is None  # a link; what it answers no page can read
