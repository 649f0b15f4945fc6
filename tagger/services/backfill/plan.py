"""Plans a backfill: over a folder, a CMS's library or a table of addresses; and one that undoes another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tagger.annotation import Field
from tagger.backfill import UNDO, Backfill
from tagger.cms.folder.survey import Survey, survey
from tagger.cms.folder.walk import readable
from tagger.cms.registry import open_library
from tagger.cms.url_list.reader import UrlListReader
from tagger.errors import BadRequest, Conflict
from tagger.ids import new_id
from tagger.instants import format_instant, parse_instant
from tagger.ledger import Ledger
from tagger.pace import of_rate
from tagger.site import Site

FIELDS: tuple[Field, ...] = get_args(Field)
TEXTS = ("alt_text", "caption", "title")
BURST_SECONDS = 30  # of images at the asked rate that may wait for a worker
MOST_IDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a backfill over a library or a table is asked to do."""

    fields: Sequence[str] = ("alt_text", "caption", "tags")
    only_missing: bool = False  # only assets where one of the texts was never set
    ids: Sequence[str] | None = None
    since: str | None = None  # RFC 3339: only assets that were modified then or later
    force_own: bool = False  # describe again what was described, and replace what tagger wrote
    dry_run: bool = False
    sample: int | None = None  # of a dry run: so many assets; None: all
    rate: float | None = None  # images per second at most

    def spec(self) -> dict[str, Any]:
        missing = [name for name in self.fields if name in TEXTS] if self.only_missing else []
        since = None if self.since is None else format_instant(parse_instant(self.since) or 0)
        query = {"ids": None if self.ids is None else list(dict.fromkeys(self.ids)), "since": since, "missing": missing}
        asked = {"fields": list(self.fields), "force_own": self.force_own}
        return {"query": {k: v for k, v in query.items() if v}, **asked, "dry_run": self.dry_run, "sample": self.sample}


def plan_folder(
    site: Site, folder: Path, *, window: int, now_ms: int, deliver: bool = True, seen: Survey | None = None
) -> Backfill:
    """A new backfill over a folder. `seen`: the survey of the folder, if it was made. Errors: BadRequest if it is unreadable."""
    root = readable(folder)
    seen = seen or survey(root)
    spec = {"folder": str(root), "total": seen.pictures, "left_out": seen.sentence(), "deliver": deliver, **_of_site(site)}
    return _backfill(site, "folder", spec, window=window, now_ms=now_ms)


def plan_library(ledger: Ledger, site: Site, wanted: Wanted, *, window: int) -> Backfill:
    """A new backfill over the library of the site's CMS. The CMS is asked once, for the number of assets.

    Errors: BadRequest; LibraryAway; Conflict if the site has no endpoint.
    """
    _check(wanted)
    spec = {**wanted.spec(), "left_out": "", "deliver": not wanted.dry_run, **_of_site(site)}
    spec["total"] = open_library(site.cms, spec, ledger.endpoint_of(site.id)).total() or 0
    return _backfill(site, site.cms, spec, window=window, now_ms=ledger.now_ms(), rate=wanted.rate)


def plan_table(site: Site, file: Path, wanted: Wanted, *, window: int, now_ms: int, encoding: str | None = None) -> Backfill:
    """A new backfill over a CSV file with addresses of images, in UTF-8, UTF-16 or the named `encoding`. Errors: BadRequest."""
    _check(wanted)
    if wanted.only_missing or wanted.ids is not None or wanted.since is not None:
        raise BadRequest("A table has no texts and no times, so nothing can be chosen from it.", "Name the lines in the table.")
    seen = UrlListReader(file, encoding=encoding).survey()
    spec = {**wanted.spec(), "csv": str(file.resolve()), "encoding": encoding, "sha256": seen.sha256, "total": seen.pictures}
    spec |= {"left_out": seen.left_out, "deliver": not wanted.dry_run, **_of_site(site)}
    return _backfill(site, "csv", spec, window=window, now_ms=now_ms, rate=wanted.rate)


def plan_undo(ledger: Ledger, backfill_id: str, *, window: int) -> Backfill:
    """A new backfill that undoes another one. It may be undone again, for example after a dead letter of it was replayed.

    Errors: NotFound; Conflict if it runs, if something of it is still to be written, or while another undo of it runs.
    """
    undone = ledger.backfill(backfill_id)
    if undone.kind == UNDO or undone.rehearses or not undone.spec.get("deliver", True):
        raise Conflict(f"Backfill {backfill_id} wrote nothing that could be put back.", "Name a backfill that wrote texts.")
    if undone.status not in ("done", "cancelled"):
        remedy = f"Wait until it ends, or cancel it: `tagger backfill cancel {backfill_id}`."
        raise Conflict(f"Backfill {backfill_id} is {undone.status}.", remedy)
    if undone.unended:
        what = f"Images of backfill {backfill_id} that are not described or not delivered yet: {undone.unended:,}."
        raise Conflict(what, f"Undo it when this number is 0. See `tagger backfill status {backfill_id}`.")
    open_undos = (one for one in ledger.backfills() if one.undoes == backfill_id and one.status in ("running", "paused"))
    earlier = next(open_undos, None)
    if earlier is not None:
        raise Conflict(f"Backfill {backfill_id} is undone by {earlier.id}.", f"See `tagger backfill status {earlier.id}`.")
    spec = {"of": backfill_id, "total": undone.counts.get("written", 0), "left_out": "", "deliver": True}
    spec |= {"profile": undone.spec["profile"], "locales": list(undone.spec["locales"])}
    return Backfill(
        id=new_id("bkf", ledger.now_ms()), site_id=undone.site_id, kind=UNDO, spec=spec, window=window, started_ms=ledger.now_ms()
    )


def _of_site(site: Site) -> dict[str, Any]:
    return {"locales": list(site.locales), "profile": site.profile}


def _backfill(site: Site, kind: str, spec: Mapping[str, Any], *, window: int, now_ms: int, rate: float | None = None) -> Backfill:
    window = window if rate is None else max(1, min(window, round(rate * BURST_SECONDS)))
    return Backfill(
        id=new_id("bkf", now_ms), site_id=site.id, kind=kind, spec=spec, window=window, started_ms=now_ms,
        pace=of_rate(rate, now_ms),
    )  # fmt: skip


def _check(wanted: Wanted) -> None:
    unknown = [name for name in wanted.fields if name not in FIELDS]
    if unknown or not wanted.fields:
        raise BadRequest(f"There is no field {', '.join(unknown) or '(none)'}.", f"Use: {', '.join(FIELDS)}.")
    if wanted.rate is not None and not 0.01 <= wanted.rate <= 1_000:
        raise BadRequest("The rate must be between 0.01 and 1,000 images per second.")
    if wanted.sample is not None and not wanted.dry_run:
        raise BadRequest("Only a dry run has a sample.", "Add --dry-run, or in the API `dry_run`.")
    if wanted.only_missing and not set(wanted.fields) & set(TEXTS):
        raise BadRequest("Only texts can be missing, and none of the fields is a text.", f"Add one of {', '.join(TEXTS)}.")
    if wanted.ids is not None and not 1 <= len(wanted.ids) <= MOST_IDS:
        raise BadRequest(f"Between 1 and {MOST_IDS:,} ids can be named.", "Use several backfills, or a table of addresses.")
