"""Features that tell drawings from photographs: flat areas, few colours, ruled lines, lines of text, margins. Pure.

They are measured at full scale on at most 128 rows and 128 columns: a scaled copy has soft edges, and all pixels would take long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tagger.prediction import Pixels

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

LINES = 128  # rows and columns read, at most
LONGEST = 1024  # pixels of one that are read, at most
FAINT, CLEAR, SHARP = (
    2,
    20,
    60,
)  # of 255, between neighbours: flat up to the first, shading up to the second, an edge from the third
NAMES = (
    "flat",
    "flat_of_still",  # of the pixels without an edge, those that are exactly as their neighbour
    "shaded",
    "sharp",
    "sharp_of_edges",
    "first_colour",
    "four_colours",
    "sixteen_colours",
    "colours",
    "ground_light",
    "ground_dark",
    "border",
    "grey",
    "vivid",
    "black",
    "white",
    "rows_ruled",
    "columns_ruled",
    "text_rows",
    "empty_rows",
    "text_turns",
    "text_columns",
    "thin_across",  # of the edges, those with another two to five pixels further: letters and thin lines
    "thin_down",
    "small",
    "square",
)


def measure(pixels: Pixels) -> Floats:
    """[features] of pixels [h, w, 3], in the order of `NAMES`; 0..1 each."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels[:: -(-height // LINES), :LONGEST])
    columns = np.ascontiguousarray(pixels[:LONGEST, :: -(-width // LINES)].transpose(1, 0, 2))
    across, down = _steps(rows), _steps(columns)
    return np.array((*_gradients(across, down), *_colours(rows), *_lines(across, down), *_size(height, width)), np.float64)


def _steps(lines: Bytes) -> Bytes:
    """[n, length, 3] → [n, length − 1]: the difference to the next pixel of the line, in green alone: luma would cost more."""
    green = lines[:, :, 1]
    left, right = green[:, :-1], green[:, 1:]
    out: Bytes = np.maximum(left, right) - np.minimum(left, right)
    return out


def _gradients(across: Bytes, down: Bytes) -> tuple[float, ...]:
    counts = np.bincount(across.ravel(), minlength=256) + np.bincount(down.ravel(), minlength=256)
    total = max(1, int(counts.sum()))
    flat, shaded = counts[: FAINT + 1].sum() / total, counts[FAINT + 1 : CLEAR].sum() / total
    sharp, edges = counts[SHARP:].sum() / total, counts[CLEAR:].sum() / total
    still = counts[0] / max(1, int(counts[:CLEAR].sum()))
    return (flat, still, float(np.sqrt(shaded)), float(np.sqrt(sharp)), sharp / max(edges, 0.002))


def _colours(rows: Bytes) -> tuple[float, ...]:
    thin = rows[:, :: -(-rows.shape[1] // LINES)]
    r, g, b = (np.ascontiguousarray(thin[:, :, i]) for i in range(3))
    codes = ((r >> 4).astype(np.intp) << 8) + ((g >> 4).astype(np.intp) << 4) + (b >> 4)
    shares = np.bincount(codes.ravel(), minlength=4096) / codes.size
    first = int(shares.argmax())
    ordered = np.sort(shares[shares > 0])[::-1]
    spread = np.exp(-(ordered * np.log(ordered)).sum())  # how many colours, were all as frequent
    light = (((first >> 8) & 15) + ((first >> 4) & 15) + (first & 15)) / 45
    high = np.maximum(np.maximum(r, g), b)
    chroma = high - np.minimum(np.minimum(r, g), b)
    edge = np.concatenate((codes[0], codes[-1], codes[:, 0], codes[:, -1]))
    return (
        ordered[0],
        ordered[:4].sum(),
        ordered[:16].sum(),
        min(1.0, float(np.log(spread)) / 6.0),
        max(0.0, light * 4 - 3),
        max(0.0, 1 - light * 4),
        float((edge == first).mean()),
        float((chroma <= 8).mean()),
        float((chroma >= 110).mean()),
        float((high <= 24).mean()),
        float((np.minimum(np.minimum(r, g), b) >= 240).mean()),
    )


def _lines(across: Bytes, down: Bytes) -> tuple[float, ...]:
    """Ruled lines, and the rows and columns that look like text."""
    edges, falls = across >= CLEAR, down >= CLEAR
    per_row, per_column = edges.mean(axis=1), falls.mean(axis=1)
    ruled_rows = (falls.mean(axis=0) >= 0.5).sum()  # edges between the same two rows, in half of the columns
    ruled_columns = (edges.mean(axis=0) >= 0.5).sum()
    text, empty = per_row >= 0.06, per_row <= 0.01
    turns = (text[1:] != text[:-1]).mean() if len(text) > 1 else 0.0
    return (
        min(1.0, float(np.sqrt(ruled_rows / 16))),
        min(1.0, float(np.sqrt(ruled_columns / 16))),
        float(text.mean()),
        float(empty.mean()),
        float(turns),
        float((per_column >= 0.06).mean()),
        _thin(edges),
        _thin(falls),
    )


def _thin(edges: npt.NDArray[np.bool_]) -> float:
    here = edges[:, :-5]
    soon = edges[:, 2:-3] | edges[:, 3:-2] | edges[:, 4:-1] | edges[:, 5:]
    return float((here & soon).sum() / max(1, int(here.sum())))


def _size(height: int, width: int) -> tuple[float, float]:
    small = 1.0 - np.log2(max(height, width) / 64) / 4  # 1 up to 64 pixels, 0 from 1024
    return float(np.clip(small, 0.0, 1.0)), min(height, width) / max(height, width)
