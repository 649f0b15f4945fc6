"""The tags that tagger offered for an asset: which id has which label."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tagger.ledger.tables import jobs, offers

JOBS_SEARCHED = 50  # the newest of an asset


def offered_tags(conn: Connection, site_id: str, asset_id: str) -> list[tuple[str, str]]:
    """(id, label) of each tag that the newest jobs offered. A tag is there once for each job that offered it."""
    newest = select(jobs.c.id).where(jobs.c.site_id == site_id, jobs.c.asset_id == asset_id)
    newest = newest.order_by(jobs.c.id.desc()).limit(JOBS_SEARCHED)
    bodies = conn.execute(select(offers.c.body).where(offers.c.job_id.in_(newest), offers.c.field == "tags")).scalars()
    return [(tag["id"], tag["label"]) for body in bodies for tag in body.get("value") or ()]
