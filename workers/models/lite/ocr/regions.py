"""From the detector's map of text to oriented boxes: the post-processing of DB (Liao et al. 2020). Pure.

A region is a connected area above the threshold. Its box is laid along its longer axis and widened, because the network is
trained on shrunk regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

INK = 0.3  # probability from which a cell belongs to text
SURE = 0.5  # least mean probability of a region
LEAST_CELLS = 12  # of a region
LEAST_SIDE = 3.0  # cells, of the shorter side of a region
WIDEN = 1.6  # how far a box grows: area × this / perimeter
MOST = 200  # regions looked at, the largest
LONG = 1.5  # sides from which the axes of a region tell its direction
LEVEL = 0.035  # radians (2°) under which a line counts as level


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    corners: Doubles  # [4, 2] x, y in cells: top left, top right, bottom right, bottom left of the text as it is read
    score: float  # mean probability

    @property
    def width(self) -> float:
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def height(self) -> float:
        return float(np.linalg.norm(self.corners[3] - self.corners[0]))


def regions(probabilities: Floats) -> tuple[Region, ...]:
    """[h, w] probabilities of text → regions, from top to bottom."""
    found = [made for rows, columns in _areas(probabilities >= INK)[:MOST] if (made := _region(probabilities, rows, columns))]
    return tuple(sorted(found, key=lambda region: (region.corners[:, 1].min(), region.corners[:, 0].min())))


def _region(probabilities: Floats, rows: Indices, columns: Indices) -> Region | None:
    score = float(probabilities[rows, columns].mean())
    if len(rows) < LEAST_CELLS or score < SURE:
        return None
    points = np.stack([columns + 0.5, rows + 0.5], axis=1)
    axis, low, high = _box(points)
    low, high = low - 0.5, high + 0.5  # to the edges of the cells
    width, height = high - low
    if min(width, height) < LEAST_SIDE:
        return None
    grow = width * height * WIDEN / (2 * (width + height))
    low, high = low - grow, high + grow
    across, down = axis
    corners = np.array(
        [x * across + y * down for x, y in ((low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]))]
    )
    return Region(corners=corners, score=score)


def _box(points: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """The axes of the box [2, 2] (along the text, then down), and its least and greatest place along each."""
    across, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    sides = np.ptp(points, axis=0) + 1.0
    values, vectors = np.linalg.eigh(np.cov(points.T))
    if values[1] > LONG**2 * max(values[0], 1e-9):
        main = vectors[:, 1] * (1.0 if vectors[0, 1] >= 0 else -1.0)
        tilt = float(np.arctan2(main[1], main[0]))
        if LEVEL < abs(tilt) < np.pi / 2 - LEVEL:
            across, down = main, np.array([-main[1], main[0]])
        elif abs(tilt) >= np.pi / 2 - LEVEL and sides[1] >= LONG * sides[0]:
            across, down = np.array([0.0, -1.0]), np.array([1.0, 0.0])  # read from the bottom to the top
    axis = np.stack([across, down])
    along = points @ axis.T
    return axis, along.min(axis=0), along.max(axis=0)


def _areas(mask: npt.NDArray[np.bool_]) -> list[tuple[Indices, Indices]]:
    """Connected areas (8 neighbours) as rows and columns of their cells, the largest first."""
    height = len(mask)
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parents = list(range(len(rows)))
    bounds = np.searchsorted(rows, np.arange(height + 1))
    for (a0, a1), (b0, b1) in pairwise(pairwise(bounds.tolist())):
        _join(parents, (a0, a1), (b0, b1), starts, ends)
    roots = [_root(parents, i) for i in range(len(parents))]
    groups: dict[int, list[int]] = {}
    for run, root in enumerate(roots):
        groups.setdefault(root, []).append(run)
    areas = [_cells([(int(rows[i]), int(starts[i]), int(ends[i])) for i in runs]) for runs in groups.values()]
    return sorted(areas, key=lambda area: -len(area[0]))


def _join(parents: list[int], above: tuple[int, int], below: tuple[int, int], starts: Indices, ends: Indices) -> None:
    """Joins the runs of two rows that touch, also at a corner."""
    i, j = above[0], below[0]
    while i < above[1] and j < below[1]:
        if starts[i] <= ends[j] and starts[j] <= ends[i]:
            parents[_root(parents, i)] = _root(parents, j)
        if ends[i] < ends[j]:
            i += 1
        else:
            j += 1


def _root(parents: list[int], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


def _cells(runs: list[tuple[int, int, int]]) -> tuple[Indices, Indices]:
    rows = np.concatenate([np.full(end - start, row, np.intp) for row, start, end in runs])
    return rows, np.concatenate([np.arange(start, end, dtype=np.intp) for _, start, end in runs])
