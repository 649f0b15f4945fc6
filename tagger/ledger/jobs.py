"""Reads jobs. Reads use their own connections and do not wait for the writer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, bindparam, exists, select, update

from tagger.annotation import Action, Annotation, Verdict
from tagger.asset import ImageSource
from tagger.errors import BadRequest, ErrorInfo, NotFound
from tagger.job import Claim, Description, Job, JobRequest, JobStatus
from tagger.ledger.db.counters import SET_ASIDE
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import embeddings, job_errors, job_requests, job_results, jobs, offers, word_is
from tagger.ledger.tables.rows import ClaimedJobRow, JobRow
from tagger.ledger.values import Page, StoredVector
from tagger.prediction import EntailmentPrediction

STATUS = select(jobs.c.status).where(jobs.c.id == bindparam("job"))
WITHOUT_VERDICT = (
    select(jobs.c.id).where(jobs.c.verdict.is_(None), word_is(jobs.c.status, "described", "done")).order_by(jobs.c.id)
)


class JobFilter(TypedDict, total=False):
    """Which jobs a list holds. What is None or absent does not narrow it."""

    site_id: str | None
    asset_id: str | None
    status: JobStatus | None
    backfill_id: str | None
    verdict: Action | None
    reason: str | None  # one of the reasons of the verdict


class Jobs(Store):
    def job(self, job_id: str) -> Job:
        """Errors: NotFound."""

        def work(conn: Connection) -> Job:
            row = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
            if row is None:
                raise NotFound(f"No job {job_id!r}.")
            return load_jobs(conn, [row])[0]

        return self._read(work)

    def job_status(self, job_id: str) -> JobStatus:
        """One indexed read, for waiting. Errors: NotFound."""
        status: JobStatus | None = self._read(lambda conn: conn.execute(STATUS, {"job": job_id}).scalar_one_or_none())
        if status is None:
            raise NotFound(f"No job {job_id!r}.")
        return status

    def job_statuses(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        """The status of each job that exists; one indexed read for all that wait."""
        stmt = select(jobs.c.id, jobs.c.status).where(jobs.c.id.in_(job_ids))
        return self._read(lambda conn: {row.id: row.status for row in conn.execute(stmt)})

    def jobs(self, *, cursor: str | None = None, limit: int = 50, **chosen: Unpack[JobFilter]) -> Page[Job]:
        """Newest first."""
        stmt = select(jobs).order_by(jobs.c.id.desc()).limit(limit + 1)
        named = {jobs.c.site_id: "site_id", jobs.c.asset_id: "asset_id", jobs.c.backfill_id: "backfill_id"}
        for column, name in named.items():
            if (value := chosen.get(name)) is not None:
                stmt = stmt.where(column == value)
        if (status := chosen.get("status")) is not None:
            stmt = stmt.where(word_is(jobs.c.status, status))
        if (verdict := chosen.get("verdict")) is not None:
            stmt = stmt.where(word_is(jobs.c.verdict, verdict))
        if (reason := chosen.get("reason")) is not None:
            given = job_results.c.verdict["reasons"].as_string().contains(json.dumps(reason), autoescape=True)
            stmt = stmt.where(exists().where(job_results.c.job_id == jobs.c.id, given))
        if cursor is not None:
            stmt = stmt.where(jobs.c.id < cursor)

        def work(conn: Connection) -> Page[Job]:
            rows = conn.execute(stmt).all()
            return Page(data=load_jobs(conn, rows[:limit]), next_cursor=rows[limit - 1].id if len(rows) > limit else None)

        return self._read(work)

    def fill_verdicts(self, limit: int = 500) -> int:
        """Give jobs that a process of an older version completed the verdict of their description; how many.

        Such a process knows no `jobs.verdict`, so during an upgrade its jobs would be missing from lists by verdict.
        """
        if not self._read(lambda conn: conn.execute(WITHOUT_VERDICT.limit(1)).first()):
            return 0  # a read takes no lock

        def work(tx: Tx) -> int:
            ids = tx.conn.execute(WITHOUT_VERDICT.limit(limit).with_for_update(skip_locked=True)).scalars().all()
            given = select(job_results.c.verdict["action"].as_string()).where(job_results.c.job_id == jobs.c.id)
            tx.conn.execute(update(jobs).where(jobs.c.id.in_(ids)).values(verdict=given.scalar_subquery()))
            return len(ids)

        return self._write(work)

    def vectors(self, site_id: str, name: str, *, cursor: str | None = None, limit: int = 1000) -> Page[StoredVector]:
        """Embeddings of a site by the model `name`, in the order of asset ids; revisions may be mixed during a re-describe."""
        stmt = select(embeddings).where(embeddings.c.site_id == site_id, embeddings.c.name == name)
        stmt = stmt.order_by(embeddings.c.asset_id).limit(limit + 1)
        if cursor is not None:
            stmt = stmt.where(embeddings.c.asset_id > cursor)

        def work(conn: Connection) -> Page[StoredVector]:
            rows = conn.execute(stmt).all()
            data = [StoredVector(asset_id=r.asset_id, model=r.model, vector=bytes(r.vector)) for r in rows[:limit]]
            return Page(data=data, next_cursor=data[-1].asset_id if len(rows) > limit else None)

        return self._read(work)

    def vector_of(self, site_id: str, asset_id: str) -> StoredVector | None:
        """The newest embedding of one asset, from any model."""
        stmt = select(embeddings).where(embeddings.c.site_id == site_id, embeddings.c.asset_id == asset_id)

        def work(conn: Connection) -> StoredVector | None:
            row = conn.execute(stmt.order_by(embeddings.c.job_id.desc()).limit(1)).one_or_none()
            return None if row is None else StoredVector(asset_id=row.asset_id, model=row.model, vector=bytes(row.vector))

        return self._read(work)


def to_claim(row: ClaimedJobRow, body: Mapping[str, Any]) -> Claim:
    return Claim(
        job_id=row.id, token=row.token, lane=row.lane, failures=row.attempts, crashes=row.crashes, deadline_ms=row.deadline_ms,
        created_ms=row.created_ms, claimed_ms=row.claimed_ms, request=JobRequest.from_dict(body),
    )  # fmt: skip


def load_jobs(conn: Connection, rows: Sequence[JobRow]) -> list[Job]:
    ids = [row.id for row in rows]
    requests = {r.job_id: r.body for r in conn.execute(select(job_requests).where(job_requests.c.job_id.in_(ids)))}
    errors = {r.job_id: r.error for r in conn.execute(select(job_errors).where(job_errors.c.job_id.in_(ids)))}
    results = {r.job_id: r for r in conn.execute(select(job_results).where(job_results.c.job_id.in_(ids)))}
    offered: dict[str, list[Annotation]] = {}
    stmt = select(offers).where(offers.c.job_id.in_(ids)).order_by(offers.c.job_id, offers.c.position)
    for r in conn.execute(stmt):
        offered.setdefault(r.job_id, []).append(Annotation.from_dict({**r.body, "outcome": r.outcome}))
    return [
        Job(
            id=row.id, status=row.status, lane="backfill" if row.lane == SET_ASIDE else row.lane,
            site_id=row.site_id, asset_id=row.asset_id,
            created_ms=row.created_ms, updated_ms=row.updated_ms, failures=row.attempts, crashes=row.crashes,
            next_attempt_ms=row.due_ms if row.status == "accepted" and row.attempts else None,
            request=_request(row, requests[row.id]),
            description=_description(results[row.id], tuple(offered.get(row.id, ()))) if row.id in results else None,
            error=ErrorInfo.from_dict(errors[row.id]) if row.id in errors else None,
            delivery_id=row.delivery_id,
        )
        for row in rows
    ]  # fmt: skip


def _request(row: JobRow, body: Any) -> JobRequest:
    """The minimum that is known of a job. A row that cannot be read must not hide the other rows of a list."""
    try:
        return JobRequest.from_dict(body)
    except BadRequest:
        return JobRequest(site_id=row.site_id, asset_id=row.asset_id, source=ImageSource(kind="url", location=""))


def _description(row: Any, offered: tuple[Annotation, ...]) -> Description:
    """Without the embedding, which only the search reads (`vectors`)."""
    return Description(
        annotations=offered,
        verdict=Verdict(action=row.verdict["action"], reasons=tuple(row.verdict["reasons"])),
        sha256=row.sha256,
        width=row.width,
        height=row.height,
        timings_ms=row.timings_ms,
        warnings=tuple(row.warnings),
        checks=tuple(EntailmentPrediction(**check) for check in row.checks or ()),
    )
