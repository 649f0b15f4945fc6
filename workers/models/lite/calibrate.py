"""Raw probabilities → calibrated ones, by a monotone map that was fitted once (bench/fit_lite.py) and is stored as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.lite.files import table

Floats = npt.NDArray[np.float64]

EDGE = 1e-4
SLOPE_SPREAD, SHIFT_SPREAD = 0.15, 0.3  # of the priors of a fit


@dataclass(frozen=True, kw_only=True)
class Platt:
    """logit(p) = slope · logit(raw) + shift; slope > 0, so the order stays."""

    slope: float
    shift: float

    def apply(self, raw: Floats) -> Floats:
        out: Floats = 1.0 / (1.0 + np.exp(-(self.slope * logit(raw) + self.shift)))
        return out


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    ruled: Platt  # terms that a rule names
    near: Platt  # terms reached by near-synonyms only

    @classmethod
    def load(cls) -> Calibrator:
        stored = table("calibration.json")
        return cls(ruled=_platt(stored["ruled"]), near=_platt(stored["near"]))

    def apply(self, raw: Floats, known: npt.NDArray[np.bool_]) -> Floats:
        """[terms] raw and whether a rule names each → [terms] probabilities; a raw 0 stays 0."""
        out: Floats = np.where(raw <= 0.0, 0.0, np.where(known, self.ruled.apply(raw), self.near.apply(raw)))
        return out


def fit(raw: Floats, truth: npt.NDArray[np.bool_], *, shift_prior: float = 0.0) -> Platt:
    """Maximum a posteriori of slope and shift under normal priors around 1 and `shift_prior`: a few photographs move little."""
    x, y = logit(raw), truth.astype(np.float64)
    at = np.array([1.0, 0.0])
    prior = np.array([1.0, shift_prior])
    stiffness = np.diag([SLOPE_SPREAD**-2, SHIFT_SPREAD**-2])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(at[0] * x + at[1])))
        gradient = np.array([((p - y) * x).sum(), (p - y).sum()]) + stiffness @ (at - prior)
        weight = p * (1.0 - p)
        curve = np.array([[(weight * x * x).sum(), (weight * x).sum()], [(weight * x).sum(), weight.sum()]]) + stiffness
        at = at - np.linalg.solve(curve, gradient)
    return Platt(slope=max(0.05, float(at[0])), shift=float(at[1]))


def logit(p: Floats) -> Floats:
    kept = np.clip(p, EDGE, 1.0 - EDGE)
    out: Floats = np.log(kept / (1.0 - kept))
    return out


def _platt(stored: dict[str, float]) -> Platt:
    return Platt(slope=float(stored["slope"]), shift=float(stored["shift"]))
