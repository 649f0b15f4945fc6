"""The running models of a worker: its engines, and their joint prediction for one image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from tagger.errors import EngineStopped, NotChecked
from tagger.prediction import EntailmentPrediction, Pixels, Prediction, Vector
from tagger.settings import Settings
from tagger.settings.limits import fitting_batch
from tagger.telemetry import metrics
from workers.inference.batcher import always
from workers.inference.engine import Engine
from workers.inference.engine_options import EngineHooks, EngineLimits, at_once
from workers.inference.registry import automatic, described, loader
from workers.inference.running import RunningModel
from workers.inference.scorer import LabelScorer, Scorer
from workers.models.base import PartialPrediction, merge
from workers.runtime.register import StopRequested

log = structlog.get_logger()

TEXT_SECONDS = 300.0  # for the vectors of all texts of one vocabulary
TEXTS_AT_ONCE = 32
READY_SLICE_SECONDS = 0.5
SPARE_THREADS = 2  # that fetch and decode while all requests to a remote model are under way
LITE_THREADS = 16  # two batches: one in the model, and one that is fetched, decoded and judged
LITE_WAIT_MS = 120.0  # wait for a full batch while jobs wait: the time of two images
LONG_SIDE, LITE_LONG_SIDE = 1024, 800
CLOSE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The model of each part. If one model has several parts, one engine serves them."""

    caption: str  # a name of the registry, or "none"
    embed: str
    check: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models to load, each once, in the order in which they run."""
        return tuple(dict.fromkeys(kind for kind in (self.caption, self.embed, self.check) if kind != "none"))


def plan(settings: Settings) -> Plan:
    """The meaning of `auto` on this machine: the large models if they and torch are installed, else the lite ones."""
    models = settings.models
    caption = settings.caption if settings.caption != "auto" else automatic("caption", models)
    embed = settings.embed if settings.embed != "auto" else automatic("embed", models)
    return Plan(caption=caption, embed=embed, check=settings.check)


def scorer(chosen: Plan, vectors: Path | None, models: Models) -> Scorer:
    """Computes how probable the terms of a vocabulary are. `vectors`: the folder that caches the vectors of its words."""
    return described(chosen.embed).scorer(vectors, models) if chosen.embed != "none" else LabelScorer()


class Models:
    """The engines of one worker, seen as one model. Thread-safe."""

    def __init__(self, engines: Mapping[str, RunningModel], chosen: Plan) -> None:
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

    @property
    def takes_instructions(self) -> bool:
        """Whether a model of this worker reads the profile's instruction."""
        return any(described(kind).takes_instructions for kind in self._engines)

    def wait_ready(self, stopping: threading.Event) -> None:
        """Errors: Asked; or those of loading or of the first canary of a model."""
        for kind, engine in self._engines.items():
            while not engine.wait_ready(READY_SLICE_SECONDS):
                if stopping.is_set():
                    raise StopRequested(kind)
                if engine.state == "stopped":
                    raise EngineStopped(f"The model {kind} stopped while it was loading.")

    def ready(self) -> bool:
        return all(engine.ready for engine in self._engines.values())

    def problem(self) -> str | None:
        """A health check for the heartbeat."""
        dead = [kind for kind, engine in self._engines.items() if not engine.alive()]
        return f"The engine of {', '.join(dead)} does not get on." if dead else None

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction:
        """The prediction of all models for an image. `instruction`: for the embedding model."""
        parts: dict[str, PartialPrediction] = {}
        for kind in dict.fromkeys((self._plan.caption, self._plan.embed)):
            if kind in self._engines:
                text = instruction if described(kind).takes_instructions else ""
                parts[kind] = self._engines[kind].predict(pixels, text, deadline=deadline)
        own = [self._own_words(kind, part) for kind, part in parts.items()]
        return merge(own, width=width, height=height)

    @property
    def checks(self) -> bool:
        """Whether a model of this worker checks texts against images."""
        return self._plan.check in self._engines

    def check(self, pixels: Pixels, texts: Sequence[str], *, deadline: float) -> tuple[EntailmentPrediction, ...]:
        """Whether each English text describes the image, in the order of `texts`. Errors: NotChecked if no model checks texts."""
        if not self.checks:
            raise NotChecked
        engine = self._engines[self._plan.check]
        return tuple(a for text in texts for a in engine.predict(pixels, text, deadline=deadline).entailment)

    def vectors(self, texts: Sequence[str]) -> Vector:
        """[n, d] by the embedding model, rows of length one. Errors: those of the engine."""
        engine, until = self._engines[self._plan.embed], time.monotonic() + TEXT_SECONDS
        with ThreadPoolExecutor(TEXTS_AT_ONCE, thread_name_prefix="texts") as pool:
            rows = list(pool.map(lambda text: engine.read(text, deadline=until), texts))
        matrix: Vector = np.stack(rows).astype(np.float32)
        return matrix

    def embedder(self) -> str:
        """name@revision of the embedding model. Errors: EngineStopped before it is loaded."""
        return self._engines[self._plan.embed].model

    def _own_words(self, kind: str, part: PartialPrediction) -> PartialPrediction:
        """If a model could also give a caption or a vector, only the model that was chosen for that part gives it."""
        caption = part.caption if kind == self._plan.caption else None
        embedding = part.embedding if kind == self._plan.embed else None
        return replace(part, caption=caption, embedding=embedding)

    def close(self) -> None:
        until = time.monotonic() + CLOSE_SECONDS
        for engine in self._engines.values():
            engine.close(timeout=max(0.1, until - time.monotonic()))


