"""Prepares the input of GME: a picture whose sides are multiples of 28 pixels, and the tokens of one message. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tagger.prediction import Pixels

DEFAULT_INSTRUCTION = "You are a helpful assistant."
IMAGE_PART = "<|vision_start|><|image_pad|><|vision_end|>"
IMAGE_TOKEN, END_TOKEN = "<|image_pad|>", "<|endoftext|>"
FIRST_LEAST, FIRST_MOST = 4, 16384  # visual tokens: bounds of the first of the original's two resizes
LARGEST_RATIO = 200  # of the sides, after the first resize
MAX_TEXT = 500  # tokens of one message without those of the picture; the original ends at 1,800 with them


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Fewest and most visual tokens of one picture. Vectors made under other bounds cannot be compared."""

    least: int = 256
    most: int = 1280


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How a picture becomes patches: Qwen2-VL's preprocessor configuration."""

    size: int = 14  # pixels of a patch's side
    merge: int = 2  # patches of a side that become one visual token
    frames: int = 2  # a still counts as so many equal frames
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    @property
    def factor(self) -> int:
        """Pixels of a visual token's side."""
        return self.size * self.merge


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """One image, text, or both, ready for the device."""

    ids: tuple[int, ...]  # the image's placeholder repeated once per visual token
    pixels: Pixels | None  # [h, w, 3] uint8, multiples of `Patches.factor`


def message(text: str, instruction: str, *, image: bool) -> str:
    """The form of message that GME was trained on. Words of a text that look like special tokens are split."""
    content = f"{IMAGE_PART if image else ''}{plain(text)}"
    asked = plain(instruction) or DEFAULT_INSTRUCTION
    return f"<|im_start|>system\n{asked}<|im_end|>\n<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n{END_TOKEN}"


def plain(text: str) -> str:
    return text.replace("<|", "< |")


def expanded(ids: Sequence[int], image_token: int, count: int) -> tuple[int, ...]:
    """The tokens with the placeholder of the image repeated `count` times."""
    if not count:
        return tuple(ids)
    at = list(ids).index(image_token)
    return (*ids[:at], *[image_token] * count, *ids[at + 1 :])


def resized(pixels: Pixels, bounds: Bounds, patches: Patches) -> Pixels:
    """The original's two resizes: to multiples of a visual token, then into the bounds. [h, w, 3] → [h', w', 3]."""
    unit = patches.factor**2
    height, width = pixels.shape[:2]
    first = fitted(height, width, patches.factor, FIRST_LEAST * unit, FIRST_MOST * unit)
    second = fitted(first[0], first[1], patches.factor, bounds.least * unit, bounds.most * unit)
    image = Image.fromarray(pixels)
    for high, wide in (first, second):
        if image.size != (wide, high):
            image = image.resize((wide, high), Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8)


def fitted(height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """Sides in multiples of `factor`, `least` to `most` pixels in all, near the aspect ratio."""
    high, wide = (max(factor, round(side / factor) * factor) for side in (height, width))
    if high * wide > most:
        shrink = math.sqrt(height * width / most)
        high, wide = (max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width))
    elif high * wide < least:
        grow = math.sqrt(least / (height * width))
        high, wide = (math.ceil(side * grow / factor) * factor for side in (height, width))
    if max(high, wide) > LARGEST_RATIO * min(high, wide):
        high, wide = min(high, wide * LARGEST_RATIO), min(wide, high * LARGEST_RATIO)
    return high, wide


def groups(lengths: Sequence[int], *, waste: float, most: int) -> list[list[int]]:
    """Places of `lengths`, grouped so that padding each group to its longest adds at most the share `waste` and a group
    has at most `most` tokens with its padding. Together they hold each place once; one item always fits."""
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and lengths[place] >= (1 - waste) * longest and longest * (len(batches[-1]) + 1) <= most:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches
