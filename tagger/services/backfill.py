"""Backfills: describe a library that exists already. A cursor in the ledger, a bounded window, nothing skipped.

The folder is walked in one fixed order; the cursor is the last path whose job row was committed, in the
same transaction as the cursor itself. Pausing is not feeding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path

import structlog

from tagger.asset import ImageSource
from tagger.backfill import Backfill
from tagger.cms.folder.survey import Survey, survey
from tagger.cms.folder.walk import Picture, readable, walk
from tagger.errors import Conflict
from tagger.ids import new_id
from tagger.job import JobRequest
from tagger.ledger import Ledger
from tagger.site import Site

log = structlog.get_logger()

PAGE = 500
REHEARSED_PAGE = 50


def plan_folder(
    site: Site, folder: Path, *, window: int, now_ms: int, deliver: bool = True, locales: tuple[str, ...] = (), profile: str = "",
    seen: Survey | None = None,
) -> Backfill:  # fmt: skip
    """A new campaign over a folder; `seen`: what a survey of it found. Errors: BadRequest if it is no readable folder."""
    root = readable(folder)
    seen = seen or survey(root)
    spec = {
        "folder": str(root),
        "total": seen.pictures,
        "left_out": seen.sentence(),
        "deliver": deliver,
        "locales": list(locales or site.locales),
        "profile": profile or site.profile,
    }
    return Backfill(
        id=new_id("bkf", now_ms), site_id=site.id, kind="folder", spec=spec, cursor=None, status="running", window=window,
        started_ms=now_ms,
    )  # fmt: skip


def rehearse(ledger: Ledger, plan: Backfill, pause: Callable[[float], None] = time.sleep) -> Iterator[tuple[int, int]]:
    """After each page of a campaign that is only planned: images so far, and those of them that are known. Stores nothing.

    Each page holds the ledger's write lock like the real thing, so a pause as long follows it: who works is not kept waiting.
    """
    pictures = walk(Path(plan.spec["folder"]))
    images = known = 0
    while page := list(islice(pictures, REHEARSED_PAGE)):
        began = time.monotonic()
        answers = ledger.rehearse([_request(plan, picture) for picture in page])
        images, known = images + len(answers), known + sum(not answer.created for answer in answers)
        yield images, known
        pause(time.monotonic() - began)


def feed(ledger: Ledger, backfill: Backfill, stop: Callable[[], bool] = lambda: False) -> int:
    """Top up the window of one running backfill, once there is room worth a walk. Returns the number of job rows made.

    `stop` is asked at each picture; a page that it cut short is left for another time, so nothing is skipped.
    """
    made = 0
    if backfill.room < min(PAGE, max(1, backfill.window // 2)):  # each walk lists the folder anew: not for a few pictures
        return made
    pictures = walk(Path(backfill.spec["folder"]), backfill.cursor)  # one walk for all pages: a big folder lists slowly
    while backfill.status == "running" and not backfill.exhausted and (room := backfill.room) > 0:
        page = list(takewhile(lambda _: not stop(), islice(pictures, min(PAGE, room))))
        if stop():
            break
        exhausted = len(page) < min(PAGE, room)
        cursor = page[-1].relative if page else backfill.cursor
        requests = [_request(backfill, picture) for picture in page]
        accepted = ledger.feed_backfill(backfill.id, requests, cursor, exhausted, after=backfill.cursor)
        made += sum(1 for a in accepted if a.created)
        backfill = ledger.backfill(backfill.id)
    return made


def feed_all(ledger: Ledger, stop: Callable[[], bool] = lambda: False) -> int:
    """The reconciler's chore: top up every running backfill, and end those that have nothing left. Returns the jobs made.

    A campaign that was paused meanwhile, or whose folder is away (a disk that is not mounted), does not hold up the others.
    """
    running = ledger.backfills(status="running")
    if not running:
        return 0
    made = 0
    for backfill in running:
        if stop():
            break
        try:
            if backfill.counts.get("set_aside"):  # whoever resumed it was killed half-way
                ledger.settle_backfill(backfill.id)
            made += feed(ledger, backfill, stop)
        except (Conflict, OSError) as err:
            log.warning("backfill.not_fed", backfill=backfill.id, error=str(err))
    ledger.finish_backfills()
    return made


def _request(backfill: Backfill, picture: Picture) -> JobRequest:
    return JobRequest(
        site_id=backfill.site_id,
        asset_id=picture.relative,
        asset_revision=picture.revision,
        source=ImageSource(kind="file", location=picture.location, root=picture.root),
        lane="backfill",
        profile=backfill.spec["profile"],
        locales=tuple(backfill.spec["locales"]),
        backfill_id=backfill.id,
        deliver=backfill.spec["deliver"],
    )
