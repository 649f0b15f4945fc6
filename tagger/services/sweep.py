"""A sweep of a site's library: finds what no hook told. New pictures, new versions, edits and deletions. Idempotent.

1. Assets that were changed since the last sweep and that tagger does not know: their hook never came. Each becomes a job.
2. Assets that tagger knows, asked for by their ids: another revision becomes a job; a text or a tag that a person changed becomes
   the editor's; one that the CMS no longer lists is counted. Only a person has it erased, as after `asset.deleted`.

Both go by ids, so a library that changes meanwhile neither skips nor repeats an asset. One sweep of a site runs at a time. It
stores how far it has come after each page; one that was stopped or killed is continued by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import structlog

from tagger.catalog.labels import folded
from tagger.cms.base import LIBRARY_PAGE, Edit, EditedText, Library, ListedAsset
from tagger.cms.registry import open_library
from tagger.errors import Conflict, LibraryAway, TaggerError
from tagger.instants import format_instant
from tagger.job import JobRequest
from tagger.ledger import KnownAsset, Ledger
from tagger.ledger.sweeping import TEST
from tagger.provenance import text_hash
from tagger.services.sweep_progress import Progress, Swept
from tagger.site import Site

log = structlog.get_logger()

DAY_MS = 86_400_000
FIRST_MS = 7 * DAY_MS  # how far the first sweep looks back for new assets; a backfill describes older ones
OVERLAP_MS = 600_000
HOOK_MS = 120_000  # a picture so young may have its hook on the way
LEASE_MS = 300_000  # longer than a page takes: a sweep that stores nothing for so long was killed
RESUMED_MS = 2 * DAY_MS  # an unended sweep that began earlier is not continued
MOST_NEW = 500  # jobs for new assets in one sweep, and as many for new versions; more are a backfill


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

    After each page follows a pause of the same length, so that the CMS has time for others. An unended sweep is continued, unless
    `since_ms` or `confirmed` is given; a sweep with one of these is not continued. One that looked back less far than to the last
    sweep does not count as the sweep of its day.
    Errors: LibraryAway, and then what was found so far stays; Conflict without an endpoint, or while another sweep of the site
    runs.
    """
    token, left = ledger.begin_sweep(site.id, lease_ms=LEASE_MS)
    swept_ms = None
    try:
        anew = since_ms is not None or confirmed
        done = _progress(ledger, site, since_ms, None if anew else left)
        found = replace(done.swept(), since=format_instant(done.since_ms))
        spec = {"query": {"since": found.since}, "locales": list(site.locales)}
        library = open_library(site.cms, spec, ledger.endpoint_of(site.id))
        turn = _Turn(
            ledger=ledger, site=site, library=library, token=token, done=done, found=found, confirmed=confirmed, pause=pause,
            stop=stop, resumable=not anew,
        )  # fmt: skip
        turn.find_new()
        turn.compare_known()
        whole = since_ms is None or since_ms <= _since_last(ledger, site, done.began_ms)
        swept_ms = done.began_ms if whole and not found.stopped else None
    finally:
        ledger.end_sweep(site.id, token, swept_ms=swept_ms)
    _tell(site, found)
    return found


def _progress(ledger: Ledger, site: Site, since_ms: int | None, left: Mapping[str, Any] | None) -> Progress:
    """`left`: of an unended sweep that is to be continued."""
    now_ms = ledger.now_ms()
    progress = None if left is None else Progress.read(left)
    if progress is not None and 0 <= now_ms - progress.began_ms < RESUMED_MS:
        return progress
    return Progress(began_ms=now_ms, since_ms=_since_last(ledger, site, now_ms) if since_ms is None else since_ms)


def _since_last(ledger: Ledger, site: Site, now_ms: int) -> int:
    """From when on a sweep must look, so that none of the assets since the last sweep is left out."""
    last_ms = ledger.swept_at(site.id)
    return now_ms - FIRST_MS if last_ms is None else last_ms - OVERLAP_MS


