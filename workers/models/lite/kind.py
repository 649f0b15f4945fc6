"""What kind of picture it is, from the pixels: a softmax over the measures of `strokes.py`. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from tagger.asset import PICTURE_KINDS
from tagger.prediction import KindScore, Pixels
from workers.models.lite import strokes
from workers.models.lite.files import table

KINDS = PICTURE_KINDS
Floats = strokes.Floats
SMALLEST = 8  # pixels of a side, under which no kind is told


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    weights: Floats  # [features, kinds]
    shift: Floats  # [kinds]


@functools.cache
def _fit() -> _Fit:
    stored = table("kinds.json")
    if tuple(stored["kinds"]) != KINDS or tuple(stored["weights"]) != strokes.NAMES:
        raise ValueError("kinds.json was fitted on other kinds or measures; run bench/fit_kind.py")
    return _Fit(weights=np.array([*stored["weights"].values()], np.float64), shift=np.array(stored["shift"], np.float64))


def kinds(pixels: Pixels) -> tuple[KindScore, ...]:
    """The probability of each kind, the most probable first; nothing for a picture that is too small to tell."""
    if min(pixels.shape[:2]) < SMALLEST:
        return ()
    fitted = _fit()
    probs = softmax((strokes.measure(pixels) @ fitted.weights + fitted.shift)[None])[0]
    order = np.argsort(-probs, kind="stable")
    return tuple(KindScore(kind=KINDS[i], score=round(float(probs[i]), 4)) for i in order)


def softmax(logits: Floats) -> Floats:
    """[n, kinds] → [n, kinds], each row of sum one."""
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: Floats = exps / exps.sum(axis=1, keepdims=True)
    return out
