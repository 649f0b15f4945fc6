"""Where a thing is, and how it was taken: what the pixels and the concepts are sure of. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tagger.prediction import DetectedObject, Pixels, Prediction
from workers.models.lite.belief import believed
from workers.models.lite.captions import colours
from workers.models.lite.captions.draft import Part, Relation, Setting, Shot
from workers.models.lite.captions.nouns import Noun

SURE = 0.9
FLYING = frozenset({"kite", "airplane", "balloon", "parachute"})
SKY = 0.95  # strength of the cue from which the upper third is sky
PALE = 0.5  # the same of a pale sky
MUCH_SKY = 0.55  # share of blue from which something flies in it
DAY, BLUENESS = 0.5, 0.25  # lightness and saturation of the upper third
LAWN = 0.45  # strength of the cue of green at the bottom
LARGE = 0.45  # share of the picture that the person of a portrait has
VEHICLES = frozenset({"bus", "truck", "train", "tram", "car", "boat", "airplane"})
Box = tuple[float, float, float, float]


def setting(noun: Noun, prediction: Prediction, boxes: tuple[DetectedObject, ...], thumb: Pixels) -> Setting | None:
    look = prediction.look
    if look is None:
        return None
    cues: Mapping[str, float] = dict(look.cues)
    outdoor, blue = believed("outdoor", prediction), dict(look.dominant).get("blue", 0.0)
    sky = cues.get("blue_sky", 0.0) >= SKY and outdoor >= SURE and believed("sky", prediction) >= SURE and _light(thumb)
    if sky and noun.word in FLYING and blue >= MUCH_SKY:
        return "in a blue sky"
    if sky and noun.scenery:
        return "under a blue sky"
    pale = cues.get("pale_sky", 0.0) >= PALE and outdoor >= SURE and believed("sky", prediction) >= SURE
    if pale and noun.scenery:
        return "under a pale sky"
    if boxes and cues.get("green_bottom", 0.0) >= LAWN and believed("grass", prediction) >= 0.75 and _at_the_bottom(boxes):
        return "on grass"
    behind = colours.background(thumb) if not noun.scenery else None
    if behind is not None:
        return {"green": "green background", "dark": "dark background", "white": "white background"}[behind]  # type: ignore[return-value]
    if noun.word == "person":
        return "outdoors" if outdoor >= SURE else "indoors" if believed("indoor", prediction) >= SURE else None
    return None


def shot(part: Part, prediction: Prediction, boxes: tuple[DetectedObject, ...]) -> Shot | None:
    if part.noun.near and (part.colour is not None or not part.noun.coloured):  # a flower, if its petals fill the middle
        return "close-up"
    alone = len(boxes) == 1 and part.number == 1 and part.noun.word == "person" and area(boxes[0].box) >= LARGE
    return "portrait" if alone and believed("portrait", prediction) >= SURE else None


def relation(one: Box, other: Box) -> Relation:
    """How two boxes stand to each other; "and" where that is not clear."""
    apart = one[2] <= other[0] + 0.02 or other[2] <= one[0] + 0.02
    level = min(one[3], other[3]) - max(one[1], other[1]) >= 0.5 * min(one[3] - one[1], other[3] - other[1])
    return "beside" if apart and level else "and"


def in_front(one: Box, other: Box, label: str) -> bool:
    """Whether the first is within a much larger vehicle and reaches lower."""
    inside = max(0.0, min(one[2], other[2]) - max(one[0], other[0])) / max(1e-9, one[2] - one[0])
    return label in VEHICLES and inside >= 0.9 and one[3] >= other[3] - 0.02 and area(other) >= 1.5 * area(one)


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _light(thumb: Pixels) -> bool:
    """Whether the upper third is as light and as blue as a sky by day: at dusk and in a storm it is duller."""
    top = thumb[: len(thumb) // 3].astype(float)
    high, low = top.max(axis=2), top.min(axis=2)
    return float(high.mean()) >= 255 * DAY and float(((high - low) / (high + 1)).mean()) >= BLUENESS


def _at_the_bottom(boxes: tuple[DetectedObject, ...]) -> bool:
    return all(box.box[3] >= 0.6 for box in boxes)
