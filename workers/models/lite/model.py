"""The lite model: classes, objects, look, template caption and a text-space vector, on a CPU, for every image."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from tagger.prediction import (
    CaptionPrediction,
    ClassScore,
    DetectedObject,
    EmbeddingPrediction,
    Face,
    Pixels,
    Prediction,
    TextLine,
    Vector,
)
from workers.models.base import PartialPrediction
from workers.models.lite import classify, detect, faces, kind, look, ocr, precision, signs
from workers.models.lite.captions.compose import caption
from workers.models.lite.files import DATA, open_session, revision
from workers.models.lite.lexicon import Lexicon, lexicon

Floats = npt.NDArray[np.float32]

CLASSIFIER, DETECTOR, GOLDEN = "efficientnet_lite0.onnx", "nanodet_coco.onnx", "golden.npz"
SMALLEST = 448  # shorter side that a large picture is first reduced to, by a whole number
CLASSES = 60  # classes that are kept, of 1000; the others have little probability
CONSE = 10  # classes mixed into the vector (Norouzi et al. 2013)
OBJECT_SHARE = 0.5  # weight of a sure object beside the classes; ImageNet has no persons


@dataclass(frozen=True, kw_only=True, eq=False)
class LiteInput:
    crops: Floats  # [k, 3, 224, 224]
    letterboxed: detect.Letterboxed
    thumb: Pixels  # [64, 64, 3], for colours and light
    pixels: Pixels  # the whole picture, for text


@dataclass(frozen=True, kw_only=True, eq=False)
class LiteRaw:
    logits: Floats  # [k, 1000]
    feature: Floats  # [1280], mean over the crops
    scores: Floats  # [m, 80] of the detector's candidates
    boxes: Floats  # [m, 4]
    frame: tuple[float, float]  # share of the detector's tensor that the picture took
    thumb: Pixels
    lines: tuple[TextLine, ...]
    faces: tuple[Face, ...]


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """The networks."""

    classifier: ort.InferenceSession
    detector: precision.Network
    faces: faces.FaceFinder
    reader: ocr.Reader


class LiteModel:
    """EfficientNet-Lite0, NanoDet, BlazeFace and PP-OCRv4. `load` opens the sessions; `run` belongs to one thread."""

    name = "lite"

    def __init__(self, sessions: Sessions, words: Lexicon) -> None:
        self.revision = revision(CLASSIFIER, sessions.detector.file, "kinds.json", "nouns.json", faces.FILE, *ocr.FILES)
        self._sessions = sessions
        self._lexicon = words
        self._caption_model = f"lite-composed@{self.revision}"
        self._sign_model = f"lite-sign@{self.revision}"
        self._vector_model = f"lite-minilm@{revision('minilm_l6_v2_int8.onnx')}"

    def prepare(self, pixels: Pixels, instruction: str) -> LiteInput:  # noqa: ARG002  # these models take no instruction
        return prepare(pixels)

    def size(self, item: LiteInput) -> float:  # noqa: ARG002  # every image costs the same
        return 1.0

    def run(self, batch: Sequence[LiteInput]) -> list[LiteRaw]:
        return [self._one(item) for item in batch]

    def in_turn(self) -> bool:
        return True  # measured: a CPU gains nothing from more at once

    def _one(self, item: LiteInput) -> LiteRaw:
        use = self._sessions
        logits, features = use.classifier.run(["logits", "feat"], {"x": item.crops})
        outputs = use.detector.run(item.letterboxed.tensor)
        size = item.letterboxed.tensor.shape[2:]
        scores, boxes = detect.decode({(o.shape[1], o.shape[2]): o for o in outputs}, (size[0], size[1]))
        image = Image.fromarray(item.pixels)
        return LiteRaw(
            logits=logits,
            feature=features.mean(axis=0),
            scores=scores,
            boxes=boxes,
            frame=(item.letterboxed.width, item.letterboxed.height),
            thumb=item.thumb,
            lines=use.reader.read(image),
            faces=use.faces.find(image) if self._may_show_persons(scores) else (),
        )

    def _may_show_persons(self, scores: Floats) -> bool:
        """Whether the detector found a possible person, even an unlikely one. Without one, no face was ever found."""
        person = self._lexicon.object_index["person"]
        return bool((scores[:, person] >= detect.SCORE_FLOOR).any())

    def finish(self, raw: LiteRaw, pixels: Pixels) -> PartialPrediction:
        probs = classify.probabilities(raw.logits)
        classes = classify.top(probs, self._lexicon.classes, CLASSES)
        objects = detect.objects(raw.scores, raw.boxes, raw.frame, self._lexicon.objects)
        appearance = look.look(pixels, raw.thumb)
        height, width = pixels.shape[:2]
        kinds = () if appearance.uniform else kind.kinds(pixels)
        seen = Prediction(
            width=width,
            height=height,
            classes=classes,
            objects=objects,
            look=appearance,
            kinds=kinds,
            lines=raw.lines,
            faces=raw.faces,
        )
        sentence = None if appearance.uniform else self._sentence(seen, raw.thumb)
        return PartialPrediction(
            model=f"{self.name}@{self.revision}",
            classes=classes,
            objects=objects,
            look=appearance,
            caption=sentence,
            kinds=kinds,
            lines=raw.lines,
            faces=raw.faces,
            embedding=EmbeddingPrediction(model=self._vector_model, vector=self._conse(classes, objects)),
        )

    def _sentence(self, seen: Prediction, thumb: Pixels) -> CaptionPrediction | None:
        """The text of a sign takes precedence over everything else in the picture."""
        return signs.caption(seen, self._sign_model) or caption(seen, thumb, self._caption_model)

    def _conse(self, classes: Sequence[ClassScore], objects: Sequence[DetectedObject]) -> Vector:
        """[384], length 1: the mean of the text vectors of what was seen, weighted by probability."""
        words = self._lexicon
        mixed = np.zeros(words.vectors.shape[1], np.float32)
        for seen in classes[:CONSE]:
            mixed += seen.score * words.class_vectors[words.class_index[seen.label]]
        surest: dict[str, float] = {}
        for thing in objects:
            surest[thing.label] = max(surest.get(thing.label, 0.0), detect.sure(thing))
        for label, score in surest.items():
            mixed += OBJECT_SHARE * score * words.vectors[words.text_index[label]]
        vector: Vector = (mixed / max(float(np.linalg.norm(mixed)), 1e-12)).astype(np.float32)
        return vector

    def canary(self) -> LiteInput:
        return prepare(canary_pixels())

    def golden(self) -> Vector:
        with np.load(DATA / GOLDEN, allow_pickle=False) as stored:
            return np.asarray(stored[self._sessions.detector.file], np.float32)

    def reading(self, raw: LiteRaw) -> Vector:
        """[1360]: the classifier's feature and the detector's best score per kind, each part of length 1."""
        best = raw.scores.max(axis=0) if len(raw.scores) else np.zeros(len(self._lexicon.objects), np.float32)
        parts = [part / max(float(np.linalg.norm(part)), 1e-12) for part in (raw.feature, best)]
        return np.concatenate(parts).astype(np.float32)


def prepare(pixels: Pixels) -> LiteInput:
    image = Image.fromarray(pixels)
    if (times := min(image.size) // SMALLEST) > 1:
        image = image.reduce(times)
    return LiteInput(crops=classify.crops(image), letterboxed=detect.letterbox(image), thumb=look.thumbnail(image), pixels=pixels)


@functools.cache
def canary_pixels() -> Pixels:
    """A cup of espresso, 240 × 160 (scikit-image's "coffee", CC0)."""
    with Image.open(DATA / "canary.png", formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def load(folder: Path | None = None) -> LiteModel:
    """Opens the sessions. Call it in the thread that will own the model.

    `folder`: where the choice between int8 and float32 is kept for the other workers; None: nowhere.
    """
    test = prepare(canary_pixels())
    detector = precision.choose(DETECTOR, test.letterboxed.tensor, folder)
    sessions = Sessions(classifier=open_session(CLASSIFIER), detector=detector, faces=faces.load(), reader=ocr.load())
    return LiteModel(sessions, lexicon())
