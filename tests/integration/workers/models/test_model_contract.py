"""What every local model of the registry does. A model with weights to download runs on a tiny directory with random weights.

What remote captioners do too is in tests/integration/workers/inference/test_running_contract.py.

Random weights say nothing of an image, but all the code runs: loading, preparing, batching, the canary, finishing. It is
skipped only where torch is not installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from tagger.cli.commands import models as models_command
from tagger.errors import ModelDirectoryInvalid
from tagger.prediction import Pixels
from tagger.settings import Settings, load
from workers.inference.engine_options import CANARY_COSINE
from workers.inference.registry import REGISTRY, ModelDescriptor, Part, automatic, loader
from workers.models.base import Model, cosine, model_id
from workers.models.weights import KNOWN

LOCAL = sorted(name for name, descriptor in REGISTRY.items() if descriptor.loader is not None)


@pytest.fixture(params=LOCAL, scope="module")
def descriptor(request: pytest.FixtureRequest) -> ModelDescriptor:
    return REGISTRY[request.param]


def tiny_weights(name: str, models: Path) -> None:
    """The folder of weights `name` in `models`, as a download leaves it."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support import gme_cases, ofa_directory  # both need torch

    made = {
        "ofa-caption": ofa_directory.caption_directory,
        "ofa-entailment": ofa_directory.entailment_directory,
        "gme": gme_cases.directory,
    }[name](models / "made")
    made.rename(models / name)


@pytest.fixture(scope="module")
def models(descriptor: ModelDescriptor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    if descriptor.weights is not None:
        tiny_weights(descriptor.weights, folder)
    return folder


@pytest.fixture(scope="module")
def model(descriptor: ModelDescriptor, models: Path) -> Model[Any, Any]:
    return loader(descriptor.name, models, load({}, visual_tokens_least=4, visual_tokens_most=16))()


PHOTOS = Path(__file__).parents[4] / "tagger" / "demo" / "photos"


def pictures() -> list[Pixels]:
    return [np.asarray(Image.open(PHOTOS / name).convert("RGB")) for name in ("sk_chelsea.png", "sk_coffee.png")]


def test_the_id_is_a_name_and_a_revision(model: Model[Any, Any]) -> None:
    assert re.fullmatch(r"[a-z0-9-]+@[0-9a-f]{8}", model_id(model))


def test_the_canary_reads_as_its_golden_vector(model: Model[Any, Any]) -> None:
    [raw] = model.run([model.canary()])
    assert cosine(model.reading(raw), model.golden()) >= CANARY_COSINE


def test_results_match_the_batch_by_position(model: Model[Any, Any]) -> None:
    items = [model.prepare(pixels, "A cat.") for pixels in pictures()]
    assert all(model.size(item) > 0 for item in items)
    together, alone = model.run(items), [model.run([item])[0] for item in items]
    assert len(together) == len(items)
    for one, other in zip(together, alone, strict=True):
        assert cosine(model.reading(one), model.reading(other)) > 0.999


def test_a_model_fills_each_part_that_its_descriptor_names(descriptor: ModelDescriptor, model: Model[Any, Any]) -> None:
    pixels = pictures()[0]
    [raw] = model.run([model.prepare(pixels, "A cat.")])
    result = model.finish(raw, pixels)
    filled = {"caption": result.caption, "embed": result.embedding, "check": result.entailment}
    assert result.model.partition("@")[2] == model.revision
    assert {part for part, value in filled.items() if value} == descriptor.parts


def test_a_model_that_is_there_is_available_and_one_without_its_weights_is_not(
    descriptor: ModelDescriptor, models: Path, tmp_path: Path
) -> None:
    assert descriptor.available(models)
    assert descriptor.available(tmp_path) == (descriptor.weights is None)


def test_an_instruction_changes_what_a_model_reads_that_takes_them(descriptor: ModelDescriptor, model: Model[Any, Any]) -> None:
    if descriptor.takes_instructions:
        short, long = (model.prepare(pictures()[0], text) for text in ("Look.", "Find the product in this photograph."))
        assert model.size(short) < model.size(long)


def test_the_settings_offer_exactly_the_registered_models() -> None:
    for part in get_args(Part):
        choices = set(get_args(Settings.model_fields[part].annotation)) - {"auto", "none"}
        assert choices == {d.name for d in REGISTRY.values() if part in d.parts}


def test_weights_are_known_to_the_commands_that_fetch_and_check_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {d.weights for d in REGISTRY.values()} - {None} == set(KNOWN)
    monkeypatch.setattr(models_command.importlib.util, "find_spec", lambda _name: object())
    for descriptor in REGISTRY.values():
        for part in descriptor.parts:
            chosen = load({}, **{"caption": "none", "embed": "none", part: descriptor.name}, model_pull=True)
            assert models_command.check_chosen(chosen) == ([descriptor.weights] if descriptor.weights else [])


def test_auto_needs_no_download(tmp_path: Path) -> None:
    assert [automatic(part, tmp_path) for part in ("caption", "embed")] == ["lite", "lite"]


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryInvalid) as caught:
        loader("parrot", tmp_path)
    assert all(name in caught.value.info().remedy for name in REGISTRY)
