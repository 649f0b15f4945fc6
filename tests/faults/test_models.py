"""G1 and G2 in whole worker processes; G3 to G5, where the process ends, are in tests/integration/test_engine_process.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from faults.figures import Figures
from faults.harness import UPLOAD, Rig
from workers.models.fake import HUNGRY, RAISES

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
