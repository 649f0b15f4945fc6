"""G1 to G5 in whole worker processes.

What the engine itself does is in tests/integration/workers/inference/test_engine_process.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from faults.figures import LONG, Figures
from faults.harness import SOLO, UPLOAD, Rig
from workers.models.fake import HANGS, HUNGRY, POISONS, RAISES, SPOILS

Build = Callable[..., Rig]
Report = Callable[[Figures], None]


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_g2_a_poison_image_in_a_batch_fails_alone(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=40, b_ms=2, batch_wait_ms=100)
    healthy, poisons = list[str](), list[str]()
    for _ in range(4):
        healthy += rig.accept(15)
        poisons += rig.accept(1, colour=RAISES)
    for role in ("reconcile", "deliver", UPLOAD):
        rig.start(role, kept=False)
    rig.all_done(60, healthy)
    rig.until(lambda: rig.count("dead") == len(poisons), "the poison images are dead letters")
    letters = {letter.job_id: letter.error["code"] for letter in rig.ledger.dead_letters().data}
    charged = rig.charged(healthy)
    figures = rig.figures("G2", poison=len(poisons), dead_letters=len(letters), neighbours_charged=charged)
    report(figures)
    assert letters == dict.fromkeys(poisons, "image_poisonous")
    assert (figures.lost, figures.duplicates, charged, rig.effective()) == (0, 0, 0, len(healthy))
    assert all(slot.process.poll() is None for slot in rig.slots)


def test_g1_out_of_memory_in_a_batch_halves_it(build: Build, report: Report) -> None:
    rig = build(a_ms=40, b_ms=2, batch_wait_ms=100)
    rig.accept(20)
    rig.accept(3, colour=HUNGRY)
    rig.accept(20)
    for role in ("reconcile", "deliver", UPLOAD):
        rig.start(role, kept=False)
    took = rig.all_done(60)
    charged = rig.charged(list(rig.accepted))
    figures = rig.figures("G1", hungry=3, charged=charged, took_s=round(took, 1))
    report(figures)
    assert (figures.lost, figures.duplicates, charged, rig.effective()) == (0, 0, 0, len(rig.accepted))
    assert all(slot.process.poll() is None for slot in rig.slots)


# The engine ends a hung batch, and looks for garbage, after a minute: brief runs leave those to test_engine_process.py.
FATAL = {"G3": POISONS, **({"G4": SPOILS, "G5": HANGS} if LONG else {})}


@pytest.mark.parametrize(("fault", "colour"), FATAL.items(), ids=FATAL)
def test_a_worker_that_cannot_go_on_ends_and_its_jobs_are_done_by_another(
    build: Build, report: Report, fault: str, colour: tuple[int, int, int]
) -> None:
    rig = build(a_ms=40, b_ms=2, batch_wait_ms=100)
    healthy = rig.accept(20)
    [bad] = rig.accept(1, colour=colour)
    healthy += rig.accept(20)
    for role in ("reconcile", "deliver", UPLOAD, SOLO):
        rig.start(role)
    rig.ready()
    since = time.monotonic()
    took = rig.recoveries(healthy, since, 400)  # a hung process is ended after a minute, its neighbours tried twice together
    rig.until(lambda: rig.falls("tag") > 0, "the process ended", 120)
    if colour == HANGS:  # alone it would hang for three more minutes, and end as Q9's pictures do
        rig.ledger.cancel(bad)
        del rig.accepted[bad]
    else:
        rig.until(lambda: rig.states([bad])[bad] in ("done", "dead"), "the picture itself came to its end", 180)
    figures = rig.figures(fault, recovery_s=took, deaths=rig.falls("tag"))
    report(figures)
    assert (figures.lost, figures.duplicates) == (0, 0)
