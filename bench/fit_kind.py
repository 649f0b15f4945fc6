"""Fits which kind of picture it is, and writes workers/models/lite/data/kinds.json. Deterministic.

    python -m bench.fit_kind PHOTOS      PHOTOS: a folder with labels.csv; only its first half, by file name, is used

A softmax over the measures of `strokes.py`, with a normal prior of its weights. It is fitted on the tuned halves of the
photographs and of the drawings. Each picture also counts in the forms in which it may be sent: smaller, larger, and compressed. A
photograph also counts grey and in quarters. Photographs count PHOTOGRAPHS times as much as any other kind, since most pictures of
a CMS are photographs.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench.drawings import drawings
from bench.quality import FORMATS, labels
from workers.models.lite import strokes
from workers.models.lite.files import DATA
from workers.models.lite.kind import KINDS, softmax

PHOTOGRAPHS = 4.0
PRIOR = 0.05  # of the squared weights, per unit of weight of the samples
ROUNDS, RATE = 4000, 0.05


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def scaled(image: Image.Image, by: float) -> Image.Image:
    return image.resize((max(8, round(image.width * by)), max(8, round(image.height * by))), Image.Resampling.LANCZOS)


def forms(image: Image.Image, photograph: bool) -> Iterator[Image.Image]:
    yield image
    yield compressed(image, 60)
    yield compressed(image, 88)
    yield scaled(image, 0.5)
    yield scaled(image, 1.7)
    if not photograph:
        return
    yield ImageOps.grayscale(image).convert("RGB")
    yield compressed(scaled(image, 0.25), 80)
    w, h = image.width // 2, image.height // 2
    for x, y in ((0, 0), (w, 0), (0, h), (w, h)):
        yield image.crop((x, y, x + w, y + h))


def samples(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """[n, features] and [n] places of their kinds."""
    rows, kinds = [], []
    files = sorted(labels(folder))
    for name in files[: len(files) // 2]:
        for form in forms(Image.open(folder / name, formats=FORMATS).convert("RGB"), photograph=True):
            rows.append(strokes.measure(np.asarray(form)))
            kinds.append(KINDS.index("photograph"))
    for drawing in drawings():
        if drawing.tuned:
            for form in forms(drawing.image, photograph=False):
                rows.append(strokes.measure(np.asarray(form)))
                kinds.append(KINDS.index(drawing.kind))
    return np.array(rows), np.array(kinds)


def fit(x: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[features, kinds] and [kinds], by gradient steps with momentum (Adam)."""
    count = Counter(kinds.tolist())
    share = np.array([(PHOTOGRAPHS if k == KINDS.index("photograph") else 1.0) / count[k] for k in kinds])
    share /= share.sum()
    truth = np.eye(len(KINDS))[kinds]
    weights = np.zeros((x.shape[1] + 1, len(KINDS)))
    ones = np.column_stack([x, np.ones(len(x))])
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, ROUNDS + 1):
        slope = ones.T @ (share[:, None] * (softmax(ones @ weights) - truth))
        slope[:-1] += PRIOR * weights[:-1] / len(KINDS)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        weights -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-9)
    return weights[:-1], weights[-1]


def main() -> None:
    x, kinds = samples(Path(sys.argv[1]))
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 0.05)
    weights, shift = fit((x - centre) / spread, kinds)
    own = weights / spread[:, None]
    body = {
        "fitted": f"{Path(__file__).name}, {len(x)} forms of pictures",
        "kinds": list(KINDS),
        "shift": np.round(shift - centre @ own, 3).tolist(),
        "weights": {name: np.round(row, 3).tolist() for name, row in zip(strokes.NAMES, own, strict=True)},
    }
    (DATA / "kinds.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
    found = softmax(x @ own + body["shift"]).argmax(axis=1)
    print(f"{len(x)} forms, {(found == kinds).mean():.3f} right of those fitted on")


if __name__ == "__main__":
    main()
