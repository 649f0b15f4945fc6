"""Finds what stops the work, for the commands on which a person waits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tagger.instants import format_instant
from tagger.ledger import Ledger, Stats
from tagger.operator_event import REMEDIES
from tagger.system.home import Phase, phase

LETTERS = 1_000  # dead letters that are counted


class Trouble(NamedTuple):
    """One problem for a person, with what to do."""

    what: str
    detail: str
    remedy: str


WORKERS_ARE: Mapping[Phase | None, tuple[str, str]] = {
    None: ("no worker is alive", "Start one with `tagger up`"),
    "starting": ("no worker is alive yet: `tagger up` is starting", "Wait until its models are loaded"),
    "running": ("no worker is alive; `tagger up` starts them again", "Read logs/ in the home if this lasts"),
    "draining": ("no worker is alive: `tagger up` is stopping", "Start it again when it has stopped"),
}


def no_worker(stats: Stats, home: Path) -> Trouble | None:
    """The problem that no tag worker is alive, or None."""
    if any(count for role, count in stats.workers.items() if role.startswith("tag")):
        return None
    detail, remedy = WORKERS_ARE[phase(home)]
    return Trouble("Workers", detail, f"{remedy}.")


def paused(ledger: Ledger, site_id: str) -> Trouble | None:
    """The problem that writes to the site are paused, or None."""
    if not ledger.get_site(site_id).writes_paused:
        return None
    return Trouble("Site", f"writes to {site_id} are paused", f"Run `tagger sites resume {site_id}`.")


def troubles(ledger: Ledger, home: Path) -> list[Trouble]:
    """All problems, the most urgent first."""
    stats = ledger.stats()
    problems = [no_worker(stats, home)]
    for site in ledger.sites():
        problems.append(paused(ledger, site.id))
        endpoint = ledger.endpoint_of(site.id)
        if endpoint is not None and not endpoint.enabled:
            detail = f"the endpoint of {site.id} is disabled"
            problems.append(Trouble("Endpoint", detail, f"Repair the receiver, then run `tagger sites resume {site.id}`."))
    for site_id, (row, since_ms) in ledger.unconfirmed_endpoints().items():
        since = format_instant(since_ms)
        detail = f"the last {row} answers of the endpoint of {site_id}, since {since}, confirmed no delivery"
        problems.append(Trouble("Endpoint", detail, REMEDIES["endpoint.unconfirmed"].format(site=site_id, since=since)))
    for backfill in ledger.backfills(status="paused"):
        waiting = max(int(backfill.spec.get("total", 0)), backfill.counts.get("fed", 0)) - backfill.counts.get("fed", 0)
        waiting += backfill.counts.get("accepted", 0)
        detail = f"{backfill.id} is paused; {waiting} of its images wait"
        problems.append(Trouble("Backfill", detail, f"Run `tagger backfill resume {backfill.id}`."))
    if parked := stats.deliveries.get("parked", 0):
        see = (
            "They are sent by themselves when their endpoint answers again. `tagger deliveries list --status parked` lists them."
        )
        problems.append(Trouble("Deliveries", f"{parked} parked", see))
    letters = ledger.dead_letters(limit=LETTERS)
    if letters.data:
        number = f"{len(letters.data)}{' or more' if letters.next_cursor else ''}"
        problems.append(
            Trouble("Dead letters", number, "Run `tagger dead-letters list`, remove the cause, then replay or discard them.")
        )
    return [trouble for trouble in problems if trouble is not None]
