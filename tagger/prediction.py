"""Prediction: the raw output of a model for one image, before any rule of a site touches it.

Cached by site, content hash, model revision, instruction and context; profile, locale and vocabulary come later (`gate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tagger.asset import Content, PictureKind
from tagger.file_metadata import FileMetadata

if TYPE_CHECKING:  # every process imports this module, and few of them compute
    import numpy as np
    import numpy.typing as npt

Vector: TypeAlias = "npt.NDArray[np.float32]"
Pixels: TypeAlias = "npt.NDArray[np.uint8]"  # [height, width, 3], RGB, upright

KIND_SURE = 0.5  # probability from which a picture counts as of a kind


@dataclass(frozen=True, kw_only=True)
class CaptionPrediction:
    """One sentence that a model offers, as the model wrote it, not yet cleaned."""

    model: str  # name@revision, e.g. "ofa-caption@1a2b3c4d" or "lite-composed@9f8e7d6c"
    text: str  # English
    score: float  # probability that the sentence fits, 0..1
    log_prob: float | None = None  # mean log-probability per token, where the model has one
    specific: bool = True  # False: only a generic head ("an object") could be said
    agreed: bool = True  # False: of several models, one contradicts it or does not see it; then it is not specific either
    others: tuple[tuple[str, str], ...] = ()  # the same in other languages: (("zh", "一只猫"),)

    def text_in(self, language: str) -> str | None:
        return self.text if language == "en" else dict(self.others).get(language)


@dataclass(frozen=True, kw_only=True)
class DetectedObject:
    label: str  # COCO name
    score: float  # 0..1
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of width and height


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    label: str  # ImageNet class name
    score: float  # softmax probability


@dataclass(frozen=True, kw_only=True)
class KindScore:
    kind: PictureKind
    score: float  # probability, 0..1


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line of text that was seen in the picture."""

    text: str  # empty: it could not be read
    score: float  # mean probability of its characters, 0..1
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of width and height


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face, of nobody in particular: nothing here tells who it is."""

    score: float  # probability, 0..1
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of width and height


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colours and light, from the pixels alone."""

    dominant: tuple[tuple[str, float], ...]  # (colour name, share), at most five, largest first
    warm: bool
    cold: bool
    bright: bool
    dark: bool
    black_and_white: bool
    uniform: bool  # what the model got is one colour all over, or at most two pixels on a side
    cues: tuple[tuple[str, float], ...] = ()  # hints at the scene, such as ("blue_sky", 0.8): name, strength 0..1


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingPrediction:
    model: str  # name@revision
    vector: Vector  # [d] float32, L2-normalised


@dataclass(frozen=True, kw_only=True)
class EntailmentPrediction:
    """Does the text describe the image? The three probabilities sum to one."""

    model: str
    text: str
    yes: float
    maybe: float
    no: float

    @property
    def answer(self) -> Literal["yes", "maybe", "no"]:
        best = max(self.yes, self.maybe, self.no)
        return "yes" if best == self.yes else "no" if best == self.no else "maybe"


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """All that the models said about one image. A part that no model of this worker offers is None or empty."""

    width: int  # pixels of the upright original
    height: int
    caption: CaptionPrediction | None = None
    embedding: EmbeddingPrediction | None = None
    classes: tuple[ClassScore, ...] = ()
    objects: tuple[DetectedObject, ...] = ()
    look: Look | None = None
    entailment: tuple[EntailmentPrediction, ...] = ()
    models: tuple[str, ...] = field(default=())  # every name@revision that took part
    kinds: tuple[KindScore, ...] = ()  # of all kinds, the most probable first; empty: nobody looked
    lines: tuple[TextLine, ...] | None = None  # of text, in the order of reading; empty: none was seen; None: nobody looked
    faces: tuple[Face, ...] | None = None  # the surest first; empty: none was found; None: nobody looked
    look_hash: str | None = None  # perceptual hash, 16 hex digits; None: none was computed, or the picture is of one colour
    content: Content = "shown"  # of the same bytes, by the decoder
    file: FileMetadata = field(default_factory=FileMetadata)  # what the file says of itself; of the same bytes, so kept with them

    @property
    def kind(self) -> PictureKind | None:
        """What kind of picture it is, where one is more probable than all others together."""
        return self.kinds[0].kind if self.kinds and self.kinds[0].score >= KIND_SURE else None


class TermScore(NamedTuple):
    """How probable one term of a vocabulary is for one image. A tuple, since every image has one for every term."""

    category: str
    term: str
    score: float  # calibrated probability, 0..1
    model: str  # name@revision
