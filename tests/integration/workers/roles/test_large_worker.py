"""A worker whose large models cannot be used. That one which can does its whole job is in test_no_egress.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from support import gme_cases, ofa_directory
from support.worker_house import WorkerHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WorkerHouse]:
    made = WorkerHouse(tmp_path / "house", caption="ofa", embed="gme", model_dir=tmp_path / "models")
    try:
        yield made
    finally:
        made.close()


def test_a_worker_with_broken_weights_never_begins_and_says_what_to_do(house: WorkerHouse) -> None:
    folder = ofa_directory.caption_directory(house.settings.models)
    folder.rename(house.settings.models / "ofa-caption")
    gme_cases.directory(house.settings.models / "gme")
    weights = house.settings.models / "ofa-caption" / "pytorch_model.bin"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    ids = house.accept(1)
    process = house.start("tag", "--lane", "upload")
    assert process.wait(60) == 1
    said = house.logs()
    assert "pytorch_model.bin: content: cannot be read" in said
    assert "tagger models pull" in said
    assert house.workers("tag:upload") == 0
    assert house.statuses(ids) == {"accepted": 1}  # nobody claimed it
