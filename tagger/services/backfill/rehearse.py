"""Count what a backfill over a folder would describe, without storing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from tagger.backfill import Backfill
from tagger.cms.registry import open_reader
from tagger.ledger import Ledger
from tagger.services.backfill.feed import request_of

REHEARSED_PAGE = 50


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
