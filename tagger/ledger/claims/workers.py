"""Liveness of workers. If a worker is silent for a lease, it is dead for ever: one conditional update marks it and frees its
jobs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, literal_column, or_, select, text, update

from tagger.delivery import MAX_DELIVER_SECONDS
from tagger.errors import DeadlineExceeded
from tagger.job import Lane
from tagger.ledger import clock_changes
from tagger.ledger.claims.silence import FAR_MS, Watch
from tagger.ledger.db.engine import IDLE_IN_TRANSACTION_MS, Clock
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.failures.burying import charge, charge_crash
from tagger.ledger.sending.endpoints import free_delivery
from tagger.ledger.tables import deliveries, jobs, word_is, workers
from tagger.ledger.tables.rows import ClaimedJobRow, WorkerRow
from tagger.ledger.transitions import move_job
from tagger.ledger.values import Expired

LEASE_MS = 6_000  # a worker with an older heartbeat is dead
# A living deliverer that holds a delivery for longer has lost it. It is longer than the wait for a thread plus an attempt.
SENDING_MS = (2 * MAX_DELIVER_SECONDS + 60) * 1_000

# PostgreSQL: if a process is stopped inside a pipeline, no timeout of the server ends its session (only version 17 has one). The
# session is "active", or "idle in transaction" with a timeout that a message without a statement (Flush, Close) cancelled. A
# living process ends the session, and so releases its locks.
END_LEFT_ALONE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tagger' AND usename = current_user "
    "AND datname = current_database() AND state <> 'idle' AND wait_event = 'ClientRead' AND pid <> pg_backend_pid() "
    "AND state_change < now() - :quiet_ms * interval '1 ms'"
).bindparams(quiet_ms=IDLE_IN_TRANSACTION_MS)

ALIVE = workers.c.ended_ms.is_(None)
BEAT = update(workers).where(workers.c.id == bindparam("worker"), ALIVE).values(beat_ms=bindparam("now"))
RUNNING = word_is(jobs.c.status, "running")
SENDING = word_is(deliveries.c.status, "sending")
_ONE = literal_column("1", Integer)
ODD = or_(workers.c.beat_ms <= bindparam("before"), workers.c.beat_ms > bindparam("ahead"))
SILENT = Prepared(select(workers.c.id).where(ALIVE, ODD).limit(_ONE))
ODD_ONES = select(workers.c.id, workers.c.beat_ms, workers.c.lane).where(ALIVE, ODD).order_by(workers.c.id)
ENDED = update(workers).where(
    workers.c.id == bindparam("worker"), ALIVE, workers.c.beat_ms == bindparam("beat")
)  # not one that writes its heartbeat at this moment
LATE = Prepared(select(jobs.c.id).where(RUNNING, jobs.c.deadline_ms < bindparam("before")).limit(_ONE))
STUCK = Prepared(select(deliveries.c.id).where(SENDING, deliveries.c.updated_ms < bindparam("before")).limit(_ONE))


class Workers(Store):
    def __init__(self, url: str, clock: Clock | None, group_pause_seconds: float) -> None:
        super().__init__(url, clock, group_pause_seconds)
        self._watch = Watch()
        self._mended = False

    def register_worker(
        self, worker_id: str, *, role: str, lane: Lane | None, host: str, pid: int, checks: bool | None = None
    ) -> None:
        """A process starts. Its id is new with every boot. `checks`: whether it can say if a text describes an image."""

        def work(tx: Tx) -> None:
            row = {"id": worker_id, "role": role, "lane": lane, "host": host, "pid": pid, "checks": checks}
            tx.conn.execute(workers.insert().values(**row, started_ms=tx.now_ms, beat_ms=tx.now_ms))
            tx.memo.clear()

        self._write(work, urgent=True)

    def beat(self, worker_id: str) -> bool:
        """Write a heartbeat. False: the worker was declared dead, and the process must exit."""

        def work(tx: Tx) -> bool:
            return tx.conn.execute(BEAT, {"worker": worker_id, "now": tx.now_ms}).rowcount == 1

        return self._write(work, urgent=True, durable=False)

    def retire_worker(self, worker_id: str) -> None:
        """Retire a worker after a clean exit. The jobs that it still holds are returned; no failure counts."""

        def work(tx: Tx) -> None:
            tx.conn.execute(update(workers).where(workers.c.id == worker_id, ALIVE).values(ended_ms=tx.now_ms))
            tx.memo.clear()
            for row in _held_jobs(tx, worker_id):
                move_job(tx, row, "accepted")
            _free_deliveries(tx, worker_id)

        self._write(work)

    def checks_offered(self, lane: Lane) -> bool | None:
        """Whether a living tag worker of the lane can say if a text describes an image. None: none of the lane is alive.

        A worker that did not say, because its version is older, is taken for one that can.
        """
        now_ms = self.now_ms()
        recent = workers.c.beat_ms.between(now_ms - LEASE_MS, now_ms + LEASE_MS)
        alive = select(workers.c.checks).where(ALIVE, recent, workers.c.role == "tag", workers.c.lane == lane)
        said = self._read(lambda conn: conn.execute(alive).scalars().all())
        return any(checks is not False for checks in said) if said else None

    def in_hands(self, host: str) -> dict[int, int]:
        """Process id → number of its running jobs, for the living workers of this host that have any."""
        held = select(workers.c.pid, func.count().label("n")).join(jobs, jobs.c.worker_id == workers.c.id)
        held = held.where(RUNNING, ALIVE, workers.c.host == host).group_by(workers.c.pid)
        return self._read(lambda conn: {row.pid: row.n for row in conn.execute(held)})

    def expire_workers(self, lease_ms: int = LEASE_MS) -> list[Expired]:
        """Declare silent workers dead and free their jobs and deliveries. Each running job counts one crash.

        Nothing is freed until the ledger has answered this process for a whole lease without a break. So an outage of the ledger,
        or of this process, does not end all workers. Rows that a change of the clock affects are repaired at once.
        """
        self._mend_moments()
        if self._url.get_backend_name() == "postgresql":
            self._read(lambda conn: conn.execute(END_LEFT_ALONE).all())

        def odd(now_ms: int) -> dict[str, int]:
            return {"before": now_ms - lease_ms, "ahead": now_ms + lease_ms}

        now_ms = self.now_ms()
        if not self._read(lambda conn: SILENT.any(conn, odd(now_ms))):
            return []  # a read takes no lock

        def work(tx: Tx) -> list[Expired]:
            rows = tx.conn.execute(ODD_ONES, odd(tx.now_ms)).all()
            dead = self._watch.dead(rows, tx.now_ms, lease_ms)
            if tx.now_ms - tx.calm_since_ms < lease_ms:
                return []
            ended = [row for row in dead if _end(tx, row)]
            tx.memo.clear()
            return [_free(tx, row.id, row.lane, max(lease_ms, tx.now_ms - row.beat_ms)) for row in ended]

        return self._write(work)

    def expire_deadlines(self) -> list[str]:
        """Free jobs whose deadline passed in a worker; an attempt counts. Returns their ids."""

        def work(tx: Tx) -> list[str]:
            late = select(jobs).where(RUNNING, jobs.c.deadline_ms < tx.now_ms).order_by(jobs.c.id).limit(500)
            rows = tx.conn.execute(late.with_for_update(skip_locked=True)).all()
            charged = [row for row in rows if not _anew(tx, row)]
            for row in charged:
                seconds = (tx.now_ms - row.claimed_ms) / 1000
                charge(tx, row, DeadlineExceeded(f"No result after {seconds:.0f} s.").info(), {})
            stuck = select(deliveries).where(SENDING, deliveries.c.updated_ms < tx.now_ms - SENDING_MS)
            for delivery in tx.conn.execute(stuck.with_for_update(skip_locked=True)).all():
                if delivery.updated_ms < tx.now_ms - SENDING_MS - FAR_MS:
                    mine = update(deliveries).where(deliveries.c.id == delivery.id)
                    tx.conn.execute(mine.values(updated_ms=tx.now_ms))
                else:
                    free_delivery(tx, delivery)
            return [row.id for row in charged]

        now_ms = self.now_ms()
        if not self._read(lambda conn: _any_overdue(conn, now_ms)):
            return []
        return self._write(work)

    def _mend_moments(self) -> None:
        """Make rows due that were written ahead of the ledger's clock. The first call of a process reads all open rows, because a
        clock may have been set before its start. Later calls use an index.
        """
        now_ms = self.now_ms()
        if self._read(lambda conn: clock_changes.any_ahead(conn, now_ms, thorough=not self._mended)):
            self._write(lambda tx: clock_changes.mend(tx.conn, tx.now_ms))
        self._mended = True


def _end(tx: Tx, row: WorkerRow) -> bool:
    ended = ENDED.values(ended_ms=tx.now_ms)
    return tx.conn.execute(ended, {"worker": row.id, "beat": row.beat_ms}).rowcount == 1


def _anew(tx: Tx, row: ClaimedJobRow) -> bool:
    """Whether a late job gets a new deadline: it is so late that a clock must have been set."""
    if row.deadline_ms >= tx.now_ms - FAR_MS:
        return False
    time = {"claimed_ms": tx.now_ms, "deadline_ms": tx.now_ms + row.deadline_ms - row.claimed_ms}
    tx.conn.execute(update(jobs).where(jobs.c.id == row.id).values(time))
    return True


def _any_overdue(conn: Connection, now_ms: int) -> bool:
    return LATE.any(conn, {"before": now_ms}) or STUCK.any(conn, {"before": now_ms - SENDING_MS})


def _held_jobs(tx: Tx, worker_id: str) -> list[Any]:
    stmt = select(jobs).where(RUNNING, jobs.c.worker_id == worker_id).order_by(jobs.c.id).with_for_update()
    return list(tx.conn.execute(stmt).all())


def _free_deliveries(tx: Tx, worker_id: str) -> None:
    stmt = select(deliveries).where(SENDING, deliveries.c.worker_id == worker_id).order_by(deliveries.c.id).with_for_update()
    for row in tx.conn.execute(stmt).all():
        free_delivery(tx, row)


def _free(tx: Tx, worker_id: str, lane: Lane | None, silent_ms: int) -> Expired:
    freed: list[str] = []
    dead: list[str] = []
    alone: list[str] = []
    for row in _held_jobs(tx, worker_id):
        ruling = charge_crash(tx, row)
        (dead if ruling.status == "dead" else freed).append(row.id)
        if ruling.status != "dead" and ruling.lane == "solo":
            alone.append(row.id)
    _free_deliveries(tx, worker_id)
    ends = {"freed": tuple(freed), "dead": tuple(dead), "alone": tuple(alone)}
    return Expired(worker_id=worker_id, lane=lane, silent_ms=silent_ms, **ends)
