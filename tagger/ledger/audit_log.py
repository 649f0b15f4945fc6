"""The audit log: what operators did, each row committed with the first write of the action itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from sqlalchemy import select

from tagger.audit_entry import AuditEntry
from tagger.ids import new_id
from tagger.ledger.db.store import ANNOUNCED, Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import audit_log


class AuditLog(Store):
    @contextmanager
    def audited(self, entry: AuditEntry) -> Iterator[None]:
        """The first write of this thread inside the block also writes `entry`, in the same transaction.

        So there is no action without its row. There is no row for an action that was refused, because a refusal is raised inside
        that transaction.
        """

        def note(tx: Tx) -> None:
            row = {**asdict(entry), "id": new_id("aud", tx.now_ms), "at_ms": tx.now_ms, "detail": dict(entry.detail)}
            tx.conn.execute(audit_log.insert().values(row))

        before = ANNOUNCED.set([note])
        try:
            yield
        finally:
            ANNOUNCED.reset(before)

    def audit_entries(self, *, site_id: str | None = None, since_ms: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """The newest first."""
        chosen = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
        if site_id is not None:
            chosen = chosen.where(audit_log.c.site_id == site_id)
        if since_ms is not None:
            chosen = chosen.where(audit_log.c.at_ms >= since_ms)
        return self._read(lambda conn: [AuditEntry(**row._mapping) for row in conn.execute(chosen)])
