"""Brings an index of vectors up to date with the ledger.

Changes are read by their time. Transactions may commit after one that began later, so each reading goes back a minute. To apply a
change twice is harmless.
"""

from __future__ import annotations

import structlog

from tagger.ledger import Ledger, VectorChange
from tagger.search.index import Entry, VectorIndex

log = structlog.get_logger()

OVERLAP_MS = 60_000  # longer than a transaction may last
NOTES_MS = 6 * 86_400_000  # notes of erased assets stay for seven days; an index that is older is made anew
FRESH_MS = 1_000


def refresh(ledger: Ledger, index: VectorIndex, site_id: str, *, fresh_ms: int = FRESH_MS) -> None:
    """Apply what changed. An index that is younger than `fresh_ms` is left as it is. Errors: LedgerUnavailable."""
    now_ms = ledger.now_ms()
    position = index.position(site_id)
    if position is not None and 0 <= now_ms - position < fresh_ms:
        return
    if position is None or not 0 <= now_ms - position < NOTES_MS:
        index.clear(site_id)
        since_ms = 0
    else:
        since_ms = position - OVERLAP_MS
        erased = ledger.erased_since(site_id, since_ms)
        if "" in erased:
            index.clear(site_id)
            since_ms = 0
        else:
            index.forget(site_id, erased)
    cursor: str | None = None
    while True:
        page = ledger.vectors_since(site_id, since_ms, cursor=cursor)
        for model in dict.fromkeys(change.model for change in page.data):
            _put(ledger, index, site_id, model, [change for change in page.data if change.model == model])
        if (cursor := page.next_cursor) is None:
            break
    index.advance(site_id, now_ms)
    retire(index, site_id)


def _put(ledger: Ledger, index: VectorIndex, site_id: str, model: str, changes: list[VectorChange]) -> None:
    stored = index.jobs(site_id, model, [change.asset_id for change in changes])
    new = [change for change in changes if stored.get(change.asset_id) != change.job_id]
    entries = [
        Entry(asset_id=change.asset_id, job_id=change.job_id, vector=vector)
        for change, vector in ledger.vector_bytes(site_id, new).items()
    ]
    index.put(site_id, model, entries)


def retire(index: VectorIndex, site_id: str) -> None:
    """Drop the indexes of models that a newer model has replaced.

    While images are described again by a new model, its index grows beside the old one, and both answer. The old one goes when
    the new one has as many vectors.
    """
    if len(index.names(site_id)) < 2:
        return
    models = index.models(site_id)
    newest = max(models, key=lambda model: models[model].newest_job)
    for model, state in models.items():
        if model != newest and state.vectors <= models[newest].vectors:
            index.drop(site_id, model)
            log.info("index.dropped", site=site_id, model=model, vectors=state.vectors, replaced_by=newest)
