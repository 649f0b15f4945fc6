"""Q20: the disk that holds the home is full, and has room again after a while."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from support.processes import command_of

from faults.figures import LONG, Figures
from faults.harness import Rig
from tagger.system.home import read_state

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

SIZE = "96m"
FULL_SECONDS = 30.0 if LONG else 8.0
BEFORE, BACKLOG, AFTER = 20, 60, 10  # pictures
RECOVERY_SECONDS = 5.0


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own at `folder`. Skips where this user may mount none."""
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("only Linux mounts a tmpfs")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "rig0") as folder:  # where the first rig has its home
        yield folder


def fill(path: Path) -> None:
    """Takes all the room that is left, now and whenever some comes free, to the last byte."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)


def has_room(folder: Path) -> bool:
    probe = folder / "probe"
    try:
        probe.write_bytes(b"\0" * 8192)
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def processes(rig: Rig) -> dict[str, int]:
    state = read_state(rig.home)
    assert state is not None
    return dict(state["children"])  # type: ignore[call-overload]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def api_process(rig: Rig) -> int:
    """Its process id, from the system: a full disk has no room for a new `stack.json`."""
    (found,) = (c.pid for c in psutil.Process(rig.slots[0].process.pid).children() if command_of(c)[-1:] == ["api"])
    return found


def statuses(rig: Rig, until: Callable[[], bool]) -> list[int]:
    """Of uploads one after another until the condition holds."""
    found = []
    while not until():
        found.append(rig.put(timeout=60).status_code)
        time.sleep(0.02)
    return found


def test_q20_the_disk_is_full_and_then_not(build: Build, report: Report, disk: Path, default_ledger: str) -> None:
    rig = build(a_ms=5, b_ms=5, tag_processes=1)
    rig.start("up", kept=False)
    rig.ready(60)
    rig.until(lambda: rig.logged("Press Ctrl-C to stop."), "every process is at work", 60)  # or the start itself would give up
    for _ in range(BEFORE):
        assert rig.put().status_code == 202
    rig.all_done(60)
    before = processes(rig)

    rig.submit(BACKLOG)
    rig.until(lambda: rig.running() > 0, "workers are at work")
    fill(disk / "filler")
    since = time.monotonic()

    def over() -> bool:
        fill(disk / "filler")  # what a checkpoint or a removed file set free
        return time.monotonic() - since > FULL_SECONDS

    answers = statuses(rig, over)
    scraped = requests.get(f"{rig.api}/metrics", timeout=10).status_code
    assert not has_room(disk)
    assert set(answers) <= {202, 503}, "an honest refusal, and no other error"
    assert answers.count(503) > 5, "the disk was full"
    assert scraped == 200
    assert {name for name, pid in before.items() if not lives(pid)} == set(), "no process died of it"

    os.kill(before["api"], signal.SIGKILL)  # for a reason of its own: it can start while the disk is full
    rig.until(lambda: not lives(before["api"]) and rig.answers(), "the API is started again")
    fill(disk / "filler")
    assert rig.put(timeout=60).status_code in (202, 503)
    successor = api_process(rig)

    (disk / "filler").unlink()
    freed = time.monotonic()
    rig.until(lambda: rig.put(timeout=60).status_code == 202, "uploads are accepted again", RECOVERY_SECONDS)
    accepted_s = time.monotonic() - freed
    first = list(rig.accepted)[-1]
    work_s = rig.recoveries([first], freed, 30)[0]
    for _ in range(AFTER):
        assert rig.put().status_code == 202
    rig.all_done(60)
    rig.until(lambda: processes(rig) == {**before, "api": successor}, "stack.json is true again")
    if default_ledger == "sqlite":
        with contextlib.closing(sqlite3.connect(rig.home / "ledger.sqlite")) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    figures = rig.figures(
        "Q20", full_s=round(FULL_SECONDS), refused_503=answers.count(503), accepted_while_full=answers.count(202),
        accepted_again_s=round(accepted_s, 1), work_again_s=round(work_s, 1), died=0, effective_writes=rig.effective(),
    )  # fmt: skip
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))
    assert work_s <= RECOVERY_SECONDS


@pytest.mark.parametrize("fresh", [True, False], ids=["a new home", "a home that was used"])
def test_a_start_on_a_full_disk_says_that_the_disk_is_full(disk: Path, fresh: bool) -> None:
    """And not what the first part says that cannot write."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("TAGGER_")}
    env |= {"TAGGER_HOME": str(disk / "home"), "TAGGER_API_PORT": "0"}
    if not fresh:
        subprocess.run([sys.executable, "-m", "tagger", "sites", "add", "blog"], env=env, check=True, capture_output=True)
    fill(disk / "ballast")
    done = subprocess.run(
        [sys.executable, "-m", "tagger", "up"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "disk_full" in done.stderr) == (1, True), done.stderr
    assert "No space left on device" in done.stderr
    assert "Make room" in done.stderr
    assert "Traceback" not in done.stderr
