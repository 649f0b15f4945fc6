"""For every test: started processes can be interrupted; every test process collects the same tests, the longest first.

Tests of real processes get a second try (tests/support/second_try.py).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from support import second_try
from support.case_names import case_name, refused
from support.postgres import Cluster, cluster

# Each processor runs a test of its own. Threads of torch and OpenBLAS wait for each other by spinning: on busy processors they
# take five times as long as one thread alone. Before numpy or torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

# Whoever runs the tests in the background of a script hands down an ignored Ctrl-C, and so would we to all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example's wall-clock time says more of the machine than of the code. Tests of speed measure processor time.
settings.register_profile("tagger", deadline=None)
settings.load_profile("tagger")

TESTS = Path(__file__).parent
LONGEST_FIRST = ("faults", "acceptance", "integration")  # and then all that take less than a second


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One server for all tests of this process: to make a cluster takes seconds, to make a database in it does not."""
    with cluster() as running:
        yield running


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A test that sets up the logs of this process leaves the next one its own: half of a set-up fails at each line."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    return case_name(val, argname)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wrong = [f"{item.nodeid!a:.200}: {what}" for item in items if (what := refused(item.name))]
    if wrong:
        raise pytest.UsageError("Name these cases with `ids=` (tests/support/case_names.py):\n" + "\n".join(wrong[:10]))
    items.sort(key=lambda item: _tier(item.path))
    second_try.allow(items, TESTS)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Iterator[None]:
    yield
    second_try.tell(terminalreporter)  # last: nobody reads over it


def _tier(path: Path) -> int:
    """A long test that begins last would be waited for while the other processors are idle."""
    folder = path.relative_to(TESTS).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
