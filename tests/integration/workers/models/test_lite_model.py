"""The lite model on real pixels: the canary, and generated images."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.overlays import photo

from workers.models.base import PartialPrediction, cosine
from workers.models.lite import LiteModel, TextEncoder, detect, faces, load, ocr
from workers.models.lite.detect import sure
from workers.models.lite.files import open_session
from workers.models.lite.lexicon import lexicon
from workers.models.lite.model import CLASSIFIER, DETECTOR, Sessions, canary_pixels
from workers.models.lite.precision import Network, int8

PHOTOS = ("sk_astronaut.png", "sk_camera.png", "sk_chelsea.png", "sk_coffee.png", "grace_hopper.jpg", "china.jpg")


@pytest.fixture(scope="module")
def model() -> LiteModel:
    return load()


@pytest.fixture(scope="module")
def espresso(model: LiteModel) -> PartialPrediction:
    return seen(model, canary_pixels())


def seen(model: LiteModel, pixels: np.ndarray) -> PartialPrediction:
    (raw,) = model.run([model.prepare(pixels, "")])
    return model.finish(raw, pixels)


def test_the_canary_reads_as_it_did(model: LiteModel) -> None:
    (raw,) = model.run([model.canary()])
    assert cosine(model.reading(raw), model.golden()) > 0.999


@pytest.mark.parametrize("file", [DETECTOR, int8(DETECTOR)])
def test_each_form_of_the_detector_has_its_golden_reading(file: str) -> None:
    detector = Network(file=file, session=open_session(file))
    own = LiteModel(
        Sessions(classifier=open_session(CLASSIFIER), detector=detector, faces=faces.load(), reader=ocr.load()), lexicon()
    )
    (raw,) = own.run([own.canary()])
    assert cosine(own.reading(raw), own.golden()) > 0.999


def test_the_detector_in_int8_finds_what_it_finds_in_float32() -> None:
    for name in PHOTOS:
        tensor = detect.letterbox(photo(name)).tensor
        size = (tensor.shape[2], tensor.shape[3])
        found = []
        for file in (DETECTOR, int8(DETECTOR)):
            outputs = Network(file=file, session=open_session(file)).run(tensor)
            scores, _ = detect.decode({(o.shape[1], o.shape[2]): o for o in outputs}, size)
            found.append(scores.max(axis=0, initial=0.0))
        assert np.abs(found[0] - found[1])[found[0] >= 0.5].max(initial=0.0) < 0.12, name
        assert found[1][found[0] < detect.SCORE_FLOOR].max(initial=0.0) < 0.5, name


def test_a_broken_model_does_not_read_as_it_did(model: LiteModel) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (160, 240, 3), dtype=np.uint8)
    (raw,) = model.run([model.prepare(noise, "")])
    assert cosine(model.reading(raw), model.golden()) < 0.9


def test_an_espresso_is_seen_and_said(espresso: PartialPrediction) -> None:
    assert espresso.classes[0].label == "espresso"
    assert sum(c.score for c in espresso.classes) <= 1.0 + 1e-5
    assert [c.score for c in espresso.classes] == sorted((c.score for c in espresso.classes), reverse=True)
    assert {o.label for o in espresso.objects if sure(o) >= 0.5} <= {"cup", "dining table"}
    assert espresso.caption is not None
    assert espresso.caption.model.startswith("lite-composed@")
    assert espresso.caption.text == "an espresso"


def test_boxes_are_shares_of_the_picture(espresso: PartialPrediction) -> None:
    for thing in espresso.objects:
        x0, y0, x1, y1 = thing.box
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1


def test_the_vector_lies_near_the_right_words(espresso: PartialPrediction) -> None:
    encoder = TextEncoder()
    assert espresso.embedding is not None
    assert espresso.embedding.model == encoder.model
    assert espresso.embedding.vector.shape == (384,)
    assert float(np.linalg.norm(espresso.embedding.vector)) == pytest.approx(1.0, abs=1e-5)
    coffee, dog, street = (
        encoder.vectors(["a cup of coffee", "a dog on a lawn", "a street with cars"]) @ espresso.embedding.vector
    )
    assert coffee > max(dog, street) + 0.15


def test_results_keep_their_places(model: LiteModel) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    alone = model.run([model.canary()])[0]
    batch = model.run([model.prepare(noise, ""), model.canary(), model.prepare(noise, "")])
    assert len(batch) == 3
    assert np.allclose(batch[1].logits, alone.logits, atol=1e-4)
    assert np.allclose(batch[0].logits, batch[2].logits, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (3000, 3), (4000, 3000)])
def test_any_size_is_read(model: LiteModel, size: tuple[int, int]) -> None:
    made = seen(model, np.asarray(Image.new("RGB", size, (40, 90, 220))))
    assert made.look is not None
    assert made.look.uniform
    assert made.caption is None
    assert made.embedding is not None
    assert np.isfinite(made.embedding.vector).all()


def test_a_cold_start_takes_at_most_three_seconds_of_cpu() -> None:
    steps = (
        "from workers.models.lite import load, TermScorer, TextEncoder",
        "m = load()",
        "m.run([m.canary()])",
        "TermScorer(TextEncoder())",
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "; ".join(steps)], check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3.0


def test_the_runtime_reports_to_nobody_and_leaves_no_files(tmp_path: Path) -> None:
    """onnxruntime's own telemetry keeps a queue, a device id and a session id in these folders before it sends them."""
    folders = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    env = {name: value for name, value in os.environ.items() if name not in {"CI", "ORT_DISABLE_TELEMETRY"}} | folders
    code = "from workers.models.lite import load; m = load(); m.run([m.canary()])"
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert list(tmp_path.rglob("*")) == []
