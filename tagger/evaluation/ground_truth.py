"""What people said of test images: a CSV file with the columns file, true_tags (ids, separated by spaces) and caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import LabelsInvalid
from tagger.tables import table_file
from tagger.tables.table_file import Line, Table

NEEDED = ("file", "true_tags")


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

    def renamed(self, names: Mapping[str, str]) -> Labels:
        """The same under other names; a file without one keeps its own. Errors: LabelsInvalid where two become one."""
        new = [names.get(file, file) for file in self.tags]
        twice = next((name for name, times in Counter(new).items() if times > 1), None)
        if twice is not None:
            raise LabelsInvalid(f"Two lines name the image `{twice}`.", "Delete one of the two lines.")
        return Labels(
            tags={names.get(file, file): tags for file, tags in self.tags.items()},
            captions={names.get(file, file): some for file, some in self.captions.items()},
        )


def load(path: Path, encoding: str | None = None) -> Labels:
    """Errors: LabelsInvalid, with line, column, reason and remedy."""
    return _labels(table_file.load(path, NEEDED, LabelsInvalid, encoding), path.name)


def parse(raw: bytes, *, source: str = "labels.csv", encoding: str | None = None) -> Labels:
    """Several captions stand in the columns caption, caption_2, … Errors: LabelsInvalid."""
    return _labels(table_file.read(raw, NEEDED, source=source, fault=LabelsInvalid, encoding=encoding), source)


def _labels(table: Table, source: str) -> Labels:
    tags: dict[str, frozenset[str]] = {}
    captions: dict[str, tuple[str, ...]] = {}
    told = [name for name in table.columns if name == "caption" or name.startswith("caption_")]
    table_file.check_once(table.columns, told, source=source, fault=LabelsInvalid)
    for line in table.lines:
        name = _name(line, source, table.columns.index("file") + 1, tags)
        tags[name] = frozenset(line.cells["true_tags"].split())
        captions[name] = tuple(line.cells[c] for c in told if line.cells[c])
    if not tags:
        raise LabelsInvalid(f"{source} names no image.", "Write one line for each image below the heading.")
    return Labels(tags=tags, captions={name: some for name, some in captions.items() if some})


def _name(line: Line, source: str, column: int, known: Mapping[str, object]) -> str:
    name = line.cells["file"]
    at = f"{source}, line {line.number}, column {column}"
    if not name:
        raise LabelsInvalid(f"{at}: the file name is missing.", "Write the image's name, relative to the folder.")
    if name in known:
        raise LabelsInvalid(f"{at}: `{name}` is listed a second time.", "Delete one of the two lines.")
    if name.startswith("/") or ".." in Path(name).parts:
        raise LabelsInvalid(f"{at}: `{name}` is outside of the folder.", "Name images relative to the folder, without `..`.")
    return name
