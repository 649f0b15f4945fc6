"""ImageNet classes: how pixels become the classifier's crops, and how its logits become probabilities. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from tagger.prediction import ClassScore

Floats = npt.NDArray[np.float32]

SIDE = 224
CENTRE_SHARE = 0.875  # the classifier was trained on the centre 7/8 of the picture


def crops(image: Image.Image) -> Floats:
    """[k, 3, 224, 224] float32, (RGB − 127) / 128: the whole picture squashed, and its centre square.

    The squashed one sees what stands at the edges, the square keeps shapes; two agree on more than either alone.
    """
    width, height = image.size
    short = min(width, height)
    side = max(1.0, short * CENTRE_SHARE)
    left, top = (width - side) / 2, (height - side) / 2
    whole = (0.0, 0.0, float(width), float(height))
    boxes = (whole, (left, top, left + side, top + side))
    size = (SIDE, SIDE)
    squares = [np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)) for box in boxes]
    stacked = (np.stack(squares).astype(np.float32) - 127.0) / 128.0
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def probabilities(logits: Floats) -> Floats:
    """[k, 1000] logits of one image's crops → [1000] probabilities: the mean over the crops of each softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    mean: Floats = (exps / exps.sum(axis=1, keepdims=True)).mean(axis=0)
    return mean


def top(probs: Floats, names: tuple[str, ...], count: int) -> tuple[ClassScore, ...]:
    """The `count` most probable classes, largest first."""
    order = np.argsort(-probs, kind="stable")[:count]
    return tuple(ClassScore(label=names[i], score=float(probs[i])) for i in order)
