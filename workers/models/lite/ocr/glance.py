"""Whether a picture can hold text that is large enough to be read, from its edges alone. Pure.

Letters put many sharp edges side by side. A third of the photographs have no such place, and the text
detector does not run on them.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

LONGEST = 320  # pixels of the first copy that is looked at; each further one has half, for larger letters
EDGE = 40  # of 255, between neighbours in a row
WINDOW = (16, 48)  # rows and columns
LEAST = (
    0.22,
    0.18,
    0.18,
)  # share of a window that are edges, in each copy; of 100 overlays that fill 7 % of the height 99 have more


def may_hold_text(image: Image.Image) -> bool:
    """Whether any window is as full of edges as text is."""
    scale = LONGEST / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grey = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0).convert("L")
    return any(_fullest(grey.reduce(2**n) if n else grey) >= least for n, least in enumerate(LEAST))


def _fullest(grey: Image.Image) -> float:
    """The largest share of edges in a window; 0 if the copy is smaller than the window."""
    rows, columns = WINDOW
    pixels = np.asarray(grey, np.int16)
    if pixels.shape[0] < rows or pixels.shape[1] <= columns:
        return 0.0
    edges = np.abs(np.diff(pixels, axis=1)) >= EDGE
    sums = np.pad(edges.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32), ((1, 0), (1, 0)))
    full = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    return float(full.max()) / (rows * columns)
