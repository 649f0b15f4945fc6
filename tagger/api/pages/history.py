"""What happened to one asset, as a timeline: jobs, deliveries, attempts, and what the CMS answered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tagger.delivery import Attempt, Delivery
from tagger.job import Job


@dataclass(frozen=True, kw_only=True)
class Moment:
    at_ms: int
    what: str  # in English; shown through the translator
    state: str = ""  # a word of shown.LABELS[kind]
    kind: str = ""
    detail: str = ""  # as it was stored: an error's own words
    job_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A delivery with its attempts."""

    delivery: Delivery
    attempts: Sequence[Attempt]


def moments(jobs: Iterable[Job], sent: Iterable[Sent]) -> list[Moment]:
    """Newest first."""
    found = [moment for job in jobs for moment in _of_job(job)]
    found += [moment for one in sent for moment in _of_delivery(one)]
    return sorted(found, key=lambda moment: moment.at_ms, reverse=True)


def _of_job(job: Job) -> Iterator[Moment]:
    yield Moment(at_ms=job.created_ms, what="The image was accepted", job_id=job.id)
    detail = job.error.detail if job.error is not None else ""
    if job.status != "accepted" or detail:
        yield Moment(at_ms=job.updated_ms, what="The job", state=job.status, kind="job", detail=detail, job_id=job.id)


def _of_delivery(sent: Sent) -> Iterator[Moment]:
    yield Moment(at_ms=sent.delivery.created_ms, what="A message for the CMS was made", job_id=sent.delivery.job_id)
    for attempt in sent.attempts:
        detail = str((attempt.error or {}).get("detail", ""))
        yield Moment(
            at_ms=attempt.at_ms, what="The message was sent", state=attempt.result, kind="attempt", detail=detail,
            job_id=sent.delivery.job_id,
        )  # fmt: skip
