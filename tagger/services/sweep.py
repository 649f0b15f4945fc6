"""A sweep of a site's library: finds what no hook told. New pictures, new versions, edits and deletions. Idempotent.

1. Assets that were changed since the last sweep and that tagger does not know: their hook never came. Each becomes a job.
2. Assets that tagger knows, asked for by their ids: another revision becomes a job; a text or a tag that a person changed becomes
   the editor's; one that the CMS no longer has is erased, as after `asset.deleted`.

Both go by ids, so a library that changes meanwhile neither skips nor repeats an asset.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import structlog

from tagger.cms.base import LIBRARY_PAGE, Edit, EditedText, Library, ListedAsset
from tagger.cms.registry import open_library
from tagger.errors import TaggerError
from tagger.instants import format_instant
from tagger.job import JobRequest
from tagger.ledger import KnownAsset, Ledger
from tagger.provenance import text_hash
from tagger.services.backfill.changes import same
from tagger.site import Site

log = structlog.get_logger()

DAY_MS = 86_400_000
FIRST_MS = 7 * DAY_MS  # how far the first sweep looks back for new assets; a backfill describes older ones
OVERLAP_MS = 600_000
HOOK_MS = 120_000  # a picture so young may have its hook on the way
DOUBTED = 20  # so many deletions, or a fifth of what is known, are believed; more only if a person confirms them


@dataclass(kw_only=True)
class Swept:
    """What a sweep found."""

    looked_at: int = 0
    new: int = 0
    changed: int = 0  # another revision
    edited: int = 0
    deleted: int = 0
    doubted: list[str] = field(default_factory=list)  # missing in the CMS, but so many that nothing was erased

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "doubted": len(self.doubted)}


def sweep(
    ledger: Ledger,
    site: Site,
    *,
    since_ms: int | None = None,
    confirmed: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Swept:
    """`since_ms`: from then on new assets are looked for; None: since the last sweep. `confirmed`: erase all that are missing.

    After each page follows a pause of the same length, so that the CMS has time for others.
    Errors: LibraryAway, and then what was found so far stays; Conflict without an endpoint.
    """
    began_ms, found = ledger.now_ms(), Swept()
    last_ms = ledger.swept_at(site.id)
    if since_ms is None:
        since_ms = began_ms - FIRST_MS if last_ms is None else last_ms - OVERLAP_MS
    endpoint = ledger.endpoint_of(site.id)
    library = open_library(site.cms, {"query": {"since": format_instant(since_ms)}, "locales": list(site.locales)}, endpoint)
    _find_new(ledger, site, library, began_ms, found, pause)
    _compare_known(ledger, site, library, found, confirmed, pause)
    ledger.put_swept(site.id, began_ms)
    log.info("site.swept", site=site.id, **found.row())
    return found


def sweep_due(ledger: Ledger, stop: Callable[[], bool]) -> None:
    """Sweep each site whose CMS can list its library and whose last sweep is a day old."""
    for site in ledger.sites():
        can, _ = ledger.capabilities_of(site.id)
        last_ms = ledger.swept_at(site.id)
        if can is None or "library.page" not in can.get("types", ()) or stop():
            continue
        if last_ms is None or ledger.now_ms() - last_ms >= DAY_MS:
            try:
                sweep(ledger, site)
            except TaggerError as err:  # the other sites come all the same; the next turn tries again
                log.warning("site.not_swept", site=site.id, error=str(err))


def _find_new(ledger: Ledger, site: Site, library: Library, now_ms: int, found: Swept, pause: Callable[[float], None]) -> None:
    listed = library.assets()
    while True:
        started = time.monotonic()
        page = list(islice(listed, LIBRARY_PAGE))
        if not page:
            return
        unknown = ledger.unknown_assets(site.id, [asset.asset_id for asset in page])
        old = [asset for asset in page if asset.asset_id in unknown and not asset.skip and _settled(asset, now_ms)]
        answers = ledger.accept([_request(site, asset) for asset in old])
        found.looked_at += len(page)
        found.new += sum(answer.created for answer in answers)
        pause(time.monotonic() - started)


def _settled(asset: ListedAsset, now_ms: int) -> bool:
    return asset.modified_ms is None or now_ms - asset.modified_ms >= HOOK_MS


def _compare_known(
    ledger: Ledger, site: Site, library: Library, found: Swept, confirmed: bool, pause: Callable[[float], None]
) -> None:
    missing: list[str] = []
    number = 0
    for chunk in _chunks(ledger, site.id):
        started = time.monotonic()
        there = library.listed([asset.asset_id for asset in chunk])
        for known in chunk:
            number += 1
            asset = there.get(known.asset_id)
            if asset is None:
                missing += [] if known.of_folder else [known.asset_id]
            else:
                _compare(ledger, site, known, asset, found)
        found.looked_at += len(chunk)
        pause(time.monotonic() - started)
    if len(missing) > max(DOUBTED, number // 5) and not confirmed:
        found.doubted = missing
        log.warning("deletions.doubted", site=site.id, missing=len(missing), known=number)
        return
    for asset_id in missing:
        ledger.erase_asset(site.id, asset_id, deleted=True)  # the reconciler deletes uploaded bytes later
        found.deleted += 1


def _chunks(ledger: Ledger, site_id: str) -> Iterator[Sequence[KnownAsset]]:
    after = ""
    while chunk := ledger.known_assets(site_id, after=after, limit=LIBRARY_PAGE):
        yield chunk
        after = chunk[-1].asset_id


def _compare(ledger: Ledger, site: Site, known: KnownAsset, asset: ListedAsset, found: Swept) -> None:
    edit = edit_of(known, (asset.present or {}).get("fields") or {})
    if edit is not None:
        ledger.record_edit(site.id, edit)
        found.edited += 1
    if known.revision and asset.revision and known.revision != asset.revision and not asset.skip:
        found.changed += ledger.accept([_request(site, asset)])[0].created


def edit_of(known: KnownAsset, present: Mapping[str, Any]) -> Edit | None:
    """What a person changed of what tagger wrote; None: nothing that is not known. Pure."""
    texts = []
    for (name, locale), hashes in known.provenance.hashes.items():
        text = (present.get(name) or {}).get(locale) if name != "tags" else None
        if not text or text.get("value") is None or (name, locale) in known.provenance.editor_fields:
            continue
        changed = text.get("writer") == "unknown" and text_hash(text["value"]) not in hashes
        if text.get("writer") == "person" or changed:
            texts.append(EditedText(field=name, locale=locale))
    labels = {same(label) for label in (present.get("tags") or {}).get("labels") or ()}
    removed = tuple(label for label in known.tags if same(label) not in labels) if "tags" in present else ()
    return Edit(asset_id=known.asset_id, texts=tuple(texts), tags_removed=removed) if texts or removed else None


def _request(site: Site, asset: ListedAsset) -> JobRequest:
    request = JobRequest(
        site_id=site.id, asset_id=asset.asset_id, source=asset.source, profile=site.profile, locales=site.locales,
        context=asset.context,
    )  # fmt: skip
    return replace(request, asset_revision=asset.revision or None)
