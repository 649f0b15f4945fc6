"""Logs of strangers' making stay small: repeated complaints are counted, and files are set aside at a size."""

from __future__ import annotations

import json
import logging
from io import StringIO
from pathlib import Path

import pytest
import structlog

from tagger.settings import load
from tagger.telemetry import log_files, logs
from tagger.telemetry.log_limit import LINES, WINDOW_SECONDS, LogLimit


def record(message: object, level: int = logging.WARNING, name: str = "uvicorn.error", *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, message, args, None)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def limit(clock: list[float]) -> LogLimit:
    return LogLimit(now=lambda: clock[0])


def test_the_first_complaints_of_a_kind_pass_in_each_window(limit: LogLimit, clock: list[float]) -> None:
    def passed() -> int:
        return sum(limit.filter(record("socket.accept() of %s", logging.ERROR, "asyncio", n)) for n in range(LINES * 5))

    assert passed() == LINES
    assert limit.filter(record("another kind"))
    assert passed() == 0
    clock[0] += WINDOW_SECONDS
    assert passed() == LINES


def test_refused_requests_are_limited_and_served_ones_are_not(limit: LogLimit) -> None:
    def passed(event: str) -> int:
        return sum(limit.filter(record({"event": event, "n": n}, logging.INFO, "api")) for n in range(LINES * 3))

    assert (passed("request.refused"), passed("request.answered"), passed("job.described")) == (LINES, LINES * 3, LINES * 3)


def test_a_line_says_how_many_were_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(logs, "LogLimit", lambda: LogLimit(now=lambda: now[0]))
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    out = StringIO()
    try:
        logs.configure(load({}, home=tmp_path), "api", stream=out)
        for _ in range(LINES + 7):
            logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        now[0] += WINDOW_SECONDS
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.contextvars.clear_contextvars()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == LINES + 2
    [told] = [line for line in lines if line["event"] == "log.suppressed"]
    assert (told["kind"], told["lines"], told["level"]) == ("Invalid HTTP request received.", 7, "warning")


def test_a_file_is_set_aside_at_its_size_while_it_is_written_to(tmp_path: Path) -> None:
    file, other = tmp_path / "api.log", tmp_path / "deliver.log"
    other.write_bytes(b"x" * 10)
    with file.open("ab", buffering=0) as inherited:  # as a child of the stack has it
        for number in range(5):
            inherited.write(b"%d" % number * 100)
            assert log_files.cap([file, other, tmp_path / "none.log"], 100) == [file]
        inherited.write(b"at the new end")
    assert file.read_bytes() == b"at the new end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.log", "api.log.1", "api.log.2", "deliver.log"]
    assert (tmp_path / "api.log.1").read_bytes() == b"4" * 100
    assert (tmp_path / "api.log.2").read_bytes() == b"3" * 100


def test_a_full_disk_empties_the_file_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_files.shutil, "copyfile", full)
    file = tmp_path / "api.log"
    file.write_bytes(b"x" * 100)
    assert log_files.cap([file], 100) == [file]
    assert file.stat().st_size == 0


def test_every_log_of_a_stack_is_capped(tmp_path: Path) -> None:
    from tagger.supervisor.home_files import HomeFiles
    from tagger.supervisor.plan import ProcessPlan

    files = HomeFiles(tmp_path, 64 * 1024)
    found = files.log_files(ProcessPlan(upload=1, backfill=1, flower=5555).children())
    named = {str(path.relative_to(tmp_path)) for path in found}
    assert {"logs/api.log", "logs/tag-upload-0.log", "logs/flower.log", "broker.log", "logs-supervisor.log"} <= named
