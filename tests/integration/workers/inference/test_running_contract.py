"""What every running captioner does, whether an engine runs it here or another server has it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.model_server import completion, model_server

from tagger.prediction import Pixels
from tagger.settings import load
from workers.inference.ensemble import Models, start_models
from workers.inference.registry import REGISTRY

CAPTIONERS = ("fake", "lite", "openai")  # and `ofa`, whose weights take torch: test_model_contract.py
SECONDS = 60.0


def picture(shade: int) -> Pixels:
    return np.full((40, 60, 3), shade, np.uint8)


@pytest.fixture(scope="module", params=CAPTIONERS)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    folder: Path = tmp_path_factory.mktemp("models")
    with model_server(lambda _body: completion("A grey wall.", -0.1, -0.3)) as server:
        remote = {"openai_url": server.url, "openai_model": "tiny", "openai_private": True}
        settings = load({}, home=folder, model_dir=folder, caption=request.param, embed="none", **remote)
        made = start_models(settings, on_fatal=lambda _reason: None)
        try:
            made.wait_ready(threading.Event())
            yield made
        finally:
            made.close()


def test_the_contract_covers_every_captioner_but_those_with_weights() -> None:
    assert set(CAPTIONERS) == {d.name for d in REGISTRY.values() if "caption" in d.parts and d.weights is None}


def test_its_id_is_a_name_and_a_revision(models: Models) -> None:
    [model] = models.ids
    assert re.fullmatch(r"[a-z0-9-]+@[0-9a-f]{8}", model)


def test_it_is_ready_and_has_no_problem(models: Models) -> None:
    assert (models.ready(), models.problem()) == (True, None)


def test_it_describes_many_pictures_at_a_time(models: Models) -> None:
    def described(shade: int) -> tuple[str, ...]:
        until = time.monotonic() + SECONDS
        return models.predict(picture(shade), "", width=60, height=40, deadline=until).models

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(described, range(0, 240, 20))) == {models.ids}
