"""Adjusts tags to the kind of the picture: some terms name the kind, others are not possible in such a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from tagger.asset import PictureKind
from tagger.prediction import Prediction

Floats = npt.NDArray[np.float64]

NAMES: Mapping[str, frozenset[PictureKind]] = {  # a word → the kinds that it names
    **dict.fromkeys(("illustration", "drawing", "cartoon", "clip art", "artwork"), frozenset({"illustration", "icon", "map"})),
    **dict.fromkeys(("icon", "logo", "pictogram", "emblem"), frozenset({"icon"})),
    **dict.fromkeys(("chart", "diagram", "graph", "plot", "infographic", "flowchart"), frozenset({"chart"})),
    **dict.fromkeys(("screenshot", "screen shot", "screen capture", "user interface"), frozenset({"screenshot"})),
    **dict.fromkeys(("document", "scan", "scanned document"), frozenset({"document"})),
    **dict.fromkeys(("map", "street map", "city map"), frozenset({"map"})),
    **dict.fromkeys(("x ray", "xray", "radiograph", "medical image", "medical scan"), frozenset({"medical"})),
}
KEPT: Mapping[PictureKind, float] = {"photograph": 1.0, "illustration": 0.3}  # share of what is seen that is believed; others: 0
LIGHT_OF = frozenset({"photograph", "medical"})  # kinds that can be black and white, dark or warm
LIGHTLESS = frozenset({"black and white", "monochrome", "grayscale", "greyscale"})


def named(names: Iterable[str]) -> frozenset[str]:
    """The kinds that a term names."""
    return frozenset(kind for name in names for kind in NAMES.get(name, ()))


def adjust(
    probs: Floats, prediction: Prediction, terms: Iterable[tuple[int, frozenset[str]]], looks: Iterable[tuple[int, str]]
) -> Floats:
    """[terms]: those that name a kind get its probability; the others count as far as such a picture can show them.

    If the picture is probably a photograph, all terms count fully.
    """
    if not prediction.kinds:
        return probs
    shares = {k.kind: k.score for k in prediction.kinds}
    out = probs * min(1.0, 2.0 * sum(share * KEPT.get(kind, 0.0) for kind, share in shares.items()))
    for i, word in looks:
        out[i] = probs[i] * (1.0 if word not in LIGHTLESS else min(1.0, 2.0 * sum(s for k, s in shares.items() if k in LIGHT_OF)))
    for i, kinds in terms:
        out[i] = sum(share for kind, share in shares.items() if kind in kinds)
    return out
