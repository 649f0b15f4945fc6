"""What a picture shows first of all, as specific as is sure and more general where it is not; and how many. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tagger.prediction import ClassScore, DetectedObject, Prediction
from workers.models.lite.belief import confirmed, overruled
from workers.models.lite.captions.draft import MANY, Part
from workers.models.lite.captions.english import plain
from workers.models.lite.captions.nouns import Noun, narrowest, noun, sources
from workers.models.lite.detect import overlap_of, sure
from workers.models.lite.lexicon import lexicon
from workers.models.lite.words import unsayable

SAY = 0.4  # a subject under this is not offered at all
SURE = 0.85  # from here a noun may be published
ALONE = 0.95  # the same of a word that only one class has: pictures of unknown things land in single classes
HINTED = 0.25  # of a box, from which the detector supports what the classifier says
BROAD = 0.75  # of a general word: many small shares add up to "an animal" where there is none
SEEN = 0.2  # of the classifier's own scores: under it a sharpened share of a few per cent would pass for a likely thing
LIKELY = 0.6  # from here a thing is rather proposed than a sure scene around it
NAMED = 0.87  # of one class: from here its own name is used
THERE = 0.5  # of a box: from here it is counted
MAYBE = 0.1  # of a box: from here it may be another one
SAME = 0.6  # overlap from which two boxes show one thing
WORN = frozenset({"tie", "backpack", "handbag", "hat", "shoe", "clothing"})  # on persons: to name them makes a clumsy sentence


@dataclass(frozen=True, kw_only=True)
class Subject:
    part: Part
    boxes: tuple[DetectedObject, ...]  # that show it; none where only the classifier sees it
    agreed: bool  # neither model contradicts it
    share: float = 1.0  # probability that the number is right


def subject(prediction: Prediction, believed: Mapping[str, float]) -> Subject | None:
    """A person where the detector is sure of one, else the narrowest word that is sure, else the likeliest word."""
    person = _persons(prediction, believed["person"])
    if person is not None and person.part.score >= SURE:
        return person
    named = _named(prediction.classes, prediction.objects)
    if named is not None:
        return named
    boxed = {o.label for o in prediction.objects if sure(o) >= HINTED}
    words = [
        (known, p)
        for w, p in believed.items()
        if p >= SAY and w not in WORN and (known := noun(w)) and (known.scenery or w in boxed or _seen(w, prediction) >= SEEN)
    ]
    words = [(n, p) for n, p in words if not n.broad or n.scenery or p >= BROAD]
    sure_ones = [(n, p) for n, p in words if p >= (SURE if n.spread > 1 else ALONE) and not n.broad]
    things = [(n, p) for n, p in sure_ones if not n.scenery]
    likely = [(n, p) for n, p in words if p >= LIKELY and n.word in boxed]
    if things:
        best = min(things, key=lambda pair: (pair[0].spread, -pair[1]))  # the narrowest
    elif sure_ones and not likely:
        best = min(sure_ones, key=lambda pair: (pair[0].spread, -pair[1]))
    elif words:  # left to a person: the likeliest, and of about equal ones the broader
        best = min(likely or words, key=lambda pair: (pair[0].broad, -round(pair[1], 1), -pair[0].spread))
    else:
        return None
    return _of_word(best[0], prediction, best[1])


def _seen(word: str, prediction: Prediction) -> float:
    """What the classifier gives to all that is such a thing."""
    known = lexicon().class_index
    rows = frozenset(sources(word))
    return sum(c.score for c in prediction.classes if known.get(c.label) in rows)


def _named(classes: Sequence[ClassScore], objects: Sequence[DetectedObject]) -> Subject | None:
    """One class that is sure by itself, by its own name."""
    first = max(classes, key=lambda c: c.score, default=None)
    if first is None or first.score < NAMED or unsayable((plain(first.label),)):
        return None
    name, known = plain(first.label), narrowest(lexicon().class_index[first.label])
    if known is not None and name != name.lower():  # breeds and brands: a capital would pass for a person's name
        name = known.word
    part = Part(noun=known or Noun(word=name, zh=None), score=min(1.0, first.score / NAMED), name=name)
    boxes = tuple(o for o in objects if known is not None and o.label == known.word and sure(o) >= THERE)
    counted = known is None or known.word not in lexicon().object_index or bool(boxes)
    return Subject(part=part, boxes=boxes, agreed=counted and not overruled(first.label, objects))


def _of_word(known: Noun, prediction: Prediction, score: float) -> Subject:
    """A word that the classes give, with the boxes of that kind."""
    seen = of_boxes(known.word, prediction.objects, score)
    if seen is not None:
        return Subject(part=seen.part, boxes=seen.boxes, agreed=confirmed(known.word, prediction.classes))
    first = max(prediction.classes, key=lambda c: c.score, default=None)
    uncounted = not known.scenery and known.word in lexicon().object_index  # the detector knows it, and shows none to count
    agreed = first is None or known.scenery or not (uncounted or overruled(first.label, prediction.objects))
    return Subject(part=Part(noun=known, score=score), boxes=(), agreed=agreed)


def _persons(prediction: Prediction, score: float) -> Subject | None:
    """As the detector counts them, or as many as there are faces, if these are more."""
    found, faces = of_boxes("person", prediction.objects, score), prediction.faces or ()
    if not faces or (found is not None and len(found.boxes) > len(faces)):
        return found
    boxes = found.boxes if found is not None else tuple(o for o in prediction.objects if o.label == "person")[:1]
    seen = max(len(faces), sum(o.label == "person" and sure(o) >= MAYBE for o in prediction.objects))
    number = len(faces) if seen == len(faces) or len(faces) == 1 else MANY
    surest = max(face.score for face in faces)
    if len(faces) == 1 and found is not None:
        return Subject(part=replace(found.part, score=max(found.part.score, surest * found.share)), boxes=boxes, agreed=True)
    known = noun("person")
    assert known is not None
    return Subject(part=Part(noun=known, score=max(score, surest), number=number), boxes=boxes, agreed=True)


def of_boxes(label: str, objects: Sequence[DetectedObject], score: float) -> Subject | None:
    """What the detector counts of one kind, if it is sure of any."""
    known, likely = noun(label), sorted((o for o in objects if o.label == label), key=lambda o: -o.score)
    there = tuple(o for o in likely if sure(o) >= THERE)
    if known is None or not there:
        return None
    maybe = [sure(o) for o in likely if MAYBE <= sure(o) < THERE and all(overlap_of(o.box, t.box) < SAME for t in there)]
    more = 1.0 - math.prod(1.0 - p for p in maybe)  # that there is one more than is counted
    surest = max(score, max(sure(o) for o in there)) if label == "person" else score
    if len(there) > 1:
        return Subject(part=Part(noun=known, score=surest, number=MANY if maybe else len(there)), boxes=there, agreed=True)
    number, share = (MANY, more) if more > 0.5 else (1, 1.0 - more)
    return Subject(part=Part(noun=known, score=surest * share, number=number), boxes=there, agreed=True, share=share)


def names_the_same(one: str, other: str) -> bool:
    """Whether two words may be two views of one thing: both animals, both vehicles, both food."""
    return bool(_kinds(one) & _kinds(other))


@functools.cache
def _kinds(word: str) -> frozenset[str]:
    return frozenset(w for row in sources(word) for w in lexicon().words[row]) & FAMILIES


FAMILIES = frozenset({"animal", "vehicle", "food", "furniture", "vessel"})
