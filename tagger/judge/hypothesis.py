"""A statement that somebody wants checked against an image: is it English, and could pixels show what it says? Pure.

The check model reads English only, and answers anything else with confidence and without sense.
"""

from __future__ import annotations

import regex

from tagger.alttext.text import words
from tagger.errors import BadRequest, UnsupportedLanguage


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


LONGEST = 500  # characters; the model reads no more than some 80 words
FOREIGN_LETTERS = 0.2  # share of letters outside the Latin script from which a text is not English
ENGLISH = _words(
    "the a an of and in on at with is are was were to for from by near next behind under over between this that these those "
    "it its his her their there no not some two three one who which while as or has have wearing holding standing sitting"
)
FOREIGN = _words(
    # German, French, Spanish, Italian, Portuguese, Dutch, Swedish: short words that carry a sentence and are not English ones
    "der die das und ein eine einen einem einer ist sind mit auf von im zum zur nicht dem den des für unter neben vor hinter "
    "le la les un une des du et est sont avec sur dans pour pas au aux qui que ses leur près derrière "
    "el los las una y es son con en por para del al su sus junto sobre "
    "il lo gli uno di e che nel nella sul sulla della dei delle "
    "o os um uma ao na nas nos em com não "
    "het een van op en zijn met voor niet naast bij "
    "och ett en på är som av den det med för inte"
)
AMBIGUOUS = _words("a an in on at is was as no die den des per man en o e y")
MARKED = regex.compile(r"[äöüßéèêëàâçñíóúãõåæøœîïôûìòùąćęłńśźżčďěňřšťůž¿¡]", regex.I)
# Quality, origin, price, state of mind: true or false, but never in the pixels.
UNSEEABLE = _words(
    "premium luxury luxurious cheap affordable expensive inexpensive bargain exclusive authentic genuine original certified "
    "organic natural handmade homemade durable reliable waterproof breathable hypoallergenic sustainable recycled recyclable "
    "ethical vegan healthy nutritious fresh delicious tasty fragrant scented bestselling popular trendy famous renowned "
    "award-winning imported local limited guaranteed warranty professional efficient innovative comfortable cozy cosy soft quiet "
    "fast secret favourite favorite beautiful perfect best unique quality eco-friendly"
)


def check(text: str) -> tuple[str, ...]:
    """Words of the statement that no pixel can show; the check goes on, but says little about them.

    Errors: BadRequest for a text that is empty or too long; UnsupportedLanguage.
    """
    if not text.strip():
        raise BadRequest("There is no text to check.", "Send an English sentence as `text`.")
    if len(text) > LONGEST:
        raise BadRequest(f"The text has more than {LONGEST} characters.", "Check one sentence at a time.")
    if not is_english(text):
        raise UnsupportedLanguage("The check reads English only.")
    return unseeable(text)


def is_english(text: str) -> bool:
    """False where script, accents or small words speak for another language. A few words without any pass."""
    letters = regex.findall(r"\p{L}", text)
    if not letters:
        return False
    if sum(1 for letter in letters if not regex.match(r"\p{Latin}", letter)) > FOREIGN_LETTERS * len(letters):
        return False
    tokens = words(text)
    english = sum(1 for word in tokens if word in ENGLISH and word not in AMBIGUOUS)
    weak = sum(1 for word in tokens if word in ENGLISH and word in AMBIGUOUS)
    foreign = sum(1 for word in tokens if word in FOREIGN and word not in AMBIGUOUS)
    marked = sum(1 for word in tokens if MARKED.search(word))
    if not english and not weak:
        return foreign == 0 and marked * 2 < len(tokens)
    return foreign + marked / 2 <= english + weak / 2


def unseeable(text: str) -> tuple[str, ...]:
    """Words that speak of what pixels cannot show, each once."""
    return tuple(dict.fromkeys(word for word in words(text) if word in UNSEEABLE))
