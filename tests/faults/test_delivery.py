"""W1, W2 and W4 to W8, W11: the receiver loses answers, or is down, slow, redirected or removed. Each job is written once."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import text

from faults.figures import LONG, Figures
from faults.harness import UPLOAD, Rig
from faults.proxy import Proxy
from faults.receiver import GOOD, Act, Receiver
from tagger.delivery import Endpoint

SPENT = text("SELECT attempts FROM deliveries WHERE job_id = :job")
Build = Callable[..., Rig]
Report = Callable[[Figures], None]


def stage(build: Build, *, deliverers: int = 1) -> Rig:
    rig = build(a_ms=5, b_ms=2, deliver_seconds=2.0)
    for role, count in (("reconcile", 1), ("deliver", deliverers), (UPLOAD, 1)):
        rig.start(role, count=count)
    rig.ready()
    return rig


def attempts(rig: Rig, job: str) -> int:
    """Attempts that this job's delivery has spent (tries that found nobody there spend none)."""
    with rig.reader.connect() as conn:
        return int(conn.execute(SPENT, {"job": job}).scalar_one())


def parked(rig: Rig) -> int:
    return dict(rig.ledger.stats().deliveries).get("parked", 0)


def redirect_endpoint(rig: Rig, url: str) -> None:
    endpoint = rig.ledger.endpoint_of("site")
    assert endpoint is not None
    rig.ledger.put_endpoint(replace(endpoint, url=url))


def test_w1_the_answer_is_lost_after_the_write(build: Build, report: Report) -> None:
    rig = stage(build)
    rig.receiver.script = lambda _asset, before: Act(hang_up=True) if before == 0 else GOOD
    since = time.monotonic()
    ids = rig.accept(20)
    took = rig.recoveries(ids, since, 40)
    figures = rig.figures("W1", recovery_s=took, messages=sum(rig.receiver.messages.values()), effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, 20)
    assert set(rig.receiver.messages.values()) == {2}


def test_w2_a_paused_deliverers_message_arrives_after_a_newer_write(build: Build, report: Report) -> None:
    rig = stage(build)
    receiver = rig.receiver
    proxy = Proxy(lambda: socket.create_connection(("127.0.0.1", receiver.port)))
    redirect_endpoint(rig, f"http://127.0.0.1:{proxy.port}/callback")
    try:
        proxy.hold.set()  # the first message hangs in the network
        [old] = rig.accept(1, asset="one", revision="1")
        rig.until(lambda: proxy.held.endswith(b"}"), "the whole first message is under way")
        [paused] = rig.working("deliver")
        rig.freeze(paused)
        redirect_endpoint(rig, receiver.url)
        since = time.monotonic()
        rig.start("deliver")
        [new] = rig.accept(1, asset="one", revision="2")
        took = rig.recoveries([new], since, 40)
        newest = receiver.sequence["one"]
        proxy.hold.clear()  # what was sent long ago arrives now
        rig.until(lambda: receiver.refused["one"] == 1, "the older sequence is refused")
        rig.kill(paused, signal.SIGCONT)
        rig.until(lambda: bool(paused.falls) or paused.process.poll() is not None, "the stale deliverer ends", 20)
    finally:
        proxy.close()
    del rig.accepted[old]  # superseded by the newer revision
    figures = rig.figures("W2", recovery_s=took, refused_older=receiver.refused["one"], effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, 1)
    assert receiver.sequence["one"] == newest
    assert rig.states([old]) == {old: "superseded"}


def test_w4_w7_an_endpoint_that_is_away_parks_and_is_drained_when_it_returns(build: Build, report: Report) -> None:
    """Three days of it, on the ledger's simulated clock, are in tests/support/ledger_cases/away.py."""
    rig = stage(build)
    receiver = rig.receiver
    port = receiver.port
    receiver.close()
    ids = rig.accept(120 if LONG else 60)
    rig.until(lambda: parked(rig) == len(ids), "all are parked", 60)
    rig.until(lambda: rig.logged("park"), "an attempt was made")
    spent = sum(attempts(rig, job) for job in ids)
    back = Receiver(port)
    back.secret = receiver.secret
    rig.receivers[0] = rig.receiver = back
    since = time.monotonic()
    took = rig.recoveries(ids, since, 120)
    figures = rig.figures("W4", recovery_s=took, parked=len(ids), attempts_spent=spent, effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, spent, rig.effective()) == (0, 0, 0, len(ids))


