"""Copies of described images with their texts inside: `tagger describe --embed`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.cli import console
from tagger.cms.folder.walk import linked_folders
from tagger.errors import BadRequest, EmbedRefused
from tagger.imagemeta.embed import Embedded, embed, origin
from tagger.imagemeta.xmp_packet import Words
from tagger.system import whole_file

NAMED = 10  # files that one line names; each has a line of its own before


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What became of the copies of a run."""

    sentence: str
    failed: tuple[str, ...]  # the images that have no copy with their texts, or no new one


def check_target(folder: Path, target: Path) -> None:
    """Check the folder before the work. Errors: BadRequest if copies would be among the originals, or cannot be written."""
    chosen = target.resolve()
    remedy = "Name another folder for the copies, outside the folder of the images."
    linked = map(Path, linked_folders(folder) if os.path.isdir(folder) else ())
    for source in (folder.resolve(), *linked):
        if chosen == source or source in chosen.parents or chosen in source.parents:
            link = "" if source == folder.resolve() else f", which a link in {folder} leads to,"
            raise BadRequest(f"One of the folders {target} and {source if link else folder}{link} contains the other.", remedy)
    there = next(place for place in (chosen, *chosen.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise BadRequest(f"{there} is not a folder.", remedy)
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadRequest(f"You may not write to {there}.", remedy)


def write(rows: Sequence[Mapping[str, Any]], folder: Path, target: Path, locale: str) -> Copies:
    """Write one copy per row that has texts, under the same relative path.

    Texts that a person wrote stay, in the original and in a copy from an earlier run. A file is skipped with a message if its
    format cannot hold texts, or if another file has its place.
    """
    kept_counts: Counter[str] = Counter()
    written, failed = 0, list[str]()
    for row in rows:
        words = Words(
            locale=locale,
            caption=row["caption"] or None,
            alt_text=row["alt_text"] or None,
            keywords=tuple(tag["label"] for tag in row["tags"]),
        )
        if words.caption is None and words.alt_text is None and not words.keywords:
            continue
        place = target / row["file"]
        try:
            made = _made(folder / row["file"], place, words)
            _put(made.data, place, folder / row["file"])
        except EmbedRefused as err:
            console.err.print(f"not embedded: {row['file']}: {err} {err.info().remedy}", markup=False)
            failed.append(row["file"])
            continue
        written += 1
        kept_counts.update(name for name, outcome in made.outcomes.items() if outcome == "kept")
    kept_names = ", ".join(f"{count} {name.replace('_', ' ')}{'s' if count > 1 else ''}" for name, count in kept_counts.items())
    sentence = f"{written} copies with texts → {target}" + (
        f" (texts that stayed in the files: {kept_names})" if kept_names else ""
    )
    if failed:
        sentence += f"\n{len(failed)} images have no copy: {', '.join(failed[:NAMED])}{', …' if len(failed) > NAMED else ''}"
    return Copies(sentence=sentence, failed=tuple(failed))


def _made(original: Path, place: Path, words: Words) -> Embedded:
    """The content of the copy. If a person edited the copy, the edited copy is updated; else it is written again.

    Errors: EmbedRefused, also if `place` holds a file that tagger did not write.
    """
    data = _read(original)
    source = hashlib.sha256(data).hexdigest()
    if not os.path.lexists(place):
        return embed(data, words, source=source, seal=True)
    there = _read(place)
    copy = origin(there)
    if copy is None:
        raise EmbedRefused(f"{place} already exists, and tagger did not write it.", "Move it, or name another folder.")
    if copy.untouched:
        return embed(data, words, source=source, seal=True)
    if copy.source != source:
        raise EmbedRefused(
            f"{place} was edited since tagger wrote it, and its original has changed too.",
            "Move the edited copy; then tagger writes a new one.",
        )
    return embed(there, words, source=source)


def _put(data: bytes, place: Path, original: Path) -> None:
    """A new copy gets the read permissions of its original. Errors: EmbedRefused."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):
            whole_file.replace(place, data)
        else:
            whole_file.create(place, data, mode=stat.S_IMODE(original.stat().st_mode) & 0o666 | stat.S_IWUSR)
    except OSError as err:
        raise EmbedRefused(
            f"{place} cannot be written: {err.strerror}.", "Check the permissions of the folder, or name another one."
        ) from err


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:  # it existed when it was described
        raise EmbedRefused(f"{err.strerror}.") from err
