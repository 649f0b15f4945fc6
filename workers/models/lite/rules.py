"""The concepts that a class implies by the rules of its words (`rules.json`), with the word of each rule. Pure.

A rule of a narrower word takes precedence over that of a broader one. `not_under` names homonyms: the rule of `monitor` (a
screen) is not for a class that is also a `lizard`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workers.models.lite.files import table


@dataclass(frozen=True, kw_only=True)
class Implied:
    weight: float  # P(concept | class)
    word: str  # whose rule says it


@dataclass(frozen=True, kw_only=True)
class Rules:
    of_words: Mapping[str, Mapping[str, float]]
    not_under: Mapping[str, frozenset[str]]
    spread: Mapping[str, int]  # word → the number of classes that have it: the more, the broader

    def implied(self, words: Sequence[str]) -> dict[str, Implied]:
        """Words of a class, narrowest first → concept → what the narrowest word that speaks of it says."""
        found: dict[str, Implied] = {}
        # Broad words come first, so that narrow words overwrite them. Equal ones keep the order of the list; a set has no order.
        for word in sorted(dict.fromkeys(reversed(words)), key=lambda w: -self.spread[w]):
            if not self.not_under.get(word, frozenset()) & set(words):
                found |= {c: Implied(weight=w, word=word) for c, w in self.of_words.get(word, {}).items()}
        return found


@functools.cache
def class_rules() -> Rules:
    stored, names = table("rules.json"), table("imagenet_classes.json")
    return Rules(
        of_words=stored["class"],
        not_under={word: frozenset(others) for word, others in stored["not_under"].items()},
        spread=Counter(word for words in names["words"] for word in words),
    )


def inherited(classes: Iterable[Sequence[str]]) -> list[str]:
    """What broader words say, a line a class: "komodo dragon: animal 1 (reptile), outdoor 0.6 (lizard)"."""
    lines = []
    for words in classes:
        broader = {c: i for c, i in class_rules().implied(words).items() if i.word != words[0] and i.weight > 0}
        if broader:
            said = ", ".join(f"{c} {i.weight:g} ({i.word})" for c, i in sorted(broader.items()))
            lines.append(f"{words[0]}: {said}")
    return lines
