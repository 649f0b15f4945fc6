"""Faces: MediaPipe's BlazeFace (full range) on onnxruntime, and the decoding of its grid. It finds faces and knows nobody."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from tagger.prediction import Face
from workers.models.lite.detect import overlap
from workers.models.lite.files import open_session

Floats = npt.NDArray[np.float32]

FILE = "blazeface.onnx"
SIDE = 192
GRID = 48  # cells a side, one anchor in the middle of each
SURE = 0.5  # no face was found at less; the highest score of a photograph without a face was 0.32
OVERLAP = 0.3  # intersection over union above which two boxes are one face
MOST = 50
KEEP = 200  # candidates looked at before suppression


class FaceFinder:
    """`find` belongs to one thread."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        """The faces, the surest first."""
        tensor, frame = letterboxed(image)
        scores, boxes = self._session.run(["scores", "boxes"], {"x": tensor})
        return decode(scores[0, :, 0], boxes[0, :, :4], frame)


def letterboxed(image: Image.Image) -> tuple[Floats, tuple[float, float, float, float]]:
    """[1, 3, 192, 192] RGB in −1..1, the picture in the middle, and its place (left, top, width, height) in pixels."""
    scale = SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    tensor = np.full((1, 3, SIDE, SIDE), -1.0, np.float32)
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0), np.float32)
    tensor[0, :, top : top + height, left : left + width] = small.transpose(2, 0, 1) / np.float32(127.5) - np.float32(1.0)
    return tensor, (float(left), float(top), float(width), float(height))


def decode(logits: Floats, boxes: Floats, frame: tuple[float, float, float, float]) -> tuple[Face, ...]:
    """[2304] logits and [2304, 4] centre offset and size in pixels of the square → faces; boxes as shares of the picture."""
    good = np.isfinite(logits) & np.isfinite(boxes).all(axis=1)
    scores = np.where(good, 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0))), 0.0)
    order = np.argsort(-scores, kind="stable")[:KEEP]
    order = order[scores[order] >= SURE]
    centres = (np.stack([order % GRID, order // GRID], axis=1) + 0.5) / GRID * SIDE + boxes[order, :2]
    halves = boxes[order, 2:] / 2
    corner, size = np.array(frame[:2]), np.array(frame[2:])
    shares = np.clip(np.concatenate([(centres - halves - corner) / size, (centres + halves - corner) / size], axis=1), 0.0, 1.0)
    shares = shares.astype(np.float32)
    chosen: list[int] = []
    for i in range(len(order)):
        empty = (shares[i, 2:] <= shares[i, :2]).any()
        if not empty and all(overlap(shares[i], shares[j]) < OVERLAP for j in chosen):
            chosen.append(i)
    return tuple(_face(float(scores[order[i]]), shares[i]) for i in chosen[:MOST])


def _face(score: float, box: Floats) -> Face:
    left, top, right, bottom = (round(float(side), 4) for side in box)
    return Face(score=round(score, 4), box=(left, top, right, bottom))


def load() -> FaceFinder:
    """Opens the session. Call it in the thread that will own it."""
    return FaceFinder(open_session(FILE))
