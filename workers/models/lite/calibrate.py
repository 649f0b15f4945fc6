"""Raw probabilities → calibrated ones, by a monotone map. It was fitted once (bench/fit_lite.py) and is stored as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.evaluation.calibration import Floats, Platt
from workers.models.lite.files import table


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    ruled: Platt  # terms that a rule names
    near: Platt  # terms reached by near-synonyms only

    @classmethod
    def load(cls) -> Calibrator:
        stored = table("calibration.json")
        return cls(ruled=_platt(stored["ruled"]), near=_platt(stored["near"]))

    def apply(self, raw: Floats, ruled: npt.NDArray[np.bool_]) -> Floats:
        """[terms] raw and whether a rule names each → [terms] probabilities; a raw 0 stays 0."""
        out: Floats = np.where(raw <= 0.0, 0.0, np.where(ruled, self.ruled.apply(raw), self.near.apply(raw)))
        return out


def _platt(stored: dict[str, float]) -> Platt:
    return Platt(slope=float(stored["slope"]), shift=float(stored["shift"]))
