"""Pictures that are no photographs, drawn from fixed numbers, with their labels.

Each family is one way of drawing. Of the families of a kind, by name, the first, third, fifth … may be tuned on; the others are
kept aside, so no way of drawing is in both halves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from PIL import Image

from bench.drawings import charts, graphics, pages, scans

Draw = Callable[[random.Random], Image.Image]
EACH = 4  # pictures of a family
PARTS: tuple[ModuleType, ...] = (charts, graphics, pages, scans)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    name: str
    kind: str
    tags: frozenset[str]  # those of the vocabulary `general` that are right
    tuned: bool
    image: Image.Image


def families() -> Mapping[str, Mapping[str, tuple[Draw, str]]]:
    """Kind → name of the family → how it is drawn, and its tags."""
    found: dict[str, dict[str, tuple[Draw, str]]] = {}
    for part in PARTS:
        for kind, some in part.FAMILIES.items():
            found.setdefault(kind, {}).update(some)
    return found


def drawings() -> Iterator[Drawing]:
    for kind, some in sorted(families().items()):
        names = sorted(some)
        for place, family in enumerate(names):
            draw, tags = some[family]
            for number in range(EACH):
                image = draw(random.Random(f"{family} {number}"))
                yield Drawing(
                    name=f"{family}-{number}", kind=kind, tags=frozenset(tags.split()), tuned=place % 2 == 0, image=image
                )
