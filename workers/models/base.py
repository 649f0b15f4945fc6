"""The interface between a model and the engine, and the prediction of one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from tagger.prediction import (
    CaptionPrediction,
    ClassScore,
    DetectedObject,
    EmbeddingPrediction,
    EntailmentPrediction,
    Face,
    KindScore,
    Look,
    Pixels,
    Prediction,
    TextLine,
    Vector,
)

P = TypeVar("P")  # prepared input of one image
R = TypeVar("R")  # raw result of one image


@dataclass(frozen=True, kw_only=True, eq=False)
class PartialPrediction:
    """The fields of a Prediction that one model fills; the others stay None or empty."""

    model: str  # name@revision
    caption: CaptionPrediction | None = None
    embedding: EmbeddingPrediction | None = None
    classes: tuple[ClassScore, ...] = ()
    objects: tuple[DetectedObject, ...] = ()
    look: Look | None = None
    entailment: tuple[EntailmentPrediction, ...] = ()
    kinds: tuple[KindScore, ...] = ()
    lines: tuple[TextLine, ...] | None = None
    faces: tuple[Face, ...] | None = None


def merge(parts: Iterable[PartialPrediction], *, width: int, height: int) -> Prediction:
    """One Prediction of an image of `width` × `height` pixels (the upright original), joined from the parts of its models.

    A single-valued field comes from the first part that has it. Lists are joined in the order of the parts. `models` names each
    model once.
    """
    parts = tuple(parts)
    return Prediction(
        width=width,
        height=height,
        caption=next((p.caption for p in parts if p.caption is not None), None),
        embedding=next((p.embedding for p in parts if p.embedding is not None), None),
        classes=tuple(c for p in parts for c in p.classes),
        objects=tuple(o for p in parts for o in p.objects),
        look=next((p.look for p in parts if p.look is not None), None),
        entailment=tuple(e for p in parts for e in p.entailment),
        kinds=next((p.kinds for p in parts if p.kinds), ()),
        lines=next((p.lines for p in parts if p.lines is not None), None),
        faces=next((p.faces for p in parts if p.faces is not None), None),
        models=tuple(dict.fromkeys(p.model for p in parts)),
    )


class Model(Protocol[P, R]):
    """Work on an image in three steps, so that only the middle one needs the device.

    `prepare` and `finish` are called from many threads at once and must not touch shared state; `run` is called from
    the one thread that loaded the model. The model's id is `name@revision`.
    """

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...  # first 8 hex digits of the content hash of the weights

    def prepare(self, pixels: Pixels, instruction: str) -> P:
        """CPU work before the device. `instruction` is the profile's, or the text that an entailment model checks."""
        ...

    def size(self, item: P) -> float:
        """Cost units of one prepared image, > 0: 1.0, or its visual tokens."""
        ...

    def run(self, batch: Sequence[P]) -> Sequence[R]:
        """Device work. The results match the batch by position, one for one. May raise anything."""
        ...

    def finish(self, raw: R, pixels: Pixels) -> PartialPrediction:
        """CPU work after the device."""
        ...

    def canary(self) -> P:
        """A prepared input with a known result."""
        ...

    def golden(self) -> Vector:
        """[d] the result of `reading` for the canary on a healthy device."""
        ...

    def reading(self, raw: R) -> Vector:
        """[d] the numbers of a raw result that show whether the device computes correctly."""
        ...


@runtime_checkable
class TimesItself(Protocol):
    """A model that measures its own time on the device, without the wait for other processes.

    Without it, the budget of milliseconds counts the wait as cost. Then processes that share a device make the batches of each
    other smaller and smaller.
    """

    def device_seconds(self) -> float:
        """Of the last `run`."""
        ...


@runtime_checkable
class ReadsTexts(Protocol):
    """A model that can also take a text without an image."""

    def prepare_text(self, text: str, instruction: str = "") -> object:
        """CPU work before the device, as `prepare`."""
        ...


@runtime_checkable
class TakesInTurn(Protocol):
    """A model for which a batch is not faster. It gets the images of a batch one after the other."""

    def in_turn(self) -> bool: ...


@runtime_checkable
class FixedShapes(Protocol):
    """A model that prepares each batch size separately, so the first batch of a size needs much time and memory."""

    def shapes(self, most: int) -> tuple[int, ...]:
        """The sizes in rising order, up to the one that holds `most` items. Empty: nothing is prepared."""
        ...


def model_id(model: Model[P, R]) -> str:
    return f"{model.name}@{model.revision}"


def cosine(a: Vector, b: Vector) -> float:
    """Cosine of two [d] vectors; -1.0 if they differ in shape, are not finite, or one has no length."""
    left, right = np.asarray(a, dtype=np.float64).ravel(), np.asarray(b, dtype=np.float64).ravel()
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return -1.0
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / length if length > 0 else -1.0
