"""What a backfill costs the CMS and in time, reckoned from its dry run. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tagger.backfill import Backfill
from tagger.cms.base import LIBRARY_PAGE


@dataclass(frozen=True, kw_only=True)
class Cost:
    assets: int  # that the library lists
    images: int  # to describe; reckoned from the sample
    requests: int  # to the CMS: pages, images, messages
    rate: float | None  # images per second that the time is reckoned with
    hours: float | None


def of_rehearsal(backfill: Backfill, seconds: float) -> Cost:
    """`seconds`: how long the dry run took."""
    count = backfill.counts.get
    known, fed = count("known", 0), count("fed", 0)
    met = fed + sum(backfill.skipped.values())
    assets = max(int(backfill.spec["total"]), met)
    share = (fed - known) / met if met else 0.0
    images = round(assets * share)
    pages = math.ceil(assets / LIBRARY_PAGE)
    described = count("done", 0)
    measured = described / seconds if described and seconds > 0 else None
    asked = backfill.pace.most
    rates = [rate for rate in (measured, asked) if rate is not None]
    rate = min(rates) if rates else None
    hours = images / rate / 3600 if rate else None
    return Cost(assets=assets, images=images, requests=pages + 2 * images, rate=rate, hours=hours)
