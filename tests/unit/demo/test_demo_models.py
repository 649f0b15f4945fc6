"""`tagger demo --models ofa`: real sentences where they can be had; else a plain reason, soon, and the small models."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tagger.cli.commands import demo_models
from tagger.demo import hub
from tagger.settings import Settings, load


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


class Answers:
    """Stands for `python -m workers.models.weights`."""

    def __init__(self, status: str, pulled: list[dict[str, Any]] | None = None) -> None:
        self.status, self.pulled, self.verbs = status, pulled or [], []

    def __call__(self, verb: str, names: list[str] | None, _settings: Settings) -> tuple[list[dict[str, Any]], int]:
        self.verbs.append(verb)
        return ([{"name": name, "status": self.status} for name in names or []] if verb == "list" else self.pulled), 0


def chosen(monkeypatch: pytest.MonkeyPatch, answers: Answers, address: str, torch: object | None = object()) -> Settings:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", address)
    monkeypatch.setattr(demo_models, "asked", answers)
    monkeypatch.setattr(demo_models.importlib.util, "find_spec", lambda _name: torch)
    return demo_models.with_ofa(load({}))


def test_the_address_is_that_of_the_hubs_own_client() -> None:
    assert hub.address({}) == "https://www.modelscope.cn"
    assert hub.address({"MODELSCOPE_DOMAIN": "hub.example"}) == "https://hub.example"
    assert (
        hub.address({"MODELSCOPE_DOMAIN": "hub.example", "MODELSCOPE_ENDPOINT": "http://other.example/"})
        == "http://other.example"
    )


def test_a_hub_that_is_away_is_told_within_ten_seconds(silent: str) -> None:
    began = time.monotonic()
    assert "there is no connection to it" in (hub.unreachable(closed(), 5.0) or "")
    assert hub.unreachable(silent, 0.3) == f"The model hub {silent} cannot be reached: no answer in 0.3 s."
    assert time.monotonic() - began < 60  # of a busy machine; the limits above are what counts
    assert 2 * hub.SECONDS < 10, "the Makefile asks once, the demo once more"


def test_without_the_hub_the_demo_goes_on_with_the_small_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address, answers = closed(), Answers("absent")
    settings = chosen(monkeypatch, answers, address)
    assert (settings.caption, settings.check, answers.verbs) == (load({}).caption, "none", ["list"])
    said = capsys.readouterr().out
    assert f"The model hub {address} cannot be reached" in said
    assert "goes on with the small models" in said


def test_weights_that_are_here_need_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = chosen(monkeypatch, Answers("there"), closed())
    assert (settings.caption, settings.check) == ("ofa", "ofa-entailment")


def test_without_torch_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = chosen(monkeypatch, Answers("there"), closed(), torch=None)
    assert settings.caption != "ofa"
    assert "make demo MODELS=ofa" in capsys.readouterr().out


def test_a_failed_download_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(hub, "unreachable", lambda _hub, _seconds: None)
    failed = [{"name": "ofa-caption", "error": {"detail": "No space for ofa-caption.", "remedy": "Free space."}}]
    assert chosen(monkeypatch, Answers("absent", failed), "http://hub.example").caption != "ofa"
    assert "No space for ofa-caption. Free space." in capsys.readouterr().out


def test_a_download_tells_its_source_its_place_and_its_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "unreachable", lambda _hub, _seconds: None)
    pulled = [{"name": name, "status": "there", "bytes": 131_000_000} for name in demo_models.WEIGHTS]
    assert chosen(monkeypatch, Answers("absent", pulled), "http://hub.example").caption == "ofa"
    said = capsys.readouterr().out
    assert "from http://hub.example" in said
    assert "ofa-entailment: 131 MB, every file checked" in said
