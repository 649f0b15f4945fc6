"""Combines classifier and detector into one probability of a thing, which its tag and its caption share. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tagger.prediction import ClassScore, DetectedObject, Prediction
from workers.models.lite import cues
from workers.models.lite.calibrate import Calibrator
from workers.models.lite.detect import sure
from workers.models.lite.lexicon import OBJECT_SENSES, Lexicon, lexicon

Floats = npt.NDArray[np.float32]

SHARPEN = 1.5  # power of the class probabilities: it was trained with smoothed labels, so they are too low
TAIL = 0.06  # least sum of the sharpened probabilities that is scaled to one
DENIED = 0.02  # if the classifier knows a thing and gives it less, the thing is not the subject
LARGE = 0.25  # a thing with this share of the picture is its subject, so the classifier should see it too
DOUBT = 0.5  # weight of a large thing that the classifier denies


def evidence(prediction: Prediction, words: Lexicon) -> Floats:
    """[1080]: p(class) of each class, then the probability that each kind of object is there."""
    sources = np.zeros(len(words.words), np.float32)
    seen = [(row, c.score) for c in prediction.classes if (row := words.class_index.get(c.label)) is not None]
    shares = np.array([max(score, 0.0) ** SHARPEN for _, score in seen], np.float32)
    np.add.at(sources, np.array([row for row, _ in seen], np.intp), shares)  # two classes share a name
    sources /= max(float(sources.sum()), TAIL)
    for thing in prediction.objects:
        row = words.object_index.get(thing.label)
        if row is not None:
            likely = sure(thing) * (DOUBT if is_large(thing) and denied(thing.label, prediction.classes) else 1.0)
            sources[len(words.classes) + row] = max(sources[len(words.classes) + row], likely)
    return sources


def joined(sources: Floats, weights: Floats, classes: int) -> npt.NDArray[np.float64]:
    """[1080] evidence, [1080, n] P(n | source) → [n]: the classes exclude each other and add up; objects stand beside them."""
    seen = np.flatnonzero(sources)  # few sources are not 0, so the other weights need not be read
    few, objects = seen[seen < classes], seen[seen >= classes]
    of_classes = np.clip(sources[few] @ weights[few], 0.0, 1.0)
    of_objects = (sources[objects, None] * weights[objects]).max(axis=0, initial=0.0)
    out: npt.NDArray[np.float64] = (1.0 - (1.0 - of_classes) * (1.0 - of_objects)).astype(np.float64)
    return out


def believed(word: str, prediction: Prediction) -> float:
    """The probability of this word; its tag has the same."""
    words = lexicon()
    column = words.concept_index.get(word)
    if column is not None:
        return float(calibrated(concepts_of(prediction, words)[[column]], ruled=True)[0])
    naming = np.zeros((len(words.words), 1), np.float32)
    naming[words.sources_of.get(word, np.zeros(0, np.intp))] = 1.0
    return float(calibrated(joined(evidence(prediction, words), naming, len(words.classes)), ruled=False)[0])


def concepts_of(prediction: Prediction, words: Lexicon) -> npt.NDArray[np.float64]:
    """[concepts] uncalibrated probabilities, from classes, objects and pixels."""
    return cues.adjust(joined(evidence(prediction, words), words.rules, len(words.classes)), prediction)


def calibrated(raw: npt.NDArray[np.float64], *, ruled: bool) -> npt.NDArray[np.float64]:
    return _calibrator().apply(raw, np.full(len(raw), ruled))


@functools.cache
def _calibrator() -> Calibrator:
    return Calibrator.load()


def denied(label: str, classes: Sequence[ClassScore]) -> bool:
    """Whether the classifier knows the thing that the detector found, and sees none."""
    known = naming_classes().get(label, frozenset())
    return bool(known) and sum(c.score for c in classes if c.label in known) < DENIED


def confirmed(label: str, classes: Sequence[ClassScore]) -> bool:
    """Whether the classifier also sees what the detector found. If no class means that thing, it cannot."""
    return bool(naming_classes().get(label)) and not denied(label, classes)


def overruled(label: str, objects: Sequence[DetectedObject]) -> bool:
    """Whether the detector knows the thing that the classifier names, found none, and found another thing of that size."""
    known = {name for name, classes in naming_classes().items() if label in classes}
    if not known or any(thing.label in known for thing in objects):
        return False
    return any(is_large(thing) and sure(thing) >= DOUBT for thing in objects if thing.label != "person")


@functools.cache
def naming_classes() -> Mapping[str, frozenset[str]]:
    """COCO name → the classes that are such a thing, or a kind of it. Empty where the classifier has none, and of persons."""
    words = lexicon()
    found = {}
    for name in words.objects:
        own = OBJECT_SENSES.get(name, (name,))[0]
        rows = words.sources_of.get(own, np.zeros(0, np.intp)) if name.split()[-1] in own and name != "person" else ()
        found[name] = frozenset(words.classes[row] for row in rows if row < len(words.classes))
    return found


def is_large(thing: DetectedObject) -> bool:
    return (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1]) >= LARGE
