"""A sweep of a site's library: finds what no hook told. New pictures, new versions, edits and deletions. Idempotent.

1. Assets that were changed since the last sweep and that tagger does not know: their hook never came. Each becomes a job.
2. Assets that tagger knows, asked for by their ids: another revision becomes a job; a text or a tag that a person changed becomes
   the editor's; one that the CMS no longer lists is counted. Only a person has it erased, as after `asset.deleted`.

Both go by ids, so a library that changes meanwhile neither skips nor repeats an asset.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import structlog

from tagger.catalog.labels import folded
from tagger.cms.base import LIBRARY_PAGE, Edit, EditedText, Library, ListedAsset
from tagger.cms.registry import open_library
from tagger.errors import LibraryAway, TaggerError
from tagger.instants import format_instant
from tagger.job import JobRequest
from tagger.ledger import KnownAsset, Ledger
from tagger.ledger.sweeping import TEST
from tagger.provenance import text_hash
from tagger.site import Site

log = structlog.get_logger()

DAY_MS = 86_400_000
FIRST_MS = 7 * DAY_MS  # how far the first sweep looks back for new assets; a backfill describes older ones
OVERLAP_MS = 600_000
HOOK_MS = 120_000  # a picture so young may have its hook on the way
MOST_NEW = 500  # jobs for new assets in one sweep, and as many for new versions; more are a backfill


@dataclass(kw_only=True)
class Swept:
    """What a sweep found."""

    looked_at: int = 0
    new: int = 0
    changed: int = 0  # another revision
    edited: int = 0
    deleted: int = 0
    missing: list[str] = field(default_factory=list)  # the CMS does not list them; they can be erased, and were not
    kept: dict[str, int] = field(default_factory=dict)  # missing too, but never erased: how many by the reason
    too_many_new: bool = False  # more new assets than one sweep takes
    stopped: bool = False  # before its end
    since: str = ""  # new assets were looked for from then on

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "missing": len(self.missing)}


def sweep(
    ledger: Ledger,
    site: Site,
    *,
    since_ms: int | None = None,
    confirmed: bool = False,
    pause: Callable[[float], None] = time.sleep,
    stop: Callable[[], bool] = lambda: False,
) -> Swept:
    """`since_ms`: from then on new assets are looked for; None: since the last sweep. `confirmed`: a person wants missing assets
    erased; without it none is. `stop`: asked before each page.

    After each page follows a pause of the same length, so that the CMS has time for others.
    Errors: LibraryAway, and then what was found so far stays; Conflict without an endpoint.
    """
    began_ms = ledger.now_ms()
    last_ms = ledger.swept_at(site.id)
    if since_ms is None:
        since_ms = began_ms - FIRST_MS if last_ms is None else last_ms - OVERLAP_MS
    found = Swept(since=format_instant(since_ms))
    endpoint = ledger.endpoint_of(site.id)
    library = open_library(site.cms, {"query": {"since": found.since}, "locales": list(site.locales)}, endpoint)
    turn = _Turn(ledger=ledger, site=site, library=library, began_ms=began_ms, found=found, pause=pause, stop=stop)
    turn.find_new()
    missing = turn.compare_known()
    if not found.stopped:
        turn.judge(missing, confirmed=confirmed)
    if not found.stopped:
        ledger.put_swept(site.id, began_ms)
    _tell(site, found)
    return found


def _tell(site: Site, found: Swept) -> None:
    if found.missing:
        log.warning("assets.missed", site=site.id, missing=len(found.missing), kept=found.kept)
    if found.too_many_new:
        log.warning("assets.left_to_a_backfill", site=site.id, since=found.since, taken=found.new)
    log.info("site.swept", site=site.id, **found.row())


def sweep_due(ledger: Ledger, stop: Callable[[], bool], not_before: dict[str, int] | None = None) -> None:
    """Sweep each site whose CMS can list its library and whose last sweep is a day old. It erases nothing.

    `not_before`: until when (ms) each site's CMS asked to be left alone. It is kept from turn to turn.
    """
    waits = {} if not_before is None else not_before
    for site in ledger.sites():
        can, _ = ledger.capabilities_of(site.id)
        last_ms = ledger.swept_at(site.id)
        if can is None or "library.page" not in can.get("types", ()) or stop():
            continue
        now_ms = ledger.now_ms()
        if now_ms >= waits.get(site.id, 0) and (last_ms is None or now_ms - last_ms >= DAY_MS):
            try:
                sweep(ledger, site, stop=stop)
            except LibraryAway as err:
                waits[site.id] = ledger.now_ms() + (err.retry_after_ms or 0)
                log.warning("site.not_swept", site=site.id, error=str(err))
            except TaggerError as err:  # the other sites come all the same; the next turn tries again
                log.warning("site.not_swept", site=site.id, error=str(err))


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One sweep of one site."""

    ledger: Ledger
    site: Site
    library: Library
    began_ms: int
    found: Swept
    pause: Callable[[float], None]
    stop: Callable[[], bool]

    def stopped(self) -> bool:
        self.found.stopped = self.found.stopped or self.stop()
        return self.found.stopped

    def find_new(self) -> None:
        listed, found = self.library.assets(), self.found
        while not self.stopped():
            started = time.monotonic()
            page = list(islice(listed, LIBRARY_PAGE))
            if not page:
                return
            for bad in (asset for asset in page if asset.fault):
                log.warning("asset.skipped", site=self.site.id, asset=bad.asset_id, error=bad.fault)
            unknown = self.ledger.unknown_assets(self.site.id, [asset.asset_id for asset in page])
            lost = [asset for asset in page if asset.asset_id in unknown and not asset.skip and _settled(asset, self.began_ms)]
            room = MOST_NEW - found.new
            answers = self.ledger.accept([_request(self.site, asset) for asset in lost[:room]])
            found.looked_at += len(page)
            found.new += sum(answer.created for answer in answers)
            if len(lost) > room:
                found.too_many_new = True
                return
            self.pause(time.monotonic() - started)

    def compare_known(self) -> list[str]:
        """Returns the ids of the assets that the CMS does not list."""
        missing: list[str] = []
        for chunk in _chunks(self.ledger, self.site.id):
            if self.stopped():
                break
            started = time.monotonic()
            there = self.library.listed([asset.asset_id for asset in chunk])
            for known in chunk:
                asset = there.get(known.asset_id)
                if asset is not None:
                    _compare(self.ledger, self.site, known, asset, self.found)
                elif not known.of_folder and not known.asset_id.startswith(TEST):
                    missing.append(known.asset_id)
            self.found.looked_at += len(chunk)
            self.pause(time.monotonic() - started)
        return missing

    def judge(self, missing: Sequence[str], *, confirmed: bool) -> None:
        """Count the missing assets. Erase them only if a person confirmed it and the library, asked again, has none of them."""
        for start in range(0, len(missing), LIBRARY_PAGE):
            if self.stopped():
                return
            some = missing[start : start + LIBRARY_PAGE]
            there = self.library.listed(some) if confirmed else {}
            for asset_id in some:
                if asset_id not in there:
                    self._judge_one(asset_id, confirmed)

    def _judge_one(self, asset_id: str, confirmed: bool) -> None:
        decide = self.ledger.erase_missing if confirmed else self.ledger.why_kept
        kept = decide(self.site.id, asset_id, began_ms=self.began_ms)  # the reconciler deletes uploaded bytes later
        if kept is not None:
            self.found.kept[kept] = self.found.kept.get(kept, 0) + 1
        elif confirmed:
            self.found.deleted += 1
        else:
            self.found.missing.append(asset_id)


def _settled(asset: ListedAsset, now_ms: int) -> bool:
    return asset.modified_ms is None or now_ms - asset.modified_ms >= HOOK_MS


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
    other = known.revision and asset.revision and known.revision != asset.revision
    if other and not asset.skip and found.changed < MOST_NEW:  # the next sweep takes the rest
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
    sent = (present.get("tags") or {}).get("labels")
    labels = {folded(label) for label in sent or ()}
    removed = tuple(label for label in known.tags if folded(label) not in labels) if sent is not None else ()
    return Edit(asset_id=known.asset_id, texts=tuple(texts), tags_removed=removed) if texts or removed else None


def _request(site: Site, asset: ListedAsset) -> JobRequest:
    request = JobRequest(
        site_id=site.id, asset_id=asset.asset_id, source=asset.source, lane="backfill", profile=site.profile,
        locales=site.locales, context=asset.context, listed=True,
    )  # fmt: skip
    return replace(request, asset_revision=asset.revision or None)
