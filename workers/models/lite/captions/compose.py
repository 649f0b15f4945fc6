"""Prediction and pixels → a caption that says only what is sure. Pure.

Captions say what is there and how many, never who: a person is always "a person".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tagger.prediction import CaptionPrediction, DetectedObject, Pixels, Prediction
from workers.models.lite.belief import naming_classes
from workers.models.lite.captions import colours, setting
from workers.models.lite.captions.chinese import chinese
from workers.models.lite.captions.draft import Draft, Part, Relation
from workers.models.lite.captions.english import english
from workers.models.lite.captions.nouns import believed_nouns, noun
from workers.models.lite.captions.subject import SURE, WORN, Subject, names_the_same, of_boxes, subject
from workers.models.lite.detect import sure

KINDS: Mapping[str, tuple[str, str]] = {
    "chart": ("a chart", "图表"),
    "document": ("a document", "文件"),
    "map": ("a map", "地图"),
    "screenshot": ("a screenshot", "屏幕截图"),
}
UNSAID = 0.5  # of another thing: from here the caption probably leaves out what matters
LARGE_ENOUGH = 0.03  # share of the picture under which another thing does not matter
WEIGHT = 0.5  # of what was left out


def caption(prediction: Prediction, thumb: Pixels, model: str) -> CaptionPrediction | None:
    """The sentence, or None where no subject is likely.

    If the picture is no photograph, the caption names only its kind: the models were trained on photographs.
    """
    if prediction.kinds and prediction.kinds[0].kind != "photograph":
        return _of_kind(prediction, model)
    believed = believed_nouns(prediction)
    found = subject(prediction, believed)
    if found is None:
        return None
    made = draft(prediction, thumb, found, believed)
    photograph = prediction.kind == "photograph" or not prediction.kinds
    zh = chinese(made)
    return CaptionPrediction(
        model=model,
        text=english(made),
        score=round(made.score, 4),
        specific=photograph and found.agreed and is_specific(made),
        agreed=found.agreed,
        others=(("zh", zh),) if zh is not None else (),
    )


def draft(prediction: Prediction, thumb: Pixels, found: Subject, believed: Mapping[str, float]) -> Draft:
    """The subject, and each further thing that is sure."""
    part, word = found.part, found.part.noun.word
    black_and_white = prediction.look is not None and prediction.look.black_and_white
    if word == "person" and len(found.boxes) == 1 and part.number == 1 and not black_and_white:
        part = replace(part, worn=colours.worn(found.boxes[0], thumb))
    elif not black_and_white:
        part = replace(part, colour=colours.of_thing(part.noun, found.boxes[0] if found.boxes else None, thumb))
    other, how = _second(prediction, found, believed, thumb)
    unsaid = _unsaid(prediction, found, other)
    place = setting.setting(part.noun, prediction, found.boxes, thumb)
    shot = setting.shot(part, prediction, found.boxes) if other is None else None
    if place in ("outdoors", "indoors") and (other is not None or part.score < SURE):
        place = None  # a bus says as much
    scores = [part.score, *([other.score] if other is not None else [])]
    return Draft(
        subject=part,
        second=other,
        relation=how,
        setting=place,
        shot=shot,
        black_and_white=black_and_white,
        score=min(scores) * (1.0 - WEIGHT * unsaid),
    )


def is_specific(made: Draft) -> bool:
    """Whether the caption names more than a general kind of thing. Persons and scenery need a second thing."""
    known = made.subject.noun
    more = made.second is not None or made.subject.colour is not None or made.subject.worn is not None
    if made.subject.name is not None:
        return True
    if known.broad and known.scenery:
        return False
    if known.scenery:
        return more or made.setting is not None
    if known.word == "person":
        return more or made.setting is not None or made.shot is not None or made.black_and_white
    return not known.broad


def _second(prediction: Prediction, found: Subject, believed: Mapping[str, float], thumb: Pixels) -> tuple[Part | None, Relation]:
    """The surest other thing, with its place where the boxes tell it."""
    word = found.part.noun.word
    likely = sorted(
        (w for w, p in believed.items() if p >= SURE and w not in WORN and w not in (word, "person") and _beside(w, word, found)),
        key=lambda w: (_spread(w), -believed[w]),
    )
    if not likely:
        return None, "and"
    best = likely[0]
    seen = of_boxes(best, prediction.objects, believed[best])
    known = noun(best)
    assert known is not None
    if seen is None:
        return Part(noun=known, score=believed[best]), "and" if best in setting.VEHICLES else "with"
    part = seen.part
    if len(seen.boxes) == 1:
        part = replace(part, colour=colours.of_thing(known, seen.boxes[0], thumb))
    return part, _place(found.boxes, seen.boxes, best)


def _beside(other: str, word: str, found: Subject) -> bool:
    """Whether another word may stand beside the subject: a thing, and not another view of the subject."""
    known = noun(other)
    if known is None or known.broad or known.scenery or known.uncounted:
        return False
    if word == "person":
        return True
    return bool(found.boxes) and not names_the_same(word, other) and other in naming_classes()


def _spread(word: str) -> int:
    known = noun(word)
    return known.spread if known is not None else 0


def _place(ones: tuple[DetectedObject, ...], others: tuple[DetectedObject, ...], label: str) -> Relation:
    if len(others) != 1 or not ones:
        return "with"
    box = others[0].box
    if all(setting.in_front(one.box, box, label) for one in ones):
        return "in front of"
    if all(setting.relation(one.box, box) == "beside" for one in ones):
        return "beside"
    return "with" if ones[0].label == "person" else "and"


def _unsaid(prediction: Prediction, found: Subject, other: Part | None) -> float:
    """The probability of the surest large thing that the caption leaves out."""
    said = {found.part.noun.word, *([other.noun.word] if other is not None else [])}
    left = [
        sure(o)
        for o in prediction.objects
        if o.label not in said
        and o.label not in WORN
        and setting.area(o.box) >= LARGE_ENOUGH
        and (found.boxes or not names_the_same(found.part.noun.word, o.label))
    ]
    return max((score for score in left if score >= UNSAID), default=0.0)


def _of_kind(prediction: Prediction, model: str) -> CaptionPrediction | None:
    first = prediction.kinds[0]
    texts = KINDS.get(first.kind) if prediction.kind is not None else None
    if texts is None:
        return None
    return CaptionPrediction(model=model, text=texts[0], score=first.score, specific=False, others=(("zh", texts[1]),))
