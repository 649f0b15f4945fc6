"""English words of a term, their forms, and words that must not be derived from pixels. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tagger.catalog.vocabulary import Term
from workers.models.lite.files import table

# Gender, age and the like: rule A13 forbids them, and pixels cannot tell.
UNSAYABLE = frozenset(table("wordlists.json")["unsayable"])

SAME_AS: dict[str, str] = table("same_as.json")  # Wikidata's ids of everyday things


def english(term: Term) -> tuple[str, ...]:
    """Label and synonyms in English, each once. Without any: what `same_as` means."""
    texts = [label for locale, label in term.labels.items() if _is_english(locale)]
    texts += [s for locale, some in term.synonyms.items() if _is_english(locale) for s in some]
    if not texts:
        texts = [SAME_AS[uri] for uri in term.same_as if uri in SAME_AS]
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))


def forms(text: str) -> frozenset[str]:
    """The spellings under which a word is looked up: lower case, spaces for `-` and `_`, singular, without an article."""
    plain = re.sub(r"[\s_\-]+", " ", text.casefold()).strip()
    plain = re.sub(r"^(an?|the) ", "", plain)
    spellings = {plain}
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss"):
        spellings.add(plain[:-1])
        if plain.endswith("ies"):
            spellings.add(plain[:-3] + "y")
        elif plain.endswith("es"):
            spellings.add(plain[:-2])
    if plain.endswith("leaves"):
        spellings.add(plain[:-3] + "f")
    return frozenset(spellings)


def unsayable(texts: Sequence[str]) -> bool:
    """Whether a term speaks of a person's gender, age or the like: every text of it does, alone or as its last word."""
    return all((forms(text) | forms(text.split()[-1])) & UNSAYABLE for text in texts)


def _is_english(locale: str) -> bool:
    return locale == "en" or locale.startswith("en-")
