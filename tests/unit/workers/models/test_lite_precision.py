"""Which form of a network runs, by what it computes and how long it takes. The clock is the test's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from workers.models.lite import precision

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
