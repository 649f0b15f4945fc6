"""The colour of a thing and of the background, if nearly all of the pixels have that colour. Pure."""

from __future__ import annotations

import numpy as np

from tagger.prediction import DetectedObject, Pixels
from workers.models.lite.captions.nouns import Noun
from workers.models.lite.look import colours

INNER = 0.6  # share of a box, about its middle, that shows the thing and little else
MOST = 0.5  # share of one colour from which a thing has it
TWICE = 2.0  # times that share must be larger than the next
LEAST_PIXELS = 30  # of a patch of the 64 × 64 thumbnail
PETALS = frozenset({"red", "orange", "yellow", "purple", "pink", "blue", "white"})
BEHIND = frozenset({"blue", "cyan", "green", "white", "grey"})  # sky and trees around a building
SEEN = 0.12  # share of the picture that petals or walls must have
BACKGROUND = 0.8  # share of the border from which a background has a colour
CLOTHES = frozenset({"red", "orange", "yellow", "green", "blue", "purple", "pink"})  # white, grey: too often light and shadow
DARK = 0.3  # lightness under which clothes are dark
DARK_SHARE = 0.75
LIGHT = 0.4  # lightness of the whole picture from which that says something of the clothes


def of_thing(noun: Noun, box: DetectedObject | None, thumb: Pixels) -> str | None:
    """The colour of a thing whose colour is worth a word; None if it has several colours or the colour is not sure."""
    if not noun.coloured:
        return None
    if noun.word == "flower":
        return _among(patch(thumb, (0.15, 0.15, 0.85, 0.85)), PETALS)
    if noun.word == "building":
        return _among(thumb, frozenset({"red", "yellow", "pink"}), BEHIND)
    return _one(patch(thumb, _inner(box.box))) if box is not None else None


def worn(box: DetectedObject, thumb: Pixels) -> str | None:
    """The colour of what a person wears, from the middle of the lower half of the box."""
    x0, y0, x1, y1 = box.box
    torso = patch(thumb, (x0 + 0.25 * (x1 - x0), y0 + 0.45 * (y1 - y0), x1 - 0.25 * (x1 - x0), y0 + 0.8 * (y1 - y0)))
    if torso.size < 3 * LEAST_PIXELS:
        return None
    dark = float((torso.max(axis=2) < 255 * DARK).mean())
    if dark >= DARK_SHARE:
        return "dark" if float(thumb.max(axis=2).mean()) >= 255 * LIGHT else None
    colour = _one(torso)
    return colour if colour in CLOTHES else None


def background(thumb: Pixels) -> str | None:
    """ "green", "dark" or "white", where nearly all of the border is."""
    border = np.concatenate([thumb[:6].reshape(-1, 3), thumb[-6:].reshape(-1, 3), thumb[:, :6].reshape(-1, 3),
                             thumb[:, -6:].reshape(-1, 3)])[None]  # fmt: skip
    shares, high = colours(border), border.max(axis=2)
    if float((high < 255 * 0.35).mean()) >= BACKGROUND:
        return "dark"
    return next((name for name in ("green", "white") if shares.get(name, 0.0) >= BACKGROUND), None)


def patch(thumb: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    height, width = thumb.shape[:2]
    return thumb[
        int(box[1] * height) : max(int(box[1] * height) + 1, int(box[3] * height)),
        int(box[0] * width) : max(int(box[0] * width) + 1, int(box[2] * width)),
    ]


def _inner(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    dx, dy = ((box[2] - box[0]) * (1 - INNER) / 2, (box[3] - box[1]) * (1 - INNER) / 2)
    return (box[0] + dx, box[1] + dy, box[2] - dx, box[3] - dy)


def _one(some: Pixels) -> str | None:
    if some.size < 3 * LEAST_PIXELS:
        return None
    ranked = sorted(colours(some).items(), key=lambda pair: -pair[1])
    if not ranked or ranked[0][1] < MOST or (len(ranked) > 1 and ranked[0][1] < TWICE * ranked[1][1]):
        return None
    return ranked[0][0] if ranked[0][0] != "cyan" else None


def _among(some: Pixels, wanted: frozenset[str], ignored: frozenset[str] | None = None) -> str | None:
    """The colour that stands out among those that such a thing can have."""
    shares = colours(some)
    others = {c: s for c, s in shares.items() if (c in wanted if ignored is None else c not in ignored)}
    best = max(others, key=lambda c: others[c], default=None)
    if best is None or best not in wanted or others[best] < SEEN or others[best] < MOST * sum(others.values()):
        return None
    return best
