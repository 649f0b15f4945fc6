"""The fake model and the merging of what several models said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import ModelDirectoryInvalid
from tagger.prediction import CaptionPrediction, ClassScore, Pixels
from workers.models import fake
from workers.models.base import PartialPrediction, cosine, merge
from workers.models.fake import CANARY_COLOUR, FAULTS, RAISES, SPOILS, FakeModel, FakeSpec
from workers.models.fake_device import FakeDevice, Use, busy_share, read_uses

QUICK = FakeSpec(a_ms=0, b_ms=0)


def painted(colour: tuple[int, int, int], size: int = 16) -> Pixels:
    return np.full((size, size, 3), colour, dtype=np.uint8)


def test_the_same_picture_is_described_the_same_everywhere() -> None:
    said = []
    for model in (FakeModel(QUICK), FakeModel(QUICK)):
        pixels = painted((200, 30, 30))
        part = model.finish(model.run([model.prepare(pixels, "")])[0], pixels)
        assert part.caption is not None
        assert part.embedding is not None
        assert part.embedding.vector.dtype == np.float32
        assert np.linalg.norm(part.embedding.vector) == pytest.approx(1.0, abs=1e-5)
        assert part.classes[0].label in part.caption.text
        said.append(part.caption.text)
    assert said[0] == said[1]
    assert "c81e1e" in said[0]


def test_an_instruction_is_checked_as_a_text_about_the_picture() -> None:
    model, pixels = FakeModel(QUICK), painted((200, 30, 30))
    subject = fake.subject_of((200, 30, 30))
    for text, answer in ((f"There is a {subject}.", "yes"), ("There is nothing.", "no")):
        (checked,) = model.finish(model.run([model.prepare(pixels, text)])[0], pixels).entailment
        assert (checked.text, checked.answer) == (text, answer)
        assert checked.yes + checked.maybe + checked.no == pytest.approx(1.0)


def test_a_fault_is_read_from_the_corner_only() -> None:
    model = FakeModel(QUICK)
    assert {model.prepare(painted(colour), "").fault for colour in FAULTS} == FAULTS
    pixels = painted((1, 2, 3))
    pixels[:8, :8] = RAISES
    assert model.prepare(pixels, "").fault == RAISES
    pixels[7, 7] = (0, 0, 0)
    assert model.prepare(pixels, "").fault is None
    assert model.prepare(painted(RAISES, size=2), "").fault == RAISES


def test_garbage_is_far_from_the_golden_vector_and_health_is_near() -> None:
    model = FakeModel(QUICK)
    assert cosine(model.reading(model.run([model.canary()])[0]), model.golden()) == pytest.approx(1.0)
    model.run([model.prepare(painted(SPOILS), "")])
    assert cosine(model.reading(model.run([model.canary()])[0]), model.golden()) < 0.9
    assert CANARY_COLOUR not in FAULTS


def test_the_spec_comes_from_the_model_directory(tmp_path: Path) -> None:
    assert fake.load(None).spec == fake.load(tmp_path).spec == FakeSpec()
    (tmp_path / "fake.json").write_text(json.dumps({"a_ms": 1, "lock_path": str(tmp_path / "lock")}))
    assert fake.load(tmp_path).spec == FakeSpec(a_ms=1.0, lock_path=str(tmp_path / "lock"))


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a_ms": "much"}'])
def test_a_bad_spec_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "fake.json").write_text(text)
    with pytest.raises(ModelDirectoryInvalid, match=r"fake\.json"):
        fake.load(tmp_path)


def test_each_use_of_the_device_is_recorded(tmp_path: Path) -> None:
    lock = tmp_path / "device.lock"
    device = FakeDevice(lock)
    with device.use(3):
        pass
    with pytest.raises(RuntimeError), device.use(4):
        raise RuntimeError
    assert [use.images for use in read_uses(lock)] == [3, 4]


def test_the_busy_share_counts_only_what_lies_inside() -> None:
    uses = [Use(pid=1, start_ns=0, end_ns=40, images=1), Use(pid=2, start_ns=60, end_ns=200, images=1)]
    assert busy_share(uses, 20, 100) == pytest.approx(0.75)


def test_parts_are_merged_first_come_first_kept() -> None:
    first = PartialPrediction(model="a@1", caption=CaptionPrediction(model="a@1", text="a cat", score=0.9))
    second = PartialPrediction(
        model="b@2",
        caption=CaptionPrediction(model="b@2", text="a dog", score=0.9),
        classes=(ClassScore(label="cat", score=1.0),),
    )
    whole = merge([first, second, first], width=3, height=2)
    assert whole.caption is not None
    assert (whole.caption.text, whole.models, whole.width, whole.height) == ("a cat", ("a@1", "b@2"), 3, 2)
    assert [c.label for c in whole.classes] == ["cat"]
    assert whole.embedding is None


@pytest.mark.parametrize("bad", [[np.nan, 1.0], [0.0, 0.0], [1.0, 0.0, 0.0]])
def test_a_reading_that_cannot_be_compared_is_never_alike(bad: list[float]) -> None:
    assert cosine(np.array(bad, dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)) == -1.0
