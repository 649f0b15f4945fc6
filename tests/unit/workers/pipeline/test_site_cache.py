"""A worker reads a site from the ledger once a second, so it sees a change within a second."""

from __future__ import annotations

from typing import Any

import pytest

from tagger.errors import NotFound
from tagger.site import Site
from workers.pipeline.site_cache import FRESH_SECONDS, SiteCache


class CountingLedger:
    cached = complete = crash = fail = release = None

    def __init__(self) -> None:
        self.names = {"s": "Before"}
        self.reads = 0

    def get_site(self, site_id: str) -> Site:
        self.reads += 1
        if site_id not in self.names:
            raise NotFound(site_id)
        return Site(id=site_id, name=self.names[site_id])


def test_a_site_is_read_once_a_second_and_a_change_is_seen() -> None:
    ledger: Any = CountingLedger()
    now = [100.0]
    sites = SiteCache(ledger, monotonic=lambda: now[0])
    assert [sites.get_site("s").name for _ in range(3)] == ["Before"] * 3
    assert ledger.reads == 1
    ledger.names["s"] = "After"
    now[0] += FRESH_SECONDS + 0.1
    assert sites.get_site("s").name == "After"


def test_a_site_that_is_missing_is_asked_for_again() -> None:
    ledger: Any = CountingLedger()
    sites = SiteCache(ledger)
    for _ in range(2):
        with pytest.raises(NotFound):
            sites.get_site("new")
    ledger.names["new"] = "New"
    assert sites.get_site("new").name == "New"
