"""Fixtures of the fault tests. Their figures are in the summary of pytest, also if all tests pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.figures import LONG, SEED, Figures
from faults.harness import Rig

FIGURES = "figures"  # a property of the test's report: it comes along from the process in which pytest-xdist ran the test
RIGS = pytest.StashKey[list[Rig]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that names no ledger runs on SQLite, and at full length on both."""
    if "default_ledger" in metafunc.fixturenames:
        names_one = "ledger" in metafunc.fixturenames
        metafunc.parametrize("default_ledger", ["sqlite"] if names_one or not LONG else ["sqlite", "postgres"])


@pytest.fixture
def build(request: pytest.FixtureRequest, tmp_path: Path, default_ledger: str) -> Iterator[Callable[..., Rig]]:
    """`build(ledger, **settings)`: a rig of its own, ended with the test. "postgres" skips where there is none."""
    rigs: list[Rig] = []
    request.node.stash[RIGS] = rigs

    def make(ledger: str = default_ledger, **settings: Any) -> Rig:
        if ledger == "postgres":
            settings["ledger_url"] = request.getfixturevalue("postgres").create()
        rigs.append(Rig(tmp_path / f"rig{len(rigs)}", ledger_name=ledger, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Figures], None]:
    """Keeps the figures for the summary, and for the file that FAULTS_OUT names."""

    def keep(figures: Figures) -> None:
        request.node.user_properties.append((FIGURES, figures.line()))
        out = os.environ.get("FAULTS_OUT")
        if out:
            with Path(out).open("a", encoding="utf-8") as file:
                file.write(figures.as_json() + "\n")

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    made: Any = yield
    if call.when == "call" and made.failed:
        for rig in item.stash.get(RIGS, []):
            made.sections.append(("fault", f"seed={SEED}  logs: {rig.logs_folder}\n{rig.last_words()}"))
    return made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [r for r in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")) if r.when == "call"]
    lines = [line for report in reports for name, line in report.user_properties if name == FIGURES]
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
