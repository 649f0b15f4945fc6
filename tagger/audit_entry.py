"""What an operator did: one line of the audit log. It never holds a secret, a key or a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Action = Literal[
    "key.created",
    "key.revoked",
    "secret.rotated",
    "site.added",
    "site.changed",
    "site.paused",
    "site.resumed",
    "site.swept",
    "backfill.started",
    "backfill.paused",
    "backfill.resumed",
    "backfill.cancelled",
    "backfill.undone",
    "delivery.replayed",
    "dead_letter.replayed",
    "dead_letter.discarded",
    "jobs.purged",
]
ACTIONS: tuple[Action, ...] = get_args(Action)
MOST_IDS = 100  # of an action on many; `count` says how many there were


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    action: Action
    actor: str  # cli:alice@host, api:operator, api:key_01J9Z3…
    site_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)  # ids, filters and names of changed fields
    id: str = ""  # the ledger gives it
    at_ms: int = 0


def of_many(ids: list[str]) -> dict[str, Any]:
    return {"ids": ids[:MOST_IDS], "count": len(ids)} if ids else {}
