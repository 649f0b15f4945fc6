"""The fake model: costs a + b·n milliseconds for n images, says something definite, and fails on demand.

Its `fake.json` in the model directory, all keys optional: `{"a_ms": 20, "b_ms": 2, "lock_path": "/tmp/device.lock"}`.
With a lock path several processes share one device (see `fake_device.py`).

A picture whose top left 8 × 8 pixels have one of these colours makes a fault. The colour must survive the way here, so
tests use PNG (JPEG shifts colours) and paint the whole picture with it (scaling blurs edges).

    (255, 0, 255)  raises, every time
    (255, 0, 254)  kills the process, with SIGKILL
    (255, 0, 253)  hangs and keeps the GIL, as a hung kernel call does
    (255, 0, 252)  out of memory in a batch of more than two
    (255, 0, 251)  from then on this process's device computes garbage, silently
    (255, 0, 250)  from then on this process's device raises on everything: a poisoned context
"""

from __future__ import annotations

import colorsys
import ctypes
import hashlib
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagger.errors import ModelDirectoryInvalid
from tagger.prediction import (
    CaptionPrediction,
    ClassScore,
    EmbeddingPrediction,
    EntailmentPrediction,
    Pixels,
    Vector,
)
from workers.models.base import PartialPrediction
from workers.models.fake_device import FakeDevice

SPEC_FILE = "fake.json"

RAISES = (255, 0, 255)
KILLS = (255, 0, 254)
HANGS = (255, 0, 253)
HUNGRY = (255, 0, 252)
SPOILS = (255, 0, 251)
POISONS = (255, 0, 250)
FAULTS = frozenset({RAISES, KILLS, HANGS, HUNGRY, SPOILS, POISONS})
HUNGRY_MOST = 2  # largest batch that a hungry picture fits into

WIDTH = 32  # of the embedding
CANARY_COLOUR = (40, 120, 200)
SUBJECTS = ("cat", "dog", "bird", "horse", "bicycle", "boat", "bridge", "car", "castle", "chair", "train", "tree")
HUES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class FakeSpec:
    """What the fake costs, and the device it shares."""

    a_ms: float = 20.0  # per batch
    b_ms: float = 2.0  # per image
    lock_path: str = ""  # empty: a device of its own

    @classmethod
    def read(cls, model_dir: Path | None) -> FakeSpec:
        """From `<model_dir>/fake.json`; the defaults if there is none. Errors: ModelDirectoryInvalid."""
        file = model_dir / SPEC_FILE if model_dir is not None else None
        if file is None or not file.is_file():
            return cls()
        try:
            body: Any = json.loads(file.read_text("utf-8"))
            return cls(**{**body, "a_ms": float(body.get("a_ms", 20.0)), "b_ms": float(body.get("b_ms", 2.0))})
        except (ValueError, TypeError, AttributeError) as err:
            raise ModelDirectoryInvalid(f"{file}: {err}") from err


@dataclass(frozen=True, kw_only=True)
class FakeItem:
    colour: Colour  # mean of the picture
    fault: Colour | None = None
    text: str = ""  # the instruction


@dataclass(frozen=True, kw_only=True, eq=False)
class FakeRaw:
    item: FakeItem
    vector: Vector  # [WIDTH] float32, L2-normalised


def load(model_dir: Path | None) -> FakeModel:
    """The fake as `model_dir` describes it."""
    return FakeModel(FakeSpec.read(model_dir))


