"""Backfills: describe a library that exists already. A cursor in the ledger, a bounded window, nothing skipped.

The folder is walked in one fixed order (by path, depth first); the cursor is the last path whose job row was committed, in the
same transaction as the cursor itself. Pausing is not feeding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

import structlog

from tagger.asset import ImageSource
from tagger.campaign import Backfill
from tagger.errors import BadRequest, Conflict
from tagger.ids import new_id
from tagger.job import JobRequest
from tagger.ledger import Ledger
from tagger.site import Site

log = structlog.get_logger()

PAGE = 500
REHEARSED_PAGE = 50
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"})


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image file of a folder."""

    relative: str  # POSIX path inside the folder: the asset's id
    revision: str  # changes with the file: modification time and size


def walk(folder: Path, after: str | None = None) -> Iterator[Picture]:
    """Image files of `folder` in the order of their parts, beginning behind `after`. Links to folders are not followed.

    A subfolder that may not be read is left out, with a line in the log. Errors: OSError for any other fault, to be tried again.
    """
    yield from _walk(folder, "", None if after is None else after.split("/"))


def _walk(folder: Path, prefix: str, after: list[str] | None) -> Iterator[Picture]:
    first = after[0] if after else None
    for entry in _entries(folder, within=prefix != ""):
        if first is not None and entry.name < first:
            continue
        relative = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            deeper = after[1:] if after and entry.name == first and len(after) > 1 else None
            yield from _walk(Path(entry.path), relative + "/", deeper)
        elif entry.name != first and (picture := _picture(entry, relative)) is not None:
            yield picture


def _entries(folder: Path, *, within: bool) -> list[os.DirEntry[str]]:
    """In one fixed order. Names that are not valid Unicode are left out: no CMS and no database could hold them as an id."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except PermissionError as err:  # any other fault may pass: the next walk begins here again, and nothing was left out
        if not within:
            raise
        log.warning("folder.unreadable", folder=os.fsencode(folder).decode("utf-8", "replace"), error=err.strerror)
        return []
    good = [entry for entry in entries if _is_text(entry.name)]
    if len(good) < len(entries):
        log.warning("folder.names_not_unicode", folder=str(folder), left_out=len(entries) - len(good))
    return sorted(good, key=lambda e: e.name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _picture(entry: os.DirEntry[str], relative: str) -> Picture | None:
    """None for what is no image file, or went away while we looked."""
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
        return None
    try:
        if not entry.is_file():
            return None
        state = entry.stat()
    except OSError:
        return None
    return Picture(relative=relative, revision=f"{state.st_mtime_ns:x}-{state.st_size:x}")


def count(folder: Path) -> int:
    """How many images a backfill of this folder would describe. Errors: BadRequest if it is no readable folder."""
    return sum(1 for _ in walk(readable(folder)))


def readable(folder: Path) -> Path:
    """The real path of a folder. Errors: BadRequest if it is none, or cannot be read."""
    root = folder.expanduser().resolve()
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK) or not _is_text(str(root)):
        raise BadRequest(f"{folder} is not a folder that can be read.", "Name an existing folder of images.")
    return root


def plan_folder(
    site: Site, folder: Path, *, window: int, now_ms: int, deliver: bool = True, locales: tuple[str, ...] = (), profile: str = ""
) -> Backfill:
    """A new campaign over a folder. Errors: BadRequest if it is no readable folder."""
    root = readable(folder)
    spec = {
        "folder": str(root),
        "total": count(root),
        "deliver": deliver,
        "locales": list(locales or site.locales),
        "profile": profile or site.profile,
    }
    return Backfill(
        id=new_id("bkf", now_ms), site_id=site.id, kind="folder", spec=spec, cursor=None, status="running", window=window,
        started_ms=now_ms,
    )  # fmt: skip


def rehearse(ledger: Ledger, plan: Backfill, pause: Callable[[float], None] = time.sleep) -> Iterator[tuple[int, int]]:
    """After each page of a campaign that is only planned: images so far, and those of them that are known. Stores nothing.

    Each page holds the ledger's write lock like the real thing, so a pause as long follows it: who works is not kept waiting.
    """
    pictures = walk(Path(plan.spec["folder"]))
    images = known = 0
    while page := list(islice(pictures, REHEARSED_PAGE)):
        began = time.monotonic()
        answers = ledger.rehearse([_request(plan, picture) for picture in page])
        images, known = images + len(answers), known + sum(not answer.created for answer in answers)
        yield images, known
        pause(time.monotonic() - began)


def feed(ledger: Ledger, backfill: Backfill, stop: Callable[[], bool] = lambda: False) -> int:
    """Top up the window of one running backfill, once there is room worth a walk. Returns the number of job rows made.

    `stop` is asked at each picture; a page that it cut short is left for another time, so nothing is skipped.
    """
    made = 0
    if backfill.room < min(PAGE, max(1, backfill.window // 2)):  # each walk lists the folder anew: not for a few pictures
        return made
    pictures = walk(Path(backfill.spec["folder"]), backfill.cursor)  # one walk for all pages: a big folder lists slowly
    while backfill.status == "running" and not backfill.exhausted and (room := backfill.room) > 0:
        page = list(takewhile(lambda _: not stop(), islice(pictures, min(PAGE, room))))
        if stop():
            break
        exhausted = len(page) < min(PAGE, room)
        cursor = page[-1].relative if page else backfill.cursor
        requests = [_request(backfill, picture) for picture in page]
        accepted = ledger.feed_backfill(backfill.id, requests, cursor, exhausted, after=backfill.cursor)
        made += sum(1 for a in accepted if a.created)
        backfill = ledger.backfill(backfill.id)
    return made


def feed_all(ledger: Ledger, stop: Callable[[], bool] = lambda: False) -> int:
    """The reconciler's chore: top up every running backfill, and end those that have nothing left. Returns the jobs made.

    A campaign that was paused meanwhile, or whose folder is away (a disk that is not mounted), does not hold up the others.
    """
    running = ledger.backfills(status="running")
    if not running:
        return 0
    made = 0
    for backfill in running:
        if stop():
            break
        try:
            made += feed(ledger, backfill, stop)
        except (Conflict, OSError) as err:
            log.warning("backfill.not_fed", backfill=backfill.id, error=str(err))
    ledger.finish_backfills()
    return made


def _request(backfill: Backfill, picture: Picture) -> JobRequest:
    root = backfill.spec["folder"]
    return JobRequest(
        site_id=backfill.site_id,
        asset_id=picture.relative,
        asset_revision=picture.revision,
        source=ImageSource(kind="file", location=f"{root}/{picture.relative}", root=root),
        lane="backfill",
        profile=backfill.spec["profile"],
        locales=tuple(backfill.spec["locales"]),
        backfill_id=backfill.id,
        deliver=backfill.spec["deliver"],
    )
