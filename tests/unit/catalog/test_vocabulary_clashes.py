"""Warnings of words that lead to two terms, and locales that meet."""

from __future__ import annotations

import unicodedata

import pytest

from tagger.catalog.vocabulary import Category, Term, Vocabulary, check_vocabulary
from tagger.locales import pick, pick_or_any

NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def told(*terms: Term) -> tuple[str, ...]:
    categories = (Category(id="c", terms=terms[:1]), Category(id="d", terms=terms[1:]))
    return check_vocabulary(Vocabulary(name="v", version=1, categories=categories))


def term(term_id: str, label: str, *synonyms: str, locale: str = "en") -> Term:
    return Term(id=term_id, labels={locale: label}, synonyms={locale: synonyms} if synonyms else {})


@pytest.mark.parametrize("synonym", ["mug", "MUG", "Mug"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_synonym_that_is_another_terms_label(synonym: str, turned: bool) -> None:
    terms = [term("cup", "cup", synonym), term("mug", "mug")]
    assert told(*(reversed(terms) if turned else terms)) == (
        f"The synonym `{synonym}` (en) of `cup` is the label of `mug`; a search finds both.",
    )


def test_two_terms_with_one_synonym() -> None:
    assert told(term("cup", "cup", "beaker"), term("glass", "glass", "Beaker")) == (
        "`cup` and `glass` share the synonym `Beaker` (en); a search finds both.",
    )


def test_one_label_in_two_unicode_forms() -> None:
    [warning] = told(term("a", NFC), term("b", NFD))
    assert "`a` and `b` share the label" in warning
    assert r"written as 'caf\xe9' and 'cafe\u0301'" in warning, "on a screen the two look the same"
    assert told(term("a", NFC), term("b", "bar", NFD.upper()))


@pytest.mark.parametrize(
    "mark",
    ["\u200b", "\u200e", "\u202e", "\u00ad", "\ufeff", "\t", "\u00a0", "\u2009", "\u2028", "\x85"],
    ids=["blank", "ltr", "override", "hyphen", "bom", "tab", "no-break", "thin", "line", "next-line"],
)
def test_a_character_that_nobody_sees(mark: str) -> None:
    """An editor's own word would stand beside it; an override turns the text behind it around."""
    assert told(term("cat", f"c{mark}at")) == (
        f"The label `c\\u{ord(mark):04x}at` (en) of `cat` holds an invisible character; to a CMS it is another word.",
    )
    assert told(term("cat", "می\u200cخواهم", locale="fa"), term("heart", "क्\u200dष", locale="hi")) == ()
    assert told(term("cup", "coffee cup"), term("tea", "茶\u3000碗", locale="ja")) == ()


def test_what_is_no_clash() -> None:
    assert told(term("cup", "cup", "Cup", "mug", "mug"), term("mug", "Becher", "mug", locale="de")) == ()


@pytest.mark.parametrize(
    ("reader", "has"),
    [
        ("no", "nb"),
        ("no", "nn"),
        ("nb", "no"),
        ("nn", "no"),
        ("nn", "nb"),
        ("nb-NO", "no"),
        ("no-NO", "nb"),
        ("he", "iw"),
        ("in", "id"),
    ],
)
def test_codes_of_one_language_meet(reader: str, has: str) -> None:
    assert pick({"en": "cat", has: "katt"}, reader) == "katt"


def test_the_readers_own_code_comes_first() -> None:
    assert pick({"no": "1", "nn": "2", "nb": "3"}, "nb") == "3"
    assert pick({"nn": "2", "no": "1"}, "nb") == "1"
    assert pick({"en": "cat"}, "no") is None
    assert pick({"da": "kat"}, "no") is None
    assert pick_or_any({"en": "cat", "nb-NO": "katt"}, "no") == "katt", "the language counts more than English"
