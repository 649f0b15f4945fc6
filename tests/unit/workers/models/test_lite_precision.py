"""Which form of a network runs, by what it computes and how long it takes. The clock is the test's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from workers.models.lite import precision, processor_choice

TENSOR = np.ones((1, 3, 4, 4), np.float32)
RIGHT = np.array([1.0, 2.0, 3.0], np.float32)


class Session:
    def __init__(self, clock: Clock, answer: np.ndarray, seconds: float) -> None:
        self._clock, self._answer, self._seconds = clock, answer, seconds

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="x")]

    def run(self, _names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert inputs["x"] is TENSOR
        self._clock.now += self._seconds
        return [self._answer]


class Clock:
    now = 0.0

    def thread_time(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("answer", "seconds", "chosen"),
    [
        (RIGHT * 1.01, 0.5, "net_int8.onnx"),
        (RIGHT, 0.99, "net.onnx"),
        (RIGHT, 2.0, "net.onnx"),
        (RIGHT * np.array([1, -1, 1], np.float32), 0.5, "net.onnx"),
        (np.full(3, np.nan, np.float32), 0.5, "net.onnx"),
        (np.zeros(3, np.float32), 0.5, "net.onnx"),
    ],
    ids=["alike and faster", "hardly faster", "slower", "another answer", "no numbers", "nothing"],
)
def test_int8_runs_only_if_it_is_right_and_faster(
    monkeypatch: pytest.MonkeyPatch, answer: np.ndarray, seconds: float, chosen: str
) -> None:
    clock = Clock()
    monkeypatch.setattr(precision, "time", clock)
    sessions = {"net.onnx": Session(clock, RIGHT, 1.0), "net_int8.onnx": Session(clock, answer, seconds)}
    network = precision.choose("net.onnx", TENSOR, open_network=sessions.__getitem__)  # type: ignore[arg-type]
    assert network.file == chosen
    assert network.session is sessions[chosen]


FORMS = ("net.onnx", "net_int8.onnx")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(precision, "time", made)
    monkeypatch.setattr(processor_choice, "revision", lambda *_names: "12345678")
    return made


def chosen(clock: Clock, folder: Path, seconds: float) -> str:
    """By a worker that measures this time for int8, and 1 s for float32."""
    sessions = {"net.onnx": Session(clock, RIGHT, 1.0), "net_int8.onnx": Session(clock, RIGHT, seconds)}
    network = precision.choose("net.onnx", TENSOR, folder, sessions.__getitem__)  # type: ignore[arg-type]
    assert network.session is sessions[network.file]  # type: ignore[comparison-overlap]
    return network.file


@pytest.mark.parametrize(
    ("first", "then", "form"), [(0.5, 2.0, "net_int8.onnx"), (2.0, 0.5, "net.onnx")], ids=["int8", "float32"]
)
def test_the_workers_of_a_home_run_one_form_whatever_each_would_measure(
    clock: Clock, tmp_path: Path, first: float, then: float, form: str
) -> None:
    folder = tmp_path / "models" / "lite"
    assert [chosen(clock, folder, first), chosen(clock, folder, then)] == [form, form]
    assert len(list(folder.iterdir())) == 1


def test_of_two_workers_that_measure_at_a_time_the_first_to_keep_its_choice_decides(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([None, "net.onnx"])  # the other wrote between the two looks
    processor_choice.place(tmp_path, FORMS).write_text("net.onnx")
    monkeypatch.setattr(processor_choice, "known", lambda *_: next(looks))
    assert chosen(clock, tmp_path, 0.5) == "net.onnx"


@pytest.mark.parametrize("content", [b"", b"another.onnx", b"\xff\x00"], ids=["empty", "another network", "no text"])
def test_a_choice_that_cannot_be_read_is_made_anew(clock: Clock, tmp_path: Path, content: bytes) -> None:
    kept = processor_choice.place(tmp_path, FORMS)
    kept.write_bytes(content)
    assert chosen(clock, tmp_path, 0.5) == "net_int8.onnx"
    assert kept.read_bytes() == b"net_int8.onnx"


def test_without_a_folder_that_can_be_written_a_worker_chooses_for_itself(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder")
    assert chosen(clock, tmp_path / "models" / "lite", 0.5) == "net_int8.onnx"


def test_another_processor_chooses_anew_and_its_clock_does_not_matter(clock: Clock, tmp_path: Path) -> None:
    def place(text: str) -> Path:
        (tmp_path / "cpuinfo").write_text(text)
        return processor_choice.place(tmp_path, FORMS, tmp_path / "cpuinfo")

    one = place("model name\t: A\ncpu MHz\t: 1000\nflags\t: avx2\n\nmodel name\t: A\n")
    assert place("model name\t: A\ncpu MHz\t: 2000\nflags\t: avx2\n\nmodel name\t: A\n") == one
    assert place("model name\t: B\ncpu MHz\t: 1000\nflags\t: avx2\n") != one
    assert place("model name\t: A\ncpu MHz\t: 1000\nflags\t: avx2 avx512_vnni\n") != one
