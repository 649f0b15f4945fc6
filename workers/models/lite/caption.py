"""Template captions under their honest name: "an espresso", "three people with a bus". Pure.

They say what is there and how many, never who: a person is "a person", whatever the pixels hint at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject, Prediction
from workers.models.lite.belief import believed, denied, overruled
from workers.models.lite.detect import sure
from workers.models.lite.files import table
from workers.models.lite.words import unsayable

SAY = 0.5  # a subject under this is not offered at all
SURE = 0.8  # from here a subject may be published, and a fine-grained name used
BESIDE = 0.8  # a second thing is named only when the detector is sure of it
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# Words of WordNet that a reader would use for a subject, the narrowest that passes is said.
LISTS = table("wordlists.json")
NOUNS = frozenset(LISTS["nouns"])
BROAD = frozenset(LISTS["broad"])
PLURAL_NAMES = frozenset(LISTS["plural_names"])
UNCOUNTED = frozenset({"food", "furniture", "clothing", "broccoli", "fruit", "bread"})
WORN = frozenset({"tie", "backpack", "handbag"})  # found on persons; naming them makes a clumsy sentence
KINDS: Mapping[str, str] = {"chart": "a chart", "document": "a document", "map": "a map", "screenshot": "a screenshot"}
PLURALS = {"person": "people", "sheep": "sheep", "skis": "pairs of skis", "scissors": "pairs of scissors", "knife": "knives"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    text: str
    head: str  # the word that names it
    score: float
    specific: bool  # enough to be published, and neither model contradicts it


def caption(prediction: Prediction, words: Mapping[str, Sequence[str]], model: str) -> CaptionPrediction | None:
    """The sentence, or None where no subject passes 0.5. `words`: WordNet words of each class name.

    Of a picture that is no photograph, only its kind: the models were trained on photographs and see absurd things elsewhere.
    """
    if prediction.kinds and prediction.kinds[0].kind != "photograph":
        first = prediction.kinds[0]
        text = KINDS.get(first.kind) if prediction.kind is not None else None
        return CaptionPrediction(model=model, text=text, score=first.score, specific=False) if text else None
    classes, objects = prediction.classes, prediction.objects
    subjects = [s for s in (_things(objects, classes), _class(classes, words, objects)) if s is not None and s.score >= SAY]
    if not subjects:
        return None
    best = max(subjects, key=lambda s: (s.score >= SURE and s.specific, s.score))
    specific = best.specific and best.score >= SURE and (prediction.kind == "photograph" or not prediction.kinds)
    return CaptionPrediction(model=model, text=best.text, score=round(believed(best.head, prediction), 4), specific=specific)


def _things(objects: Sequence[DetectedObject], classes: Sequence[ClassScore]) -> Subject | None:
    """What the detector counts: persons first, then the surest other kind."""
    likely = [(o.label, sure(o)) for o in objects if sure(o) >= SAY]
    if not likely:
        return None
    counts = Counter(label for label, _ in likely)
    best: dict[str, float] = {}
    for label, score in likely:
        best[label] = max(best.get(label, 0.0), score)
    ranked = sorted(best, key=lambda label: (label != "person" or best[label] < SURE, -best[label], label))
    head, score = ranked[0], best[ranked[0]]
    text = counted(counts[head], head)
    beside = [label for label in ranked[1:] if best[label] >= BESIDE and label not in WORN]
    if beside:
        text = f"{text} with {counted(counts[beside[0]], beside[0])}"
    return Subject(text=text, head=head, score=score, specific=not denied(head, classes))


def _class(
    classes: Sequence[ClassScore], words: Mapping[str, Sequence[str]], objects: Sequence[DetectedObject]
) -> Subject | None:
    """The class's own name from 0.8; else the narrowest everyday word that gathers enough of the probability."""
    if not classes:
        return None
    first = max(classes, key=lambda c: c.score)
    agreed = not overruled(first.label, objects)
    if first.score >= SURE and not unsayable((plain(first.label),)):
        head = next(iter(words.get(first.label, ())), plain(first.label))
        return Subject(text=with_article(plain(first.label)), head=head, score=min(1.0, first.score), specific=agreed)
    mass: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    for seen in classes:
        for word in set(words.get(seen.label, ())) & (NOUNS | BROAD):
            mass[word] += seen.score  # type: ignore[assignment]  # Counter adds floats as well
            spread[word] += 1
    passing = [w for w in mass if mass[w] >= SURE] or [w for w in mass if mass[w] >= SAY]
    if not passing:
        return None
    word = min(passing, key=lambda w: (w in BROAD, spread[w], -mass[w], w))
    text = word if word in UNCOUNTED else with_article(word)
    return Subject(text=text, head=word, score=min(1.0, float(mass[word])), specific=word not in BROAD and agreed)


def counted(number: int, noun: str) -> str:
    """1, "bus" → "a bus"; 3, "person" → "three people"; 12, "cup" → "many cups"."""
    if noun in UNCOUNTED:
        return noun
    if number == 1:
        return f"a pair of {noun}" if noun in ("skis", "scissors") else with_article(noun)
    return f"{NUMBERS[number] if number <= 10 else 'many'} {plural(noun)}"


def plural(noun: str) -> str:
    if noun in PLURALS:
        return PLURALS[noun]
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(noun: str) -> str:
    """ "espresso" → "an espresso"; plural names such as "jeans" take none."""
    if re.search(r"[^s]s$", noun) and noun.split()[-1] in PLURAL_NAMES:
        return noun
    vowel = re.match(r"[aeiou]", noun, re.IGNORECASE) and not re.match(r"(uni|use|eu|one)", noun, re.IGNORECASE)
    return f"{'an' if vowel else 'a'} {noun}"


def plain(label: str) -> str:
    """An ImageNet name as one would say it: "crate / box (large)" → "crate"."""
    return re.split(r"\s*/\s*|\s*\(|\s+or\s+", label)[0].strip()
