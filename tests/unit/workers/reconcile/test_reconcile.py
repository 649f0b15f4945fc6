"""The reconciler against a ledger and a queue made of plain numbers."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, defaultdict

import pytest

from tagger.errors import BrokerUnavailable, LedgerUnavailable
from tagger.job import LANES, Lane
from tagger.ledger import Expired, LaneCounts
from workers.reconcile.reconciler import (
    LONGEST_PAUSE_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    Chore,
    ChoreRunner,
    Reconciler,
    ReconcilerHooks,
)


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeLedger:
    """Counts per lane, ticks by a clock, and workers that are dead or not."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.claimable: Counter[Lane] = Counter()
        self.ticks: dict[str, float] = {}
        self.short: Counter[Lane] = Counter()
        self.silent: list[Expired] = []
        self.overdue: list[str] = []
        self.away = False
        self.expire_calls = 0

    def _here(self) -> None:
        if self.away:
            raise LedgerUnavailable("away")

    def claim_tick(self, name: str, every_ms: int) -> bool:
        self._here()
        if self.clock.now - self.ticks.get(name, -1e9) < every_ms / 1000:
            return False
        self.ticks[name] = self.clock.now
        return True

    def expire_workers(self, lease_ms: int = 6000) -> list[Expired]:
        self._here()
        self.expire_calls += 1
        silent, self.silent = self.silent, []
        return silent

    def expire_deadlines(self) -> list[str]:
        self._here()
        overdue, self.overdue = self.overdue, []
        return overdue

    def lane_counts(self) -> dict[Lane, LaneCounts]:
        self._here()
        return {
            lane: LaneCounts(claimable=self.claimable[lane], waiting=0, running=0, oldest_claimable_ms=None) for lane in LANES
        }

    def note_short(self, lane: Lane, short: bool) -> int:
        self.short[lane] = self.short[lane] + 1 if short else 0
        return self.short[lane]

    def to_hint(self, lane: Lane, limit: int) -> list[str]:
        return [f"{lane}-{n}" for n in range(min(limit, self.claimable[lane]))]


class FakeHints:
    def __init__(self) -> None:
        self.queues: defaultdict[Lane, list[str]] = defaultdict(list)
        self.sent = 0
        self.away = False

    def depth(self, lane: Lane) -> int:
        if self.away:
            raise BrokerUnavailable("away")
        return len(self.queues[lane])

    def send_many(self, job_ids: list[str], lane: Lane, *, front: bool = False) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.sent += len(job_ids)
        waiting = self.queues[lane]
        self.queues[lane] = job_ids + waiting if front else waiting + job_ids


class House:
    def __init__(self, window: int = 100, reconcilers: int = 1, chores: tuple[Chore, ...] = ()) -> None:
        self.clock = FakeClock()
        self.ledger = FakeLedger(self.clock)
        self.hints = FakeHints()
        self.reconcilers = [
            Reconciler(self.ledger, self.hints, window=window, chores=chores, clock=self.clock) for _ in range(reconcilers)
        ]

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.now += 0.25
            for reconciler in self.reconcilers:
                reconciler.turn()


@pytest.fixture
def house() -> House:
    return House()


def test_a_queue_that_is_short_twice_running_is_topped_up(house: House) -> None:
    house.ledger.claimable["upload"] = 7
    house.pass_time(3)
    assert len(house.hints.queues["upload"]) == 7
    assert house.hints.queues["backfill"] == []


def test_a_queue_that_is_short_once_is_left_alone(house: House) -> None:
    house.pass_time(2)
    house.ledger.claimable["upload"] = 1
    house.pass_time(1)
    house.hints.queues["upload"].append("on its way")
    house.pass_time(5)
    assert house.hints.sent == 0


def test_a_full_queue_gets_no_more(house: House) -> None:
    house.ledger.claimable["upload"] = 5
    house.hints.queues["upload"] = [f"job-{n}" for n in range(5)]
    house.pass_time(10)
    assert house.hints.sent == 0


def test_a_flushed_broker_heals_in_seconds(house: House) -> None:
    house.ledger.claimable["upload"] = 40
    house.pass_time(5)
    house.hints.queues.clear()
    house.pass_time(3)
    assert len(house.hints.queues["upload"]) == 40


def test_the_window_bounds_the_queue() -> None:
    house = House(window=50)
    house.ledger.claimable["backfill"] = 1_000_000
    house.pass_time(30)
    assert len(house.hints.queues["backfill"]) == 50


def test_eight_reconcilers_send_no_more_than_one() -> None:
    house = House(window=5000, reconcilers=8)
    house.ledger.claimable["backfill"] = 1000
    house.pass_time(20)
    assert house.hints.sent == 1000


