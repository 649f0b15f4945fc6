"""Accepts requests. One hook makes one job. A newer version of an image supersedes its open job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.errors import Conflict, NotFound
from tagger.ids import new_id
from tagger.job import JobRequest, JobStatus, Lane
from tagger.ledger import usage
from tagger.ledger.db import counters
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.repeated import adds_to, latest, outdated, same_version
from tagger.ledger.tables import erased_jobs, job_requests, jobs, word_is
from tagger.ledger.transitions import end_job
from tagger.ledger.values import Accepted, Usage

INSERT = insert(jobs).on_conflict_do_nothing(index_elements=["identity"]).returning(jobs.c.id)
# One statement for two cases: deleted assets, and identities from before the kind of a version was part of them.
MET = union_all(
    select(erased_jobs.c.identity, erased_jobs.c.job_id, erased_jobs.c.at_ms, literal(True).label("erased")).where(
        erased_jobs.c.identity.in_(bindparam("identities", expanding=True))
    ),
    select(jobs.c.identity, jobs.c.id, jobs.c.created_ms, literal(False)).where(
        jobs.c.identity.in_(bindparam("old_identities", expanding=True))
    ),
)
OPEN_OF = select(jobs).where(
    jobs.c.site_id == bindparam("site"),
    jobs.c.asset_id.in_(bindparam("assets", expanding=True)),
    word_is(jobs.c.status, "accepted", "running", "described"),
    jobs.c.delivers,
)
OPEN_OF = OPEN_OF.order_by(jobs.c.id).with_for_update()


class _Rehearsed(Exception):
    """Raised to end a transaction that must store nothing."""

    def __init__(self, answers: list[Accepted]) -> None:
        self.answers = answers


class Intake(Store):
    def accept(self, requests: Sequence[JobRequest], *, uploaded: int = 0) -> list[Accepted]:
        """Accept all requests in one transaction. The results have the order of the requests.

        `uploaded`: how many bytes came with the first request. They count for its site if the job is new.
        """
        if not requests:
            return []

        def work(tx: Tx) -> list[Accepted]:
            answers = accept(tx, requests)
            if uploaded and answers[0].created:
                usage.count_bytes(tx, requests[0].site_id, uploaded)
            return answers

        return self._write(work)

    def usage(self, site_id: str) -> Usage:
        """What the site uses of its quotas now."""
        now_ms = self.now_ms()
        return self._read(lambda conn: usage.read(conn, site_id, now_ms))

    def rehearse(self, requests: Sequence[JobRequest]) -> list[Accepted]:
        """The result that `accept` would give now. The transaction is rolled back, so nothing is stored."""

        def work(tx: Tx) -> None:
            raise _Rehearsed(accept(tx, requests))

        try:
            self._write(work, durable=False)
        except _Rehearsed as rehearsed:
            return rehearsed.answers
        raise AssertionError("unreachable")

    def cancel(self, job_id: str) -> JobStatus:
        """Cancel an open job and its pending delivery. An ended job keeps its status. Returns the status."""

        def work(tx: Tx) -> JobStatus:
            row = tx.conn.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
            if row is None:
                raise NotFound(f"No job {job_id!r}.")
            try:
                end_job(tx, row, "cancelled")
            except Conflict:
                status: JobStatus = row.status
                return status
            return "cancelled"

        return self._write(work)


def accept(tx: Tx, requests: Sequence[JobRequest]) -> list[Accepted]:
    """Errors: BadRequest for a text that holds a NUL character, which PostgreSQL does not store."""
    rows = [_row(tx, request) for request in requests]
    erased = _met(tx, rows, requests)
    fresh = [(row, request) for row, request in zip(rows, requests, strict=True) if row["identity"] not in erased]
    made = _insert(tx, fresh)
    known = _known(tx, [row["identity"] for row, _ in fresh if row["id"] not in made])
    answers = []
    for row, request in zip(rows, requests, strict=True):
        if row["id"] in made:
            answers.append(_created(row))
        elif row["identity"] in erased:
            answers.append(erased[row["identity"]])
        else:
            answers.append(_perhaps_again(tx, row, request, known[row["identity"]]))
    return answers


def _insert(tx: Tx, pairs: Sequence[tuple[dict[str, Any], JobRequest]]) -> set[str]:
    """Returns the ids of the jobs that were not known."""
    if not pairs:
        return set()
    made = set(tx.conn.execute(INSERT, [row for row, _ in pairs]).scalars())
    new = [(row, request) for row, request in pairs if row["id"] in made]
    if new:
        tx.conn.execute(job_requests.insert(), [{"job_id": row["id"], "body": request.to_dict()} for row, request in new])
        for row, _ in new:
            counters.job_moved(
                tx, site_id=row["site_id"], backfill_id=row["backfill_id"], old=None, new=(row["lane"], "accepted")
            )
        _supersede(tx, [(row, request) for row, request in new if row["delivers"]])
    return made


def _perhaps_again(tx: Tx, row: dict[str, Any], request: JobRequest, known: Accepted) -> Accepted:
    if request.event_id is not None:
        return known
    job, identity = latest(tx, row["identity"])
    if not outdated(tx, job, request):
        return Accepted(job_id=job.id, created=False, status=job.status, created_ms=job.created_ms)
    row = {**row, "identity": identity}
    return _created(row) if _insert(tx, [(row, request)]) else _known(tx, [identity])[identity]


def _created(row: dict[str, Any]) -> Accepted:
    ended = tuple(row.get("ended", ()))
    return Accepted(job_id=row["id"], created=True, status="accepted", created_ms=row["created_ms"], superseded=ended)


def _met(tx: Tx, rows: Sequence[dict[str, Any]], requests: Sequence[JobRequest]) -> dict[bytes, Accepted]:
    """The results for deleted assets. An earlier hook that arrives again does not create a job.

    A row whose version was accepted under an old identity takes that one.
    """
    old = [bytes.fromhex(request.old_identity()) for request in requests]
    asked = {"identities": [*(row["identity"] for row in rows), *old], "old_identities": old}
    met = {bytes(found.identity): found for found in tx.conn.execute(MET, asked)}
    for row, request, before in zip(rows, requests, old, strict=True):
        if before in met and (met[before].erased or same_version(tx, met[before].job_id, request)):
            row["identity"] = before
    # a backfill or a sweep has seen the asset in its CMS, so it is there again
    pairs = zip(rows, requests, strict=True)
    listed = {row["identity"] for row, request in pairs if request.backfill_id is not None or request.listed}
    return {
        identity: Accepted(job_id=found.job_id, created=False, status="cancelled", created_ms=found.at_ms)
        for identity, found in met.items()
        if found.erased and identity not in listed
    }


def _row(tx: Tx, request: JobRequest) -> dict[str, Any]:
    request.check_storable()
    return {
        "id": new_id("job", tx.now_ms),
        "site_id": request.site_id,
        "asset_id": request.asset_id,
        "profile": request.profile,
        "identity": bytes.fromhex(request.identity()),
        "status": "accepted",
        "lane": request.lane,
        "due_ms": tx.now_ms,
        "created_ms": tx.now_ms,
        "updated_ms": tx.now_ms,
        "attempts": 0,
        "crashes": 0,
        "solo_crashes": 0,
        "backfill_id": request.backfill_id,
        "delivers": request.deliver,
    }


def _known(tx: Tx, identities: list[bytes]) -> dict[bytes, Accepted]:
    if not identities:
        return {}
    stmt = select(jobs.c.identity, jobs.c.id, jobs.c.status, jobs.c.created_ms).where(jobs.c.identity.in_(identities))
    return {
        bytes(row.identity): Accepted(job_id=row.id, created=False, status=row.status, created_ms=row.created_ms)
        for row in tx.conn.execute(stmt)
    }


Pair = tuple[dict[str, Any], JobRequest]


def _supersede(tx: Tx, new: list[Pair]) -> None:
    """A new version supersedes an open job of another version. Of two versions in one call, the later one stays."""
    newest = {(row["site_id"], row["asset_id"], row["profile"]): (row, request) for row, request in new}
    by_site: dict[str, list[str]] = {}
    for site_id, asset_id, _ in newest:
        by_site.setdefault(site_id, []).append(asset_id)
    for site_id, asset_ids in by_site.items():
        for old in tx.conn.execute(OPEN_OF, {"site": site_id, "assets": asset_ids}).all():
            _supersede_one(tx, old, newest)


def _supersede_one(tx: Tx, old: Any, newest: dict[tuple[str, str, str], Pair]) -> None:
    successor, request = newest.get((old.site_id, old.asset_id, old.profile), (None, None))
    if successor is None or request is None or old.id == successor["id"]:
        return
    if adds_to(tx, old.id, request):
        return  # other fields of the same image: both jobs run
    end_job(tx, old, "superseded")
    if old.status == "accepted" and (old.attempts or old.crashes):
        successor.setdefault("ended", []).append(old.id)
    lane: Lane = successor["lane"]
    if (old.lane, lane) == (
        "upload",
        "backfill",
    ):  # a person waits for it: a backfill that meets the same image must not move it to the end of the queue
        successor["lane"] = "upload"
        tx.conn.execute(update(jobs).where(jobs.c.id == successor["id"]).values(lane="upload"))
        counters.job_moved(
            tx, site_id=old.site_id, backfill_id=successor["backfill_id"], old=(lane, "accepted"), new=("upload", "accepted")
        )
