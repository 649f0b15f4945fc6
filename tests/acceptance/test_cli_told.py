"""What the commands print from a ledger: whole ids, explained reasons, causes, and the next step."""

from __future__ import annotations

import csv
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.ledger_cases.world import ALT, BROKEN, World, description

from acceptance.house import ROOT, TAGGER, called, clean_env, told
from acceptance.pictures import png
from tagger.annotation import Annotation, Verdict
from tagger.backfill import Backfill
from tagger.cli import backfill_watch, console
from tagger.cli.commands import check, describe
from tagger.errors import ImageTooLarge
from tagger.job import Description
from tagger.judge.gate import REASONS
from tagger.ledger import Ledger
from tagger.net import signing
from tagger.services.backfill.feed import feed
from tagger.services.check_texts import Row
from tagger.settings import Settings, load


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The ledger of the home `tmp_path`, with a clock that stands still; no worker lives by the real one."""
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


def withheld(value: str | None, *reasons: str) -> Description:
    verdict = Verdict(action="review", reasons=reasons)
    alt = Annotation.from_dict({**ALT.to_dict(), "value": value, "verdict": {"action": "review", "reasons": list(reasons)}})
    return Description(annotations=(alt,), verdict=verdict, sha256="ab" * 32, width=8, height=6, timings_ms={"model": 88})


def test_a_taken_port_and_a_full_disk_are_one_line_each(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = called("webhooks", "listen", "--port", port, home=tmp_path, TAGGER_CALLBACK_SECRET=signing.new_secret())
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


def test_a_list_that_was_cut_off_says_how_to_go_on(world: World, tmp_path: Path) -> None:
    jobs = []
    for n in range(3):
        world.later(1)
        jobs.append(world.described(f"a{n}"))
    first = called("jobs", "list", "--limit", "2", home=tmp_path).stdout
    assert f"There are more: --cursor {jobs[1]}" in first
    rest = called("jobs", "list", "--limit", "2", "--cursor", jobs[1], home=tmp_path).stdout
    assert (jobs[0] in rest, jobs[1] in rest, "more" in rest) == (True, False, False)
    assert "There are more: --cursor dlv_" in called("deliveries", "list", "--limit", "1", home=tmp_path).stdout


def test_what_is_not_there_does_not_look_like_an_empty_list(world: World, tmp_path: Path) -> None:
    for command in ("jobs", "deliveries", "dead-letters"):
        done = called(command, "list", "--site", "nope", home=tmp_path)
        assert (done.returncode, "not_found" in done.stderr) == (1, True), command
    assert called("jobs", "list", "--backfill", "bkf_nope", home=tmp_path).returncode == 1
    for command in (["dead-letters", "list"], ["dead-letters", "discard"], ["deliveries", "replay"]):
        done = called(*command, "--reason", "nope", home=tmp_path)
        assert (done.returncode, "bad_request" in done.stderr) == (1, True), command
    assert "Nothing was changed" in called("dead-letters", "replay", "--reason", "image_unreadable", home=tmp_path).stdout


def test_what_has_ended_cannot_be_cancelled(world: World, tmp_path: Path) -> None:
    job = world.accept("a")
    assert world.ledger.complete(world.claimed(job), withheld("x", "too_generic"), None)
    done = called("jobs", "cancel", job, home=tmp_path)
    assert (done.returncode, "conflict" in done.stderr) == (1, True)
    assert "is cancelled" in called("jobs", "cancel", world.accept("b"), home=tmp_path).stdout


def test_status_and_doctor_tell_what_keeps_work_from_being_done(world: World, tmp_path: Path) -> None:
    job = world.accept("a")
    assert world.ledger.fail(world.claimed(job), ImageTooLarge().info(), {}) == "dead"
    world.described("b")
    world.ledger.enable_endpoint("end_s", False)
    world.deliverable()
    world.ledger.pause_writes("s", True)
    for command in ("status", "doctor"):
        said = called(command, home=tmp_path, TAGGER_API_PORT="0").stdout
        for word in ("no worker is alive", "writes to s are paused", "endpoint of s is disabled", "2 parked", "Dead letters: 1"):
            assert word in said, (command, word, said)
    assert len(told("status", home=tmp_path)["attention"]) == 5


def test_who_follows_a_backfill_learns_what_it_waits_for_and_that_it_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(png())
    world.ledger.pause_writes("s", True)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfill_watch, "time", SimpleNamespace(sleep=interrupt))
    done = called("backfill", "start", "--folder", str(tmp_path / "p"), "--site", "s", home=tmp_path)
    assert done.returncode == 130
    for word in ("no worker is alive", "writes to s are paused", "The backfill continues. `tagger backfill status bkf_"):
        assert word in done.stderr


def test_a_site_is_changed_and_keeps_its_secrets(world: World, tmp_path: Path) -> None:
    world.described("a")
    world.ledger.enable_endpoint("end_s", False)
    world.deliverable()
    assert world.ledger.stats().deliveries["parked"] == 1
    for refused in (["--endpoint", "http://127.0.0.1:9/"], ["--endpoint", "http://169.254.169.254/", "--allow-private"],
                    ["--locale", "no such"], ["--profile", "nope"], ["--vocabulary", "nope"]):  # fmt: skip
        assert called("sites", "set", "s", *refused, home=tmp_path).returncode == 1, refused
    loopback = ["--endpoint", "http://localhost:9/"]
    assert "--allow-private" in called("sites", "add", "t", *loopback, home=tmp_path).stderr
    assert called("sites", "set", "nope", "--name", "x", home=tmp_path).returncode == 1
    told("sites", "set", "s", *loopback, "--allow-private", "--locale", "de", "--allow-host", "cms.lan", home=tmp_path)
    endpoint, site = world.ledger.endpoint_of("s"), world.ledger.get_site("s")
    assert endpoint is not None
    assert (endpoint.url, endpoint.allow_private, endpoint.enabled) == ("http://localhost:9/", True, True)
    assert (endpoint.id, endpoint.secrets) == ("end_s", ("whsec_a",)), "the CMS need not be told anything new"
    assert (site.locales, site.allowed_hosts, site.name) == (("de",), ("cms.lan",), "s")
    [claim] = world.deliverable()
    assert claim.endpoint.url == "http://localhost:9/", "what was parked goes to the new address"
    told("sites", "set", "s", "--vocabulary", "general", "--allow-host", "", home=tmp_path)
    assert (world.ledger.get_site("s").vocabulary, world.ledger.get_site("s").allowed_hosts) == ("general", ())


def test_a_site_without_an_endpoint_gets_one_with_a_secret(tmp_path: Path) -> None:
    told("sites", "add", "t", home=tmp_path)
    made = told("sites", "set", "t", "--endpoint", "https://t.example/cb", home=tmp_path)
    assert made["callback_secret"].startswith("whsec_")


def test_a_misspelt_home_is_not_made(tmp_path: Path) -> None:
    for command in (["status"], ["jobs", "list"], ["sites", "list"]):
        done = called("--home", str(tmp_path / "hmoe"), *command, home=tmp_path)
        assert (done.returncode, "hmoe" in done.stderr) == (1, True), command
    assert not (tmp_path / "hmoe").exists()


def test_a_model_that_was_chosen_and_is_not_there_is_told_before_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("image,text\na.png,A cat\n")
    checked = called("check", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "o.csv"), home=tmp_path / "home")
    looked = called("doctor", home=tmp_path / "home", TAGGER_CHECK="ofa-entailment", TAGGER_API_PORT="0")
    assert (checked.returncode, looked.returncode) == (1, 1)
    if importlib.util.find_spec("torch") is None:
        assert "torch" in checked.stderr
        return
    assert "tagger models pull ofa-entailment" in checked.stderr
    assert "broken  Models: The weights of ofa-entailment are absent." in looked.stdout


def test_the_report_of_a_check_runs_no_formula(tmp_path: Path) -> None:
    row = Row(index=1, image="=cmd|' '!A0", text="+1", source=None, status="ok")
    (tmp_path / "o.csv").write_bytes(check.content([row], ".csv"))
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        [line] = csv.DictReader(file)
    assert (line["image"], line["text"]) == ("'=cmd|' '!A0", "'+1")


def test_an_interrupted_describe_writes_what_is_done(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ledger in place of the stack: one picture is done when Ctrl-C comes, the other is not."""
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "p" / name).write_bytes(png())

    @contextmanager
    def stack(_home: Path) -> Iterator[tuple[Settings, Ledger]]:
        yield load({}, home=tmp_path), world.ledger

    def interrupt(ledger: Ledger, backfill_id: str) -> None:
        feed(ledger, ledger.backfill(backfill_id))
        assert ledger.complete(world.claimed(lane="backfill"), description(), None)
        raise KeyboardInterrupt

    monkeypatch.setattr(describe, "ephemeral", stack)
    monkeypatch.setattr(describe, "watch", interrupt)
    done = called("describe", str(tmp_path / "p"), "--out", str(tmp_path / "o.csv"), home=tmp_path)
    assert (done.returncode, "1 described, 1 not done" in done.stdout) == (130, True), done.stderr
    assert "Run the same command to continue from here." in done.stdout
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        assert sorted(line["status"] for line in csv.DictReader(file)) == ["accepted", "done"]


