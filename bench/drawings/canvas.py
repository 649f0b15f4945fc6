"""What every drawing begins with."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
PALETTE: tuple[Colour, ...] = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (23, 190, 207),
    (240, 200, 60),
    (70, 70, 90),
)
TEXT = """annual report of the board total income by quarter and region please return this form before the end of may with two
copies settings account search help file edit view window the of and to a in for is on that by this with you it not or be are
from"""
WORDS = tuple(TEXT.split())


def sheet(width: int, height: int, colour: Colour = (255, 255, 255)) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), colour)
    return image, ImageDraw.Draw(image)


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(count)).capitalize()


def soft(rng: random.Random) -> Colour:
    return (rng.randrange(130, 245), rng.randrange(130, 245), rng.randrange(130, 245))


def paragraph(
    draw: ImageDraw.ImageDraw, rng: random.Random, box: tuple[int, int, int, int], size: int, ink: Colour = (20, 20, 20)
) -> None:
    """Lines of words that fill a box, the last of each six short."""
    left, top, right, bottom = box
    for line, y in enumerate(range(top, bottom - size, int(size * 1.45))):
        width = (right - left) * (rng.uniform(0.3, 0.6) if line % 6 == 5 else rng.uniform(0.9, 1.0))
        text, kind = "", font(size)
        while draw.textlength(text, font=kind) < width:
            text += rng.choice(WORDS) + " "
        draw.text((left, y), text.rsplit(" ", 2)[0], fill=ink, font=kind)
