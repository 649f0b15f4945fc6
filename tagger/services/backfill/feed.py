"""Feed running backfills: a cursor in the ledger, a bounded window, nothing skipped, nothing fed twice.

A reader lists the assets in one fixed order. The cursor of the last asset is committed in the same transaction as its job. A
paused backfill is not fed. A backfill whose CMS asks for a pause (429, Retry-After) is fed later, and slower. Backfills take
turns: one that is described as fast as it is listed, or whose CMS lists slowly, does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from typing import Any

import structlog

from tagger.backfill import UNDO, Backfill
from tagger.cms.base import ListedAsset
from tagger.cms.job_body import ALL_FIELDS
from tagger.errors import Conflict, LibraryAway, TaggerError
from tagger.job import ENDED, JobRequest
from tagger.ledger import Ledger, Listing, PageNotes
from tagger.pace import Pace, allowed, answered, away, quicker, slower, used
from tagger.services.backfill.sample import Sample
from tagger.telemetry import tracing

log = structlog.get_logger()

PAGE = 500
TURN_MS = 5_000  # after so long the next backfill has its turn
FOLDER_TURN_MS = 30_000  # each turn lists a folder anew
KEPT_MS = 60_000  # how long a list is continued; after that the library is asked anew


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A list that goes on behind this cursor."""

    cursor: str | None
    assets: Iterator[ListedAsset]
    read_ms: int


