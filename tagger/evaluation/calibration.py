"""From a score to a probability: monotone maps fitted on labelled images, one for each term of a model. Pure but for the file.

A term that has labels of its own moves from the map that all terms share; one without keeps that. Priors hold both near where
they were, so a few images move little.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tagger.errors import VocabularyInvalid

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]

EDGE = 1e-4
SLOPE_SPREAD, SHIFT_SPREAD = 0.15, 0.3  # of the priors of one map
SHARED_SLOPE_SPREAD, SHARED_SHIFT_SPREAD = 0.5, 2.0  # of the map that all terms share: it sees the most images
TERM_SHIFT_SPREAD = 0.7  # of a term around that
FILE = "calibration.json"


@dataclass(frozen=True, kw_only=True)
class Platt:
    """logit(p) = slope · logit(raw) + shift; slope > 0, so the order stays."""

    slope: float = 1.0
    shift: float = 0.0

    def apply(self, raw: Floats) -> Floats:
        out: Floats = 1.0 / (1.0 + np.exp(-(self.slope * logit(raw) + self.shift)))
        return out

    def after(self, first: Platt) -> Platt:
        """Both, one after the other."""
        return Platt(slope=self.slope * first.slope, shift=self.slope * first.shift + self.shift)


def fit(
    raw: Floats,
    truth: Truth,
    *,
    prior: Platt | None = None,
    slope_spread: float = SLOPE_SPREAD,
    shift_spread: float = SHIFT_SPREAD,
) -> Platt:
    """Maximum a posteriori of slope and shift under normal priors around `prior` (as it is): a few pictures move little."""
    x, y = logit(raw), truth.astype(np.float64)
    before = prior or Platt()
    centre = np.array([before.slope, before.shift])
    at = centre.copy()
    stiffness = np.diag([slope_spread**-2, shift_spread**-2])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(at[0] * x + at[1])))
        gradient = np.array([((p - y) * x).sum(), (p - y).sum()]) + stiffness @ (at - centre)
        weight = p * (1.0 - p)
        curve = np.array([[(weight * x * x).sum(), (weight * x).sum()], [(weight * x).sum(), weight.sum()]]) + stiffness
        at = at - np.linalg.solve(curve, gradient)
    return Platt(slope=max(0.05, float(at[0])), shift=float(at[1]))


def logit(p: Floats) -> Floats:
    clipped = np.clip(p, EDGE, 1.0 - EDGE)
    out: Floats = np.log(clipped / (1.0 - clipped))
    return out


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The maps of one model's terms."""

    model: str  # name@revision of the scores that it maps; of any other it says nothing
    shared: Platt
    terms: Mapping[str, Platt]  # by the term's id
    images: int  # that it was fitted on

    def of(self, term: str) -> Platt:
        return self.terms.get(term, self.shared)

    def apply(self, raw: Floats, terms: Sequence[str]) -> Floats:
        """[terms] → [terms] probabilities."""
        maps = [self.of(term) for term in terms]
        slopes, shifts = (np.array([getattr(m, name) for m in maps]) for name in ("slope", "shift"))
        out: Floats = 1.0 / (1.0 + np.exp(-(slopes * logit(raw) + shifts)))
        return out

    @classmethod
    def fitted(cls, model: str, raw: Floats, truth: Truth, terms: Sequence[str], before: Calibration | None) -> Calibration:
        """raw and truth [images, terms]. `before`: what `raw` went through already; the new maps stand for both."""
        start = before if before is not None and before.model == model else None
        shared = fit(raw.ravel(), truth.ravel(), slope_spread=SHARED_SLOPE_SPREAD, shift_spread=SHARED_SHIFT_SPREAD)
        own = {term: fit(raw[:, i], truth[:, i], prior=shared, shift_spread=TERM_SHIFT_SPREAD) for i, term in enumerate(terms)}
        if start is not None:
            own = {**{t: shared.after(m) for t, m in start.terms.items()}, **{t: m.after(start.of(t)) for t, m in own.items()}}
            shared = shared.after(start.shared)
        return cls(model=model, shared=shared, terms=own, images=raw.shape[0])

    def write(self, file: Path) -> None:
        """Whole or not at all. Errors: OSError."""
        body = {
            "model": self.model,
            "images": self.images,
            "shared": _plain(self.shared),
            "terms": {term: _plain(m) for term, m in sorted(self.terms.items())},
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(file)

    @classmethod
    def read(cls, file: Path) -> Calibration | None:
        """None: there is none. Errors: VocabularyInvalid when it cannot be understood."""
        try:
            body = json.loads(file.read_text("utf-8"))
            terms = {str(term): _map(m) for term, m in body["terms"].items()}
            return cls(model=str(body["model"]), shared=_map(body["shared"]), terms=terms, images=int(body["images"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            remedy = "Remove the file, or run `tagger evaluate --calibrate` again."
            raise VocabularyInvalid(f"{file} is not a calibration file: {err}.", remedy) from err


def _plain(m: Platt) -> dict[str, float]:
    return {"slope": round(m.slope, 4), "shift": round(m.shift, 4)}


def _map(body: Mapping[str, float]) -> Platt:
    slope, shift = float(body["slope"]), float(body["shift"])
    if not (0 < slope < np.inf and abs(shift) < np.inf):
        raise ValueError(f"slope {slope} and shift {shift} are no map")
    return Platt(slope=slope, shift=shift)
