"""Feed running backfills: a cursor in the ledger, a bounded window, nothing skipped.

A reader lists the assets in one fixed order. The cursor of the last asset is committed in the same transaction as its job. A
paused backfill is not fed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, takewhile

import structlog

from tagger.backfill import Backfill
from tagger.cms.base import ListedAsset
from tagger.errors import Conflict
from tagger.job import JobRequest
from tagger.ledger import Ledger

log = structlog.get_logger()

PAGE = 500


def feed(ledger: Ledger, backfill: Backfill, stop: Callable[[], bool] = lambda: False) -> int:
    """Fill the window of one running backfill when there is enough room. Return the number of jobs created.

    `stop` is called for each asset. A page that it ends early is not stored, so nothing is skipped.
    """
    from tagger.cms.registry import open_reader  # here: most of the time no backfill runs, and the readers import a lot

    created = 0
    if backfill.room < min(PAGE, max(1, backfill.window // 2)):  # each call lists the library anew: not for a few assets
        return created
    assets = open_reader(backfill.kind, backfill.spec).assets(backfill.cursor)  # one list for all pages: a library lists slowly
    while backfill.status == "running" and not backfill.exhausted and (room := backfill.room) > 0:
        page = list(takewhile(lambda _: not stop(), islice(assets, min(PAGE, room))))
        if stop():
            break
        exhausted = len(page) < min(PAGE, room)
        cursor = page[-1].cursor if page else backfill.cursor
        requests = [request_of(backfill, asset) for asset in page]
        accepted = ledger.feed_backfill(backfill.id, requests, cursor, exhausted, after=backfill.cursor)
        created += sum(1 for a in accepted if a.created)
        backfill = ledger.backfill(backfill.id)
    return created


def feed_all(ledger: Ledger, stop: Callable[[], bool] = lambda: False) -> int:
    """Fill the window of every running backfill, and end those that are finished. Return the number of jobs created.

    A backfill that was paused in between, or whose library is away (a disk that is not mounted), does not stop the others.
    """
    running = ledger.backfills(status="running")
    if not running:
        return 0
    created = 0
    for backfill in running:
        if stop():
            break
        try:
            if backfill.counts.get("set_aside"):  # the process that resumed it was killed half-way
                ledger.settle_backfill(backfill.id)
            created += feed(ledger, backfill, stop)
        except (Conflict, OSError) as err:
            log.warning("backfill.not_fed", backfill=backfill.id, error=str(err))
    ledger.finish_backfills()
    return created


def request_of(backfill: Backfill, asset: ListedAsset) -> JobRequest:
    return JobRequest(
        site_id=backfill.site_id,
        asset_id=asset.asset_id,
        asset_revision=asset.revision,
        source=asset.source,
        lane="backfill",
        profile=backfill.spec["profile"],
        locales=tuple(backfill.spec["locales"]),
        backfill_id=backfill.id,
        deliver=backfill.spec["deliver"],
    )
