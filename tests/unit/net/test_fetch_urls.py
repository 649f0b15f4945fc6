"""How a URL is read: strictly, and without telling its secrets."""

from __future__ import annotations

import pytest

from tagger.errors import AddressForbidden
from tagger.net.url import follow, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://cms.example", "cms.example", 80, "/"),
        ("https://CMS.Example./a.jpg?w=1#top", "cms.example", 443, "/a.jpg?w=1"),
        ("https://cms.example:8443//a//b", "cms.example", 8443, "//a//b"),
        ("http://[2606:4700::1111]/a", "2606:4700::1111", 80, "/a"),
        ("http://bücher.example/ä", "xn--bcher-kva.example", 80, "/%C3%A4"),
        ("http://①②⑦.⓪.⓪.①/", "127.0.0.1", 80, "/"),
        ("http://my_shop.bücher.example/", "my_shop.xn--bcher-kva.example", 80, "/"),
        ("http://r3---sn.bücher.example/", "r3---sn.xn--bcher-kva.example", 80, "/"),
        ("http://i❤.example/", "xn--i-7iq.example", 80, "/"),
        ("http://faß.BÜCHER。example./", "xn--fa-hia.xn--bcher-kva.example", 80, "/"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, target: str) -> None:
    hop = parse_url(url)
    assert (hop.host, hop.port, hop.target) == (host, port, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cms.example/a.jpg",
        "//cms.example/a.jpg",
        "ftp://cms.example/a.jpg",
        "file:///etc/passwd",
        "gopher://cms.example/",
        "data:image/png;base64,AA",
        "http:///a.jpg",
        "http://user:secret@cms.example/",
        "http://@cms.example/",
        "http://cms.example:99999/",
        "http://cms.example:x/",
        "http://cms.example\\@evil.example/",
        "http://cms.example\\a.jpg",
        "http:\\\\cms.example\\a.jpg",
        "http://cms.example/\r\nX: y",
        "http://cms.example%2f@evil/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://cms.example,evil/",
        "http://" + "a" * 300 + "/",
        "http://../",
        "http://bücher..example/",
        "http://bücher％2fevil/",
        "http://\u0301a.example/",
        "http://a\u2028b.example/",
        "http://.cms.example/",
        "http://cms..example/",
        "http://cms.example../",
        "http://cms.example/" + "a" * 9000,
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(AddressForbidden) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    assert caught.value.errors[0].pointer == "/asset/image/url"


@pytest.mark.parametrize(
    ("location", "target"),
    [("\\a.jpg", "/a.jpg"), ("media\\a.jpg", "/x/media/a.jpg"), ("..\\a.jpg?p=c:\\d", "/a.jpg?p=c:\\d"),
     ("http://cms.example/media\\a.jpg", "/media/a.jpg")],
    ids=["root", "relative", "up", "whole"],
)  # fmt: skip
def test_a_backslash_in_a_path_is_a_slash_as_in_browsers(location: str, target: str) -> None:
    assert follow(parse_url("http://cms.example/x/y.jpg"), location).url == "http://cms.example" + target


@pytest.mark.parametrize("location", ["\\\\evil.example/a.jpg", "/\\evil.example/a.jpg", "\\/evil.example/a.jpg"])
def test_a_backslash_beside_a_host_is_not_followed(location: str) -> None:
    with pytest.raises(AddressForbidden):
        follow(parse_url("http://cms.example/x"), location)


def test_a_shown_url_hides_its_query() -> None:
    assert parse_url("https://cms.example/a.jpg?X-Signature=secret").masked == "https://cms.example/a.jpg?…"
