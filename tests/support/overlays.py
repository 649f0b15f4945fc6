"""Photographs with words laid over them, in English and in Chinese, drawn from fixed numbers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parents[1]
MASKS = HERE / "data" / "text"
PHOTOS = HERE.parent / "tagger" / "demo" / "photos"
WITHOUT_TEXT = (
    "china.jpg",
    "flower.jpg",
    "sk_astronaut.png",
    "sk_camera.png",
    "sk_chelsea.png",
    "sk_coffee.png",
    "sk_coins.png",
    "sk_rocket.jpg",
)
ENGLISH = (
    "Summer Sale",
    "No Entry",
    "Open Daily",
    "Fresh Coffee",
    "Exit 12",
    "Welcome",
    "Main Street",
    "Keep Right",
    "Ticket Office",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlay:
    photo: str
    text: str
    image: Image.Image


def photo(name: str) -> Image.Image:
    with Image.open(PHOTOS / name) as file:
        return file.convert("RGB")


def english(text: str, height: int) -> Image.Image:
    """[L] the words as a mask of this height."""
    font = ImageFont.load_default(96)
    left, top, right, bottom = map(round, font.getbbox(text))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    return _scaled(mask, height)


def chinese(file: str, height: int) -> Image.Image:
    with Image.open(MASKS / file) as mask:
        return _scaled(mask.convert("L"), height)


def _scaled(mask: Image.Image, height: int) -> Image.Image:
    return mask.resize((max(1, round(mask.width * height / mask.height)), height), Image.Resampling.LANCZOS)


def lay(image: Image.Image, mask: Image.Image, place: random.Random) -> Image.Image:
    """The words at a random place, light on a dark ground and dark on a light one."""
    out = image.copy()
    x, y = place.randint(4, max(4, out.width - mask.width - 4)), place.randint(4, max(4, out.height - mask.height - 4))
    ground = np.asarray(out.crop((x, y, x + mask.width, y + mask.height)).convert("L")).mean()
    out.paste((255, 255, 255) if ground < 140 else (10, 10, 10), (x, y), mask)
    return out


def overlays(count: int, share: float, photos: Sequence[str] = WITHOUT_TEXT) -> Iterator[Overlay]:
    """`share`: height of the words as a share of the picture's."""
    words = tuple(json.loads((MASKS / "words.json").read_text("utf-8")).items())
    for n in range(count):
        name, place = photos[n % len(photos)], random.Random(f"overlay {n}")
        image = photo(name)
        height = round(share * image.height)
        if n // len(photos) % 2:
            file, text = words[n % len(words)]
            mask = chinese(file, height)
        else:
            text = ENGLISH[n % len(ENGLISH)]
            mask = english(text, height)
        yield Overlay(photo=name, text=text, image=lay(image, mask, place))
