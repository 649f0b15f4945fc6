"""What many processes share: ticks, counts, hints, campaigns, keys, replies; and the writer thread itself."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, select

from support.ledger_cases.world import BROKEN, FIELDS, World, description
from tagger.backfill import Backfill
from tagger.delivery import AttemptReport
from tagger.errors import Conflict, IdempotencyConflict, IdempotencyInFlight, NotFound
from tagger.ledger import IdempotentReply, Ledger, open_ledger
from tagger.ledger.claims import hints
from tagger.ledger.db import schema
from tagger.ledger.tables import deliveries, jobs, metadata

THREADS = 16


@contextmanager
def connection(world: World) -> Iterator[Connection]:
    """Straight to the tables, to count what the ledger keeps count of."""
    engine = create_engine(world.ledger._url, poolclass=NullPool)
    with engine.connect() as conn:
        yield conn


class SharingCases:
    def test_the_migrations_make_exactly_the_tables(self, world: World) -> None:
        with connection(world) as conn:
            assert compare_metadata(MigrationContext.configure(conn), metadata) == []

    def test_many_may_migrate_at_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schema, "newest", lambda: "9999")  # else a look would tell each that there is nothing to do
        with world.second_process() as other, ThreadPoolExecutor(4) as pool:
            list(pool.map(Ledger.migrate, [world.ledger, other, world.ledger, other]))

    def test_each_job_goes_to_one_claimer_and_the_counts_stay_true(self, world: World) -> None:
        """Two processes and sixteen threads accept, claim, complete, fail and cancel, all at once."""
        claimed: list[str] = []

        def work(number: int, ledger: Ledger) -> None:
            [job] = ledger.accept([world.request(f"a{number % 40}", str(number))])
            claim = ledger.claim(lane="upload", worker_id="w", lease_ms=1, job_id=job.job_id)
            if claim is None:
                return
            claimed.append(claim.token)
            assert number % 10 or ledger.cancel(job.job_id)
            if number % 3:
                ledger.complete(claim, description(), FIELDS)
            else:
                ledger.fail(claim, BROKEN, {})
            if number % 4 == 0:
                for sending in ledger.claim_deliveries(worker_id="w", limit=3):
                    report = AttemptReport(result="delivered", status=200, duration_ms=1)
                    ledger.finish_delivery(sending, report, world.rng)

        with world.second_process() as other, ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda n: work(n, (world.ledger, other)[n % 2]), range(160)))
        assert len(claimed) == len(set(claimed))
        stats = world.ledger.stats()
        with connection(world) as conn:
            assert Counter(conn.execute(select(jobs.c.status)).scalars()) == +Counter(stats.jobs)
            assert Counter(conn.execute(select(deliveries.c.status)).scalars()) == +Counter(stats.deliveries)
        still_open = sum(stats.jobs.get(status, 0) for status in ("accepted", "running", "described"))
        assert world.ledger.open_jobs("s") == still_open

    def test_one_caller_gets_the_tick(self, world: World) -> None:
        with world.second_process() as other, ThreadPoolExecutor(8) as pool:
            for _ in range(3):
                won = list(pool.map(lambda ledger: ledger.claim_tick("top-up", 1000), [world.ledger, other] * 4))
                assert won.count(True) == 1
                world.later(1)
        world.later(-3600)  # a clock that was set back must not stop the ticks
        assert world.ledger.claim_tick("top-up", 1000)

    def test_short_ticks_are_counted_over_processes(self, world: World) -> None:
        with world.second_process() as other:
            assert [ledger.note_short("upload", True) for ledger in (world.ledger, other, world.ledger)] == [1, 2, 3]
            assert other.note_short("upload", False) == 0
            assert world.ledger.note_short("upload", True) == 1
            assert other.note_short("backfill", True) == 1

    def test_lane_counts_and_hints(self, world: World) -> None:
        made = []
        for number in range(4):
            made.append(world.accept(f"a{number}"))
            world.later(1)
        world.claimed(made[0])
        world.ledger.fail(world.claimed(made[1]), BROKEN, {})
        counts = world.ledger.lane_counts()
        assert (counts["upload"].claimable, counts["upload"].waiting, counts["upload"].running) == (2, 1, 1)
        assert counts["upload"].oldest_claimable_ms == world.now - 2000
        assert counts["solo"].oldest_claimable_ms is None
        assert world.ledger.to_hint("upload", 1) == [made[2]]
        assert world.ledger.to_hint("upload", 1) == [made[3]]  # those without a hint first
        assert world.ledger.to_hint("upload", 5) == made[2:]
        assert world.ledger.to_hint("upload", 0) == world.ledger.to_hint("solo", 5) == []

    def test_many_jobs_that_wait_for_a_retry_are_not_taken_for_work(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hints, "MOST", 3)

        def counts() -> tuple[int, int]:
            found = world.ledger.lane_counts()["upload"]
            return found.claimable, found.waiting

        for number in range(5):
            world.ledger.fail(world.claimed(world.accept(f"late{number}")), BROKEN, {})
        assert counts() == (0, 5)
        for number in range(2):
            world.accept(f"now{number}")
        assert counts() == (2, 5)
        world.accept("now2")
        assert counts() == (3, 3)  # at least
        world.later(60)
        world.accept("now3")
        assert counts() == (9, 0)

    def test_a_campaign_feeds_counts_and_finishes(self, world: World) -> None:
        ledger = world.ledger
        world.accept("a0", "1")
        ledger.start_backfill(
            Backfill(id="bkf_1", site_id="s", kind="folder", spec={"root": "/x"}, window=3, started_ms=world.now)
        )
        page = [world.request(f"a{n}", lane="backfill", backfill_id="bkf_1") for n in range(3)]
        assert [a.created for a in ledger.feed_backfill("bkf_1", page, "page-2", False, after=None)] == [False, True, True]
        fed = ledger.backfill("bkf_1")
        assert (fed.cursor, fed.counts["fed"], fed.counts["known"], fed.room) == ("page-2", 3, 1, 1)
        ledger.set_backfill_status("bkf_1", "paused")
        with pytest.raises(Conflict):
            ledger.feed_backfill("bkf_1", [world.request("a9")], "page-3", False, after="page-2")
        assert ledger.backfill("bkf_1").cursor == "page-2"
        ledger.set_backfill_status("bkf_1", "running")
        ledger.feed_backfill("bkf_1", [], None, True, after="page-2")
        for _ in range(2):
            assert ledger.finish_backfills() == []
            ledger.complete(world.claimed(lane="backfill"), description(), FIELDS)
        first, second = world.deliverable()
        world.finish(first, "delivered")
        assert ledger.finish_backfills() == []
        world.finish(second, "reject")  # it waits for a person now, not for us
        assert ledger.finish_backfills() == ["bkf_1"]
        [done] = ledger.backfills()
        assert (done.status, done.counts["done"], done.counts["undelivered"], done.spec) == ("done", 1, 1, {"root": "/x"})

    def test_a_campaign_that_is_paused_while_it_comes_to_its_end_stays_paused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = world.ledger
        for name in ("bkf_1", "bkf_2"):
            ledger.start_backfill(Backfill(id=name, site_id="s", kind="folder", spec={}, started_ms=world.now))
            ledger.feed_backfill(name, [], None, True, after=None)
        read = ledger.backfills()
        ledger.set_backfill_status("bkf_1", "paused")
        monkeypatch.setattr(ledger, "backfills", lambda **_: read)  # as it was a moment ago
        assert ledger.finish_backfills() == ["bkf_2"]
        assert ledger.backfill("bkf_1").status == "paused"

    def test_cancelling_a_campaign_cancels_what_nobody_claimed(self, world: World) -> None:
        ledger = world.ledger
        ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="folder", spec={}, started_ms=world.now))
        page = [world.request(f"a{n}", lane="backfill", backfill_id="bkf_1") for n in range(3)]
        ledger.feed_backfill("bkf_1", page, "2", False, after=None)
        running = world.claimed(lane="backfill")
        ledger.set_backfill_status("bkf_1", "cancelled")
        assert ledger.backfill("bkf_1").counts["cancelled"] == 2
        assert world.status(running.job_id) == "running"
        with pytest.raises(Conflict):
            ledger.set_backfill_status("bkf_1", "running")
        with pytest.raises(NotFound):
            ledger.backfill("bkf_2")

    def test_idempotency_keys(self, world: World) -> None:
        ledger = world.ledger
        assert ledger.begin_idempotent("s", "k", "aa") is None
        with pytest.raises(IdempotencyInFlight):
            ledger.begin_idempotent("s", "k", "aa")
        with pytest.raises(IdempotencyConflict):
            ledger.begin_idempotent("s", "k", "bb")
        assert ledger.begin_idempotent("other-site", "k", "bb") is None
        ledger.abandon_idempotent("s", "k")
        assert ledger.begin_idempotent("s", "k", "aa") is None
        world.later(61)  # the process that began it died
        assert ledger.begin_idempotent("s", "k", "aa") is None
        ledger.finish_idempotent("s", "k", 202, b"{}")
        assert ledger.begin_idempotent("s", "k", "aa") == IdempotentReply(status=202, body=b"{}")
        with pytest.raises(IdempotencyConflict):
            ledger.begin_idempotent("s", "k", "bb")
        world.later(86_400)
        assert ledger.begin_idempotent("s", "k", "bb") is None

    def test_keys_of_a_site(self, world: World) -> None:
        key = world.ledger.add_key("s", "plugin", "ff" * 32)
        assert world.ledger.find_key("ff" * 32) == key
        world.ledger.revoke_key(key.id)
        assert world.ledger.find_key("ff" * 32) is None
        assert world.ledger.keys("s")[0].revoked_ms == world.now
        with pytest.raises(NotFound):
            world.ledger.add_key("nowhere", "x", "ee" * 32)
        with pytest.raises(NotFound):
            world.ledger.get_site("nowhere")

    def test_cached_predictions(self, world: World) -> None:
        assert world.ledger.cached("k") is None
        world.cache("k", b"one")
        world.cache("k", b"two")
        assert world.ledger.cached("k") == b"two"

    def test_a_write_that_fails_fails_alone(self, world: World) -> None:
        """A slow write holds the queue, so that a good one and a bad one land in the same transaction."""
        gate = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            slow = pool.submit(world.ledger._write, lambda _tx: gate.wait(10))
            bad = [pool.submit(world.ledger.add_key, "nowhere", "x", "ee" * 32) for _ in range(2)]
            good = pool.submit(world.accept, "a")
            gate.set()
            assert slow.result(10)
            assert world.status(good.result(10)) == "accepted"
            for failed in bad:
                with pytest.raises(NotFound):
                    failed.result(10)

    def test_a_heartbeat_overtakes_sixty_four_writers(self, world: World) -> None:
        stop = threading.Event()

        def write(number: int) -> None:
            while not stop.is_set():
                world.ledger.accept([world.request(f"a{number}", str(time.monotonic_ns()))])

        waits = []
        with ThreadPoolExecutor(64) as pool:
            writers = [pool.submit(write, number) for number in range(64)]
            for _ in range(8):
                began = time.monotonic()
                assert world.ledger.beat("w")
                waits.append(time.monotonic() - began)
            stop.set()
            for writer in writers:
                writer.result(30)
        assert max(waits) < 1.0

    def test_closing_commits_what_waits(self, world: World) -> None:
        other = open_ledger(world.url, clock=lambda: world.now)
        with ThreadPoolExecutor(20) as pool:
            accepted = list(pool.map(lambda n: other.accept([world.request(f"a{n}")])[0].job_id, range(20)))
            other.close()
        assert {job.id for job in world.ledger.jobs(limit=50).data} == set(accepted)
