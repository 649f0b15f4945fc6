"""The parts of the pages that need no server: sessions, guesses, languages, and that every word has its Chinese one."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.api.pages import frame, picture, session, shown
from tagger.api.pages.chinese import CHINESE
from tagger.api.pages.guesses import ADDRESSES, FREE, LONGEST, Guesses
from tagger.api.pages.page_secret import page_secret
from tagger.demo.library import Config
from tagger.settings import load

SECRET, OTHER = b"s" * 32, b"o" * 32
NOW = 1_790_000_000_000


def test_a_session_ends_after_its_time_and_only_our_signature_opens_it() -> None:
    made = session.begin("blog", "key_1", NOW)
    cookie = session.sealed(made, SECRET)
    assert session.opened(cookie, SECRET, NOW + session.LIFE_MS - 1) == made
    assert session.opened(cookie, SECRET, NOW + session.LIFE_MS) is None
    assert session.opened(cookie, OTHER, NOW) is None


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "\u00e9.\u00e9", "e30=." + "0" * 64], ids=range(5))
def test_what_is_no_cookie_of_ours_opens_nothing(cookie: str) -> None:
    assert session.opened(cookie, SECRET, NOW) is None


def test_a_session_cannot_be_turned_into_one_of_another_site() -> None:
    mine = session.sealed(session.begin("blog", "key_1", NOW), SECRET)
    theirs = session.sealed(replace(session.begin("blog", "key_1", NOW), site_id=None), OTHER)
    assert session.opened(theirs.partition(".")[0] + "." + mine.partition(".")[2], SECRET, NOW) is None


def test_two_sessions_of_one_key_have_different_form_tokens() -> None:
    tokens = {session.form_token(session.begin("blog", "key_1", NOW), SECRET) for _ in range(2)}
    assert len(tokens) == 2


def test_wrong_keys_make_an_address_wait_longer_each_time() -> None:
    guesses, waits = Guesses(), []
    for _ in range(FREE + 12):
        guesses.wrong("192.0.2.1", 100.0)
        waits.append(guesses.wait("192.0.2.1", 100.0))
    assert waits[: FREE - 1] == [0.0] * (FREE - 1), "who mistypes is not stopped"
    assert waits[FREE - 1 :] == sorted(waits[FREE - 1 :])
    assert (waits[FREE - 1], waits[-1]) == (1.0, LONGEST)
    assert guesses.wait("192.0.2.2", 100.0) == 0, "others do not wait"
    assert guesses.wait("192.0.2.1", 100.0 + LONGEST) == 0


def test_a_network_of_ipv6_is_one_guesser_and_a_right_key_clears_it() -> None:
    guesses = Guesses()
    for number in range(FREE):
        guesses.wrong(f"2001:db8::{number}", 1.0)
    assert guesses.wait("2001:db8::ffff", 1.0) > 0
    assert guesses.wait("2001:db8:0:1::1", 1.0) == 0
    guesses.right("2001:db8::1")
    assert guesses.wait("2001:db8::ffff", 1.0) == 0


def test_many_addresses_do_not_fill_the_memory() -> None:
    guesses = Guesses()
    for number in range(ADDRESSES + 100):
        guesses.wrong(f"host-{number}", 1.0)
    assert len(guesses._wrong) == ADDRESSES


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path)
    first = page_secret(settings)
    assert page_secret(settings) == first
    assert (tmp_path / "page-secret").stat().st_mode & 0o777 == 0o600


def test_processes_with_one_operators_key_have_one_secret_and_a_new_key_another(tmp_path: Path) -> None:
    one, other, new = (
        page_secret(load({}, home=tmp_path / home, admin_key=key)) for home, key in (("a", "old"), ("b", "old"), ("a", "new"))
    )
    assert one == other != new


def test_without_a_place_for_the_secret_the_pages_still_work(tmp_path: Path) -> None:
    assert len(page_secret(load({}, home=tmp_path / "missing"))) == 32


def _said() -> set[str]:
    """Every text that a page passes to the translator."""
    texts = {text for words in shown.LABELS.values() for text in words.values()} | {title for _, title in frame.PAGES}
    for file in (frame.HERE / "templates").glob("*.html"):
        texts |= {found for _, found in re.findall(r"""\bt\((["'])(.+?)\1[,)]""", file.read_text("utf-8"))}
    texts |= {picture.NO_BYTES, picture.NOT_FETCHED, picture.NOT_SHOWN}
    for node in ast.walk(ast.parse((frame.HERE / "history.py").read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "what" and isinstance(node.value, ast.Constant):
            texts.add(node.value.value)
    return texts


def test_every_text_has_a_chinese_one_and_no_chinese_text_is_left_over() -> None:
    said = _said()
    assert len(said) > 80
    assert {text for text in said if text not in CHINESE} == set(), "add them to chinese.py or chinese_words.py"
    assert {text for text in CHINESE if text not in said} == set()


def test_a_translation_has_the_blanks_of_its_text() -> None:
    blanks = re.compile(r"\{\w+\}")
    assert {text for text, chinese in CHINESE.items() if sorted(blanks.findall(text)) != sorted(blanks.findall(chinese))} == set()


def test_no_page_has_a_script_a_style_or_an_address_of_another_server() -> None:
    for file in (frame.HERE / "templates").glob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|\shx-on|https?:|\|\s*safe", text), file.name


def test_the_sample_library_links_to_the_page_of_an_image(tmp_path: Path) -> None:
    hook = "http://127.0.0.1:8400/v1/hooks/demo"
    config = Config(home=tmp_path, public_url="", hook_url=hook, hook_secret="", callback_secrets=())
    assert config.page_of("7&8") == "http://127.0.0.1:8400/pages/asset?site=demo&id=7%268"