def test_two_that_top_up_in_one_moment_do_not_fill_the_queue_over() -> None:
    house = House(window=200)
    house.ledger.claimable["backfill"] = 1_000
    send = house.hints.send_many

    def send_beside_another(job_ids: list[str], lane: Lane, *, front: bool = False) -> None:
        send(job_ids, lane, front=front)
        send([f"other-{job}" for job in job_ids], lane)

    house.hints.send_many = send_beside_another  # type: ignore[method-assign]
    assert house.reconcilers[0].top_up(patient=False) == {"backfill": 100}
    assert len(house.hints.queues["backfill"]) == 200


def test_hints_of_freed_jobs_go_out_at_once(house: House) -> None:
    house.pass_time(10)
    house.ledger.silent = [Expired(worker_id="w", lane="upload", freed=("job_1", "job_2"), dead=(), silent_ms=6100)]
    house.ledger.claimable["upload"] = 2
    house.pass_time(1)
    assert len(house.hints.queues["upload"]) == 2


def test_hints_of_freed_jobs_go_before_a_backlog_that_has_hints_enough(house: House) -> None:
    house.hints.queues["upload"] = [f"late_{n}" for n in range(20)]
    house.pass_time(10)
    house.ledger.silent = [Expired(worker_id="w", lane="upload", freed=("job_1", "job_2"), dead=(), silent_ms=6100)]
    house.ledger.claimable["upload"] = 12
    house.pass_time(1)
    assert house.hints.queues["upload"][:3] == ["job_1", "job_2", "late_0"]


def test_a_freed_job_is_hinted_in_the_lane_where_it_waits_now(house: House) -> None:
    house.pass_time(10)
    house.ledger.silent = [
        Expired(worker_id="w", lane="upload", freed=("job_1", "job_2"), dead=(), silent_ms=6100, alone=("job_2",))
    ]
    house.pass_time(1)
    assert (house.hints.queues["upload"], house.hints.queues["solo"]) == (["job_1"], ["job_2"])


def test_a_job_that_died_without_a_worker_is_hinted_once_so_that_flower_hears_of_it(house: House) -> None:
    house.pass_time(10)
    house.ledger.silent = [Expired(worker_id="w", lane="solo", freed=(), dead=("job_1",), silent_ms=6100)]
    house.ledger.overdue = ["job_2"]
    house.pass_time(1)
    assert house.hints.queues["upload"] == ["job_1", "job_2"], "where a worker always is"


def test_a_broker_that_is_away_hides_no_death(house: House) -> None:
    seen: list[str] = []
    house.reconcilers[0]._hooks = ReconcilerHooks(on_expired=lambda expired: seen.append(expired.worker_id))
    house.pass_time(10)
    house.hints.away = True
    house.ledger.overdue = ["job_9"]
    house.ledger.silent = [Expired(worker_id=w, lane="upload", freed=(f"job_{w}",), dead=(), silent_ms=6100) for w in "ab"]
    house.pass_time(1)
    assert (seen, house.ledger.overdue) == (["a", "b"], [])


def test_nobody_is_declared_dead_in_the_first_lease(house: House) -> None:
    house.pass_time(5.75)
    assert house.ledger.expire_calls == 0
    house.pass_time(2)
    assert house.ledger.expire_calls > 0


def test_an_outage_of_the_ledger_is_not_the_death_of_the_fleet(house: House) -> None:
    house.pass_time(10)
    house.ledger.away = True
    house.pass_time(60)
    house.ledger.away = False
    before = house.ledger.expire_calls
    house.pass_time(4.5)
    assert house.ledger.expire_calls == before
    house.pass_time(5)
    assert house.ledger.expire_calls > before


def test_a_machine_that_slept_lets_the_living_beat_first(house: House) -> None:
    house.pass_time(10)
    house.clock.now += 3600
    before = house.ledger.expire_calls
    house.pass_time(5.5)
    assert house.ledger.expire_calls == before
    house.pass_time(3)
    assert house.ledger.expire_calls > before


def test_a_broker_that_is_away_stops_only_what_needs_it(house: House) -> None:
    house.hints.away = True
    house.ledger.claimable["upload"] = 3
    house.pass_time(10)
    assert house.ledger.expire_calls > 0
    house.hints.away = False
    house.pass_time(4)
    assert len(house.hints.queues["upload"]) == 3


def test_one_bad_chore_stops_no_other() -> None:
    done: list[str] = []

    def bad() -> None:
        done.append("bad")
        raise ZeroDivisionError

    chores = (Chore(name="bad", every_ms=1000, run=bad), Chore(name="good", every_ms=1000, run=lambda: done.append("good")))
    house = House(chores=chores)
    house.ledger.claimable["upload"] = 1
    house.pass_time(5)
    assert done.count("good") >= 4
    assert done.count("bad") >= 4
    assert house.hints.sent == 1


