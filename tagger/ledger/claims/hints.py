"""The state that all reconcilers share: ticks, short queues, counts of lanes, and the jobs that need a hint."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, column, func, literal_column, select, text, update

from tagger.delivery import DeliveryStatus
from tagger.job import LANES, JobStatus, Lane
from tagger.ledger.claims.checking import CHECKS_TEXT, leaves_checks
from tagger.ledger.claims.workers import LEASE_MS
from tagger.ledger.db import counters
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import jobs, ticks, word_is, workers
from tagger.ledger.values import LaneCounts, Stats

MOST = 10_000  # rows that one count reads
ACCEPTED = word_is(jobs.c.status, "accepted")

# A tick in the future was written before the clock was set back.
TICK = Prepared(
    text(
        "INSERT INTO ticks (name, at_ms, count) VALUES (:name, :now, 0) ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms "
        "WHERE ticks.at_ms <= :now - :every OR ticks.at_ms > :now + :every RETURNING name"
    ).columns(ticks.c.name)
)
SHORT = Prepared(
    text(
        "INSERT INTO ticks (name, at_ms, count) VALUES (:name, :now, :short) ON CONFLICT (name) DO UPDATE "
        "SET at_ms = excluded.at_ms, count = (ticks.count + 1) * excluded.count RETURNING count AS number"
    ).columns(column("number", Integer))
)
SHORT_BEFORE = Prepared(select(ticks.c.name).where(ticks.c.name == bindparam("of_name"), ticks.c["count"] > literal_column("0")))

_WAITS = select(jobs.c.due_ms).where(ACCEPTED, jobs.c.lane == bindparam("of_lane"))
_DUE, _LATER = _WAITS.where(jobs.c.due_ms <= bindparam("now")), _WAITS.where(jobs.c.due_ms > bindparam("now"))


def _count_of(rows: Select[tuple[int]]) -> Prepared:
    """The number of rows, up to a limit, and the smallest value."""
    few = rows.order_by(jobs.c.due_ms).limit(bindparam("most", type_=Integer)).subquery()
    return Prepared(select(func.count().label("number"), func.min(few.c.due_ms).label("first_ms")).select_from(few))


ANY_DUE = Prepared(_DUE.limit(literal_column("1")))
ANY_TO_DESCRIBE = Prepared(_DUE.where(~CHECKS_TEXT).limit(literal_column("1")))
DUE, LATER = _count_of(_DUE), _count_of(_LATER)


class Hints(Store):
    def claim_tick(self, name: str, every_ms: int) -> bool:
        """True for one caller per period, across all processes."""
        tick = {"name": name, "every": every_ms}
        return self._write(lambda tx: TICK.any(tx.conn, {**tick, "now": tx.now_ms}), durable=False)

    def note_short(self, lane: Lane, short: bool) -> int:
        """Store whether the queue of the lane was short at this tick. Returns how many ticks in a row it was short."""
        name = f"short/{lane}"
        if not short and not self._read(lambda conn: SHORT_BEFORE.any(conn, {"of_name": name})):
            return 0  # unchanged: an idle fleet writes nothing
        tick = {"name": name, "short": int(short)}
        return self._write(lambda tx: int(SHORT.one_or_none(tx.conn, {**tick, "now": tx.now_ms}).number), durable=False)

    def has_due(self, lane: Lane, worker_id: str) -> bool:
        """Whether the lane has a job that this worker would claim."""
        now_ms = self.now_ms()

        def work(conn: Connection) -> bool:
            any_due = ANY_TO_DESCRIBE if leaves_checks(conn, worker_id, lane, now_ms) else ANY_DUE
            return any_due.any(conn, {"of_lane": lane, "now": now_ms})

        return self._read(work)

    def lane_counts(self) -> dict[Lane, LaneCounts]:
        """Read from stored counters and short index ranges."""

        def work(conn: Connection) -> dict[Lane, LaneCounts]:
            kept = counters.read(conn, "job")
            return {lane: _lane(conn, lane, now, kept) for lane in LANES}

        now = self.now_ms()
        return self._read(work)

    def to_hint(self, lane: Lane, limit: int) -> list[str]:
        """The oldest claimable jobs, those without a hint first, now marked as hinted."""

        def work(tx: Tx) -> list[str]:
            due = select(jobs.c.id).where(ACCEPTED, jobs.c.lane == lane, jobs.c.due_ms <= tx.now_ms)
            due = due.order_by(jobs.c.due_ms, jobs.c.id).with_for_update(skip_locked=True)
            ids = list(tx.conn.execute(due.where(jobs.c.hinted_ms.is_(None)).limit(limit)).scalars())
            if len(ids) < limit:
                ids += list(tx.conn.execute(due.where(jobs.c.hinted_ms.is_not(None)).limit(limit - len(ids))).scalars())
            if ids:
                tx.conn.execute(update(jobs).where(jobs.c.id.in_(ids)).values(hinted_ms=tx.now_ms))
            return ids

        return self._write(work, durable=False) if limit > 0 else []

    def stats(self) -> Stats:
        """Jobs and deliveries per status (stored counters), and living workers."""
        now = self.now_ms()

        def work(conn: Connection) -> Stats:
            by_status: dict[JobStatus, int] = {}
            for (_, word), value in counters.read(conn, "job").items():
                status: Any = word
                by_status[status] = by_status.get(status, 0) + value
            sent: dict[DeliveryStatus, int] = {}
            for (_, word), value in counters.read(conn, "delivery").items():
                state: Any = word
                sent[state] = value
            return Stats(jobs=by_status, deliveries=sent, workers=_alive(conn, now))

        return self._read(work)

    def open_jobs(self, site_id: str) -> int:
        """Jobs of the site that have not ended; a stored counter."""
        return self._read(lambda conn: counters.read(conn, "site", site_id).get((site_id, "open"), 0))


def _alive(conn: Connection, now_ms: int) -> dict[str, int]:
    stmt = select(workers.c.role, workers.c.lane, func.count().label("number"))
    stmt = stmt.where(workers.c.ended_ms.is_(None), workers.c.beat_ms > now_ms - LEASE_MS).group_by(
        workers.c.role, workers.c.lane
    )
    return {f"{r.role}:{r.lane}" if r.lane else r.role: r.number for r in conn.execute(stmt)}


def _lane(conn: Connection, lane: Lane, now_ms: int, kept: dict[tuple[str, str], int]) -> LaneCounts:
    of_lane = {"of_lane": lane, "now": now_ms, "most": MOST}
    accepted = kept.get((lane, "accepted"), 0)
    due = DUE.one_or_none(conn, of_lane)
    claimable = int(due.number)
    waiting = max(0, accepted - claimable)
    if claimable == MOST:  # there are more: either the waiting jobs can be counted, or both counts are reported as the limit
        waiting = int(LATER.one_or_none(conn, of_lane).number)
        claimable = max(MOST, accepted - waiting) if waiting < MOST else MOST
    return LaneCounts(
        claimable=claimable,
        waiting=waiting,
        running=kept.get((lane, "running"), 0),
        oldest_claimable_ms=due.first_ms,
    )
