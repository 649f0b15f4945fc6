"""What people said of test images: a CSV file with the columns file, true_tags (ids, separated by spaces) and caption."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import LabelsInvalid

MAX_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Labels:
    tags: Mapping[str, frozenset[str]]  # file → ids of the terms that are true of it, in the order of the file
    captions: Mapping[str, tuple[str, ...]]  # file → reference captions, where there are any

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted(self.tags))

    @property
    def universe(self) -> frozenset[str]:
        """Every id that is true of some image."""
        return frozenset().union(*self.tags.values())


def load(path: Path) -> Labels:
    """Errors: LabelsInvalid, with line, column, reason and remedy."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise LabelsInvalid(f"{path} cannot be read: {err.strerror}.", "Check the path and its rights.") from err
    if len(raw) > MAX_BYTES:
        raise LabelsInvalid(f"{path.name} is over {MAX_BYTES >> 20} MiB.", "Split it.")
    return parse(raw, source=path.name)


def parse(raw: bytes, *, source: str = "labels.csv") -> Labels:
    """Several captions stand in the columns caption, caption_2, … Errors: LabelsInvalid."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise LabelsInvalid(f"{source} is not UTF-8: byte {err.start} is wrong.", "Save the file as UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    tags: dict[str, frozenset[str]] = {}
    captions: dict[str, tuple[str, ...]] = {}
    try:
        columns = [name or "" for name in reader.fieldnames or ()]
        for needed in ("file", "true_tags"):
            if needed not in columns:
                raise LabelsInvalid(f"{source}, line 1: the column `{needed}` is missing.", f"Name a column `{needed}`.")
        told = [name for name in columns if name == "caption" or name.startswith("caption_")]
        for row in reader:
            name = _name(row, source, reader.line_num, columns.index("file") + 1, tags)
            tags[name] = frozenset((row["true_tags"] or "").split())
            captions[name] = tuple(row[c].strip() for c in told if row[c] and row[c].strip())
    except csv.Error as err:
        raise LabelsInvalid(
            f"{source}, line {reader.reader.line_num}: {err}.", "Correct the CSV; quote texts with commas."
        ) from None
    if not tags:
        raise LabelsInvalid(f"{source} names no image.", "Write one line per image below the heading.")
    return Labels(tags=tags, captions={name: some for name, some in captions.items() if some})


def _name(row: Mapping[str, str | None], source: str, line: int, column: int, known: Mapping[str, object]) -> str:
    name = (row["file"] or "").strip()
    at = f"{source}, line {line}, column {column}"
    if not name:
        raise LabelsInvalid(f"{at}: the file's name is missing.", "Write the image's name, relative to the folder.")
    if name in known:
        raise LabelsInvalid(f"{at}: `{name}` stands here a second time.", "Keep one of the two lines.")
    if name.startswith("/") or ".." in Path(name).parts:
        raise LabelsInvalid(f"{at}: `{name}` leaves the folder.", "Name images relative to the folder, without `..`.")
    return name