def test_w5_retry_after_is_honoured_and_the_others_do_not_notice(build: Build, report: Report) -> None:
    rig = stage(build)
    other = rig.add_site("other")
    asked = 4
    busy = Act(apply=False, status=503, headers={"Retry-After": str(asked)})
    rig.receiver.script = lambda _asset, before: busy if before == 0 else GOOD
    since = time.monotonic()
    ids = rig.accept(10)
    theirs = rig.accept(30, site="other")
    beside = rig.recoveries(theirs, since, 30)
    took = rig.recoveries(ids, since, 60)
    waits = [later - first for first, later, *_ in rig.receiver.came.values()]
    figures = rig.figures(
        "W5", recovery_s=took, asked_s=asked, shortest_wait_s=round(min(waits), 1), others_slowest_s=round(max(beside), 1)
    )
    report(figures)
    assert (figures.lost, figures.duplicates) == (0, 0)
    assert min(waits) >= asked
    assert sum(other.effective.values()) == len(theirs)


def test_w6_w7_a_410_disables_parks_and_one_command_drains(build: Build, report: Report) -> None:
    rig = stage(build)
    rig.receiver.script = lambda _asset, _before: Act(apply=False, status=410)
    [first] = rig.accept(1)
    rig.until(lambda: _enabled(rig) is False, "the endpoint is disabled", 20)
    asked = sum(rig.receiver.messages.values())
    rest = rig.accept(20)
    rig.until(lambda: parked(rig) == 21, "the later ones are parked, not discarded", 20)
    assert sum(rig.receiver.messages.values()) == asked == 1
    rig.receiver.script = lambda _asset, _before: GOOD
    endpoint = rig.ledger.endpoint_of("site")
    assert endpoint is not None
    since = time.monotonic()
    drained = rig.ledger.unpark(endpoint.id)
    took = rig.recoveries([first, *rest], since, 30)
    figures = rig.figures("W6", recovery_s=took, parked=drained, called_while_disabled=asked - 1)
    report(figures)
    assert (figures.lost, figures.duplicates, drained) == (0, 0, 21)


def _enabled(rig: Rig) -> bool:
    endpoint: Endpoint | None = rig.ledger.endpoint_of("site")
    return endpoint is not None and endpoint.enabled


def test_w8_a_redirect_is_a_failure_and_is_never_followed(build: Build, report: Report) -> None:
    rig = stage(build)
    away = Act(apply=False, status=307, headers={"Location": f"http://127.0.0.1:{rig.receiver.port}/elsewhere"})
    rig.receiver.script = lambda _asset, before: away if before == 0 else GOOD
    since = time.monotonic()
    ids = rig.accept(10)
    took = rig.recoveries(ids, since, 40)
    figures = rig.figures("W8", recovery_s=took, followed=sum(rig.receiver.other_paths.values()))
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["followed"]) == (0, 0, 0)
    assert {attempts(rig, job) for job in ids} == {1}


def test_w11_a_receiver_that_drips_meets_a_total_deadline(build: Build, report: Report) -> None:
    rig = stage(build)
    other = rig.add_site("other")
    rig.receiver.script = lambda _asset, before: Act(drip_s=30) if before == 0 else GOOD
    since = time.monotonic()
    ids = rig.accept(8)
    theirs = rig.accept(20, site="other")
    beside = rig.recoveries(theirs, since, 20)
    took = rig.recoveries(ids, since, 40)
    spent = [attempt.duration_ms for job in ids for attempt in rig.ledger.attempts(str(rig.ledger.job(job).delivery_id))]
    figures = rig.figures("W11", recovery_s=took, longest_attempt_ms=max(spent), others_slowest_s=round(max(beside), 1))
    report(figures)
    assert (figures.lost, figures.duplicates, sum(other.effective.values())) == (0, 0, 20)
    assert max(spent) < 3_500
