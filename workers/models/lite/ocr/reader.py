"""Reads the text of a picture in three steps, each only where the one before it saw something: a look at the edges, the detector
on a small copy, then the detector on a larger copy and the recogniser on each line."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from tagger.prediction import TextLine
from workers.models.lite.files import DATA, open_session
from workers.models.lite.ocr import glance, lines
from workers.models.lite.ocr.regions import Doubles, Region, regions

Floats = npt.NDArray[np.float32]

SMALL, LARGE = 320, 640  # longest sides of the two copies
STRIDE = 32  # of the detector: sides are multiples of it
TRACE = 0.02  # probability of text in the small copy from which the large one is looked at
TRACE_CELLS = 10  # so many cells must have it
MOST_LINES = 24  # read of a picture, the largest first; the others count as seen
MOST_CHARACTERS = 200  # of a line
LEAST_SCORE = 0.5  # below it the text is a guess, and is not kept
FILES = DETECTOR, RECOGNISER, KEYS = "ppocrv4_det.onnx", "ppocrv4_rec.onnx", "ppocr_keys.txt"


class Reader:
    """PP-OCRv4's detector and recogniser. `load` opens the sessions; `read` belongs to one thread."""

    def __init__(self, detector: ort.InferenceSession, recogniser: ort.InferenceSession, keys: Sequence[str]) -> None:
        self._detector = detector
        self._recogniser = recogniser
        self._keys = keys  # of the recogniser's outputs 1 …; the last output is a space

    def read(self, image: Image.Image) -> tuple[TextLine, ...]:
        """A line for each region of text, in the order of reading; without text if it was not read. Empty: no region was seen."""
        if not glance.may_hold_text(image) or not self._trace(image):
            return ()
        found, scale = self._regions(image)
        largest = sorted(found, key=lambda region: -region.height * region.width)
        placed = [region.corners * scale for region in largest]
        read = [self._line(image, corners) for corners in placed[:MOST_LINES]]
        read += [lines.NOTHING] * len(placed[MOST_LINES:])
        return in_order(tuple(_text_line(line, corners, image) for line, corners in zip(read, placed, strict=True)))

    def _trace(self, image: Image.Image) -> bool:
        """Whether the small copy shows any text."""
        probabilities, _ = self._map(image, SMALL)
        return int((probabilities >= TRACE).sum()) >= TRACE_CELLS

    def _regions(self, image: Image.Image) -> tuple[tuple[Region, ...], Doubles]:
        probabilities, scale = self._map(image, LARGE)
        return regions(probabilities), scale

    def _map(self, image: Image.Image, longest: int) -> tuple[Floats, Doubles]:
        """[h, w] probability of text, and the pixels of the picture per cell (across, down)."""
        times = longest / max(image.size)
        width, height = (max(STRIDE, round(side * times / STRIDE) * STRIDE) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        bgr = np.asarray(small, np.float32)[:, :, ::-1].transpose(2, 0, 1)[None]
        tensor = np.ascontiguousarray(bgr / np.float32(127.5) - np.float32(1.0))
        (out,) = self._detector.run(None, {self._detector.get_inputs()[0].name: tensor})
        scale = np.array([image.width / width, image.height / height])
        return np.nan_to_num(out[0, 0]), scale

    def _line(self, image: Image.Image, corners: Doubles) -> lines.Line:
        """Without text: something stands there that could not be read."""
        tensor = lines.cut(image, corners)
        if tensor is None:
            return lines.NOTHING
        (out,) = self._recogniser.run(None, {self._recogniser.get_inputs()[0].name: tensor})
        line = lines.decode(out[0], self._keys)
        text = printable(line.text)
        return lines.Line(text=text if line.score >= LEAST_SCORE else "", score=line.score)


def printable(text: str) -> str:
    """Without control characters and characters that change the direction, in one line, of bounded length."""
    kept = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in text if unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:MOST_CHARACTERS].strip()


def in_order(found: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """From top to bottom, and from left to right where lines stand beside each other."""
    rest = sorted(found, key=lambda line: line.box[1] + line.box[3])
    rows: list[list[TextLine]] = []
    for line in rest:
        if rows and (line.box[1] + line.box[3]) / 2 < _middle(rows[-1][0])[1]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return tuple(line for row in rows for line in sorted(row, key=lambda line: line.box[0]))


def _middle(line: TextLine) -> tuple[float, float]:
    """From where to where the middle of another line may lie, to stand in the same row."""
    middle, reach = (line.box[1] + line.box[3]) / 2, (line.box[3] - line.box[1]) / 3
    return middle - reach, middle + reach


def _text_line(line: lines.Line, corners: Doubles, image: Image.Image) -> TextLine:
    shares = np.clip(corners / np.array([image.width, image.height]), 0.0, 1.0)
    (left, top), (right, bottom) = shares.min(axis=0).tolist(), shares.max(axis=0).tolist()
    return TextLine(text=line.text, score=round(min(1.0, line.score), 4), box=(left, top, right, bottom))


def load() -> Reader:
    """Opens the sessions. Call it in the thread that will own them."""
    keys = (DATA / KEYS).read_text("utf-8").splitlines()
    return Reader(open_session(DETECTOR), open_session(RECOGNISER), keys)
