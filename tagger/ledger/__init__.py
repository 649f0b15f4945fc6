"""The ledger: the truth about every job and every delivery, in SQLite or PostgreSQL. The broker only carries hints."""

from __future__ import annotations

from collections.abc import Callable

from tagger.ledger.audit_log import AuditLog
from tagger.ledger.backfill_items import BackfillItems, ItemResult, Listing, PageNotes
from tagger.ledger.backfills import Backfills
from tagger.ledger.claims.acquittal import Acquittal
from tagger.ledger.claims.hints import Hints
from tagger.ledger.claims.work import Work
from tagger.ledger.claims.workers import Workers
from tagger.ledger.db.engine import file_of
from tagger.ledger.db.schema import newest as newest_schema
from tagger.ledger.db.writer import GROUP_PAUSE_SECONDS
from tagger.ledger.deletion.erasure import Erased
from tagger.ledger.deletion.retention import Retention
from tagger.ledger.failures.dead_letters import DeadLetters
from tagger.ledger.intake.accept import Intake
from tagger.ledger.intake.blobs_in_use import Bytes
from tagger.ledger.intake.edits import Edits
from tagger.ledger.intake.hook_words import HookWords
from tagger.ledger.intake.replies import Replies
from tagger.ledger.jobs import Jobs
from tagger.ledger.operator_events import OperatorEvents
from tagger.ledger.searching.changes import VectorChange, VectorChanges
from tagger.ledger.searching.filling import Filling
from tagger.ledger.searching.looks import AssetLook, Looks
from tagger.ledger.searching.searches import FoundAsset, Searches, SearchFilter, WordMatch
from tagger.ledger.searching.trends import DayCount, Trends
from tagger.ledger.sending.deliveries import Deliveries
from tagger.ledger.sending.outbox import Outbox
from tagger.ledger.sending.unconfirmed import Unconfirmed
from tagger.ledger.sites import Sites
from tagger.ledger.sweep_leases import SweepLeases
from tagger.ledger.sweeping import KnownAsset, Sweeping
from tagger.ledger.undoing import Undoing
from tagger.ledger.values import Accepted, Expired, IdempotentReply, LaneCounts, Page, Review, Stats, StoredVector, Usage
from tagger.ledger.vectors import Vectors

__all__ = [
    "GROUP_PAUSE_SECONDS",
    "Accepted",
    "AssetLook",
    "DayCount",
    "Erased",
    "Expired",
    "FoundAsset",
    "IdempotentReply",
    "ItemResult",
    "KnownAsset",
    "LaneCounts",
    "Ledger",
    "Listing",
    "Page",
    "PageNotes",
    "Review",
    "SearchFilter",
    "Stats",
    "StoredVector",
    "Usage",
    "VectorChange",
    "WordMatch",
    "file_of",
    "newest_schema",
    "open_ledger",
]


class Ledger(
    Sites,
    Intake,
    Work,
    Workers,
    Acquittal,
    Jobs,
    Hints,
    Outbox,
    OperatorEvents,
    Unconfirmed,
    Deliveries,
    Edits,
    HookWords,
    DeadLetters,
    Backfills,
    BackfillItems,
    Undoing,
    Sweeping,
    SweepLeases,
    Replies,
    Bytes,
    Retention,
    AuditLog,
    Searches,
    VectorChanges,
    Vectors,
    Filling,
    Trends,
    Looks,
):
    """One object per process, used from any thread. Each base class handles one noun, in a file of its own.

    If the database does not answer, every method raises LedgerUnavailable. No other error of the database reaches the caller.
    """


def open_ledger(url: str, *, clock: Callable[[], int] | None = None, group_pause_seconds: float = GROUP_PAUSE_SECONDS) -> Ledger:
    """Open the ledger at a SQLAlchemy URL. It connects at the first use.

    `clock` (ms) is for tests; None uses the clock of the database. `group_pause_seconds` is the pause of the writer after each
    transaction. After a longer pause, more callers share the next transaction.

    Errors: SettingsError for a URL that is neither SQLite nor PostgreSQL.
    """
    return Ledger(url, clock, group_pause_seconds)
