"""Backfills: describe a library that exists already. A cursor in the ledger, a bounded window, nothing skipped.

The folder is walked in one fixed order (by path, depth first); the cursor is the last path whose job row was committed, in the
same transaction as the cursor itself. Pausing is not feeding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tagger.asset import ImageSource
from tagger.campaign import Backfill
from tagger.errors import BadRequest
from tagger.ids import new_id
from tagger.job import JobRequest
from tagger.ledger import Ledger
from tagger.site import Site

PAGE = 500
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"})


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image file of a folder."""

    relative: str  # POSIX path inside the folder: the asset's id
    revision: str  # changes with the file: modification time and size


def walk(folder: Path, after: str | None = None) -> Iterator[Picture]:
    """Image files of `folder` in the order of their parts, beginning behind `after`. Links to folders are not followed."""
    yield from _walk(folder, "", None if after is None else after.split("/"))


def _walk(folder: Path, prefix: str, after: list[str] | None) -> Iterator[Picture]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda e: e.name)
    first = after[0] if after else None
    for entry in entries:
        if first is not None and entry.name < first:
            continue
        relative = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            deeper = after[1:] if after and entry.name == first and len(after) > 1 else None
            yield from _walk(Path(entry.path), relative + "/", deeper)
        elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.name != first:
            state = entry.stat()
            yield Picture(relative=relative, revision=f"{state.st_mtime_ns:x}-{state.st_size:x}")


def count(folder: Path) -> int:
    """How many images a backfill of this folder would describe."""
    return sum(1 for _ in walk(folder))


def plan_folder(
    site: Site, folder: Path, *, window: int, now_ms: int, deliver: bool = True, locales: tuple[str, ...] = (), profile: str = ""
) -> Backfill:
    """A new campaign over a folder. Errors: BadRequest if it is no readable folder."""
    root = folder.expanduser().resolve()
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
        raise BadRequest(f"{folder} is not a folder that can be read.", "Name an existing folder of images.")
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


def feed(ledger: Ledger, backfill: Backfill) -> int:
    """Top up the window of one running backfill. Returns the number of job rows made."""
    made = 0
    while backfill.status == "running" and not backfill.exhausted and (room := backfill.room) > 0:
        page = list(islice(walk(Path(backfill.spec["folder"]), backfill.cursor), min(PAGE, room)))
        exhausted = len(page) < min(PAGE, room)
        cursor = page[-1].relative if page else backfill.cursor
        accepted = ledger.feed_backfill(backfill.id, [_request(backfill, picture) for picture in page], cursor, exhausted)
        made += sum(1 for a in accepted if a.created)
        backfill = ledger.backfill(backfill.id)
    return made


def feed_all(ledger: Ledger) -> int:
    """The reconciler's chore: top up every running backfill, and end those that have nothing left. Returns the jobs made."""
    made = sum(feed(ledger, backfill) for backfill in ledger.backfills() if backfill.status == "running")
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
