"""Plan a backfill, and count what it would describe without storing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from tagger.backfill import Backfill
from tagger.cms.folder.survey import Survey, survey
from tagger.cms.folder.walk import readable
from tagger.cms.registry import open_reader
from tagger.ids import new_id
from tagger.ledger import Ledger
from tagger.services.backfill.feed import request_of
from tagger.site import Site

REHEARSED_PAGE = 50


def plan_folder(
    site: Site, folder: Path, *, window: int, now_ms: int, deliver: bool = True, seen: Survey | None = None
) -> Backfill:
    """A new backfill over a folder. `seen`: the survey of the folder, if it was made. Errors: BadRequest if it is unreadable."""
    root = readable(folder)
    seen = seen or survey(root)
    spec = {
        "folder": str(root),
        "total": seen.pictures,
        "left_out": seen.sentence(),
        "deliver": deliver,
        "locales": list(site.locales),
        "profile": site.profile,
    }
    return Backfill(
        id=new_id("bkf", now_ms), site_id=site.id, kind="folder", spec=spec, cursor=None, status="running", window=window,
        started_ms=now_ms,
    )  # fmt: skip


def rehearse(ledger: Ledger, plan: Backfill, pause: Callable[[float], None] = time.sleep) -> Iterator[tuple[int, int]]:
    """Yield after each page: images so far, and how many of them have a job already. Nothing is stored.

    A page holds the write lock of the ledger as a real one does. A pause of the same length follows, so that workers can write.
    """
    assets = open_reader(plan.kind, plan.spec).assets()
    images = known = 0
    while page := list(islice(assets, REHEARSED_PAGE)):
        began = time.monotonic()
        answers = ledger.rehearse([request_of(plan, asset) for asset in page])
        images, known = images + len(answers), known + sum(not answer.created for answer in answers)
        yield images, known
        pause(time.monotonic() - began)
