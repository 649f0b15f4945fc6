"""Delivery: one write-back of one annotation set to one endpoint. Legal moves, the retry schedule, the rules of giving up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tagger.annotation import Outcome
from tagger.message import DESCRIBED, MessageType

DeliveryStatus = Literal["pending", "sending", "delivered", "parked", "superseded", "dead", "discarded"]

MOVES: Mapping[DeliveryStatus, frozenset[DeliveryStatus]] = {
    "pending": frozenset({"sending", "parked", "superseded", "discarded"}),
    # back to pending: a failed attempt with a next one, or freed from a dead process
    "sending": frozenset({"pending", "delivered", "parked", "superseded", "dead"}),
    "parked": frozenset({"pending", "superseded", "dead", "discarded"}),  # dead after 30 days
    "delivered": frozenset({"pending"}),  # replay of what its endpoint never confirmed
    "superseded": frozenset(),
    "dead": frozenset({"pending", "discarded"}),  # pending: replay
    "discarded": frozenset(),
}

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Wait after failure 1, 2, 3 … in milliseconds. One failure more than there are waits is the end.
SCHEDULE_MS: tuple[int, ...] = (
    5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 1 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, DAY, DAY, DAY,
)  # fmt: skip
JITTER = 0.2
PARKED_FOR_MS = 30 * DAY
MAX_DELIVER_SECONDS = 120  # the longest deadline of one attempt that may be set
MAX_RETRY_AFTER_MS = DAY


def may_move(old: DeliveryStatus, new: DeliveryStatus) -> bool:
    return new in MOVES[old]


def wait_ms(failures: int, rng: random.Random, retry_after_ms: int | None = None) -> int | None:
    """Milliseconds until the next attempt after `failures` ≥ 1 failures; None when they are spent.

    ±20 % jitter; a Retry-After of the receiver is a lower bound, itself bounded to a day.
    """
    if failures > len(SCHEDULE_MS):
        return None
    wait = round(SCHEDULE_MS[failures - 1] * rng.uniform(1 - JITTER, 1 + JITTER))
    return max(wait, min(retry_after_ms, MAX_RETRY_AFTER_MS)) if retry_after_ms is not None else wait


def field_keys(fields: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """The (field, locale) pairs that a message writes. Tags have no locale on the wire: theirs is ""."""
    return frozenset((field, locale) for field, value in fields.items() for locale in ([""] if field == "tags" else value))


Part = tuple[Literal["writes", "tells", "undoes"], str, str]  # with field and locale


def coverage(fields: Mapping[str, Any], asked: Iterable[tuple[str, str]]) -> frozenset[Part]:
    """What a message writes, and what it tells of: all (field, locale) that its job was asked for.

    A message makes an older one needless where it covers all of that one: one that writes nothing replaces no write.
    """
    tells: frozenset[Part] = frozenset(("tells", field, "" if field == "tags" else locale) for field, locale in asked)
    return tells | {("writes", field, locale) for field, locale in field_keys(fields)}


def undoing(fields: Mapping[str, Any]) -> frozenset[Part]:
    """The coverage of an `asset.reverted`. It stands apart: it makes no other message needless, and no other makes it so. The CMS
    compares, and keeps what is not the text to undo."""
    return frozenset(("undoes", field, locale) for field, locale in field_keys(fields))


def contradicts(mine: frozenset[Part], newer: frozenset[Part]) -> bool:
    """Whether newer messages speak of the same: of what `mine` writes; or, where it writes nothing, of what it tells."""
    writes = frozenset(part for part in mine if part[0] == "writes")
    return bool((writes or mine) & newer)


@dataclass(frozen=True, kw_only=True)
class FieldOutcome:
    """What the receiver said of one field (and locale)."""

    field: str
    locale: str  # "" for tags, which have no locale on the wire
    outcome: Outcome
    reason: str = ""
    value_sha256: str | None = None  # of the value as read back, "sha256:<hex>"; None where the answer had none
    # Of the field tags, ids of what was asked: those that stand there now by our hand, those that were taken off. None: not said.
    added: tuple[str, ...] | None = None
    removed: tuple[str, ...] | None = None
    # The text that a `written` replaced, None if the field was never set; said only if the answer has it.
    previous: str | None = None
    previous_said: bool = False


AttemptResult = Literal["delivered", "retry", "park", "disable", "gone", "reject"]


@dataclass(frozen=True, kw_only=True)
class AttemptReport:
    """What one attempt came to. `result` decides the move; the rest is for the operator."""

    result: AttemptResult
    # delivered: 2xx · retry: spend an attempt · park: unreachable, spend none · disable: 410 · gone: 404 or outcome gone,
    # this delivery ends as delivered with outcome gone, the endpoint lives · reject: 4xx that no retry can mend → dead
    status: int | None  # HTTP status, None when no answer came
    duration_ms: int
    error: Mapping[str, Any] | None = None  # ErrorInfo.to_dict(), None on success
    retry_after_ms: int | None = None
    outcomes: tuple[FieldOutcome, ...] = ()  # empty with 2xx: "unverified"
    receiver_sequence: int | None = None  # the receiver refused the whole message as stale: the number of the last that it took


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a site takes its callbacks. The secrets stay in the ledger, out of logs and reprs."""

    id: str
    site_id: str
    url: str
    secrets: tuple[str, ...]  # "whsec_…", newest first; each signs, so that two are valid during a rotation
    enabled: bool = True
    allow_private: bool = False  # an operator's word that this URL may lead to a private or loopback address

    def __repr__(self) -> str:
        return f"Endpoint(id={self.id!r}, site_id={self.site_id!r}, enabled={self.enabled})"


