"""From settings to running models: which engines a worker has, and what they say together about one image."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from tagger.errors import EngineStopped, ModelDirectoryInvalid, NotChecked
from tagger.evaluation import calibration
from tagger.evaluation.calibration import Calibration
from tagger.prediction import EntailmentPrediction, Pixels, Prediction, Vector
from tagger.settings import Settings
from tagger.telemetry import metrics
from workers.inference.batcher import always
from workers.inference.engine import Engine, at_once
from workers.inference.scorer import LabelScorer, Scorer
from workers.models.base import Model, PartialPrediction, merge
from workers.runtime.register import StopRequested

log = structlog.get_logger()

Loader = Callable[[], Model[Any, Any]]

OFA_CAPTION, OFA_ENTAILMENT, GME = "ofa-caption", "ofa-entailment", "gme"  # folders below the model directory
GME_TOKENS = 16_384  # of one batch, words and visual tokens together
GME_BATCH_MS = 10_000  # predicted; far below the watchdog's minute, also on a CPU
TEXT_SECONDS = 300.0  # for the vectors of all texts of one vocabulary
TEXTS_AT_ONCE = 32
READY_SLICE_SECONDS = 0.5
LITE_THREADS = 16  # two batches: one that the model has, and one that is read, decoded and judged
LITE_WAIT_MS = 120.0  # for a batch to fill while a backlog waits: two images' time
CLOSE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The kinds of models by their part. One engine serves several parts where one model has them all."""

    caption: str  # "ofa" | "lite" | "fake" | "none"
    embed: str  # "gme" | "lite" | "fake" | "none"
    check: str  # "ofa-entailment" | "fake" | "none"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models to load, each once, in the order in which they are asked."""
        return tuple(dict.fromkeys(kind for kind in (self.caption, self.embed, self.check) if kind != "none"))


def plan(settings: Settings) -> Plan:
    """What `auto` means here: the large models where they are installed and torch is, else the lite ones."""
    torch = importlib.util.find_spec("torch") is not None
    models = settings.models
    caption = settings.caption if settings.caption != "auto" else "ofa" if torch and (models / OFA_CAPTION).is_dir() else "lite"
    embed = settings.embed if settings.embed != "auto" else "gme" if torch and (models / GME).is_dir() else "lite"
    return Plan(caption=caption, embed=embed, check=settings.check)


def scorer(chosen: Plan, vectors: Path | None = None, models: Models | None = None) -> Scorer:
    """Who says how probable the terms of a vocabulary are. `vectors`: folder where the vectors of its words are kept.
    `models`: those that run; GME reads the terms with the model that looked at the picture. Errors: EngineStopped without it.
    """
    if chosen.embed in ("fake", "none"):
        return LabelScorer()
    if chosen.embed == "gme":
        if models is None:
            raise EngineStopped("GME scores terms only beside its running model.")
        from workers.models.gme.scorer import TermScorer as GmeScorer

        fitted = Calibration.read(vectors / calibration.FILE) if vectors is not None else None
        return GmeScorer(models.vectors, models.embedder, fitted)
    from workers.models.lite import TermScorer, TextEncoder

    return TermScorer(TextEncoder(cache_dir=vectors))


def loader(kind: str, models: Path, settings: Settings | None = None) -> Loader:
    """How to load one kind of model, from its folder in `models`. What only one kind needs is imported only for it.
    `settings`: whether absent weights are fetched, and the bounds of GME; None: not, and the usual ones."""
    if kind == "fake":
        from workers.models import fake

        return lambda: fake.load(models)
    if kind == "lite":
        from workers.models import lite

        return lite.load
    if kind in ("ofa", "ofa-entailment", "gme"):
        return _torch_loader(kind, models, settings or Settings())
    raise ModelDirectoryInvalid(f"No model of the kind {kind!r} is known.")


def _torch_loader(kind: str, models: Path, settings: Settings) -> Loader:
    def load() -> Model[Any, Any]:  # in the owner thread, torch's import included: it takes seconds
        folder = _weights({"ofa": OFA_CAPTION, "ofa-entailment": OFA_ENTAILMENT, "gme": GME}[kind], models, settings)
        try:
            from workers.models import accelerator

            device = accelerator.best()
            if device == "cpu":
                accelerator.share_cores(settings.tag_processes)
            if kind == "gme":
                from workers.models.gme.load import load as load_gme
                from workers.models.gme.prepare import Bounds

                bounds = Bounds(least=settings.visual_tokens_least, most=settings.visual_tokens_most)
                return load_gme(folder, device=device, bounds=bounds)
            from workers.models.ofa import load as ofa
        except ImportError as err:
            raise ModelDirectoryInvalid(
                f"The model {kind!r} needs torch: {err}.", "Install tagger with its `gpu` extra."
            ) from err
        return (ofa.load_caption if kind == "ofa" else ofa.load_entailment)(folder, device=device)

    return load