class FakeModel:
    """A Model[FakeItem, FakeRaw]. Fills caption, embedding, classes, and entailment of a text given as instruction."""

    name = "fake"

    def __init__(self, spec: FakeSpec | None = None) -> None:
        self.spec = FakeSpec() if spec is None else spec
        self.revision = hashlib.sha256(f"{self.spec.a_ms} {self.spec.b_ms}".encode()).hexdigest()[:8]
        self._device = FakeDevice(Path(self.spec.lock_path) if self.spec.lock_path else None)
        self._spoilt = self._poisoned = False
        self._seconds = 0.0

    def prepare(self, pixels: Pixels, instruction: str) -> FakeItem:
        corner = pixels[:8, :8].reshape(-1, 3)
        first: Colour = tuple(map(int, corner[0]))  # type: ignore[assignment]
        fault = first if first in FAULTS and (corner == corner[0]).all() else None
        mean: Colour = tuple(round(float(c)) for c in pixels.reshape(-1, 3).mean(axis=0))  # type: ignore[assignment]
        return FakeItem(colour=mean, fault=fault, text=instruction)

    def size(self, item: FakeItem) -> float:  # noqa: ARG002 - all pictures cost the same
        return 1.0

    def run(self, batch: Sequence[FakeItem]) -> list[FakeRaw]:
        faults = {item.fault for item in batch}
        if KILLS in faults:
            os.kill(os.getpid(), signal.SIGKILL)
        while HANGS in faults:
            ctypes.PyDLL(None).pause()  # PyDLL keeps the GIL: no Python code of this process runs any more
        with self._device.use(len(batch)):
            started = time.monotonic()
            time.sleep((self.spec.a_ms + self.spec.b_ms * len(batch)) / 1000)
            self._seconds = time.monotonic() - started
        self._spoilt |= SPOILS in faults
        self._poisoned |= POISONS in faults
        if self._poisoned:
            raise RuntimeError("fake device: an illegal memory access was encountered")
        if HUNGRY in faults and len(batch) > HUNGRY_MOST:
            raise MemoryError("fake device: out of memory")
        if RAISES in faults:
            raise ValueError("fake model: this picture cannot be processed")
        return [FakeRaw(item=item, vector=self._look_at(item)) for item in batch]

    def device_seconds(self) -> float:
        return self._seconds

    def finish(self, raw: FakeRaw, pixels: Pixels) -> PartialPrediction:  # noqa: ARG002 - all is in `raw`
        model = f"{self.name}@{self.revision}"
        subject = subject_of(raw.item.colour)
        text = "a {} on a {} wall, shade {:02x}{:02x}{:02x}".format(subject, hue_of(raw.item.colour), *raw.item.colour)
        checked: tuple[EntailmentPrediction, ...] = ()
        if raw.item.text:
            yes = 0.9 if subject in raw.item.text.lower() else 0.05
            checked = (EntailmentPrediction(model=model, text=raw.item.text, yes=yes, maybe=0.05, no=round(0.95 - yes, 2)),)
        return PartialPrediction(
            model=model,
            caption=CaptionPrediction(model=model, text=text, score=0.9, log_prob=-0.1),
            embedding=EmbeddingPrediction(model=model, vector=raw.vector),
            classes=(ClassScore(label=subject, score=0.9),),
            entailment=checked,
        )

    def canary(self) -> FakeItem:
        return FakeItem(colour=CANARY_COLOUR)

    def golden(self) -> Vector:
        return embed(CANARY_COLOUR)

    def reading(self, raw: FakeRaw) -> Vector:
        return raw.vector

    def _look_at(self, item: FakeItem) -> Vector:
        return embed((item.colour[1], 255 - item.colour[2], item.colour[0])) if self._spoilt else embed(item.colour)


def embed(colour: Colour) -> Vector:
    """[WIDTH] float32, L2-normalised: like colours lie close, different ones at a distance."""
    angles = np.outer(np.asarray(colour, dtype=np.float32) / 255, np.arange(1, WIDTH + 1, dtype=np.float32))
    vector: Vector = (np.cos(angles).sum(axis=0) + 1e-3).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def subject_of(colour: Colour) -> str:
    """What a picture of this mean colour is said to show; the same every time, everywhere."""
    return SUBJECTS[hashlib.sha256(bytes(colour)).digest()[0] % len(SUBJECTS)]


def hue_of(colour: Colour) -> str:
    hue, _, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    return "black" if value < 0.1 else HUES[int(hue * len(HUES)) % len(HUES)]
