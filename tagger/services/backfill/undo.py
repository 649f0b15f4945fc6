"""What `tagger undo` would put back, compared with what stands in the CMS now. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.backfill import Backfill
from tagger.cms.base import Library, ListedAsset
from tagger.cms.registry import open_library
from tagger.delivery import Delivery
from tagger.ledger import ItemResult, Ledger, Page
from tagger.provenance import text_hash
from tagger.services.backfill.report import Line

CHUNK = 100


def rehearse_undo(ledger: Ledger, undone: Backfill) -> Iterator[Line]:
    """Errors: LibraryAway; Conflict if the site has no endpoint."""
    cursor: str | None = None
    while True:
        page = rehearse_page(ledger, undone, cursor=cursor, limit=CHUNK)
        yield from page.data
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def rehearse_page(ledger: Ledger, undone: Backfill, *, cursor: str | None, limit: int) -> Page[Line]:
    """The lines of so many assets. Errors: LibraryAway; Conflict if the site has no endpoint."""
    reader = open_library(ledger.get_site(undone.site_id).cms, {}, ledger.endpoint_of(undone.site_id))
    page = ledger.backfill_results(undone.id, cursor=cursor, limit=limit)
    return Page(data=list(_of_page(ledger, undone, page.data, reader)), next_cursor=page.next_cursor)


def _of_page(ledger: Ledger, undone: Backfill, results: Sequence[ItemResult], reader: Library) -> Iterator[Line]:
    wanted: list[tuple[Delivery, Mapping[str, Any]]] = []
    for result in results:
        if result.job is not None and result.job.request.backfill_id == undone.id:
            wanted += [(one, change) for one in result.deliveries if (change := ledger.reverting(one))]
    there = reader.listed([delivery.asset_id for delivery, _ in wanted]) if wanted else {}
    for delivery, fields in wanted:
        yield from _of_delivery(ledger, delivery, fields, there.get(delivery.asset_id))


def _of_delivery(ledger: Ledger, delivery: Delivery, fields: Mapping[str, Any], asset: ListedAsset | None) -> Iterator[Line]:
    place: dict[str, Any] = {"asset": delivery.asset_id, "job": delivery.job_id}
    if asset is None:
        yield Line(**place, status="gone")
        return
    present = asset.present or {}
    place["image"] = present.get("url")
    edited = ledger.provenance(delivery.site_id, delivery.asset_id).editor_fields
    for name, offers in fields.items():
        if name == "tags":
            labels = {tag["id"]: tag["label"] for tag in delivery.fields["tags"]["add"]}
            parts = [f"+{tag['label']}" for tag in offers["add"]] + [f"-{labels.get(tag, tag)}" for tag in offers["remove"]]
            yield Line(**place, status="write", field=name, after=", ".join(parts))
            continue
        for locale, offer in offers.items():
            text = (present.get("fields", {}).get(name) or {}).get(locale) or {}
            now, writer = text.get("value"), text.get("writer")
            ours = now is not None and text_hash(now) in offer["if_current"]["in"]
            if ours and writer != "person" and (name, locale) not in edited:
                yield Line(**place, status="write", field=name, locale=locale, before=now, after=offer["value"])
            else:
                same = now == offer["value"]
                status, reason = ("unchanged", "") if same else ("keep", "edited_by_person")
                yield Line(**place, status=status, field=name, locale=locale, before=now, after=now, reason=reason)
