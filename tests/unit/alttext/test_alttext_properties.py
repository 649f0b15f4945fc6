"""What holds for every text, whatever a model or a file says: found by trying to break it."""

from __future__ import annotations

import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from support.alttext_linter import faults

from tagger.alttext import form
from tagger.alttext import text as text_module
from tagger.alttext.rules import CLEANERS
from tagger.alttext.types import Cleaned, TextField, TextRules
from tagger.asset import Context

GRAPHEMES = regex.compile(r"\X")
FIELDS = st.sampled_from(sorted(CLEANERS))
LOCALES = st.sampled_from(["en", "en-GB", "zh-Hans", "zh-Hant", "de", "ja", "ar", "tr"])
RULES = st.builds(TextRules, final_stop=st.booleans(), caption_final_stop=st.booleans())
PROSE = """
a an the cat dog dogs man woman men women boys girl person people old young beautiful cute stunning probably maybe red small
lush sitting standing riding on in with of and while near his her is that two three bench sofa street horse bike field hour
umbrella photo image picture showing this there are it's men's man-made Paris iPhone US painting map chart black white very
"""
WORDS = PROSE.split()
NOISE = ["<b>", "</b>", "https://example.com/a.jpg", "😀", "🇩🇪", "\n", "\t", "\x07", "&amp;", "**", "`", "\u200b"]
NOISE += [",", ".", ";", " ", "IMG_1234", "[x](y)", "\\"]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=45).map(" ".join)
DIRTY = st.lists(st.sampled_from(WORDS + NOISE), min_size=1, max_size=30).map(" ".join)
HAN_PARTS = [
    "图片中",
    "有",
    "一只",
    "可爱的",
    "猫",
    "和",
    "一名男子",
    "女孩",
    "在",
    "沙发上",
    "可能",
    "，",
    "。",
    "这张照片",
    "显示",
]
HAN_PARTS += ["美丽的", "风景", "iPhone", " ", "圖片中", "兩隻", "馬", "的照片", "一张"]
HAN = st.lists(st.sampled_from(HAN_PARTS), min_size=1, max_size=15).map("".join)
ANY = st.one_of(SENTENCES, DIRTY, HAN, st.text(max_size=80))
NEUTRAL = {"person", "people", "child", "children", "two", "three", "four", "five", "six", "seven", "eight", "their", "a", "an"}


def length(text: str) -> int:
    return len(GRAPHEMES.findall(text))


def run(text: str, field: TextField, locale: str, rules: TextRules | None = None) -> Cleaned:
    return CLEANERS[field](text, locale=locale, rules=rules or TextRules(), context=Context(contains_text=False))


@settings(max_examples=400, deadline=None)
@given(ANY, FIELDS, LOCALES, RULES)
def test_cleaning_a_clean_text_changes_nothing(text: str, field: TextField, locale: str, rules: TextRules) -> None:
    once = run(text, field, locale, rules)
    if once.value:
        again = run(once.value, field, locale, rules)
        assert (again.value, again.action, again.reasons) == (once.value, once.action, once.reasons)


@settings(max_examples=400, deadline=None)
@given(ANY, FIELDS, LOCALES, RULES)
def test_a_text_grows_only_by_neutral_nouns_and_one_stop(text: str, field: TextField, locale: str, rules: TextRules) -> None:
    out = run(text, field, locale, rules).value
    if out:
        nouns = 4 * len(regex.findall(r"(?:wo)?m[ae]n|boys?|girls?|his|her", text))
        assert length(out) <= length(text) + nouns + 1
        if not nouns:
            assert length(out.rstrip(".。")) <= length(text)


@settings(max_examples=300, deadline=None)
@given(SENTENCES, FIELDS, RULES)
def test_no_word_is_ever_cut(text: str, field: TextField, rules: TextRules) -> None:
    out = run(text, field, "en", rules).value
    assert set(regex.findall(r"[\w'-]+", (out or "").lower())) <= set(regex.findall(r"[\w'-]+", text.lower())) | NEUTRAL


@settings(max_examples=400, deadline=None)
@given(st.one_of(DIRTY, SENTENCES, HAN), FIELDS, st.sampled_from(["en", "zh-Hans"]), st.booleans())
def test_what_is_published_passes_an_independent_reading(text: str, field: TextField, locale: str, stop: bool) -> None:
    out = run(text, field, locale, TextRules(final_stop=stop, caption_final_stop=stop))
    if out.action == "publish" and out.value:
        assert faults(out.value, locale, final_stop=stop and field != "title") == []


@settings(max_examples=400, deadline=None)
@given(ANY, FIELDS, LOCALES)
def test_no_markup_address_control_character_or_emoji_is_left(text: str, field: TextField, locale: str) -> None:
    out = run(text, field, locale).value or ""
    assert not regex.search(r"[<>\\\p{Cc}\p{Cs}\p{Co}\p{Extended_Pictographic}\p{Zl}\p{Zp}]|https?://|www\.|`", out)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="猫狗花园红色的在一只大小山水天", min_size=1, max_size=40), FIELDS)
def test_chinese_characters_are_never_altered_only_dropped(text: str, field: TextField) -> None:
    out = run(text, field, "zh-Hans", TextRules(caption_final_stop=False)).value or ""
    rest = iter(text)
    assert all(char in rest for char in out)


@settings(max_examples=200, deadline=None)
@given(ANY, FIELDS, LOCALES)
def test_an_empty_text_is_never_made_by_cleaning(text: str, field: TextField, locale: str) -> None:
    out = run(text, field, locale)
    assert out.value != ""
    assert (out.value is None) == (out.action == "suppress")
    assert out.action == "publish" or out.reasons


PIECES = st.sampled_from(
    ["www", "com", "a", "Cat", "9", " ", "'s", "-", ",", "(", ")", ".", ":", "/", "@", "&amp;", "<b>", "*", "_", "#"]
)


@settings(max_examples=1_000)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_taken_for_plain_is_what_a3_leaves_as_it_is(text: str) -> None:
    if form.NOTHING_ELSE.fullmatch(text):
        assert form._plain_text(text) == text


@given(text=st.text("ab\r\n", max_size=8) | st.text(st.characters(max_codepoint=127), max_size=40) | st.text(max_size=20))
def test_a_length_is_in_graphemes_also_where_no_pattern_counts_them(text: str) -> None:
    assert text_module.length(text) == length(text)