def test_a_chore_of_everywhere_runs_in_each_reconciler() -> None:
    done: list[int] = []
    house = House(reconcilers=3, chores=(Chore(name="metrics", every_ms=5000, run=lambda: done.append(1), everywhere=True),))
    house.pass_time(1)
    assert len(done) == 3


def test_it_sleeps_until_something_is_due_but_never_long() -> None:
    clock, runs = FakeClock(), Counter[str]()
    often, seldom = (
        Chore(name=name, every_ms=every_ms, run=lambda name=name: runs.update([name]))  # type: ignore[misc]
        for name, every_ms in (("often", 500), ("seldom", 3_600_000))
    )
    runner = ChoreRunner(FakeLedger(clock), [often, seldom], clock)
    runner.turn()
    assert runner.pause() == 0.5
    clock.now += 0.5
    assert runner.pause() == SHORTEST_PAUSE_SECONDS
    runner.turn()
    assert runs == {"often": 2, "seldom": 1}
    clock.now -= 5000  # set back
    assert runner.pause() == LONGEST_PAUSE_SECONDS
    assert ChoreRunner(FakeLedger(clock), [], clock).pause() == LONGEST_PAUSE_SECONDS


def test_a_sole_reconciler_is_never_refused_its_own_turn() -> None:
    """The lock is waited for now longer, now shorter: a period that counts from before it would end too early for the ledger."""

    class Busy(FakeLedger):
        def claim_tick(self, name: str, every_ms: int) -> bool:
            self.clock.now += next(waits)
            mine.append(super().claim_tick(name, every_ms))
            return mine[-1]

    clock, mine, waits = FakeClock(), list[bool](), itertools.cycle((0.25, 0.0, 0.125))
    runner = ChoreRunner(Busy(clock), [Chore(name="each second", every_ms=1000, run=lambda: None)], clock)
    for _ in range(12):
        runner.turn()
        clock.now += runner.pause()
    assert mine == [True] * 12


def test_a_chore_with_a_thread_of_its_own_delays_nobody_and_ends_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that hangs (a network folder that went away) while a queue runs short."""
    monkeypatch.setattr("workers.reconcile.reconciler.JOIN_SECONDS", 0.1)
    stop, hanging, release = threading.Event(), threading.Event(), threading.Event()
    fed: list[str] = []

    def feed() -> None:
        fed.append("begun")
        hanging.set()
        release.wait(30)
        fed.append("ended")

    house = House(chores=(Chore(name="feed", every_ms=1000, run=feed, apart=True),))
    house.ledger.claimable["upload"] = 7
    (reconciler,) = house.reconcilers
    running = threading.Thread(target=reconciler.run, args=(stop,))
    running.start()
    try:
        assert hanging.wait(10)
        deadline = time.monotonic() + 20
        while len(house.hints.queues["upload"]) < 7:
            assert time.monotonic() < deadline, "the feed holds up the reconciler"
            house.clock.now += 0.5
            time.sleep(0.02)
    finally:
        stop.set()
        running.join(10)
    assert not running.is_alive(), "a chore that hangs does not keep the process"
    assert fed == ["begun"]
    release.set()


def test_a_chore_that_is_asked_to_end_is_waited_for() -> None:
    stop, begun = threading.Event(), threading.Event()
    done: list[str] = []

    def feed() -> None:
        begun.set()
        stop.wait(30)
        done.append("ended")

    house = House(chores=(Chore(name="feed", every_ms=1000, run=feed, apart=True),))
    running = threading.Thread(target=house.reconcilers[0].run, args=(stop,))
    running.start()
    assert begun.wait(10)
    stop.set()
    running.join(10)
    assert not running.is_alive()
    assert done == ["ended"]


def test_a_clock_set_back_stops_nothing(house: House) -> None:
    house.pass_time(10)
    house.clock.now -= 7200
    house.ledger.ticks.clear()  # the ledger has its own rule for this
    house.ledger.claimable["upload"] = 2
    house.pass_time(4)
    assert len(house.hints.queues["upload"]) == 2


def test_a_clock_set_back_while_a_chore_runs_keeps_no_dead_worker_alive() -> None:
    """The chores of one turn read the ledger for some milliseconds. The clock may be set in any of them."""

    def set_back() -> None:
        house.clock.now -= 7200
        house.ledger.ticks.clear()  # the ledger has its own rule for this

    house = House(chores=(Chore(name="set_back", every_ms=20_000, run=set_back),))
    house.pass_time(1)
    calls = house.ledger.expire_calls
    house.pass_time(10)
    assert house.ledger.expire_calls > calls
