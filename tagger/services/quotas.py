"""Quotas of a site: open jobs, and bytes of uploads a day. They are checked before anything is stored.

Requests that arrive at the same moment are each measured against the same use, so a site can exceed a quota by what is under way.
"""

from __future__ import annotations

from tagger.errors import QuotaExceeded
from tagger.ledger import Ledger
from tagger.site import Site

DAY_MS = 86_400_000
OPEN_SECONDS = 30  # open jobs end all the time


def check(ledger: Ledger, site: Site, uploaded: int) -> None:
    """Errors: QuotaExceeded, if one more job or so many more bytes would exceed a quota."""
    if site.max_open_jobs is None and (site.max_bytes_a_day is None or not uploaded):
        return
    used = ledger.usage(site.id)
    if site.max_open_jobs is not None and used.open_jobs >= site.max_open_jobs:
        detail = f"{site.id} has {used.open_jobs} open jobs; its quota is {site.max_open_jobs}."
        raise QuotaExceeded(detail, retry_after=OPEN_SECONDS)
    if uploaded and site.max_bytes_a_day is not None and used.bytes_today + uploaded > site.max_bytes_a_day:
        detail = (
            f"{site.id} has uploaded {used.bytes_today} bytes today; with these {uploaded} it would exceed its quota of "
            f"{site.max_bytes_a_day} a day. The day ends at midnight UTC."
        )
        raise QuotaExceeded(detail, retry_after=(DAY_MS - ledger.now_ms() % DAY_MS) // 1000 + 1)
