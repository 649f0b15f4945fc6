"""Return values of the ledger's methods for which there is no noun of the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from tagger.delivery import DeliveryStatus
from tagger.job import JobStatus, Lane

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a site uses of its quotas."""

    open_jobs: int
    bytes_today: int  # of uploads, since midnight UTC


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The result of one JobRequest: its job, which may be new or known."""

    job_id: str
    created: bool  # False: the same hook arrived before, and this is its job
    status: JobStatus
    created_ms: int
    superseded: tuple[str, ...] = ()  # jobs that this one superseded while they waited for another attempt


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Part of a list. Pass `next_cursor` to get the next part; None: there is no more."""

    data: list[T]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class Expired:
    """A worker that was silent for too long, and the new state of its running jobs."""

    worker_id: str
    lane: Lane | None  # None: a process of another role
    freed: tuple[str, ...]  # job ids, claimable again, in this lane or in the solo lane
    dead: tuple[str, ...]  # job ids that ended as dead letters (CrashedTooOften)
    silent_ms: int  # age of its last heartbeat
    alone: tuple[str, ...] = ()  # jobs of `freed` that moved to the solo lane


@dataclass(frozen=True, kw_only=True)
class LaneCounts:
    claimable: int
    waiting: int  # accepted, but due later. If both counts are above 10,000, each is reported as 10,000
    running: int
    oldest_claimable_ms: int | None  # when the oldest claimable job became due


@dataclass(frozen=True, kw_only=True)
class IdempotentReply:
    """The stored answer to an earlier request with the same Idempotency-Key."""

    status: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Stats:
    jobs: Mapping[JobStatus, int]
    deliveries: Mapping[DeliveryStatus, int]
    workers: Mapping[str, int]  # alive by their last beat; "deliver", "reconcile", "tag:upload", …


@dataclass(frozen=True, kw_only=True)
class DeadLetterCounts:
    """By kind, which is job or delivery."""

    open: Mapping[str, int]  # neither replayed nor discarded
    ever: Mapping[str, int]
    causes: Mapping[tuple[str, str], int]  # the open ones by kind and error code


@dataclass(frozen=True, kw_only=True)
class StoredVector:
    """The latest embedding of one asset by one model."""

    asset_id: str
    model: str  # name@revision
    vector: bytes  # float16, little-endian, L2-normalised


@dataclass(frozen=True, kw_only=True)
class Review:
    """A decision for a person: the receiver kept its own value."""

    id: str
    site_id: str
    asset_id: str
    job_id: str
    field: str
    locale: str
    reason: str
    created_ms: int
