"""The reconciler's chores against a real ledger and a real folder of bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tagger.asset import ImageSource
from tagger.blobs.local import LocalBlobs
from tagger.errors import BrokerUnavailable, PoisonImage
from tagger.job import LANES, JobRequest, Lane
from tagger.ledger import Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.settings import Settings, load
from tagger.site import Site
from tagger.telemetry import metrics
from workers.roles.reconcile import ORPHAN_MS, chores, measure


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, home=tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = open_ledger(settings.ledger)
    opened.migrate()
    opened.put_site(Site(id="site", name="A site"))
    yield opened
    opened.close()


def test_verdicts_that_an_older_version_left_out_are_filled(settings: Settings, ledger: Ledger) -> None:
    """What it fills is in the cases of both ledgers (telling.py)."""
    [chore] = [c for c in chores(settings, ledger, Hints(settings.broker)) if c.name == "verdicts"]
    assert chore.run == ledger.fill_verdicts


def test_the_sweep_takes_orphans_and_leaves_what_a_job_may_want(settings: Settings, ledger: Ledger) -> None:
    blobs = LocalBlobs(settings.blobs)
    names = ("waiting", "dead", "cancelled", "orphan", "fresh")
    keys = {name: blobs.put(name.encode()) for name in names}
    jobs = {}
    for name in ("waiting", "dead", "cancelled"):
        source = ImageSource(kind="blob", location=keys[name])
        jobs[name] = ledger.accept([JobRequest(site_id="site", asset_id=name, source=source)])[0].job_id
    ledger.register_worker("w", role="tag", lane="upload", host="here", pid=1)
    claim = ledger.claim(lane="upload", worker_id="w", lease_ms=60_000, job_id=jobs["dead"])
    assert claim is not None
    assert ledger.fail(claim, PoisonImage("it raises").info(), {}) == "dead"
    ledger.cancel(jobs["cancelled"])
    long_ago = ledger.now_ms() / 1000 - ORPHAN_MS / 1000 - 60
    for name in ("waiting", "dead", "cancelled", "orphan"):
        os.utime(settings.blobs / keys[name][:2] / keys[name], (long_ago, long_ago))

    sweep = next(c for c in chores(settings, ledger, Hints(settings.broker)) if c.name == "sweep")
    sweep.run()

    left = {name for name, key in keys.items() if (settings.blobs / key[:2] / key).exists()}
    assert left == {"waiting", "dead", "fresh"}


def test_what_the_ledger_says_of_every_lane_is_measured_while_the_broker_is_away(settings: Settings, ledger: Ledger) -> None:
    """Otherwise the lanes that come later keep their old age, and an alert tells of a backfill that stands still."""

    class Away:
        def depth(self, _lane: Lane) -> int:
            raise BrokerUnavailable("away")

    gauges = [gauge.labels(lane) for lane in LANES for gauge in (metrics.LANE_CLAIMABLE, metrics.LANE_OLDEST_SECONDS)]
    for gauge in gauges:
        gauge.set(4711)
    with pytest.raises(BrokerUnavailable):
        measure(ledger, cast(Hints, Away()))
    assert [gauge._value.get() for gauge in gauges] == [0.0] * len(gauges)
