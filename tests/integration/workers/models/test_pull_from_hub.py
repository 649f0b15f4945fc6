"""Weights come from the hub by its own client: whole, checked, from where they stopped, and never half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.model_hub import ModelHub, running

from tagger.errors import WeightsNotFetched
from workers.models.weights import KNOWN, Source, pull
from workers.models.weights.manifest import MANIFEST_FILE
from workers.models.weights.pull import ModelScope

OFA = KNOWN["ofa-caption"]
WEIGHTS = bytes(range(256)) * 20_000  # 5 MB, so that a cut leaves something to go on with
FILES = {
    "configuration.json": b"{}",
    "config.json": b"{}",
    "vocab.json": b"{}",
    "merges.txt": b"a b",
    "pytorch_model.bin": WEIGHTS,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    with running(ModelHub(files={**FILES, "run_me.py": b"print('no')"})) as made:
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
        yield made


def pulled(hub: ModelHub, tmp_path: Path) -> Path:
    return pull(OFA, tmp_path / "models", Source(hub=ModelScope(endpoint=hub.url), pause=lambda _seconds: None))


def test_the_pinned_revision_arrives_whole_and_without_code(hub: ModelHub, tmp_path: Path) -> None:
    folder = pulled(hub, tmp_path)
    assert {path.name for path in folder.iterdir()} == {*FILES, MANIFEST_FILE}
    assert (folder / "pytorch_model.bin").read_bytes() == WEIGHTS
    assert set(hub.listed) == {"v1.0.1"}
    assert "run_me.py" not in {name for name, _ in hub.sent}
    sent = len(hub.sent)
    assert pulled(hub, tmp_path) == folder
    assert len(hub.sent) == sent, "what is there is not downloaded again"


def test_a_cut_connection_goes_on_where_it_stopped(hub: ModelHub, tmp_path: Path) -> None:
    hub.cut = 2
    assert (pulled(hub, tmp_path) / "pytorch_model.bin").read_bytes() == WEIGHTS
    starts = [first for name, first in hub.sent if name == "pytorch_model.bin"]
    assert starts[0] == 0
    assert max(starts) > 0, starts


def test_damaged_bytes_are_downloaded_again(hub: ModelHub, tmp_path: Path) -> None:
    hub.corrupt = 1
    assert (pulled(hub, tmp_path) / "pytorch_model.bin").read_bytes() == WEIGHTS
    assert len([name for name, _ in hub.sent if name == "pytorch_model.bin"]) == 2


def test_bytes_that_stay_damaged_never_become_a_model(hub: ModelHub, tmp_path: Path) -> None:
    hub.corrupt = 1_000
    with pytest.raises(WeightsNotFetched, match="ofa-caption"):
        pulled(hub, tmp_path)
    assert not (tmp_path / "models" / "ofa-caption").exists()


def test_a_busy_hub_is_asked_again(hub: ModelHub, tmp_path: Path) -> None:
    hub.unavailable = 2
    assert pulled(hub, tmp_path).is_dir()
