"""The work of a tag worker: claim, then complete, fail or release. The random claim token is the fencing token."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, String, and_, bindparam, case, delete, exists, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger import message
from tagger.errors import BadRequest, ErrorInfo, LedgerUnavailable
from tagger.ids import new_id
from tagger.job import Claim, Description, JobStatus, Lane
from tagger.ledger import clock_changes
from tagger.ledger.claims.alive import check_alive
from tagger.ledger.claims.checking import CHECKS_TEXT, leaves_checks_now
from tagger.ledger.claims.pausing import set_aside_if_paused
from tagger.ledger.db import counters
from tagger.ledger.db.prepared import Prepared, columns_of
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.failures.burying import bury_job, charge, charge_crash, note_error
from tagger.ledger.intake.replies import keep_prediction
from tagger.ledger.jobs import to_claim
from tagger.ledger.searching.describing import store_found
from tagger.ledger.sending.messages import endpoint_of, store_description
from tagger.ledger.tables import embeddings, job_errors, job_requests, job_results, jobs, offers, word_is
from tagger.ledger.tallies import count_verdict
from tagger.ledger.transitions import move_job

MOST_UNREADABLE = 20  # unreadable requests that one claim ends as dead letters
SETTLE_TRIES = 3  # after an ambiguous commit
SETTLE_PAUSE_SECONDS = 0.5
SAME_MOMENT_MS = 30_000  # longer than a transaction may last, and too short for a clock that was set back

_CLAIMABLE = [word_is(jobs.c.status, "accepted"), jobs.c.lane == bindparam("of_lane"), jobs.c.due_ms <= bindparam("now")]
_CLAIMED: dict[str, Any] = {
    "status": literal_column("'running'"),
    "token": bindparam("new_token"),
    "worker_id": bindparam("by"),
    "claimed_ms": bindparam("now"),
    "updated_ms": bindparam("now"),
    "deadline_ms": bindparam("deadline"),
}
_NAMED = select(jobs.c.id).where(jobs.c.id == bindparam("job"), *_CLAIMABLE).with_for_update(skip_locked=True)
_OLDEST = select(jobs.c.id).where(*_CLAIMABLE).order_by(jobs.c.due_ms, jobs.c.id).limit(literal_column("1"))
_REQUEST = select(job_requests.c.body).where(job_requests.c.job_id == jobs.c.id).scalar_subquery()


def _claim_of(chosen: Select[tuple[str]]) -> Any:
    found = update(jobs).where(jobs.c.id == chosen.scalar_subquery())
    return found.values(_CLAIMED).returning(jobs, _REQUEST.label("request"))


CLAIM_NAMED = Prepared(_claim_of(_NAMED))
CLAIM_OLDEST = Prepared(_claim_of(_OLDEST.with_for_update(skip_locked=True)))
# for a worker that leaves the checks of texts to others
DESCRIBE_NAMED = Prepared(_claim_of(_NAMED.where(~CHECKS_TEXT)))
DESCRIBE_OLDEST = Prepared(_claim_of(_OLDEST.where(~CHECKS_TEXT).with_for_update(skip_locked=True)))


def _complete_as(status: Any) -> Any:
    done = update(jobs).where(jobs.c.id == bindparam("job"), jobs.c.token == bindparam("held"), word_is(jobs.c.status, "running"))
    return done.values(
        status=status, updated_ms=bindparam("now"), crashes=0, solo_crashes=0, worker_id=None, deadline_ms=None,
        delivery_id=bindparam("delivery"), verdict=bindparam("verdict"),
    ).returning(jobs.c.lane, jobs.c.attempts, jobs.c.backfill_id, jobs.c.status)  # fmt: skip


COMPLETE = Prepared(_complete_as(bindparam("new")))
# On PostgreSQL, two processes that accept two versions of an image at the same time do not see each other's job, and both jobs
# stay open. Then the older one must not write last. On SQLite one waits for the other.
_OTHER = jobs.alias("other")
_NEWER = exists().where(
    _OTHER.c.site_id == jobs.c.site_id,
    _OTHER.c.asset_id == jobs.c.asset_id,
    _OTHER.c.id > jobs.c.id,
    _OTHER.c.created_ms > jobs.c.created_ms,  # of two jobs of the same millisecond, neither is newer
    _OTHER.c.created_ms < jobs.c.created_ms + SAME_MOMENT_MS,
    _OTHER.c.profile == jobs.c.profile,
    _OTHER.c.delivers,
    word_is(_OTHER.c.status, "accepted", "running", "described", "done"),
)
_DELIVERS = bindparam("new", type_=String) == "described"
COMPLETE_UNLESS_OVERTAKEN = Prepared(
    _complete_as(case((and_(_DELIVERS, _NEWER.correlate(jobs)), literal_column("'superseded'")), else_=bindparam("new")))
)
OVERTAKEN = update(jobs).where(jobs.c.id == bindparam("job")).values(delivery_id=None)
_EMBEDDING = insert(embeddings)
_EMBEDDING = _EMBEDDING.on_conflict_do_update(
    index_elements=["site_id", "name", "asset_id"],
    set_={name: _EMBEDDING.excluded[name] for name in ("model", "vector", "job_id")},
)
PUT_EMBEDDING = Prepared(_EMBEDDING, columns_of(embeddings))
PUT_RESULT = Prepared(job_results.insert(), columns_of(job_results))
PUT_OFFER = Prepared(offers.insert(), columns_of(offers))


class Work(Store):
    def claim(self, *, lane: Lane, worker_id: str, lease_ms: int, job_id: str | None) -> Claim | None:
        """Claim the named job if it is claimable, else the oldest claimable job of the lane, else None.

        A worker that cannot check texts leaves such jobs to one that can. `lease_ms` is the hard deadline of the job, from now. A
        dead worker gets None. Errors: NotFound for an unknown worker.
        """

        def work(tx: Tx) -> Claim | None:
            if not check_alive(tx, worker_id):
                return None
            token = secrets.token_hex(16)
            params = {"of_lane": lane, "now": tx.now_ms, "new_token": token, "by": worker_id, "deadline": tx.now_ms + lease_ms}
            leaves = leaves_checks_now(tx, worker_id, lane)
            named, oldest = (DESCRIBE_NAMED, DESCRIBE_OLDEST) if leaves else (CLAIM_NAMED, CLAIM_OLDEST)
            row = named.one_or_none(tx.conn, {**params, "job": job_id}) if job_id else None
            for _ in range(MOST_UNREADABLE):
                if row is None:
                    row = oldest.one_or_none(tx.conn, params)
                if row is None and clock_changes.jobs_mended(tx.conn, tx.now_ms):
                    row = oldest.one_or_none(tx.conn, params)
                if row is None:
                    return None
                if set_aside_if_paused(tx, row):
                    row = None
                    continue
                old: tuple[Lane, JobStatus] = lane, "accepted"
                counters.job_moved(tx, site_id=row.site_id, backfill_id=row.backfill_id, old=old, new=(lane, "running"))
                try:
                    return to_claim(row, row.request)
                except BadRequest as err:  # an exception would come again with the next claim, and stop the lane
                    note_error(tx, row.id, err.info(), {})
                    bury_job(tx, row, err.info(), failures=row.attempts)
                    row = None
            return None

        return self._write(
            work, durable=False
        )  # if a power cut loses this claim, the stale token is refused and the job can be claimed again

    def complete(
        self,
        claim: Claim,
        description: Description,
        delivery_fields: Mapping[str, Any] | None,
        *,
        prediction: tuple[str, bytes] | None = None,
    ) -> bool:
        """Store the result and the delivery in one transaction.

        False: nothing was stored. Either the token is stale, or a newer version of the image was accepted, whose texts must not
        be overwritten.

        `prediction`: key and value for the cache of predictions, stored in the same transaction.
        `delivery_fields`: the fields to write. If they are empty, the CMS receives the verdict and the proposals, and writes
        nothing. If they are None, or the site has no endpoint, nothing is delivered and the job is done.
        After an ambiguous commit error the ledger is read again. A described job with the own token is a success.
        """
        for left in reversed(range(SETTLE_TRIES)):
            try:
                return self._write(lambda tx: _complete(tx, claim, description, delivery_fields, prediction))
            except LedgerUnavailable:
                if left == 0:
                    raise
                time.sleep(SETTLE_PAUSE_SECONDS)
                if (settled := self._is_mine(claim)) is not None:
                    return settled
        raise AssertionError("unreachable")

    def _is_mine(self, claim: Claim) -> bool | None:
        """True: this claim completed the job. False: it lost the job. None: it still holds it."""
        stmt = select(jobs.c.token, jobs.c.status).where(jobs.c.id == claim.job_id)
        row = self._read(lambda conn: conn.execute(stmt).one_or_none())
        if row is None or row.token != claim.token:
            return False
        return None if row.status == "running" else row.status in ("described", "done")

    def fail(self, claim: Claim, error: ErrorInfo, timings_ms: Mapping[str, int], *, wait_ms: int = 0) -> JobStatus | None:
        """Count a typed failure. `wait_ms`: the next attempt comes no sooner. Returns `accepted` (with its next time) or `dead`.
        None: the token is stale."""

        def work(tx: Tx) -> JobStatus | None:
            row = _held(tx, claim)
            return None if row is None else charge(tx, row, error, timings_ms, wait_ms=wait_ms)

        return self._write(work)

    def crash(self, claim: Claim) -> JobStatus | None:
        """Return the job as if its process had died because of it: one crash counts. None: the token is stale."""

        def work(tx: Tx) -> JobStatus | None:
            row = _held(tx, claim)
            return None if row is None else charge_crash(tx, row).status

        return self._write(work)

    def release(self, claim: Claim) -> bool:
        """Return the job to its old place in the queue; no failure counts. False: the token is stale."""

        def work(tx: Tx) -> bool:
            row = _held(tx, claim)
            if row is not None:
                move_job(tx, row, "accepted")
            return row is not None

        return self._write(work)


def _held(tx: Tx, claim: Claim) -> Any:
    stmt = select(jobs).where(jobs.c.id == claim.job_id, jobs.c.token == claim.token, word_is(jobs.c.status, "running"))
    return tx.conn.execute(stmt.with_for_update()).one_or_none()


def _complete(
    tx: Tx,
    claim: Claim,
    description: Description,
    fields: Mapping[str, Any] | None,
    prediction: tuple[str, bytes] | None,
) -> bool:
    request = claim.request
    endpoint = None if fields is None else endpoint_of(tx, request.site_id)
    delivery_id = None if endpoint is None else new_id("dlv", tx.now_ms)
    new: JobStatus = "done" if delivery_id is None else "described"
    held = {"job": claim.job_id, "held": claim.token, "now": tx.now_ms, "new": new, "delivery": delivery_id}
    held["verdict"] = description.verdict.action
    statement = COMPLETE_UNLESS_OVERTAKEN if tx.conn.dialect.name == "postgresql" else COMPLETE
    row: Any = statement.one_or_none(tx.conn, held)
    if row is None:
        return False
    new = row.status
    counters.job_moved(tx, site_id=request.site_id, backfill_id=row.backfill_id, old=(row.lane, "running"), new=(row.lane, new))
    if new == "superseded":
        tx.conn.execute(OVERTAKEN, {"job": claim.job_id})
        return False
    count_verdict(tx, row.backfill_id, description.verdict.action)
    if row.attempts or claim.crashes:
        tx.conn.execute(delete(job_errors).where(job_errors.c.job_id == claim.job_id))
    _store_description(tx, claim, description)
    if prediction is not None:
        keep_prediction(tx, *prediction)
    if fields is not None and delivery_id is not None:
        store_description(tx, delivery_id, claim.job_id, request, fields, message.of_description(description))
    return True


def _store_description(tx: Tx, claim: Claim, description: Description) -> None:
    verdict = {"action": description.verdict.action, "reasons": list(description.verdict.reasons)}
    result = {"job_id": claim.job_id, "sha256": description.sha256, "width": description.width, "height": description.height}
    apart = {"verdict": verdict, "timings_ms": dict(description.timings_ms), "warnings": list(description.warnings)}
    checks = [asdict(check) for check in description.checks] or None
    PUT_RESULT.run(tx.conn, {**result, **apart, "checks": checks})
    if description.annotations:
        rows = [
            {
                "job_id": claim.job_id,
                "field": a.field,
                "locale": a.locale,
                "position": n,
                "body": a.to_dict(),
                "outcome": a.outcome,
            }
            for n, a in enumerate(description.annotations)
        ]
        PUT_OFFER.run_many(tx.conn, rows)
    if description.embedding is not None:
        model, vector = description.embedding
        asset = {"site_id": claim.request.site_id, "asset_id": claim.request.asset_id, "job_id": claim.job_id}
        PUT_EMBEDDING.run(tx.conn, {**asset, "name": model.split("@")[0], "model": model, "vector": vector})
    store_found(tx, (claim.request.site_id, claim.request.asset_id), claim.job_id, description, claim.request.context)
