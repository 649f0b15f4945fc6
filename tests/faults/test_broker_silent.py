"""Q19 and Q21: the broker is stopped, not dead; or it answers, but with errors. Hints are only hints."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import requests
from support.processes import name_of

from faults.figures import Figures
from faults.harness import Rig
from faults.proxy import Proxy
from faults.test_broker_faults import BOTH, at_work, behind_a_proxy
from tagger.system.home import read_state

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

NOTICED_SECONDS = 10
ERRORS = {
    "NOREPLICAS": b"-NOREPLICAS Not enough good replicas to write.\r\n",
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "OOM": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
}


def broker_said(rig: Rig) -> str:
    answer = requests.get(f"{rig.api}/readyz", timeout=5)
    assert answer.status_code == 200, "work is accepted, and done"
    return str(answer.json()["broker"])


@BOTH
def test_q19_a_stopped_broker_is_told_of_and_work_goes_on_without_it(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=5, b_ms=5)
    at_work(rig)
    rig.all_done(30, [rig.put().json()["id"]])
    assert broker_said(rig) == "answers"
    assert rig.broker.process is not None
    rig.broker.process.send_signal(signal.SIGSTOP)
    since = time.monotonic()
    ids = [rig.put().json()["id"] for _ in range(20)]
    noticed_s = rig.until(lambda: broker_said(rig) == "away", "readyz tells the truth", NOTICED_SECONDS)
    took = rig.recoveries(ids, since, 40)
    rig.broker.process.send_signal(signal.SIGCONT)
    back_s = rig.until(lambda: broker_said(rig) == "answers", "readyz tells the truth again", NOTICED_SECONDS)
    rig.all_done(40, [rig.put().json()["id"] for _ in range(5)])
    figures = rig.figures("Q19", recovery_s=took, noticed_s=round(noticed_s, 1), back_s=round(back_s, 1), falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert max(took) < 2 * NOTICED_SECONDS


@BOTH
def test_q19_the_supervisor_replaces_an_embedded_broker_that_does_not_answer(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=5, b_ms=5, tag_processes=1)
    rig.broker.stop()
    up = rig.start("up", kept=False, broker_url="")
    rig.ready(60)
    children = dict(read_state(rig.home)["children"])  # type: ignore[index,call-overload]

    def broker() -> int:
        others = psutil.Process(up.process.pid).children()
        return next((one.pid for one in others if one.pid not in children.values() and "server" in name_of(one)), 0)

    rig.until(rig.answers, "the API answers")
    stopped = broker()
    psutil.Process(stopped).send_signal(signal.SIGSTOP)
    since = time.monotonic()
    ids = [rig.put().json()["id"] for _ in range(5)]
    replaced_s = rig.until(lambda: broker() not in (0, stopped), "another broker stands in its place", NOTICED_SECONDS + 2)
    took = rig.recoveries(ids, since, 40)
    rig.until(lambda: broker_said(rig) == "answers", "the new one answers")
    rig.all_done(40)
    figures = rig.figures("Q19", recovery_s=took, replaced_s=round(replaced_s, 1))
    report(figures)
    assert (figures.lost, figures.duplicates) == (0, 0)


@contextmanager
def answering(proxy: Proxy, error: bytes) -> Iterator[None]:
    """Whatever is asked, also by those who connect anew."""
    proxy.answer = error
    try:
        yield
    finally:
        proxy.answer = b""


@BOTH
def test_q21_a_broker_that_answers_with_errors_ends_no_process(build: Build, report: Report, ledger: str) -> None:
    rig, proxy = behind_a_proxy(build, ledger)
    took: list[float] = []
    waits: list[float] = []
    try:
        for error in ERRORS.values():
            with answering(proxy, error):
                began = time.monotonic()
                ids = [rig.put().json()["id"] for _ in range(5)]
                waits.append((time.monotonic() - began) / 5)
                rig.until(lambda: time.monotonic() - began > 3, "a failover takes a while")  # noqa: B023
            since = time.monotonic()
            took += rig.recoveries(ids, since, 60)
        with rig.redis() as raw:  # and the real thing
            raw.config_set("min-replicas-to-write", 1)
            ids = [rig.put().json()["id"] for _ in range(5)]
            rig.recoveries(ids, time.monotonic(), 40)
            raw.config_set("min-replicas-to-write", 0)
        rig.all_done(30, [rig.put().json()["id"] for _ in range(5)])
    finally:
        proxy.close()
    figures = rig.figures("Q21", recovery_s=took, errors=len(ERRORS) + 1, slowest_202_s=round(max(waits), 2), falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert max(took) < 2 * NOTICED_SECONDS
