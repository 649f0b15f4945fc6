"""The control: Q2, Q3 and Q4 on plain Celery — a task per image, acks_late, no ledger — on the same machine, beside ours.

Nothing of tagger runs here. What it loses is the reason for the ledger; `lost` is what another worker had not done within
15 s, since with Celery's own settings for Redis a task comes back after an hour at the earliest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faults.figures import LONG, Figures

PEER = Path(__file__).parent.parent / "peers" / "celery_faults.py"
FAULTS = {"worker_killed": "Q2", "worker_frozen": "Q3", "broker_emptied": "Q4"}


@pytest.mark.parametrize(("fault", "line"), FAULTS.items(), ids=FAULTS.values())
def test_plain_celery_loses(fault: str, line: str, report: Callable[[Figures], None]) -> None:
    rounds = 11 if LONG else 2
    command = [sys.executable, str(PEER), "late", "--plain", "--only", fault, "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    more = {"celery": found["celery"], "kombu": found["kombu"], "redis": found["redis"]}
    report(Figures(fault=line, ledger="celery", accepted=found["sent"], lost=found["lost"], duplicates=found["twice"], more=more))
    assert found["lost"] > 0, "this control shows nothing: was the fault made?"