class FatalHook:
    """The function to call when a model cannot recover. It is set later, when the function exists."""

    def __init__(self) -> None:
        self.callback: Callable[[], None] = lambda: None

    def __call__(self, _reason: str) -> None:
        self.callback()


def on_processor(settings: Settings) -> bool:
    """Whether the lite models are the only ones that run here. They use one core, and a batch does not make them faster."""
    local = [descriptor for kind in plan(settings).kinds if (descriptor := described(kind)).remote is None]
    return bool(local) and all(descriptor.light for descriptor in local)


def long_side(settings: Settings) -> int:
    """Most pixels of a side that the decoders hand out. The lite models look at 640 at most; fewer are decoded faster."""
    return LITE_LONG_SIDE if on_processor(settings) else LONG_SIDE


def sized(settings: Settings) -> Settings:
    """Fewer threads and small batches if only the lite models run. They use one core for any batch, so more images at a time
    would only slow down the images that are being described. A remote model gets few more threads than requests: with more,
    images would wait for a request until their time is over.
    """
    light, threads = on_processor(settings), settings.threads
    if any(described(kind).remote is not None for kind in plan(settings).kinds):
        threads = min(threads, settings.openai_requests + SPARE_THREADS)
    if light:
        threads = min(threads, LITE_THREADS)
    elif threads == settings.threads:
        return settings
    batch = fitting_batch(threads, settings.max_batch)
    wait_ms = max(settings.batch_wait_ms, LITE_WAIT_MS) if light else settings.batch_wait_ms
    return settings.model_copy(update={"threads": threads, "max_batch": batch, "batch_wait_ms": wait_ms})


def start_models(
    settings: Settings,
    on_fatal: Callable[[str], None],
    before_batch: Callable[[], None] = at_once,
    backlog: Callable[[], bool] = always,
) -> Models:
    """Starts one engine per local model, and connects to the remote ones. Local models load in their own threads.

    `on_fatal`: called if a model or its device cannot recover. `before_batch`: called before each batch, and between images that
    a model takes one after the other; it may wait. `backlog`: whether more images wait than are in progress. If not, an image of
    the lite models runs alone, at once, because a batch does not make it faster. On a device, an image always waits for others.
    """
    chosen = plan(settings)
    engines: dict[str, RunningModel] = {}
    for kind in chosen.kinds:
        descriptor = described(kind)
        if descriptor.remote is not None:
            engines[kind] = descriptor.remote(settings)
            continue
        engines[kind] = Engine(
            loader(kind, settings.models, settings),
            EngineLimits(
                max_units=descriptor.max_units,
                budget_ms=descriptor.budget_ms,
                max_batch=fitting_batch(settings.threads, settings.max_batch),
                wait_ms=settings.batch_wait_ms,
            ),
            EngineHooks(
                before_batch=before_batch,
                patient=backlog if on_processor(settings) else always,
                on_batch=_measure(kind),
                on_fatal=on_fatal,
            ),
        )
    log.info("models.started", caption=chosen.caption, embed=chosen.embed, check=chosen.check)
    for engine in engines.values():
        engine.start()
    return Models(engines, chosen)


def _measure(kind: str) -> Callable[[int, float, float, float], None]:
    size, fill, seconds = (m.labels(kind) for m in (metrics.BATCH_SIZE, metrics.BATCH_FILL, metrics.BATCH_SECONDS))

    def on_batch(count: int, _units: float, took: float, share: float) -> None:
        size.observe(count)
        fill.observe(share)
        seconds.observe(took)

    return on_batch
