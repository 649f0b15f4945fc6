"""The models that a worker can run: one descriptor per model.

To add a model, write its folder below `workers/models/` and add one descriptor here.
`tests/integration/workers/models/test_model_contract.py` runs against every descriptor.
Functions import a model's libraries only when that model is loaded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from tagger.errors import ModelDirectoryInvalid
from tagger.evaluation import calibration
from tagger.evaluation.calibration import Calibration
from tagger.prediction import Vector
from tagger.settings import Settings
from workers.inference.running import RunningModel
from workers.inference.scorer import LabelScorer, Scorer
from workers.models.base import Model

Part = Literal["caption", "embed", "check"]  # the settings that choose a model
Loader = Callable[[], Model[Any, Any]]

GME_TOKENS = 16_384  # of one batch, words and visual tokens together
GME_BATCH_MS = 10_000  # predicted; far below the watchdog's minute, also on a CPU


class TextEmbedder(Protocol):
    """The running embedding model, for scorers that embed a vocabulary with it."""

    def vectors(self, texts: Sequence[str]) -> Vector: ...
    def embedder(self) -> str: ...


def _openai(settings: Settings) -> RunningModel:
    from workers.inference.remote import RemoteCaptioner

    return RemoteCaptioner(settings)


def _label_scorer(_vectors: Path | None, _embedder: TextEmbedder) -> Scorer:
    return LabelScorer()


@dataclass(frozen=True, kw_only=True)
class ModelDescriptor:
    """Everything that the rest of the worker needs to know about one model."""

    name: str  # the value of the settings `caption`, `embed` and `check`
    parts: frozenset[Part]  # what it can be chosen for
    loader: Callable[[Path, Settings], Loader] | None = None  # the returned function runs in the engine's owner thread
    remote: Callable[[Settings], RunningModel] | None = None  # of a model on another server; it needs no engine
    weights: str | None = None  # folder of downloaded weights; such a model needs torch. None: needs neither
    automatic: bool = False  # the setting `auto` may choose it
    light: bool = False  # uses one CPU core whatever the batch, so a batch gains nothing
    takes_instructions: bool = False  # `prepare` gets the profile's instruction
    max_units: float | None = None  # cost units of one batch; None: no limit
    budget_ms: float | None = None  # predicted milliseconds of one batch; None: no limit
    scorer: Callable[[Path | None, TextEmbedder], Scorer] = _label_scorer  # of a model that embeds

    def available(self, models: Path) -> bool:
        """Whether `auto` can use it: it needs no download, or torch and its weights are installed."""
        return self.weights is None or (importlib.util.find_spec("torch") is not None and (models / self.weights).is_dir())


def _load_fake(models: Path, _settings: Settings) -> Loader:
    from workers.models import fake

    return lambda: fake.load(models)


def _load_lite(models: Path, _settings: Settings) -> Loader:
    from workers.models import lite

    return lambda: lite.load(models / "lite")


def _lite_scorer(vectors: Path | None, _embedder: TextEmbedder) -> Scorer:
    from workers.models.lite import TermScorer, TextEncoder

    return TermScorer(TextEncoder(cache_dir=vectors))


def _load_ofa_caption(folder: Path, device: str, _settings: Settings) -> Model[Any, Any]:
    from workers.models.ofa.load import load_caption

    return load_caption(folder, device=device)


def _load_ofa_entailment(folder: Path, device: str, _settings: Settings) -> Model[Any, Any]:
    from workers.models.ofa.load import load_entailment

    return load_entailment(folder, device=device)


def _load_gme(folder: Path, device: str, settings: Settings) -> Model[Any, Any]:
    from workers.models.gme.load import load
    from workers.models.gme.prepare import Bounds

    return load(folder, device=device, bounds=Bounds(least=settings.visual_tokens_least, most=settings.visual_tokens_most))


def _gme_scorer(vectors: Path | None, embedder: TextEmbedder) -> Scorer:
    from workers.models.gme.scorer import TermScorer

    fitted = Calibration.read(vectors / calibration.FILE) if vectors is not None else None
    return TermScorer(embedder.vectors, embedder.embedder, fitted)


def _torch(name: str, weights: str, load: Callable[[Path, str, Settings], Model[Any, Any]]) -> Callable[[Path, Settings], Loader]:
    """A loader that gets the weights and the device first. torch is imported in the owner thread, because it takes seconds."""

    def loader(models: Path, settings: Settings) -> Loader:
        def run() -> Model[Any, Any]:
            folder = _weights(weights, models, settings)
            try:
                from workers.models import accelerator

                device = accelerator.best()
                if device == "cpu":
                    accelerator.share_cores(settings.tag_processes)
                return load(folder, device, settings)
            except ImportError as err:
                raise ModelDirectoryInvalid(
                    f"The model {name!r} needs torch: {err}.", "Install tagger with its `gpu` extra."
                ) from err

        return run

    return loader


def _weights(name: str, models: Path, settings: Settings) -> Path:
    """The folder of the weights. They are fetched first if the setting `model_pull` is on. Errors: WeightsNotFetched."""
    if settings.model_pull:
        from workers.models.weights import KNOWN, Source, ensure

        return ensure(KNOWN[name], models, Source(mirror=settings.model_mirror))
    return models / name


_DESCRIPTORS = (  # `auto` takes the first that is available
    ModelDescriptor(
        name="ofa",
        parts=frozenset({"caption"}),
        loader=_torch("ofa", "ofa-caption", _load_ofa_caption),
        weights="ofa-caption",
        automatic=True,
    ),
    ModelDescriptor(
        name="gme",
        parts=frozenset({"embed"}),
        loader=_torch("gme", "gme", _load_gme),
        weights="gme",
        automatic=True,
        takes_instructions=True,
        max_units=GME_TOKENS,
        budget_ms=GME_BATCH_MS,
        scorer=_gme_scorer,
    ),
    ModelDescriptor(
        name="ofa-entailment",
        parts=frozenset({"check"}),
        loader=_torch("ofa-entailment", "ofa-entailment", _load_ofa_entailment),
        weights="ofa-entailment",
    ),
    ModelDescriptor(
        name="lite",
        parts=frozenset({"caption", "embed"}),
        loader=_load_lite,
        automatic=True,
        light=True,
        scorer=_lite_scorer,
    ),
    ModelDescriptor(name="openai", parts=frozenset({"caption"}), remote=_openai),
    ModelDescriptor(name="fake", parts=frozenset({"caption", "embed", "check"}), loader=_load_fake),
)
REGISTRY: Mapping[str, ModelDescriptor] = {descriptor.name: descriptor for descriptor in _DESCRIPTORS}


def described(name: str) -> ModelDescriptor:
    """Errors: ModelDirectoryInvalid if there is no such model."""
    if name not in REGISTRY:
        raise ModelDirectoryInvalid(f"There is no model {name!r}.", f"Use one of {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def automatic(part: Part, models: Path) -> str:
    """What the setting `auto` means for this part: the first automatic model that is available."""
    return next(d.name for d in _DESCRIPTORS if d.automatic and part in d.parts and d.available(models))


def loader(name: str, models: Path, settings: Settings | None = None) -> Loader:
    """How to load one model from its folder in `models`. `settings`: whether missing weights are fetched, and the limits of
    GME; None: the defaults, without a fetch. Errors: ModelDirectoryInvalid.
    """
    load = described(name).loader
    if load is None:
        raise ModelDirectoryInvalid(
            f"The model {name!r} runs on another server.", "Start a worker with it; nothing is loaded here."
        )
    return load(models, settings or Settings())
