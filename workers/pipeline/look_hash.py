"""A perceptual hash: 64 bits that hardly change when a picture is scaled, compressed again or made a little brighter.

The picture becomes 32 × 32 grey values, then the lowest frequencies of its cosine transform; a bit says whether one of them is
above their median. This is "pHash" (Zauner 2010). Pictures that differ in a few bits look alike.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tagger.prediction import Pixels

SIDE = 32
LOW = 8  # frequencies of each direction
ENOUGH = 96  # rows and columns that the large reduction leaves, or more
LEAST_SPREAD = 2.0  # of grey values; below it the picture is of one colour, and its bits would be noise

Floats = npt.NDArray[np.float64]


def look_hash(pixels: Pixels) -> str | None:
    """16 hex digits; None for a picture of one colour."""
    grey = _grey(pixels)
    if float(grey.std()) < LEAST_SPREAD:
        return None
    transform = _cosines()
    low = (transform @ grey @ transform.T).ravel()
    low[0] = 0.0  # the mean brightness
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


def _grey(pixels: Pixels) -> Floats:
    """[SIDE, SIDE]: means of blocks."""
    grey = _reduced(pixels) @ np.array([0.299, 0.587, 0.114])
    return _averaged(_averaged(grey).T).T


def _reduced(pixels: Pixels) -> Floats:
    """A large picture by a whole number, in each direction: 640 × 427 takes 2 ms this way, and 9 ms in floating point."""
    height, width = pixels.shape[:2]
    down, right = max(1, height // ENOUGH), max(1, width // ENOUGH)
    rows, columns = height // down * down, width // right * right
    parts = [pixels[y:rows:down, x:columns:right] for y in _some(down) for x in _some(right)]
    total = np.zeros(parts[0].shape, np.uint32)
    for part in parts:
        total += part
    mean: Floats = total / len(parts)
    return mean


def _some(step: int) -> range:
    """At most four of so many rows."""
    return range(0, step, -(-step // 4))


def _averaged(grey: Floats) -> Floats:
    """[SIDE, n] of [m, n]: a block may begin inside a row."""
    edges = np.linspace(0, len(grey), SIDE + 1)
    whole = np.minimum(edges.astype(int), len(grey) - 1)
    sums = np.concatenate([np.zeros((1, grey.shape[1])), np.cumsum(grey, axis=0)])
    at_edges = sums[whole] + (edges - whole)[:, None] * grey[whole]
    mean: Floats = np.diff(at_edges, axis=0) * (SIDE / len(grey))
    return mean


def _cosines() -> Floats:
    """[LOW, SIDE]: the first rows of the discrete cosine transform."""
    k, n = np.arange(LOW)[:, None], np.arange(SIDE)[None, :]
    rows: Floats = np.cos(math.pi * (2 * n + 1) * k / (2 * SIDE))
    return rows
