"""The command line, each test in a home of its own: wrong usage, wrong configuration, the doctor, the tables.

As a process of its own where that may matter.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from acceptance.house import ROOT, TAGGER, House, called, clean_env, tagger, told
from acceptance.pictures import png
from tagger.ledger import open_ledger
from tagger.services.backfill.feed import feed_all
from tagger.settings import load
from tagger.supervisor.stack import Stack

FAKE = {"TAGGER_CAPTION": "fake", "TAGGER_EMBED": "fake", "TAGGER_TAG_PROCESSES": "1", "TAGGER_DECODE_PROCESSES": "1"}


def test_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    for args in (["nonsense"], ["describe"], ["jobs", "list", "--status", "nonsense"], ["backfill", "start"]):
        done = (tagger if args == ["nonsense"] else called)(*args, home=tmp_path)
        assert done.returncode == 2, (args, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_mistyped_command_is_suggested(tmp_path: Path) -> None:
    done = called("statsu", home=tmp_path)
    assert (done.returncode, "Did you mean 'status'" in done.stderr) == (2, True)


def test_a_command_imports_only_what_it_needs(tmp_path: Path) -> None:
    """A person waits for it: to import every command took two of the three seconds of a short one."""
    assert called("migrate", home=tmp_path).returncode == 0
    code = "import sys; from tagger.cli.main import main\ntry: main()\nfinally: print(*sys.modules)"
    command = [sys.executable, "-c", code, "sites", "list"]
    env = clean_env(TAGGER_HOME=str(tmp_path))
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "No sites" in done.stdout, done.stderr
    assert not {"celery", "openpyxl", "fastapi", "onnxruntime"} & set(done.stdout.split())


def test_a_wrong_setting_is_named_with_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("api_prot = 8400\n")
    cases: list[tuple[dict[str, str], str]] = [
        ({"TAGGER_API_PROT": "1"}, "TAGGER_API_PROT"),
        ({"TAGGER_API_PORT": "many"}, "TAGGER_API_PORT"),
        ({"TAGGER_CONFIG": str(tmp_path / "bad.toml")}, "api_prot"),
        ({"TAGGER_CONFIG": str(tmp_path / "missing.toml")}, "missing.toml"),
    ]
    for env, word in cases:
        done = called("status", home=tmp_path / "home", **env)
        assert done.returncode == 1
        assert word in done.stderr
        assert "settings_invalid" in done.stderr


def test_a_home_that_cannot_be_used_is_told_and_not_thrown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for args in (["status"], ["sites", "list"], ["up"]):
        done = (tagger if args == ["up"] else called)(*args, home=tmp_path / "file")
        assert done.returncode == 1
        assert "settings_invalid" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    found = called("doctor", "--json", home=tmp_path / "file")
    assert found.returncode == 1
    states = {finding["what"]: finding["state"] for finding in json.loads(found.stdout)["data"]}
    assert states == {"Python": "ok", "Home": "broken"}


def test_the_doctor_on_a_fresh_home_and_without_a_broker(tmp_path: Path) -> None:
    fresh = tagger("doctor", "--json", home=tmp_path, TAGGER_API_PORT="0")
    assert fresh.returncode == 0, fresh.stdout
    states = {finding["what"]: finding["state"] for finding in json.loads(fresh.stdout)["data"]}
    assert states["Stack"] == states["Ledger"] == "warning"
    assert states["Broker"] == "ok"
    assert list(tmp_path.iterdir()) == [], "the doctor only looks"
    broken = called("doctor", home=tmp_path, TAGGER_API_PORT="0", TAGGER_BROKER_URL="redis://127.0.0.1:1")
    assert broken.returncode == 1
    assert "broken  Broker" in broken.stdout
    assert "→" in broken.stdout


def test_sites_and_keys_from_the_first_to_the_last(tmp_path: Path) -> None:
    added = told("sites", "add", "blog", "--name", "[bold] Blog :cat:", "--endpoint", "https://blog.example/cb", home=tmp_path)
    assert added["hook_secret"] != added["callback_secret"]
    listed = called("sites", "list", home=tmp_path)
    assert "[bold] Blog :cat:" in listed.stdout, "names are printed as they are"
    assert "whsec_" not in listed.stdout
    again = called("sites", "add", "blog", home=tmp_path)
    assert (again.returncode, "conflict" in again.stderr) == (1, True)
    for bad in (["../etc"], ["UPPER"], ["x", "--endpoint", "ftp://a"], ["x", "--locale", "no such"]):
        refused = called("sites", "add", *bad, home=tmp_path)
        assert (refused.returncode, "bad_request" in refused.stderr) == (1, True), (bad, refused.stderr)
    key = told("keys", "create", "--site", "blog", home=tmp_path)
    assert key["key"] not in called("keys", "list", "--site", "blog", home=tmp_path).stdout
    assert called("keys", "revoke", key["id"], home=tmp_path).returncode == 0
    assert told("keys", "list", "--site", "blog", home=tmp_path)["data"][0]["revoked_at"]
    for args in (["keys", "list", "--site", "nobody"], ["keys", "create", "--site", "nobody"], ["keys", "revoke", "key_nothing"]):
        assert called(*args, home=tmp_path).returncode == 1
    assert called("sites", "pause", "blog", "--writes", home=tmp_path).returncode == 0
    assert told("sites", "list", home=tmp_path)["data"][0]["writes_paused"] is True
    assert called("sites", "resume", "blog", home=tmp_path).returncode == 0


def test_a_backfill_is_planned_started_paused_and_cancelled(tmp_path: Path) -> None:
    pictures = tmp_path / "pic[red]tures"
    pictures.mkdir()
    for n in range(3):
        (pictures / f"{n}.png").write_bytes(png((n, n, n)))
    home = tmp_path / "home"
    assert called("sites", "add", "s", home=home).returncode == 0
    start = ["backfill", "start", "--folder", str(pictures), "--site", "s"]
    dry = told(*start, "--dry-run", home=home)
    assert (dry["images"], dry["known"], dry["would_describe"], dry["dry_run"]) == (3, 0, 3, True)
    assert "3 of 3 images would be described for s" in called(*start, "--dry-run", home=home).stdout
    assert told("backfill", "list", home=home)["data"] == []
    found = told(*start, home=home)
    assert (found["status"], found["total"], found["fed"]) == ("running", 3, 0)
    ledger = open_ledger(load({}, home=home).ledger)
    assert feed_all(ledger) == 3
    ledger.close()
    known = told(*start, "--dry-run", home=home)
    assert (known["images"], known["known"], known["would_describe"]) == (3, 3, 0)
    assert "3 are already described" in called(*start, "--dry-run", home=home).stdout
    assert told("backfill", "pause", found["id"], home=home)["status"] == "paused"
    assert told("backfill", "resume", found["id"], home=home)["status"] == "running"
    assert told("backfill", "cancel", found["id"], home=home)["status"] == "cancelled"
    again = called("backfill", "resume", found["id"], home=home)
    assert (again.returncode, "conflict" in again.stderr) == (1, True)
    for more in ([], ["--dry-run"]):
        missing = called(*start[:3], str(tmp_path / "nothing"), "--site", "s", *more, home=home)
        assert (missing.returncode, "Traceback" in missing.stderr) == (1, False)


def test_a_folder_becomes_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "sub [x]").mkdir(parents=True)
    (folder / "=cmd|' '!A0.png").write_bytes(png((200, 10, 10)))
    (folder / "sub [x]" / "猫 é.png").write_bytes(png((10, 200, 10)))
    (folder / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "out.csv"
    production = tmp_path / "production.sqlite"
    (tmp_path / "tagger.toml").write_text(f'ledger_url = "sqlite:///{production}"\n')
    env = {**FAKE, "TAGGER_CONFIG": str(tmp_path / "tagger.toml")}
    done = tagger("describe", str(folder), "--out", str(out), home=tmp_path / "home", **env)
    assert done.returncode == 1, done.stderr
    assert not production.exists(), "`describe` has a ledger of its own, whatever TAGGER_CONFIG says about production's"
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert "2 described, 1 failed" in done.stdout
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["'=cmd|' '!A0.png", "broken.jpg", "sub [x]/猫 é.png"]
    assert (rows["broken.jpg"]["status"], rows["broken.jpg"]["caption"]) == ("dead", "")
    assert "cannot be decoded" in rows["broken.jpg"]["error"]
    assert rows["sub [x]/猫 é.png"]["status"] == "done"
    assert list(tmp_path.glob(".out*")) == [], "no half-written file is left"


def test_describe_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    """What was described is not described again: by then those files hold no picture any more, of the same size and date."""
    folder, out, home = tmp_path / "pictures", tmp_path / "out.csv", tmp_path / "home"
    folder.mkdir()
    for n in range(60):
        (folder / f"{n:02}.png").write_bytes(png((n * 4, 10, 10)))
    (home / "models").mkdir(parents=True)
    (home / "models" / "fake.json").write_text('{"a_ms": 200}')
    command = [*TAGGER, "describe", str(folder), "--out", str(out)]
    env = clean_env(TAGGER_HOME=str(home), **FAKE, TAGGER_MAX_BATCH="1", TAGGER_THREADS="2")
    first = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    done_at_first = done_files(home, first, least=3)
    first.send_signal(signal.SIGINT)
    told, _ = first.communicate(timeout=60)
    assert first.returncode == 130, told
    assert "Run the same command to continue from here." in told
    with out.open(encoding="utf-8-sig", newline="") as file:
        done = [line["file"] for line in csv.DictReader(file) if line["status"] == "done"]
    assert set(done) >= done_at_first
    assert len(done) < 60
    for name in done:
        state = (folder / name).stat()
        (folder / name).write_bytes(b"x" * state.st_size)
        os.utime(folder / name, ns=(state.st_atime_ns, state.st_mtime_ns))
    (folder / "new.png").write_bytes(png((1, 2, 3)))
    (home / "models" / "fake.json").unlink()
    second = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (second.returncode, "61 described, 0 failed" in second.stdout) == (0, True), second.stdout + second.stderr
    assert list((home / "unfinished").iterdir()) == [], "a run that came to its end leaves nothing"


def done_files(home: Path, process: subprocess.Popen[str], least: int) -> set[str]:
    """The pictures that a run has described, once they are so many."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        for file in home.glob("unfinished/*/ledger.sqlite"):
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
                found = {name for (name,) in db.execute("SELECT asset_id FROM jobs WHERE status = 'done'")}
                if len(found) >= least:
                    return found
        time.sleep(0.05)
    raise AssertionError("nothing was described")


def test_describe_says_at_once_what_cannot_work(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.png").write_bytes(png())
    (tmp_path / "folder.csv").mkdir()
    full, good = str(tmp_path / "full"), str(tmp_path / "o.csv")
    for folder, out in ((str(tmp_path / "no"), good), (str(tmp_path / "empty"), good), (full, str(tmp_path / "no" / "o.csv")),
                        (full, str(tmp_path / "folder.csv")), (full, str(tmp_path / "o.txt"))):  # fmt: skip
        done = called("describe", folder, "--out", out, home=tmp_path / "home")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert not (tmp_path / "o.csv").exists()


def test_a_running_stack_in_plain_words_and_as_json(house: House) -> None:
    house.ended(house.posted("told", house.pictures.put("told.png", png((5, 120, 250)))))
    said = house.tagger("status").stdout
    assert house.stack.api_url in said
    assert "done" in said
    body = house.told("status")
    assert body["running"] is True
    assert body["workers"]["tag:upload"] == 1
    assert house.tagger("doctor").returncode == 0
    jobs = house.told("jobs", "list", "--asset", "told")["data"]
    assert [job["status"] for job in jobs] == ["done"]
    assert house.told("deliveries", "list", "--limit", "5")["data"]
    if jobs[0]["delivery"]:
        assert house.told("deliveries", "show", jobs[0]["delivery"]["id"])["history"]


def test_dead_letters_are_listed_shown_replayed_and_discarded(house: House) -> None:
    ids = [house.posted(f"dead{n}", f"http://{house.pictures.host}/never-{n}.png") for n in range(2)]
    for job_id in ids:
        assert house.ended(job_id)["status"] == "dead"
    assert set(ids) <= {letter["job"] for letter in house.told("dead-letters", "list", "--reason", "image_not_found")["data"]}
    assert house.tagger("dead-letters", "replay").returncode == 1, "nothing chosen: nothing done"
    assert "Discarded 1 of 1" in house.tagger("dead-letters", "discard", ids[0]).stdout
    assert house.tagger("dead-letters", "discard", ids[0]).returncode == 1
    assert "Replayed 1 of 1" in house.tagger("dead-letters", "replay", ids[1]).stdout
    assert house.ended(ids[1])["status"] == "dead", "the picture is still not there"


def test_progress_does_not_spoil_json(house: House, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(png((9, 9, 90)))
    started = house.told("backfill", "start", "--folder", str(tmp_path / "p"), "--site", "site")
    ended = house.told("backfill", "status", started["id"], "--follow")
    assert (ended["status"], ended["ended"], ended["seconds_left"]) == ("done", 1, None)


def test_a_stack_that_never_started_leaves_a_running_one_alone(house: House) -> None:
    second = Stack(house.settings, house.stack.plan)
    with pytest.raises(Exception, match="already runs"):
        second.start()
    assert second.stop() == []
    assert house.told("status")["running"] is True
