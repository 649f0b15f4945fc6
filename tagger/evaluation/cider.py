"""CIDEr-D: how near a caption is to what people wrote of the same image (Vedantam, Zitnick and Parikh 2015, arXiv 1411.5726).

Pure. Equal to pycocoevalcap's figure on the same tokens (see docs/decisions.md for why it is not a dependency).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

LONGEST = 4  # words of an n-gram
SIGMA = 6.0  # of the penalty for another length
SCALE = 10.0

Grams = Counter[tuple[str, ...]]
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """Lower-case words without punctuation, as the COCO captions are compared."""
    return WORD.findall(text.lower())


def cider_d(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Image → caption, image → what people wrote: image → score, 0 to 10.

    Only images that have a candidate and a reference get a score. How rare a word is, is counted over all references:
    with a handful of images the figure says little, and with one image it is 0.
    """
    told = {image: [_grams(words(text)) for text in some] for image, some in references.items() if some}
    seen: Counter[tuple[str, ...]] = Counter()
    for some in told.values():
        seen.update({gram for grams in some for gram in grams})
    weigh = _Weigher(seen, len(told))
    return {
        image: SCALE * sum(weigh.likeness(_grams(words(text)), one) for one in told[image]) / len(told[image])
        for image, text in candidates.items()
        if image in told
    }


def _grams(tokens: Sequence[str]) -> Grams:
    return Counter(tuple(tokens[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(tokens) - n + 1))


class _Weigher:
    """Counts of n-grams weighed by their rarity over the images."""

    def __init__(self, seen: Mapping[tuple[str, ...], int], images: int) -> None:
        self._seen = seen
        self._log = math.log(max(1, images))

    def likeness(self, candidate: Grams, reference: Grams) -> float:
        """Mean over 1- to 4-grams of the clipped cosine, less for another length; 0..1."""
        gap = sum(c for g, c in candidate.items() if len(g) == 1) - sum(c for g, c in reference.items() if len(g) == 1)
        total = sum(self._cosine(candidate, reference, n) for n in range(1, LONGEST + 1))
        return total / LONGEST * math.exp(-(gap**2) / (2 * SIGMA**2))

    def _cosine(self, candidate: Grams, reference: Grams, n: int) -> float:
        left, right = self._vector(candidate, n), self._vector(reference, n)
        lengths = math.sqrt(sum(v * v for v in left.values())) * math.sqrt(sum(v * v for v in right.values()))
        shared = sum(min(v, right[gram]) * right[gram] for gram, v in left.items() if gram in right)
        return shared / lengths if lengths else 0.0

    def _vector(self, grams: Grams, n: int) -> dict[tuple[str, ...], float]:
        return {g: count * (self._log - math.log(max(1, self._seen.get(g, 0)))) for g, count in grams.items() if len(g) == n}
