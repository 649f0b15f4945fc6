"""A command that SIGTERM ends deletes its temporary folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys, tempfile
from tagger.cli.terminated import cleaning_up
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
with cleaning_up(), tempfile.TemporaryDirectory(dir=sys.argv[1]):
    try:
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        print("ending", flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_folder_goes_and_a_second_signal_does_not_keep_it(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(number)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.wait(20) == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_who_ignores_the_hangup_goes_on_ignoring_it(tmp_path: Path) -> None:
    """As under nohup."""
    program = PROGRAM.replace("SIG_DFL", "SIG_IGN").replace("sys.stdin.read()", "input()")
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate("one\ntwo\n", 20)
        assert (process.returncode, out) == (0, "ending\n")
    assert list(tmp_path.iterdir()) == []
