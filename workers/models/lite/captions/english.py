"""A draft in English: "a person in orange with a ball on grass". Articles, plurals, numbers."""

from __future__ import annotations

import re

from workers.models.lite.captions.draft import MANY, Draft, Part, Setting
from workers.models.lite.files import table

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLURAL_NAMES = frozenset(table("wordlists.json")["plural_names"])
MASS_NAMES = frozenset(table("wordlists.json")["mass_names"])
SAID_AS: dict[str, str] = table("wordlists.json")["said_as"]  # names that are not two names
PLURALS = {
    "person": "people",
    "leaf": "leaves",
    "mouse": "mice",
    "goose": "geese",
    "wolf": "wolves",
    "bus": "buses",
    **dict.fromkeys(("sheep", "fish", "skis", "scissors"), None),
}
SETTINGS: dict[Setting, str] = {
    "under a blue sky": "under a blue sky",
    "in a blue sky": "in a blue sky",
    "under a pale sky": "under a pale sky",
    "on grass": "on grass",
    "outdoors": "outdoors",
    "indoors": "indoors",
    "green background": "against a green background",
    "dark background": "against a dark background",
    "white background": "against a white background",
}
FAMILIES = re.compile(r"(?i)(uni|use|eu|one)")  # begin with a vowel that is spoken as a consonant


def english(draft: Draft) -> str:
    words = [phrase(draft.subject)]
    if draft.shot == "close-up":
        words.insert(0, "a close-up of")
    elif draft.shot == "portrait":
        words.insert(0, "a portrait of")
    if draft.second is not None:
        words += [draft.relation, phrase(draft.second)]
    if draft.setting is not None:
        words.append(SETTINGS[draft.setting])
    text = " ".join(words)
    return f"{text}, in black and white" if draft.black_and_white else text


def phrase(part: Part) -> str:
    """ "a blue bus", "three people", "an espresso", "a person in dark clothing"."""
    noun = part.name or part.noun.word
    coloured = f"{part.colour} {noun}" if part.colour else noun
    text = _counted(part, coloured, noun)
    if part.worn is not None:
        text += " in dark clothing" if part.worn == "dark" else f" in {part.worn}"
    return text


def _counted(part: Part, coloured: str, noun: str) -> str:
    if part.noun.uncounted and part.name is None:
        return coloured
    if part.noun.plural_only and part.name is None:
        return coloured[: -len(noun)] + plural(noun)
    if part.number == 1:
        return with_article(coloured)
    many = coloured[: -len(noun)] + plural(noun)
    if part.number == MANY or part.number >= len(NUMBERS):
        return many
    return f"{NUMBERS[part.number]} {many}"


def plural(noun: str) -> str:
    *before, last = noun.split(" ")
    if last in PLURALS:
        form = PLURALS[last] or last
    elif re.search(r"(s|x|z|ch|sh)$", last):
        form = last + "es"
    elif re.search(r"[^aeiou]y$", last):
        form = last[:-1] + "ies"
    elif re.search(r"[^f]fe$", last):
        form = last[:-2] + "ves"
    else:
        form = last + "s"
    return " ".join([*before, form])


def with_article(noun: str) -> str:
    """ "espresso" → "an espresso"; "jeans" and "wool" take none."""
    if noun in MASS_NAMES or (re.search(r"[^s]s$", noun) and noun.split()[-1] in PLURAL_NAMES):
        return noun
    vowel = re.match(r"(?i)[aeiou]", noun) and not FAMILIES.match(noun)
    return f"{'an' if vowel else 'a'} {noun}"


def plain(label: str) -> str:
    """An ImageNet name as one would say it: "crate / box (large)" → "crate"."""
    return SAID_AS.get(label) or re.split(r"\s*/\s*|\s*\(|\s+or\s+", label)[0].strip()