def test_the_dead_letters_of_one_backfill_are_listed_and_replayed_apart(world: World, tmp_path: Path) -> None:
    for name in ("one", "two"):
        world.ledger.start_backfill(Backfill(id=f"bkf_{name}", site_id="s", kind="folder", spec={}, started_ms=world.now))
    jobs = {name: world.accept(name, backfill_id=f"bkf_{name}") for name in ("one", "two")}
    jobs["alone"] = world.accept("alone")
    for job_id in jobs.values():
        assert world.ledger.fail(world.claimed(job_id), ImageTooLarge("The image is over 1 MiB.").info(), {}) == "dead"
    rows = told("dead-letters", "list", "--backfill", "bkf_one", home=tmp_path)["data"]
    assert [row["id"] for row in rows] == [jobs["one"]]
    assert "Replayed 1 of 1." in called("dead-letters", "replay", "--backfill", "bkf_one", home=tmp_path).stdout
    left = told("dead-letters", "list", home=tmp_path)["data"]
    assert {row["id"] for row in left} == {jobs["two"], jobs["alone"]}
    wrong = called("dead-letters", "discard", "--backfill", "bkf_none", home=tmp_path)
    assert wrong.returncode != 0
    assert "There is no backfill 'bkf_none'" in wrong.stderr
