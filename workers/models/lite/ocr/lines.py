"""Lines of text: cutting one out of the picture, and decoding what the recogniser says of it (CTC). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.models.lite.ocr.regions import Doubles

Floats = npt.NDArray[np.float32]

HEIGHT = 48  # pixels of a line that the recogniser takes
NARROWEST, WIDEST = 48, 960  # a wider line is squeezed
STEP = 32  # widths are filled up to a multiple, so that few shapes occur
LEAST_SIDE = 2  # pixels of a line
SPACE = 0.2  # probability of a space from which two characters are apart; inside words it was 0.03 at most


@dataclass(frozen=True, kw_only=True)
class Line:
    text: str
    score: float  # mean probability of its characters


NOTHING = Line(text="", score=0.0)


def cut(image: Image.Image, corners: Doubles) -> Floats | None:
    """[1, 3, 48, w] BGR in −1..1; None if the line is too small. `corners` [4, 2] in pixels, in the order of reading."""
    width, height = float(np.linalg.norm(corners[1] - corners[0])), float(np.linalg.norm(corners[3] - corners[0]))
    if min(width, height) < LEAST_SIDE:
        return None
    wide = int(np.clip(round(HEIGHT * width / height), 8, WIDEST))
    filled = max(NARROWEST, -(-wide // STEP) * STEP)
    top_left, top_right, bottom_right, bottom_left = (tuple(map(float, corner)) for corner in corners)
    if top_left[1] == top_right[1]:
        line = image.resize((wide, HEIGHT), Image.Resampling.BICUBIC, box=_inside(image, corners), reducing_gap=2.0)
    else:
        quad = (*top_left, *bottom_left, *bottom_right, *top_right)
        times = max(1, round(height / HEIGHT))  # Pillow's transform does not average, so what is large is read finer first
        line = image.transform((wide * times, HEIGHT * times), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR).resize(
            (wide, HEIGHT), Image.Resampling.BOX
        )
    out = np.zeros((1, 3, HEIGHT, filled), np.float32)
    bgr = np.asarray(line, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    out[0, :, :, :wide] = bgr / np.float32(127.5) - np.float32(1.0)
    return out


def _inside(image: Image.Image, corners: Doubles) -> tuple[float, float, float, float]:
    """The box of level corners, cut to the picture and never empty."""
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    left, top = float(np.clip(left, 0, image.width - 1)), float(np.clip(top, 0, image.height - 1))
    return left, top, float(np.clip(right, left + 1, image.width)), float(np.clip(bottom, top + 1, image.height))


def decode(probabilities: Floats, keys: Sequence[str]) -> Line:
    """[t, keys + 2] probabilities: the blank, the keys, a space → the line. A character that is said twice without
    a blank is one. The network often prefers the blank to a space between two words, so a space needs less to be written."""
    if not np.isfinite(probabilities).all():
        return NOTHING
    best = probabilities.argmax(axis=1)
    said = best.copy()
    said[1:][best[1:] == best[:-1]] = 0
    space = len(keys) + 1
    steps = np.flatnonzero((said > 0) & (said != space))
    if not len(steps):
        return NOTHING
    text = keys[said[steps[0]] - 1]
    for before, here in pairwise(steps.tolist()):
        apart = probabilities[before : here + 1, space].max() >= SPACE
        text += (" " if apart else "") + keys[said[here] - 1]
    return Line(text=text, score=float(probabilities[steps, said[steps]].mean()))