@dataclass(frozen=True, kw_only=True)
class DeliveryClaim:
    """A delivery in the hands of one deliverer, with all that the attempt needs."""

    delivery_id: str
    token: str
    job_id: str
    site_id: str
    asset_id: str
    sequence: int
    failures: int  # failed attempts before this one; an attempt that found the endpoint unreachable is none
    attempts: int  # the number of this attempt: all attempts count
    described_ms: int
    fields: Mapping[str, Any]  # docs/api.md: `data.fields` without `if_current`
    provenance: Mapping[tuple[str, str], tuple[str, ...]]  # (field, locale) → hashes of what we wrote, as it was read back
    provenance_tags: tuple[str, ...]  # term ids that we added before and may remove
    editor_tags: tuple[str, ...] = ()  # an editor typed or removed them: never offered and never removed
    editor_fields: frozenset[tuple[str, str]] = frozenset()  # (field, locale) that a person changed: never replaced
    metadata: Mapping[str, str]
    endpoint: Endpoint
    cms: str = "generic"  # the site's: which writer makes the body and reads the answer
    type: MessageType = DESCRIBED
    notice: Mapping[str, Any] = field(default_factory=dict)  # the rest of `data`: message.py
    trace: str | None = None  # W3C traceparent of the job's trace; None: traces were off


@dataclass(frozen=True, kw_only=True)
class Attempt:
    id: str
    delivery_id: str
    number: int  # counts every attempt
    at_ms: int
    result: AttemptResult
    status: int | None
    duration_ms: int
    error: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery as an operator or the API sees it."""

    id: str
    job_id: str
    site_id: str
    asset_id: str
    status: DeliveryStatus
    sequence: int
    failures: int  # they spend the schedule; an attempt that found the endpoint unreachable is none
    attempts: int  # all that were made: the number of the last one
    created_ms: int
    next_attempt_ms: int | None
    fields: Mapping[str, Any]
    outcomes: tuple[FieldOutcome, ...]
    error: Mapping[str, Any] | None  # of its last attempt
    type: MessageType = DESCRIBED
    notice: Mapping[str, Any] = field(default_factory=dict)  # what it tells beside the fields: message.py
    previous: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)  # field → locale → the text that it replaced
    undo_id: str | None = None  # the backfill that made it to undo another one


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A job or a delivery that ended badly, with its cause; replayable."""

    id: str  # the job's or the delivery's id
    kind: Literal["job", "delivery"]
    site_id: str
    asset_id: str
    job_id: str
    at_ms: int
    failures: int
    error: Mapping[str, Any]
