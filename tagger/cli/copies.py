"""Copies of described pictures with their words inside: `tagger describe --embed`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tagger.cli import console
from tagger.embed import embed
from tagger.errors import BadRequest, EmbedRefused
from tagger.xmp_packet import Words


def check_target(folder: Path, target: Path) -> None:
    """Errors: BadRequest where copies would lie among the originals."""
    source, chosen = folder.resolve(), target.resolve()
    if chosen == source or source in chosen.parents or chosen in source.parents:
        raise BadRequest(f"{target} and {folder} lie in each other.", "Name a folder of its own for the copies.")


def write(rows: Sequence[Mapping[str, Any]], folder: Path, target: Path, locale: str) -> str:
    """One copy per row that has words, under the same relative path; a sentence that says what became of them.

    Texts that the file has already from somebody else are kept; files whose format cannot hold words are named and left out.
    """
    kept: Counter[str] = Counter()
    written = 0
    for row in rows:
        words = Words(
            locale=locale,
            caption=row["caption"] or None,
            alt_text=row["alt_text"] or None,
            keywords=tuple(tag["label"] for tag in row["tags"]),
        )
        if words.caption is None and words.alt_text is None and not words.keywords:
            continue
        try:
            made = embed(_read(folder / row["file"]), words)
        except EmbedRefused as err:
            console.err.print(f"not embedded: {row['file']}: {err} {err.info().remedy}", markup=False)
            continue
        place = target / row["file"]
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.part")
        draft.write_bytes(made.data)
        draft.replace(place)
        written += 1
        kept.update(name for name, outcome in made.outcomes.items() if outcome == "kept")
    told = ", ".join(f"{count} {name.replace('_', ' ')}{'s' if count > 1 else ''}" for name, count in kept.items())
    return f"{written} copies with words → {target}" + (f" (kept what the file had: {told})" if told else "")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:  # it was there when it was described
        raise EmbedRefused(f"{err.strerror}.") from err
