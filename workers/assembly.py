"""From settings to running models: which engines a worker has, and what they say together about one image."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from tagger import telemetry
from tagger.errors import EngineStopped, ModelDirectoryInvalid
from tagger.prediction import Pixels, Prediction
from tagger.settings import Settings
from workers.engine import Engine
from workers.models.base import Model, PartialPrediction, merge
from workers.process import Asked
from workers.rules import LabelScorer, Scorer

log = structlog.get_logger()

Loader = Callable[[], Model[Any, Any]]

OFA_CAPTION, OFA_ENTAILMENT = "ofa-caption", "ofa-entailment"  # folders below the model directory
READY_SLICE_SECONDS = 0.5
CLOSE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The kinds of models by their part. One engine serves several parts where one model has them all."""

    caption: str  # "ofa" | "lite" | "fake" | "none"
    embed: str  # "gme" | "lite" | "fake"
    check: str  # "ofa-entailment" | "none"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models to load, each once, in the order in which they are asked."""
        return tuple(dict.fromkeys(kind for kind in (self.caption, self.embed, self.check) if kind != "none"))


def plan(settings: Settings) -> Plan:
    """What `auto` means here: the large models where they are installed and torch is, else the lite ones."""
    torch = importlib.util.find_spec("torch") is not None
    models = settings.models
    caption = settings.caption if settings.caption != "auto" else "ofa" if torch and (models / OFA_CAPTION).is_dir() else "lite"
    embed = settings.embed if settings.embed != "auto" else "gme" if torch and (models / "gme").is_dir() else "lite"
    return Plan(caption=caption, embed=embed, check=settings.check)


def scorer(chosen: Plan) -> Scorer:
    """Who says how probable the terms of a vocabulary are."""
    if chosen.embed == "fake":
        return LabelScorer()
    from workers.models.lite import TermScorer, TextEncoder

    return TermScorer(TextEncoder())


def loader(kind: str, models: Path) -> Loader:
    """How to load one kind of model. What only one kind needs is imported only for it."""
    if kind == "fake":
        from workers.models import fake

        return lambda: fake.load(models)
    if kind == "lite":
        from workers.models import lite

        return lite.load
    if kind in ("ofa", "ofa-entailment"):
        return _ofa_loader(kind, models)
    raise ModelDirectoryInvalid(f"No model of the kind {kind!r} is known.")


def _ofa_loader(kind: str, models: Path) -> Loader:
    def load() -> Model[Any, Any]:  # in the owner thread, torch's import included: it takes seconds
        try:
            from workers.models import accelerator
            from workers.models.ofa import load as ofa
        except ImportError as err:
            raise ModelDirectoryInvalid(
                f"The model {kind!r} needs torch: {err}.", "Install tagger with its `gpu` extra."
            ) from err
        if kind == "ofa":
            return ofa.load_caption(models / OFA_CAPTION, device=accelerator.best())
        return ofa.load_entailment(models / OFA_ENTAILMENT, device=accelerator.best())

    return load


class Models:
    """The engines of one worker, seen as one model. Thread-safe."""

    def __init__(self, engines: Mapping[str, Engine[Any, Any]], chosen: Plan) -> None:
        self._engines = engines
        self._plan = chosen
        self._ids: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """name@revision of every model. Errors: EngineStopped before all are loaded."""
        if not self._ids:
            self._ids = tuple(engine.model for engine in self._engines.values())
        return self._ids

    @property
    def plan(self) -> Plan:
        return self._plan

    def wait_ready(self, asked: threading.Event) -> None:
        """Errors: Asked; or what loading or the first canary of a model raised."""
        for kind, engine in self._engines.items():
            while not engine.wait_ready(READY_SLICE_SECONDS):
                if asked.is_set():
                    raise Asked(kind)
                if engine.state == "stopped":
                    raise EngineStopped(f"The model {kind} stopped while it was loading.")

    def ready(self) -> bool:
        return all(engine.ready for engine in self._engines.values())

    def wrong(self) -> str | None:
        """A vital sign for the Heart."""
        dead = [kind for kind, engine in self._engines.items() if not engine.alive()]
        return f"The engine of {', '.join(dead)} does not get on." if dead else None

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction:
        """All that the models say. `instruction` is the embedding model's; the checking model reads the caption."""
        parts: dict[str, PartialPrediction] = {}
        for kind, engine in self._engines.items():
            if kind != self._plan.check:
                parts[kind] = engine.predict(pixels, instruction if kind == "gme" else "", deadline=deadline)
        caption = parts[self._plan.caption].caption if self._plan.caption in parts else None
        if self._plan.check in self._engines and caption is not None:
            parts[self._plan.check] = self._engines[self._plan.check].predict(pixels, caption.text, deadline=deadline)
        own = [self._own_words(kind, part) for kind, part in parts.items()]
        return merge(own, width=width, height=height)

    def _own_words(self, kind: str, part: PartialPrediction) -> PartialPrediction:
        """A model that could also say a caption or a vector leaves that to the one that was chosen for it."""
        caption = part.caption if kind == self._plan.caption else None
        embedding = part.embedding if kind == self._plan.embed else None
        return replace(part, caption=caption, embedding=embedding)

    def close(self) -> None:
        until = time.monotonic() + CLOSE_SECONDS
        for engine in self._engines.values():
            engine.close(timeout=max(0.1, until - time.monotonic()))


class Alarm:
    """What to call when a model is beyond help; set once there is something to call."""

    def __init__(self) -> None:
        self.ring: Callable[[], None] = lambda: None

    def __call__(self, _reason: str) -> None:
        self.ring()


def start_models(settings: Settings, on_fatal: Callable[[str], None]) -> Models:
    """Starts one engine per model; they load in their own threads. `on_fatal`: a model or its device is beyond help."""
    chosen = plan(settings)
    engines: dict[str, Engine[Any, Any]] = {}
    for kind in chosen.kinds:
        engines[kind] = Engine(
            loader(kind, settings.models),
            max_batch=settings.max_batch,
            wait_ms=settings.batch_wait_ms,
            on_batch=_measure(kind),
            on_fatal=on_fatal,
        )
    log.info("models.start", caption=chosen.caption, embed=chosen.embed, check=chosen.check)
    for engine in engines.values():
        engine.start()
    return Models(engines, chosen)


def _measure(kind: str) -> Callable[[int, float, float, float], None]:
    size, fill, seconds = (m.labels(kind) for m in (telemetry.BATCH_SIZE, telemetry.BATCH_FILL, telemetry.BATCH_SECONDS))

    def on_batch(count: int, _units: float, took: float, share: float) -> None:
        size.observe(count)
        fill.observe(share)
        seconds.observe(took)

    return on_batch
