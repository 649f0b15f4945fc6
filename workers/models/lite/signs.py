"""Short signs are quoted: `Sign that reads "NO ENTRY"`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tagger.judge.in_picture import quotable
from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject, Prediction, TextLine
from workers.models.lite.detect import sure

SIGN_CLASSES = frozenset({"traffic or street sign"})
SIGN_OBJECTS = frozenset({"stop sign"})
LIKELY = 0.3  # of a sign; that text was read where a sign is expected is evidence too
LONGEST = 80  # characters that are quoted; longer texts need a person
MARKS = str.maketrans({'"': "'", "“": "'", "”": "'"})  # inside a quotation


def caption(prediction: Prediction, model: str) -> CaptionPrediction | None:
    """The sentence; None if the picture shows no sign, if a line of it is not sure enough, or if the text is too long."""
    lines = prediction.lines or ()
    words = " ".join(quotable(prediction)).translate(MARKS)
    if len(words) > LONGEST or sum(c.isalnum() for c in words) < 2 or prediction.kind not in ("photograph", None):
        return None
    if not (_class(prediction.classes) or _object(prediction.objects, lines)):
        return None
    least = min(line.score for line in lines)
    return CaptionPrediction(model=model, text=f'a sign that reads "{words}"', score=round(least, 4))


def _class(classes: Sequence[ClassScore]) -> bool:
    """Whether a sign is what the classifier sees first."""
    best = max(classes, key=lambda c: c.score, default=None)
    return best is not None and best.label in SIGN_CLASSES and best.score >= LIKELY


def _object(objects: Sequence[DetectedObject], lines: Sequence[TextLine]) -> bool:
    """Whether all that was read stands on one sign that the detector found."""
    signs = [thing for thing in objects if thing.label in SIGN_OBJECTS and sure(thing) >= 0.5]
    return any(all(_inside(line, sign) for line in lines) for sign in signs)


def _inside(line: TextLine, thing: DetectedObject) -> bool:
    x, y = (line.box[0] + line.box[2]) / 2, (line.box[1] + line.box[3]) / 2
    left, top, right, bottom = thing.box
    return left <= x <= right and top <= y <= bottom
