"""Changes the probabilities of concepts by cues of the pixels and boxes, with likelihood ratios. Pure.

A concept without evidence of its own still has a base rate under a wider one (sky, outdoors); then each cue moves its
log-odds by a stated amount (`cues.json`). The amounts are rounded estimates; they were not fitted to photographs.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.evaluation.calibration import logit
from tagger.prediction import Look, Prediction
from workers.models.lite.detect import sure
from workers.models.lite.files import table
from workers.models.lite.lexicon import lexicon

Floats = npt.NDArray[np.float64]
Ratios = Mapping[str, tuple[tuple[int, float], ...]]  # cue → (concept, change of the log-odds at full strength)

FULL_SHARE = 0.45  # share of the pixels at which a colour is surely named
BIG_PERSON = 0.22  # share of the picture from which a lone person makes a portrait
FACE_FROM, FACE_FULL = 0.12, 0.22  # height of a face as a share of the picture: where a portrait begins, and where it is sure
PORTRAIT = 0.9  # probability of a portrait by its faces alone
FEW_FACES = 2  # more make a group
CROWD, FEW = 6, 4  # persons: from the first on a crowd is likely; under the second it is not
DOUBT = 0.3  # best class under which textures look like insects
DOUBTED = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rules:
    context: tuple[tuple[int, int, float], ...]  # concept, wider concept, base rate of the first given the second
    of_wider: Ratios  # of the second ones: they move first, since what is outdoors decides how likely a sky is
    of_others: Ratios
    animals: npt.NDArray[np.intp]


@functools.cache
def _rules() -> _Rules:
    stored, column = table("cues.json"), lexicon().concept_index
    wider = {concept for concept, _ in stored["context"].values()}

    def ratios(chosen: Callable[[str], bool]) -> Ratios:
        return {cue: tuple((column[c], r) for c, r in row.items() if chosen(c)) for cue, row in stored["ratios"].items()}

    return _Rules(
        context=tuple((column[c], column[above], rate) for c, (above, rate) in stored["context"].items()),
        of_wider=ratios(lambda concept: concept in wider),
        of_others=ratios(lambda concept: concept not in wider),
        animals=np.array([column[c] for c in stored["animals"]], np.intp),
    )


def adjust(concepts: Floats, prediction: Prediction) -> Floats:
    """[concepts] probabilities from classes and objects → with context, pixels and boxes."""
    rules, out = _rules(), concepts.copy()
    best = max((c.score for c in prediction.classes), default=0.0)
    if best < DOUBT and not any(sure(o) >= 0.5 and o.label in ANIMALS for o in prediction.objects):
        out[rules.animals] *= DOUBTED
    present = strengths(prediction)
    _move(out, present, rules.of_wider)
    for concept, wider, rate in rules.context:
        out[concept] = max(out[concept], out[wider] * rate)
    _move(out, present, rules.of_others)
    portrait = lexicon().concept_index["portrait"]
    out[portrait] = max(out[portrait], _portrait(prediction))
    return out


def _portrait(prediction: Prediction) -> float:
    """By the size of the largest face."""
    heights = [face.score * (face.box[3] - face.box[1]) for face in prediction.faces or ()]
    if not heights or len(heights) > FEW_FACES:
        return 0.0
    return PORTRAIT * min(1.0, max(0.0, (max(heights) - FACE_FROM) / (FACE_FULL - FACE_FROM)))


def _move(out: Floats, present: Mapping[str, float], ratios: Ratios) -> None:
    """Change the log-odds of concepts by the cues that are present."""
    shift: defaultdict[int, float] = defaultdict(float)
    for cue, strength in present.items():
        for concept, ratio in ratios.get(cue, ()):
            shift[concept] += strength * ratio
    moved = [concept for concept, by in shift.items() if by]
    out[moved] = 1.0 / (1.0 + np.exp(-(logit(out[moved]) + [shift[concept] for concept in moved])))


def strengths(prediction: Prediction) -> dict[str, float]:
    """Cue → strength 0..1: the look's, and what the boxes of persons say."""
    cues = dict(prediction.look.cues) if prediction.look is not None else {}
    persons = [(o, sure(o)) for o in prediction.objects if o.label == "person"]
    if persons:
        largest, certain = max(persons, key=lambda pair: _area(pair[0].box))
        count = max(sum(c >= 0.5 for _, c in persons), len(prediction.faces or ()))
        cues["many_persons"], cues["few_persons"] = float(count >= CROWD), float(count < FEW)
        cues["big_person" if _area(largest.box) >= BIG_PERSON else "small_person"] = certain
    return cues


def look_word(names: frozenset[str]) -> str | None:
    """The first of a term's names that names a colour or the light."""
    return min((n for n in names if _colour(n) in COLOURS or n in LIGHT), default=None)


def by_look(word: str, look: Look) -> float:
    """The probability of what `look_word` found."""
    if word in LIGHT:
        return 0.92 if getattr(look, LIGHT[word]) else 0.03
    return float(min(0.95, dict(look.dominant).get(_colour(word), 0.0) / FULL_SHARE))


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _colour(word: str) -> str:
    return ALIASES.get(word, word)


ANIMALS = frozenset({"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"})
COLOURS = frozenset({"red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "white", "black", "grey"})
ALIASES = {"gray": "grey", "violet": "purple", "turquoise": "cyan", "teal": "cyan", "rose": "pink"}
_LIGHTS = {
    "black_and_white": ("black and white", "monochrome", "grayscale", "greyscale"),
    "dark": ("dark", "low key", "dim"),
    "bright": ("bright", "high key"),
    "warm": ("warm", "warm color", "warm colour", "warm tone", "warm light"),
    "cold": ("cold", "cool", "cold color", "cold colour", "cool color", "cool colour", "cold tone", "cool tone"),
}
LIGHT = {name: field for field, names in _LIGHTS.items() for name in names}
