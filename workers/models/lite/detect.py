"""COCO objects: letterboxing for NanoDet, and decoding of its grids. Pure.

The picture is letterboxed, never squashed: in a squashed picture, the detector took an espresso for a toilet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tagger.prediction import DetectedObject

Floats = npt.NDArray[np.float32]

SIDE = 416
STRIDES = (8, 16, 32)  # pixels of a cell, in each of the three grids
BINS = 11  # each side of a box is a distribution over 0..10 cells
GREY = 114
SCORE_FLOOR = 0.30  # below, NanoDet guesses
OVERLAP = 0.55  # intersection over union above which two boxes are one object
KEEP = 60  # candidates looked at before suppression


@dataclass(frozen=True, kw_only=True, eq=False)
class Letterboxed:
    tensor: Floats  # [1, 3, h, w], RGB / 255, longest side 416; at the right and bottom grey, up to multiples of 32
    width: float  # share of the tensor's width that the picture takes
    height: float


def letterbox(image: Image.Image) -> Letterboxed:
    width, height = image.size
    scale = SIDE / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    small = image.resize((w, h), Image.Resampling.BILINEAR, reducing_gap=2.0)
    rows, columns = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in (h, w))  # a square would be a third of grey to compute
    tensor = np.full((1, 3, rows, columns), GREY, np.float32)
    for channel, band in enumerate(small.split()):  # half the time of turning [height, width, 3] in numpy
        tensor[0, channel, :h, :w] = np.asarray(band)
    tensor /= np.float32(255.0)
    return Letterboxed(tensor=tensor, width=w / columns, height=h / rows)


def decode(outputs: Mapping[tuple[int, int], Floats], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """NanoDet's six outputs, keyed (cells, channels), for a tensor of `size` (height, width) → scores [m, 80] and boxes [m, 4] as
    shares of the tensor."""
    scores, boxes = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        score = outputs[rows * columns, 80][0]
        keep = np.flatnonzero(score.max(axis=1) >= SCORE_FLOOR)
        bins = outputs[rows * columns, 4 * BINS][0][keep].reshape(-1, 4, BINS)
        exps = np.exp(bins - bins.max(axis=2, keepdims=True))
        sides = (exps * np.arange(BINS)).sum(axis=2) / exps.sum(axis=2)  # left, top, right, bottom, in cells
        x, y = keep % columns + 0.5, keep // columns + 0.5
        box = np.stack([x - sides[:, 0], y - sides[:, 1], x + sides[:, 2], y + sides[:, 3]], axis=1)
        box /= (columns, rows, columns, rows)
        scores.append(score[keep])
        boxes.append(box.astype(np.float32))
    return np.concatenate(scores), np.concatenate(boxes)


def objects(scores: Floats, boxes: Floats, frame: tuple[float, float], names: Sequence[str]) -> tuple[DetectedObject, ...]:
    """Scores and boxes → objects, best first; one box per object; boxes as shares of the picture inside `frame`."""
    if len(scores) == 0:
        return ()
    label, score = scores.argmax(axis=1), scores.max(axis=1)
    order = np.argsort(-score, kind="stable")[:KEEP]
    undone = np.clip(boxes / np.array([frame[0], frame[1]] * 2, np.float32), 0.0, 1.0)
    chosen: list[int] = []
    for i in order:
        if all(label[i] != label[j] or overlap(undone[i], undone[j]) < OVERLAP for j in chosen):
            chosen.append(int(i))
    return tuple(
        DetectedObject(label=names[label[i]], score=float(score[i]), box=_box(undone[i])) for i in chosen if _area(undone[i]) > 0
    )


def overlap_of(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return overlap(np.array(a, np.float32), np.array(b, np.float32))


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    union = _area(a) + _area(b) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _box(box: Floats) -> tuple[float, float, float, float]:
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3]))


def sure(thing: DetectedObject) -> float:
    """P(the object is there | the detector's score): persons from 0.43, other things from 0.5, smoothly."""
    middle = 0.43 if thing.label == "person" else 0.50
    return float(1.0 / (1.0 + np.exp(-(thing.score - middle) / 0.06)))
