"""The large models as S1 and S2 run them: OFA captions at real size and a tiny GME, random weights, on whatever device there is.

python -m bench.throughput --model large      # S1, and S2 from the same run
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, multiprocess

from tagger.prediction import Pixels
from tagger.settings import Settings
from workers.inference.registry import REGISTRY, loader

ROOT = Path(__file__).parent.parent
BOUNDS = {"visual_tokens_least": 4, "visual_tokens_most": 16}
CHOSEN = {"caption": "ofa", "embed": "gme", **BOUNDS}
VITAL = "ofa"  # the model that holds the device nearly all of the time


def write(folder: Path) -> Path:
    """A model directory with both."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import gme_cases

    from workers.models.ofa.synthetic import write_directory

    write_directory(folder / str(REGISTRY["ofa"].weights), ROOT / "tests" / "data" / "ofa")
    gme_cases.directory(folder / str(REGISTRY["gme"].weights))
    return folder


class Both:
    """The two models as one, each over the whole batch: the plain loop of the comparison."""

    def __init__(self, models: Path, processes: int) -> None:
        """`processes` that share the cores."""
        settings = Settings(**BOUNDS, tag_processes=processes)
        self._models = [loader(kind, models, settings)() for kind in ("ofa", "gme")]

    def canary(self) -> tuple[Any, ...]:
        return tuple(model.canary() for model in self._models)

    def prepare(self, pixels: Pixels, instruction: str) -> tuple[Any, ...]:
        return tuple(model.prepare(pixels, instruction) for model in self._models)

    def run(self, batch: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        said = [model.run(items) for model, items in zip(self._models, zip(*batch, strict=True), strict=True)]
        return list(zip(*said, strict=True))

    def finish(self, raw: tuple[Any, ...], pixels: Pixels) -> None:
        for model, one in zip(self._models, raw, strict=True):
            model.finish(one, pixels)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """What all processes of a house have run so far, by their own metrics."""

    count: float
    fill: float  # sum over the batches
    seconds: float  # on the device

    @classmethod
    def of(cls, house: Path, model: str) -> Batches:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, str(house / "metrics"))

        def value(name: str) -> float:
            return registry.get_sample_value(name, {"model": model}) or 0.0

        names = ("tagger_batch_fill_ratio_count", "tagger_batch_fill_ratio_sum", "tagger_batch_seconds_sum")
        count, fill, seconds = map(value, names)
        return cls(count=count, fill=fill, seconds=seconds)

    def since(self, before: Batches, seconds: float) -> dict[str, float]:
        """Mean fill of the batches that ended in between, and the share of the time that the model ran."""
        count = self.count - before.count
        return {
            "batches": count,
            "fill": round((self.fill - before.fill) / count, 3) if count else 0.0,
            "busy": round((self.seconds - before.seconds) / seconds, 3),
        }
