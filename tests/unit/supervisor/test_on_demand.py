"""Which workers on demand should run: told from the counts of their lane."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tagger.job import LANES, Lane
from tagger.ledger import LaneCounts
from tagger.settings import load
from tagger.supervisor.on_demand import CLAIMED_WITHIN_MS, QUIET_SECONDS, OnDemand
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.process import Child

NOW_MS = 1_700_000_000_000


def counts(lane: Lane, *, age_ms: int = 0, **numbers: int) -> dict[Lane, LaneCounts]:
    none = {"claimable": 0, "waiting": 0, "running": 0}
    oldest = NOW_MS - age_ms if numbers.get("claimable") else None
    return {
        name: LaneCounts(**none, oldest_claimable_ms=None)
        if name != lane
        else LaneCounts(**{**none, **numbers}, oldest_claimable_ms=oldest)
        for name in LANES
    }


@pytest.fixture
def children() -> list[Child]:
    """The first worker of uploads runs."""
    made = ProcessPlan(upload=3, backfill=2, upload_on_demand=True, backfill_on_demand=True).children()
    always(made).process = running()
    return made


def always(children: list[Child]) -> Child:
    return next(child for child in children if child.name == "tag-upload-0")


def running() -> Any:
    return SimpleNamespace(poll=lambda: None)


def wanted(children: list[Child]) -> list[str]:
    return [child.name for child in children if child.restart and child.on_demand]


def test_tagger_up_starts_one_worker_of_uploads_and_none_of_backfills_until_there_are_jobs(children: list[Child]) -> None:
    plan = ProcessPlan.of(load({}, tag_processes=2))
    assert [child.name for child in plan.children() if child.restart and child.name.startswith("tag-")] == ["tag-upload-0"]
    assert [child.on_demand for child in plan.children() if child.name == "tag-upload-1"] == ["upload"]
    workers = OnDemand(children)
    workers.update(counts("upload", claimable=50, running=3), 100.0, NOW_MS)
    assert not [name for name in wanted(children) if "backfill" in name]


def test_one_upload_after_the_other_needs_only_the_worker_that_always_runs(children: list[Child]) -> None:
    workers = OnDemand(children)
    for tick in range(100):
        one = {"claimable": 1} if tick % 2 else {"running": 1}
        workers.update(counts("upload", **one), 100.0 + tick * 0.6, NOW_MS)
    assert wanted(children) == []


def test_a_single_upload_does_not_wait_for_a_worker_that_is_down(children: list[Child]) -> None:
    first = always(children)
    workers = OnDemand(children)
    ended: Any = SimpleNamespace(poll=lambda: -9)
    for process, stopped in ((None, None), (ended, None), (running(), 99.0)):
        first.process, first.stopped = process, stopped
        workers.update(counts("upload", claimable=1), 100.0, NOW_MS)
        assert wanted(children) == ["tag-upload-1"]
        first.process, first.stopped = running(), None
        workers.update(counts("upload"), 101.0 + QUIET_SECONDS["upload"], NOW_MS)
        assert wanted(children) == []


def test_an_upload_that_nobody_takes_starts_a_worker_though_the_first_runs(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("upload", claimable=1, age_ms=CLAIMED_WITHIN_MS), 100.0, NOW_MS)
    assert wanted(children) == [], "the first still takes it, perhaps"
    workers.update(counts("upload", claimable=1, age_ms=CLAIMED_WITHIN_MS + 1), 100.6, NOW_MS)
    assert wanted(children) == ["tag-upload-1"]


def test_two_uploads_at_a_time_start_a_second_worker_and_many_start_all(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("upload", claimable=1, running=1), 100.0, NOW_MS)
    assert wanted(children) == ["tag-upload-1"]
    workers.update(counts("upload", claimable=60, running=16), 100.6, NOW_MS)
    assert wanted(children) == ["tag-upload-1", "tag-upload-2"]


def test_workers_of_uploads_stay_through_a_pause_of_the_editors(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("upload", claimable=9), 100.0, NOW_MS)
    workers.update(counts("upload", running=1), 100.0 + QUIET_SECONDS["upload"], NOW_MS)
    assert wanted(children) == ["tag-upload-1", "tag-upload-2"]
    workers.update(counts("upload"), 101.0 + QUIET_SECONDS["upload"], NOW_MS)
    assert wanted(children) == []


def test_one_job_starts_one_worker_and_many_start_all(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("backfill", claimable=1), 100.0, NOW_MS)
    assert wanted(children) == ["tag-backfill-0"]
    workers.update(counts("backfill", claimable=400), 101.0, NOW_MS)
    assert wanted(children) == ["tag-backfill-0", "tag-backfill-1"]


def test_they_go_when_the_lane_has_been_quiet(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("backfill", claimable=9), 100.0, NOW_MS)
    last = 100.0 + QUIET_SECONDS["backfill"]
    workers.update(counts("backfill", running=2), last, NOW_MS)
    assert len(wanted(children)) == 2, "images in progress"
    workers.update(counts("backfill"), last + QUIET_SECONDS["backfill"], NOW_MS)
    assert len(wanted(children)) == 2, "not long enough"
    workers.update(counts("backfill"), last + QUIET_SECONDS["backfill"] + 1, NOW_MS)
    assert wanted(children) == []


def test_only_a_solo_worker_waits_for_retries(children: list[Child]) -> None:
    workers = OnDemand(children)
    workers.update(counts("backfill", waiting=5), 100.0, NOW_MS)
    workers.update(counts("solo", waiting=1), 100.0, NOW_MS)
    assert wanted(children) == ["tag-solo"]
