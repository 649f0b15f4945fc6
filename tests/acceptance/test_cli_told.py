"""What the commands say of a ledger: whole ids, reasons in words, causes, and what to do next."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_cases.world import ALT, BROKEN, World

from acceptance.house import ROOT, TAGGER, called, clean_env
from tagger import signing
from tagger.annotation import Annotation, Verdict
from tagger.cli import console
from tagger.gate import REASONS
from tagger.job import Description


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The ledger of the home `tmp_path`, with a clock that stands still; no worker lives by the real one."""
    made = World(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield made
    made.ledger.close()


def withheld(value: str | None, *reasons: str) -> Description:
    verdict = Verdict(action="review", reasons=reasons)
    alt = Annotation.from_dict({**ALT.to_dict(), "value": value, "verdict": {"action": "review", "reasons": list(reasons)}})
    return Description(annotations=(alt,), verdict=verdict, sha256="ab" * 32, width=8, height=6, timings_ms={"model": 88})


def test_a_taken_port_and_a_full_disk_are_one_line_each(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = called("webhooks", "listen", "--secret", signing.new_secret(), "--port", port, home=tmp_path)
    assert done.returncode == 1
    assert "port_taken" in done.stderr
    assert port in done.stderr
    if not os.path.exists("/dev/full"):
        pytest.skip("only Linux has a disk that is always full")
    with open("/dev/full", "wb") as full:
        said = subprocess.run(
            [*TAGGER, "config", "profiles", "--json"], env=clean_env(TAGGER_HOME=str(tmp_path)), cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (said.returncode, len(said.stderr.splitlines())) == (1, 1), said.stderr
    assert "Standard output cannot be written" in said.stderr


def test_no_id_is_broken_however_narrow_the_terminal(world: World, tmp_path: Path) -> None:
    job = world.described("a-rather-long-name-of-an-asset/in/a/folder/of/its/own/" + "x" * 60)
    delivery = world.ledger.job(job).delivery_id
    assert delivery is not None
    for command, found in (("jobs", job), ("deliveries", delivery)):
        said = called(command, "list", home=tmp_path).stdout
        assert any(line.startswith(found) and "x" * 60 in line for line in said.splitlines()), said
    assert all(len(line) > 20 for line in called("config", "show", home=tmp_path).stdout.splitlines())


def test_at_a_narrow_terminal_the_first_column_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "job_" + "0" * 26, "detail": "words " * 40}]
    was = console.out
    console.out = console.Lines(force_terminal=True, width=80, no_color=True, file=sys.stdout)
    try:
        console.print_table(rows, ["id", "detail"], "")
    finally:
        console.out = was
    assert "job_" + "0" * 26 in capsys.readouterr().out


def test_a_job_says_in_words_why_nothing_is_published(world: World, tmp_path: Path) -> None:
    job = world.accept("a")
    assert world.ledger.complete(world.claimed(job), withheld(None, "low_score", "not_specific"), None)
    said = called("jobs", "show", job, home=tmp_path).stdout
    assert REASONS["low_score"] in said
    assert REASONS["not_specific"] in said
    assert "None" not in said
    assert "alt_text en: –" in said


def test_a_job_that_waits_says_when_it_is_tried_again(world: World, tmp_path: Path) -> None:
    job = world.accept("a")
    assert world.ledger.fail(world.claimed(job), BROKEN, {}) == "accepted"
    assert "attempt 2, next at 20" in called("jobs", "show", job, home=tmp_path).stdout
    unknown = called("jobs", "show", "job_nothing", home=tmp_path)
    assert (unknown.returncode, "tagger jobs list --asset ID" in unknown.stderr) == (1, True)


def test_a_delivery_says_where_it_goes_and_what_each_attempt_met(world: World, tmp_path: Path) -> None:
    job = world.described("a")
    [claim] = world.deliverable()
    world.finish(claim, "retry")
    said = called("deliveries", "show", str(world.ledger.job(job).delivery_id), home=tmp_path).stdout
    for word in ("site s, asset a", "https://s.example/hook", "attempt 2 at 20", "delivery_failed", "Connection refused."):
        assert word in said, said