def _tell(site: Site, found: Swept) -> None:
    if missing := found.row()["missing"]:
        log.warning("assets.missed", site=site.id, missing=missing, kept=found.kept)
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
            except Conflict as err:  # a person's sweep runs
                log.info("site.not_swept", site=site.id, error=str(err))
            except TaggerError as err:  # the other sites come all the same; the next turn tries again
                log.warning("site.not_swept", site=site.id, error=str(err))
            except Exception as err:  # such as a stored state that no version wrote
                log.exception("site.not_swept", site=site.id, error=type(err).__name__)


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One sweep of one site."""

    ledger: Ledger
    site: Site
    library: Library
    token: str
    done: Progress
    found: Swept
    confirmed: bool
    pause: Callable[[float], None]
    stop: Callable[[], bool]
    resumable: bool  # the next sweep may go on with it; never with one of a person's own dates

    def stopped(self) -> bool:
        self.found.stopped = self.found.stopped or self.stop()
        return self.found.stopped

    def find_new(self) -> None:
        if self.done.listed:
            return
        listed, found = self.library.assets(self.done.cursor), self.found
        while not self.stopped():
            started = time.monotonic()
            page = list(islice(listed, LIBRARY_PAGE))
            if not page:
                self.note(listed=True)
                return
            for bad in (asset for asset in page if asset.fault):
                log.warning("asset.skipped", site=self.site.id, asset=bad.asset_id, error=bad.fault)
            unknown = self.ledger.unknown_assets(self.site.id, [asset.asset_id for asset in page])
            lost = [
                asset for asset in page if asset.asset_id in unknown and not asset.skip and _settled(asset, self.done.began_ms)
            ]
            room = MOST_NEW - found.new
            answers = self.ledger.accept([_request(self.site, asset) for asset in lost[:room]])
            found.looked_at += len(page)
            found.new += sum(answer.created for answer in answers)
            if len(lost) > room:
                found.too_many_new = True
                self.note(listed=True)
                return
            self.note(cursor=page[-1].cursor)
            self.pause(time.monotonic() - started)

    def note(self, **change: Any) -> None:
        """Store how far the sweep has come. Errors: Conflict if it took so long that another one has taken over."""
        for name, value in change.items():
            setattr(self.done, name, value)
        row = self.found.row()
        self.done.found = {**row, "missing": [], "missing_earlier": row["missing"]}
        state = asdict(self.done) if self.resumable else None
        self.ledger.note_sweep(self.site.id, self.token, state, lease_ms=LEASE_MS)

    def compare_known(self) -> None:
        missing: list[str] = []
        for chunk in _chunks(self.ledger, self.site.id, self.done.after):
            if self.stopped():
                return
            started = time.monotonic()
            there = self.library.listed([asset.asset_id for asset in chunk])
            for known in chunk:
                asset = there.get(known.asset_id)
                if asset is not None:
                    _compare(self.ledger, self.site, known, asset, self.found)
                elif not known.of_folder and not known.asset_id.startswith(TEST):
                    missing.append(known.asset_id)
            self.found.looked_at += len(chunk)
            if not self.confirmed:
                for asset_id in missing:
                    self._judge(asset_id)
                missing = []
            self.note(**{} if self.confirmed else {"after": chunk[-1].asset_id})
            self.pause(time.monotonic() - started)
        self._erase(missing)

    def _erase(self, missing: Sequence[str]) -> None:
        """A person confirmed it: erase the missing assets that the library, asked again, still has not."""
        for start in range(0, len(missing), LIBRARY_PAGE):
            if self.stopped():
                return
            some = missing[start : start + LIBRARY_PAGE]
            there = self.library.listed(some)
            for asset_id in some:
                if asset_id not in there:
                    self._judge(asset_id)
            self.note()

    def _judge(self, asset_id: str) -> None:
        decide = self.ledger.erase_missing if self.confirmed else self.ledger.why_kept
        kept = decide(self.site.id, asset_id, began_ms=self.done.began_ms)  # the reconciler deletes uploaded bytes later
        if kept is not None:
            self.found.kept[kept] = self.found.kept.get(kept, 0) + 1
        elif self.confirmed:
            self.found.deleted += 1
        else:
            self.found.missing.append(asset_id)


def _settled(asset: ListedAsset, now_ms: int) -> bool:
    return asset.modified_ms is None or now_ms - asset.modified_ms >= HOOK_MS


def _chunks(ledger: Ledger, site_id: str, after: str) -> Iterator[Sequence[KnownAsset]]:
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
