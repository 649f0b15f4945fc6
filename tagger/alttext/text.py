"""Small questions about a text: how long it is for a reader, which scripts it is in, which article a word wants."""

from __future__ import annotations

import regex

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
COMPOUND = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*")
GRAPHEME = regex.compile(r"\X")
CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
CJK_CHAR = regex.compile(rf"[{CJK}]")
STOPS = ".!?。！？…"
TRAILING_STOP = regex.compile(r"(?:[.。]|…)+$")
ABBREVIATION = regex.compile(r"(?:\b\p{L}\.){2,}$")  # "U.S."
CONSONANT_SOUND = regex.compile(r"(?:uni(?!n)|use|usu|eu|one\b|once\b|ukulele|utensil|ewe|u-)", regex.I)
VOWEL_SOUND = regex.compile(r"(?:hour|honest|honou?r|heir|[aeiou])", regex.I)


def length(text: str) -> int:
    """Graphemes."""
    if text.isascii() and "\r" not in text:  # then each character is one, but for a line's end in two
        return len(text)
    return len(GRAPHEME.findall(text))


def bare(text: str) -> str:
    """The text without its final stop; an abbreviation keeps its own."""
    return text if ABBREVIATION.search(text) else TRAILING_STOP.sub("", text).rstrip()


def fold(text: str) -> str:
    """For comparing: letters and digits only, without case."""
    return " ".join(WORD.findall(text.casefold()))


def words(text: str) -> list[str]:
    return COMPOUND.findall(text.casefold())


def article(following: str) -> str:
    """`a` or `an` before an English word, by its sound as far as spelling tells."""
    if CONSONANT_SOUND.match(following):
        return "a"
    return "an" if VOWEL_SOUND.match(following) else "a"


def like(model: str, text: str) -> str:
    """`text` with a capital where `model` had one."""
    return text[:1].upper() + text[1:] if model[:1].isupper() else text


def listed(words: str) -> frozenset[str]:
    """A word list, written as prose is."""
    return frozenset(words.split())