@dataclass(kw_only=True)
class Feeder:
    """Feeds the backfills of one process. It keeps the open list of each library, so that no page is asked for twice."""

    ledger: Ledger
    stop: Callable[[], bool] = lambda: False
    _lists: dict[str, _Open] = field(default_factory=dict)

    def feed_all(self) -> int:
        """Fill the window of every running backfill, and end those that are finished. Return the number of jobs created.

        A backfill that was paused in between, or whose library is away (a disk that is not mounted), does not stop the others.
        """
        running = self.ledger.backfills(status="running")
        self._lists = {one.id: self._lists[one.id] for one in running if one.id in self._lists}
        created = 0
        for backfill in running:
            if self.stop():
                break
            try:
                if backfill.counts.get("set_aside"):  # the process that resumed it was killed half-way
                    self.ledger.settle_backfill(backfill.id)
                created += self.feed(backfill)
            except (Conflict, OSError) as err:
                log.warning("backfill.not_fed", backfill=backfill.id, error=str(err))
            except TaggerError as err:
                self._not_answered(backfill, err)
            except Exception:  # an error that nobody foresaw concerns one backfill; the others are fed
                self._lists.pop(backfill.id, None)
                log.exception("backfill.not_fed", backfill=backfill.id, site=backfill.site_id)
        if running:
            self.ledger.finish_backfills()
        return created

    def feed(self, backfill: Backfill) -> int:
        """Fill the window of one running backfill when there is enough room. Return the number of jobs created.

        `stop` is called for each asset. A page that it ends early is not stored, so nothing is skipped.
        """
        if backfill.kind == UNDO:
            return self._undo(backfill)
        pace = self._heeded(backfill)
        enough = min(PAGE, max(1, backfill.window // 2)) if pace.rate is None else 1
        created, turn_ends_ms = 0, self._turn_ends_ms(backfill)
        if backfill.room < enough:  # a folder is listed anew by each call: not for a few assets
            return created
        assets = self._assets(backfill)  # one list for all pages: a library lists slowly
        sample = Sample.of(backfill)
        while backfill.status == "running" and not backfill.exhausted:
            limit = min(PAGE, backfill.room, *(() if (room := allowed(pace, self.ledger.now_ms())) is None else (room,)))
            if limit <= 0:
                self._keep(backfill, backfill.cursor, assets)
                break
            page = list(takewhile(lambda _: not self.stop(), islice(assets, limit)))
            if self.stop():
                self._lists.pop(backfill.id, None)  # assets of this list were taken and not fed
                break
            pace = used(answered(pace), len(page), self.ledger.now_ms())
            exhausted = len(page) < limit or sample.full(len(page))
            cursor = page[-1].cursor if page else backfill.cursor
            created += self._store(backfill, sample.of_page(page), cursor, exhausted, PageNotes(seen=len(page), pace=pace))
            self._keep(backfill, cursor, assets)
            if self.ledger.now_ms() >= turn_ends_ms:
                break
            backfill = self.ledger.backfill(backfill.id)
            sample = Sample.of(backfill)
        return created

    def _turn_ends_ms(self, backfill: Backfill) -> int:
        return self.ledger.now_ms() + (FOLDER_TURN_MS if backfill.kind == "folder" else TURN_MS)

    def _store(self, backfill: Backfill, page: list[ListedAsset], cursor: str | None, exhausted: bool, notes: PageNotes) -> int:
        requests: Sequence[JobRequest] = [request_of(backfill, asset) for asset in page if not asset.skip]
        shown = backfill.rehearses
        for bad in (asset for asset in page if asset.fault):
            log.warning("asset.skipped", backfill=backfill.id, site=backfill.site_id, asset=bad.asset_id, error=bad.fault)
        listed = tuple(
            Listing(asset_id=asset.asset_id, skipped=asset.skip, present=asset.present if shown else None)
            for asset in page
            if asset.skip or shown
        )
        notes = PageNotes(listed=listed, seen=notes.seen, pace=notes.pace if notes.pace != backfill.pace else None)
        with tracing.span("feed", site=backfill.site_id, backfill=backfill.id, images=len(page)) as span:
            requests = _traced(requests, span)
            accepted = self.ledger.feed_backfill(backfill.id, requests, cursor, exhausted, after=backfill.cursor, notes=notes)
        return sum(1 for answer in accepted if answer.created)

    def _assets(self, backfill: Backfill) -> Iterator[ListedAsset]:
        from tagger.cms.registry import open_reader  # here: most of the time no backfill runs, and the readers import a lot

        kept = self._lists.pop(backfill.id, None)
        if kept is not None and kept.cursor == backfill.cursor and self.ledger.now_ms() - kept.read_ms < KEPT_MS:
            return kept.assets
        return open_reader(backfill.kind, backfill.spec, self.ledger.endpoint_of(backfill.site_id)).assets(backfill.cursor)

    def _keep(self, backfill: Backfill, cursor: str | None, assets: Iterator[ListedAsset]) -> None:
        if backfill.kind != "folder":  # the walk of a folder holds open directories
            self._lists[backfill.id] = _Open(cursor=cursor, assets=assets, read_ms=self.ledger.now_ms())

    def _heeded(self, backfill: Backfill) -> Pace:
        """The pace after what the CMS asked for since the last turn. A change is stored."""
        pace, now_ms = backfill.pace, self.ledger.now_ms()
        asked_ms = self.ledger.asked_pause_ms(backfill.site_id) if backfill.spec.get("deliver", True) else 0
        if asked_ms > now_ms and asked_ms != pace.heeded_ms:
            changed = slower(pace, now_ms, asked_ms, measured(backfill, now_ms))
            changed = Pace(**{**vars(changed), "heeded_ms": asked_ms})
            log.info("backfill.slowed", backfill=backfill.id, site=backfill.site_id, rate=changed.rate)
        else:
            changed = quicker(pace, now_ms)
        if changed != pace:
            self.ledger.set_pace(backfill.id, changed)
        return changed

    def _not_answered(self, backfill: Backfill, err: TaggerError) -> None:
        """The library is away, or asks for a pause: it is asked again later. The cursor has not moved."""
        self._lists.pop(backfill.id, None)
        now_ms = self.ledger.now_ms()
        pace = away(backfill.pace, now_ms, str(err))
        if isinstance(err, LibraryAway) and err.busy:
            until_ms = max(pace.not_before_ms, now_ms + (err.retry_after_ms or 0))
            pace = slower(pace, now_ms, until_ms, measured(backfill, now_ms))
        log.warning("backfill.not_fed", backfill=backfill.id, error=str(err), code=err.code)
        self.ledger.set_pace(backfill.id, pace)

    def _undo(self, backfill: Backfill) -> int:
        done, turn_ends_ms = 0, self._turn_ends_ms(backfill)
        while backfill.status == "running" and not backfill.exhausted and backfill.room > 0 and not self.stop():
            if not self.ledger.feed_undo(backfill.id):
                break
            done += 1
            if self.ledger.now_ms() >= turn_ends_ms:
                break
            backfill = self.ledger.backfill(backfill.id)
        return done


def _traced(requests: Sequence[JobRequest], page: tracing.Span) -> Sequence[JobRequest]:
    """Each job begins a trace of its own, with a link to the page that it comes from."""
    if page.context is None:
        return requests
    traced = []
    for request in requests:
        ids: Mapping[str, Any] = {"site": request.site_id, "asset": request.asset_id, "lane": request.lane}
        with tracing.span("accept", root=True, links=[page.context], **ids) as span:
            traced.append(replace(request, trace=span.context))
    return traced


def feed(ledger: Ledger, backfill: Backfill, stop: Callable[[], bool] = lambda: False) -> int:
    return Feeder(ledger=ledger, stop=stop).feed(backfill)


def feed_all(ledger: Ledger, stop: Callable[[], bool] = lambda: False) -> int:
    return Feeder(ledger=ledger, stop=stop).feed_all()


def measured(backfill: Backfill, now_ms: int) -> float | None:
    """Images per second that ended since the start; None: none did."""
    ended = sum(backfill.counts.get(status, 0) for status in ENDED)
    return ended / seconds if ended and (seconds := (now_ms - backfill.started_ms) / 1000) > 0 else None


def request_of(backfill: Backfill, asset: ListedAsset) -> JobRequest:
    spec = backfill.spec
    return JobRequest(
        site_id=backfill.site_id,
        asset_id=asset.asset_id,
        asset_revision=asset.revision or None,
        source=asset.source,
        lane="backfill",
        profile=spec["profile"],
        locales=tuple(spec["locales"]),
        fields=tuple(spec.get("fields") or ALL_FIELDS),
        context=asset.context,
        backfill_id=backfill.id,
        deliver=spec["deliver"],
        anew=bool(spec.get("force_own")),
    )
