"""Job: one request to describe one asset. The only place that knows which state may follow which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tagger.annotation import Annotation, Field, Verdict
from tagger.asset import Context, ImageSource
from tagger.errors import BadRequest, ErrorInfo
from tagger.prediction import EntailmentPrediction

JobStatus = Literal["accepted", "running", "described", "done", "dead", "superseded", "cancelled"]
Lane = Literal["upload", "backfill", "solo"]

LANES: tuple[Lane, ...] = ("upload", "backfill", "solo")
OPEN: frozenset[JobStatus] = frozenset({"accepted", "running", "described"})
ENDED: frozenset[JobStatus] = frozenset({"done", "dead", "superseded", "cancelled"})

MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    "accepted": frozenset({"running", "superseded", "cancelled"}),
    # back to accepted: freed from a dead worker, or a retry with next_attempt_at; straight to done: nothing to deliver
    "running": frozenset({"accepted", "described", "done", "dead", "superseded", "cancelled"}),
    "described": frozenset({"done", "superseded", "cancelled"}),  # a dead delivery leaves it described
    "done": frozenset(),
    "dead": frozenset({"accepted"}),  # replay of a dead letter
    "superseded": frozenset(),
    "cancelled": frozenset(),
}

MAX_ATTEMPTS = 5  # typed, retryable failures of the job itself
LONGEST_ASKED_MS = 6 * 3_600_000  # of a Retry-After: five attempts must end in days, not in weeks
RETRY_AFTER_MS = (2_000, 10_000, 60_000, 300_000)  # wait before attempt 2, 3, 4, 5
SOLO_AFTER_CRASHES = 2  # process deaths after which a job runs alone
DEAD_AFTER_SOLO_CRASHES = 3


def may_move(old: JobStatus, new: JobStatus) -> bool:
    return new in MOVES[old]


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What a caller asks for, checked and complete. Stored beside the job, never in a broker message."""

    site_id: str
    asset_id: str
    source: ImageSource
    lane: Lane = "upload"
    asset_revision: str | None = None
    event_id: str | None = None  # the hook's own id, when it has one
    profile: str = "general"
    locales: tuple[str, ...] = ("en",)
    fields: tuple[Field, ...] = ("alt_text", "caption", "tags")
    context: Context = field(default_factory=Context)
    metadata: Mapping[str, str] = field(default_factory=dict)
    backfill_id: str | None = None
    check_text: str | None = None  # only say whether this English text describes the image; no words are proposed
    deliver: bool = True  # False: the caller reads the result itself (`describe`)
    anew: bool = False  # a backfill describes the image again, also if an earlier job did
    listed: bool = False  # a sweep found the asset in the library of its CMS
    trace: str | None = None  # W3C traceparent of the span that accepted it; None: traces were off

    @property
    def version(self) -> tuple[str, str]:
        """What kind of thing tells this version of the image from others, and its value there. An event 3 is not a revision 3."""
        kinds = {"event": self.event_id, "revision": self.asset_revision, "hash": self.source.sha256}
        return next(((kind, value) for kind, value in kinds.items() if value), ("location", self.source.location))

    def identity(self) -> str:
        """Two requests with the same identity are one job: (site, asset, profile, version)."""
        return self._digest(list(self.version))

    def old_identity(self) -> str:
        """As it was while the kind of a version was no part of it. Jobs of that time keep theirs (docs/decisions.md)."""
        return self._digest(self.version[1])

    def _digest(self, version: list[str] | str) -> str:
        asked = [self.check_text] if self.check_text is not None else []
        parts = json.dumps([self.site_id, self.asset_id, self.profile, version, *asked], ensure_ascii=False)
        return hashlib.sha256(parts.encode()).hexdigest()

    def check_storable(self) -> None:
        """Errors: BadRequest for a NUL character, which no text of PostgreSQL may hold."""
        if _has_nul(self.to_dict()):
            raise BadRequest("A text of the request holds a NUL character.", "Send the request without NUL characters.")

    def to_dict(self) -> dict[str, Any]:
        return {
            "site_id": self.site_id,
            "asset_id": self.asset_id,
            "source": self.source.to_dict(),
            "lane": self.lane,
            "asset_revision": self.asset_revision,
            "event_id": self.event_id,
            "profile": self.profile,
            "locales": list(self.locales),
            "fields": list(self.fields),
            "context": self.context.to_dict(),
            "metadata": dict(self.metadata),
            "backfill_id": self.backfill_id,
            "deliver": self.deliver,
            **({"anew": True} if self.anew else {}),
            **({"listed": True} if self.listed else {}),
            **({} if self.check_text is None else {"check_text": self.check_text}),
            **({} if self.trace is None else {"trace": self.trace}),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> JobRequest:
        """What a newer version wrote beside it is passed over. Errors: BadRequest for what cannot be read at all."""
        readers: Mapping[str, Callable[[Any], Any]]
        readers = {"source": ImageSource.from_dict, "context": Context.from_dict, "locales": tuple, "fields": tuple}
        try:
            fields = {name: body[name] for name in cls.__dataclass_fields__ if name in body}
            return cls(**{name: readers[name](value) if name in readers else value for name, value in fields.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise BadRequest(f"The stored request cannot be read: {type(err).__name__}.", "Send the image again.") from err


def _has_nul(value: Mapping[str, Any]) -> bool:
    text = json.dumps(value, ensure_ascii=False).replace(r"\\", "")  # a backslash of the text's own is two in JSON
    return r"\u0000" in text


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job in the hands of one worker. Whoever holds another token has lost it."""

    job_id: str
    token: str  # random, 128 bits, hex: the fence
    lane: Lane
    failures: int  # typed errors so far
    crashes: int
    deadline_ms: int  # ledger's clock, milliseconds since 1970
    created_ms: int
    claimed_ms: int
    request: JobRequest


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a finished job leaves behind: all of it in one transaction, or nothing."""

    annotations: tuple[Annotation, ...]
    verdict: Verdict
    sha256: str  # of the fetched bytes, hex
    width: int
    height: int
    timings_ms: Mapping[str, int]
    embedding: tuple[str, bytes] | None = None  # (name@revision, float16 little-endian)
    look_hash: str | None = None  # perceptual hash, 16 hex digits
    warnings: tuple[str, ...] = ()
    checks: tuple[EntailmentPrediction, ...] = ()  # texts that were held against the image


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as an operator or the API sees it."""

    id: str
    status: JobStatus
    lane: Lane
    site_id: str
    asset_id: str
    created_ms: int
    updated_ms: int
    failures: int
    crashes: int
    next_attempt_ms: int | None
    request: JobRequest
    description: Description | None
    error: ErrorInfo | None
    delivery_id: str | None


def retry_at(failures: int, now_ms: int, asked_ms: int = 0) -> int | None:
    """When the next attempt is due after `failures` failures, or None when there is none left. `asked_ms`: for how long the
    server of the image asked to be left alone.
    """
    if failures >= MAX_ATTEMPTS:
        return None
    return now_ms + max(RETRY_AFTER_MS[min(failures, len(RETRY_AFTER_MS)) - 1], min(asked_ms, LONGEST_ASKED_MS))


@dataclass(frozen=True, kw_only=True)
class CrashRuling:
    status: JobStatus
    lane: Lane
    crashes: int
    solo_crashes: int


def after_crash(lane: Lane, crashes: int, solo_crashes: int) -> CrashRuling:
    """What becomes of a running job whose process died: back, to the solo lane, or dead."""
    if lane == "solo":
        solo = solo_crashes + 1
        ended = solo >= DEAD_AFTER_SOLO_CRASHES
        return CrashRuling(status="dead" if ended else "accepted", lane="solo", crashes=crashes + 1, solo_crashes=solo)
    total = crashes + 1
    return CrashRuling(
        status="accepted", lane="solo" if total >= SOLO_AFTER_CRASHES else lane, crashes=total, solo_crashes=solo_crashes
    )
