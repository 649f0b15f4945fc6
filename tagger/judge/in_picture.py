"""What stands in the picture beside its subject: text that was read, how many persons, and the point that a crop should keep.
Pure."""

from __future__ import annotations

import regex

from tagger.prediction import Prediction, TextLine

Counts = dict[str, int]

SURE = 0.85  # mean probability of the characters from which a line was read
QUOTED = 0.95  # the same, from which it is quoted: one wrong letter of a dozen lowers the mean to 0.89
CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
LETTER = regex.compile(r"[\p{L}\p{N}]")
LEAST_CJK, LEAST_LETTERS = 2, 3  # fewer characters may be leaves, windows or clouds
MOST_TEXT = 500  # characters kept of a picture
CLEAR = 0.5  # of a detected object
Box = tuple[float, float, float, float]


def contains_text(prediction: Prediction) -> bool | None:
    """None: nobody looked, or something was seen that could not be read."""
    if prediction.lines is None:
        return None
    if any(map(is_sure, prediction.lines)):
        return True
    return None if prediction.lines else False


def is_sure(line: TextLine) -> bool:
    """Whether this was read and is long enough to be text."""
    enough = len(CJK.findall(line.text)) >= LEAST_CJK or len(LETTER.findall(line.text)) >= LEAST_LETTERS
    return enough and line.score >= SURE


def quotable(prediction: Prediction) -> tuple[str, ...]:
    """The lines of the picture, if no letter of any is in doubt; else nothing, because a quotation with a gap misleads."""
    lines = prediction.lines or ()
    return tuple(line.text for line in lines) if all(line.text and line.score >= QUOTED for line in lines) else ()


def text(prediction: Prediction) -> str | None:
    """What was read, a line each, its first characters; "" if there is no text; None if that is not known."""
    if prediction.lines is None:
        return None
    read = "\n".join(line.text for line in prediction.lines if is_sure(line))[:MOST_TEXT]
    return read or ("" if contains_text(prediction) is False else None)


def counts(prediction: Prediction) -> Counts:
    """COCO name → how many were detected. A face is a person, also where the detector of objects missed it."""
    found: Counts = {}
    for thing in prediction.objects:
        found[thing.label] = found.get(thing.label, 0) + 1
    if prediction.faces:
        found["person"] = max(found.get("person", 0), len(prediction.faces))
    return found


def focal_point(prediction: Prediction) -> tuple[float, float] | None:
    """The middle of the faces, by their size; without faces, of the largest thing that was clearly seen."""
    if prediction.faces:
        return _middle([face.box for face in prediction.faces])
    things = [thing.box for thing in prediction.objects if thing.score >= CLEAR]
    return _middle([max(things, key=_area)]) if things else None


def _middle(boxes: list[Box]) -> tuple[float, float]:
    areas = [max(_area(box), 1e-9) for box in boxes]
    x, y = (sum(area * (box[i] + box[i + 2]) / 2 for area, box in zip(areas, boxes, strict=True)) / sum(areas) for i in (0, 1))
    return round(min(1.0, max(0.0, x)), 3), round(min(1.0, max(0.0, y)), 3)


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