def _weights(name: str, models: Path, settings: Settings) -> Path:
    """The folder of the weights, fetched first where the settings say so. Errors: WeightsNotFetched."""
    if settings.model_pull:
        from workers.models.weights import KNOWN, Source, ensure

        return ensure(KNOWN[name], models, Source(mirror=settings.model_mirror))
    return models / name


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

    def wait_ready(self, stopping: threading.Event) -> None:
        """Errors: Asked; or what loading or the first canary of a model raised."""
        for kind, engine in self._engines.items():
            while not engine.wait_ready(READY_SLICE_SECONDS):
                if stopping.is_set():
                    raise StopRequested(kind)
                if engine.state == "stopped":
                    raise EngineStopped(f"The model {kind} stopped while it was loading.")

    def ready(self) -> bool:
        return all(engine.ready for engine in self._engines.values())

    def problem(self) -> str | None:
        """A vital sign for the Heart."""
        dead = [kind for kind, engine in self._engines.items() if not engine.alive()]
        return f"The engine of {', '.join(dead)} does not get on." if dead else None

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction:
        """All that the models say of a picture alone. `instruction` is the embedding model's."""
        parts: dict[str, PartialPrediction] = {}
        for kind in dict.fromkeys((self._plan.caption, self._plan.embed)):
            if kind in self._engines:
                parts[kind] = self._engines[kind].predict(pixels, instruction if kind == "gme" else "", deadline=deadline)
        own = [self._own_words(kind, part) for kind, part in parts.items()]
        return merge(own, width=width, height=height)

    @property
    def checks(self) -> bool:
        """Whether a model of this worker checks texts against pictures."""
        return self._plan.check in self._engines

    def check(self, pixels: Pixels, texts: Sequence[str], *, deadline: float) -> tuple[EntailmentPrediction, ...]:
        """Does each English text describe the picture? In the order of `texts`. Errors: NotChecked where no model can tell."""
        if not self.checks:
            raise NotChecked
        engine = self._engines[self._plan.check]
        return tuple(a for text in texts for a in engine.predict(pixels, text, deadline=deadline).entailment)

    def vectors(self, texts: Sequence[str]) -> Vector:
        """[n, d] by the embedding model, rows of length one. Errors: those of the engine."""
        engine, until = self._engines[self._plan.embed], time.monotonic() + TEXT_SECONDS
        with ThreadPoolExecutor(TEXTS_AT_ONCE, thread_name_prefix="texts") as pool:
            rows = list(pool.map(lambda text: engine.read(text, deadline=until), texts))
        found: Vector = np.stack(rows).astype(np.float32)
        return found

    def embedder(self) -> str:
        """name@revision of the embedding model. Errors: EngineStopped before it is loaded."""
        return self._engines[self._plan.embed].model

    def _own_words(self, kind: str, part: PartialPrediction) -> PartialPrediction:
        """A model that could also say a caption or a vector leaves that to the one that was chosen for it."""
        caption = part.caption if kind == self._plan.caption else None
        embedding = part.embedding if kind == self._plan.embed else None
        return replace(part, caption=caption, embedding=embedding)

    def close(self) -> None:
        until = time.monotonic() + CLOSE_SECONDS
        for engine in self._engines.values():
            engine.close(timeout=max(0.1, until - time.monotonic()))


class FatalHook:
    """What to call when a model is beyond help; set once there is something to call."""

    def __init__(self) -> None:
        self.callback: Callable[[], None] = lambda: None

    def __call__(self, _reason: str) -> None:
        self.callback()


def on_processor(settings: Settings) -> bool:
    """Whether only the lite models run: they use a core of the machine, and a batch gains them nothing."""
    return plan(settings).kinds == ("lite",)


def sized(settings: Settings) -> Settings:
    """Fewer threads and small batches where only the lite models run: they use one core whatever the batch, so that more
    images in hand would only take that core from those that are being described.
    """
    if not on_processor(settings):
        return settings
    threads = min(settings.threads, LITE_THREADS)
    batch = max(1, min(settings.max_batch, threads // 2))
    wait_ms = max(settings.batch_wait_ms, LITE_WAIT_MS)
    return settings.model_copy(update={"threads": threads, "max_batch": batch, "batch_wait_ms": wait_ms})


def start_models(
    settings: Settings,
    on_fatal: Callable[[str], None],
    before_batch: Callable[[], None] = at_once,
    backlog: Callable[[], bool] = always,
) -> Models:
    """Starts one engine per model; they load in their own threads. `on_fatal`: a model or its device is beyond help.
    `before_batch`: called before each batch, and between images that a model takes in turn; it may wait.
    `backlog`: whether more images wait than are in hand. Without it an image of the lite models runs alone, at once, since a
    batch would gain it nothing; a device is worth a wait for others in any case.
    """
    chosen = plan(settings)
    engines: dict[str, Engine[Any, Any]] = {}
    for kind in chosen.kinds:
        engines[kind] = Engine(
            loader(kind, settings.models, settings),
            max_units=GME_TOKENS if kind == "gme" else None,
            budget_ms=GME_BATCH_MS if kind == "gme" else None,
            max_batch=settings.max_batch,
            wait_ms=settings.batch_wait_ms,
            before_batch=before_batch,
            patient=backlog if on_processor(settings) else always,
            on_batch=_measure(kind),
            on_fatal=on_fatal,
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
