"""How good tags are: precision, recall, top-1 and top-3, calibration error. Pure numpy over plain arrays.

Everywhere `scores` is [images, terms] of probabilities and `truth` the same shape of booleans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Offered and true tags, counted. A ratio without a denominator is None, never a flattering 1."""

    offered: int
    true: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.offered if self.offered else None

    @property
    def recall(self) -> float | None:
        return self.right / self.true if self.true else None


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bar of a reliability diagram: scores in [low, high), their mean, and the share of them that was true."""

    low: float
    high: float
    count: int
    mean_score: float
    share_true: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    error: float | None  # expected calibration error, 0..1; None without a pair
    bins: tuple[Bin, ...]


@dataclass(frozen=True, kw_only=True)
class TermReport:
    term: str
    counts: Counts
    mean_score: float


@dataclass(frozen=True, kw_only=True)
class Report:
    images: int
    overall: Counts
    top1: float | None  # over the images where at least one term applies
    top3: float | None
    calibration: Calibration  # over every pair of image and term
    calibration_offered: Calibration  # over the pairs offered; the honest one, for the many sure zeros flatter the other
    terms: tuple[TermReport, ...]


def offered(scores: Floats, thresholds: Floats | float, most: int | None = None) -> Bools:
    """Which tags are offered: at or over the threshold ([terms] or one number), at most `most` of an image, best first."""
    chosen: Bools = scores >= thresholds
    if most is not None and most < scores.shape[1]:
        order = np.argsort(-np.where(chosen, scores, -1.0), axis=1, kind="stable")
        ranks = np.argsort(order, axis=1, kind="stable")
        chosen = chosen & (ranks < most)
    return chosen


def count(chosen: Bools, truth: Bools) -> Counts:
    return Counts(offered=int(chosen.sum()), true=int(truth.sum()), right=int((chosen & truth).sum()))


def top_k(scores: Floats, truth: Bools, k: int) -> float | None:
    """Share of the images, among those where a term applies, that have a true term among their k best."""
    applies = np.asarray(truth.any(axis=1))
    if not applies.any():
        return None
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hit = np.asarray(np.take_along_axis(truth, best, axis=1).any(axis=1))
    return float(hit[applies].mean())


def calibration(scores: Floats, truth: Bools, bins: int = BINS) -> Calibration:
    """Expected calibration error over equal-width bins, weighted by their counts."""
    flat, right = scores.ravel(), truth.ravel()
    index = np.minimum((flat * bins).astype(int), bins - 1)
    bars = []
    for i in range(bins):
        inside = index == i
        if inside.any():
            mean, share = float(flat[inside].mean()), float(right[inside].mean())
            bars.append(Bin(low=i / bins, high=(i + 1) / bins, count=int(inside.sum()), mean_score=mean, share_true=share))
    total = sum(bar.count for bar in bars)
    error = sum(bar.count * abs(bar.mean_score - bar.share_true) for bar in bars) / total if total else None
    return Calibration(error=error, bins=tuple(bars))


def report(
    scores: Floats,
    truth: Bools,
    terms: tuple[str, ...],
    *,
    thresholds: Floats | float = 0.5,
    most: int | None = None,
    chosen: Bools | None = None,
) -> Report:
    """All figures at once. `terms` names the columns; `chosen` says what was offered, where that is known from elsewhere.

    Errors: ValueError when shapes differ.
    """
    if scores.shape != truth.shape or scores.shape[1] != len(terms):
        raise ValueError(f"scores {scores.shape}, truth {truth.shape} and {len(terms)} terms do not fit together.")
    if chosen is None:
        chosen = offered(scores, thresholds, most)
    each = tuple(
        TermReport(term=t, counts=count(chosen[:, i], truth[:, i]), mean_score=float(scores[:, i].mean()) if len(scores) else 0.0)
        for i, t in enumerate(terms)
    )
    return Report(
        images=len(scores),
        overall=count(chosen, truth),
        top1=top_k(scores, truth, 1),
        top3=top_k(scores, truth, 3),
        calibration=calibration(scores, truth),
        calibration_offered=calibration(scores[chosen], truth[chosen]),
        terms=each,
    )
