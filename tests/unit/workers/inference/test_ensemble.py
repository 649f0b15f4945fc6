"""Which models a worker loads, and that each gives only the parts for which it was chosen."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import ModelDirectoryInvalid
from tagger.settings import load
from workers.inference.ensemble import Plan, long_side, plan, sized, start_models
from workers.inference.registry import loader


def test_without_large_models_auto_means_the_lite_ones(tmp_path: Path) -> None:
    assert plan(load({}, home=tmp_path)) == Plan(caption="lite", embed="lite", check="none")
    assert plan(load({}, home=tmp_path)).kinds == ("lite",)


@pytest.mark.parametrize(
    ("asked", "given"), [({}, (16, 8)), ({"threads": 4}, (4, 2)), ({"threads": 1}, (1, 1)), ({"max_batch": 3}, (16, 3))]
)
def test_the_lite_models_get_threads_for_two_batches(tmp_path: Path, asked: dict[str, int], given: tuple[int, int]) -> None:
    small = sized(load({}, home=tmp_path, **asked))
    assert (small.threads, small.max_batch) == given


def test_models_with_a_device_keep_what_was_asked_for(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path, caption="fake", embed="fake", max_batch=24)
    assert sized(settings) == settings


@pytest.mark.parametrize(
    ("embed", "asked", "given"),
    [
        ("fake", {}, (10, 5)),
        ("fake", {"openai_requests": 1}, (3, 1)),
        ("fake", {"openai_requests": 100}, (64, 16)),
        ("fake", {"threads": 4, "max_batch": 2}, (4, 2)),
        ("lite", {"openai_requests": 100}, (16, 8)),
        ("lite", {}, (10, 5)),
    ],
)
def test_a_remote_model_gets_few_more_threads_than_requests(
    tmp_path: Path, embed: str, asked: dict[str, int], given: tuple[int, int]
) -> None:
    fitting = sized(load({}, home=tmp_path, caption="openai", embed=embed, **asked))
    assert (fitting.threads, fitting.max_batch) == given


def test_decoders_hand_out_fewer_pixels_if_only_the_lite_models_look(tmp_path: Path) -> None:
    assert long_side(load({}, home=tmp_path, caption="lite", embed="lite")) == 800
    assert long_side(load({}, home=tmp_path, caption="fake", embed="lite")) == 1024


def test_an_unknown_kind_and_a_missing_torch_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryInvalid):
        loader("parrot", tmp_path)
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(ModelDirectoryInvalid, match="torch"):
            loader("ofa", tmp_path)()


@pytest.mark.skipif("CI" not in os.environ, reason="a machine of one's own may do without torch")
def test_where_all_is_tested_torch_is_there() -> None:
    """Else parity with the reference would be skipped in silence."""
    assert importlib.metadata.version("torch").partition("+")[0] == "2.13.0"
    assert importlib.util.find_spec("transformers") is not None


def test_a_model_that_was_not_chosen_for_captions_says_none(tmp_path: Path) -> None:
    models = start_models(load({}, home=tmp_path, caption="none", embed="fake"), on_fatal=lambda reason: None)
    try:
        models.wait_ready(threading.Event())
        assert models.ready()
        assert models.problem() is None
        pixels = np.full((16, 16, 3), 90, np.uint8)
        said = models.predict(pixels, "", width=320, height=240, deadline=time.monotonic() + 10)
        assert said.caption is None
        assert said.embedding is not None
        assert (said.width, said.height) == (320, 240)
        assert said.models == models.ids
    finally:
        models.close()
