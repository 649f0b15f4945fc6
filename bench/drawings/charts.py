"""Charts, diagrams and maps."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageDraw, ImageFilter

from bench.drawings.canvas import PALETTE, Colour, font, sheet, soft, words

BLACK = (0, 0, 0)


def _axes(draw: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int, grid: bool) -> tuple[int, int, int, int]:
    left, top, right, bottom = 60, 40, width - 25, height - 45
    for i in range(6):
        y = top + (bottom - top) * i // 5
        if grid:
            draw.line((left, y, right, y), fill=(215, 215, 215))
        draw.text((left - 32, y - 7), str((5 - i) * 20), fill=BLACK, font=font(12))
    draw.line((left, top, left, bottom, right, bottom), fill=BLACK, width=2)
    draw.text((left, 10), words(rng, 5), fill=BLACK, font=font(18))
    draw.text((width // 2, height - 22), words(rng, 2), fill=BLACK, font=font(12))
    return left, top, right, bottom


def bars(rng: random.Random) -> Image.Image:
    image, draw = sheet(rng.choice((480, 640, 800)), rng.choice((360, 420, 500)))
    left, top, right, bottom = _axes(draw, rng, *image.size, grid=rng.random() < 0.5)
    count, colour = rng.randrange(4, 12), rng.choice(PALETTE)
    step = (right - left) / count
    for i in range(count):
        x, y = left + i * step, bottom - rng.uniform(0.1, 1.0) * (bottom - top)
        draw.rectangle((x + step * 0.2, y, x + step * 0.8, bottom), fill=colour if rng.random() < 0.7 else rng.choice(PALETTE))
    return image


def lines(rng: random.Random) -> Image.Image:
    image, draw = sheet(rng.choice((480, 640, 800)), rng.choice((360, 420, 500)))
    left, top, right, bottom = _axes(draw, rng, *image.size, grid=rng.random() < 0.6)
    for colour in rng.sample(PALETTE, rng.randrange(1, 5)):
        level, points = rng.random(), []
        for x in range(left, right, 8):
            level = min(1.0, max(0.0, level + rng.uniform(-0.08, 0.08)))
            points.append((x, bottom - level * (bottom - top)))
        draw.line(points, fill=colour, width=rng.choice((2, 3)))
    return image


def pie(rng: random.Random) -> Image.Image:
    image, draw = sheet(560, 420)
    draw.text((20, 10), words(rng, 4), fill=BLACK, font=font(20))
    angle = 0.0
    for i in range(5):
        end = 360.0 if i == 4 else angle + rng.uniform(30, 75)
        draw.pieslice((90, 70, 390, 370), angle, end, fill=PALETTE[i], outline=(255, 255, 255))
        draw.rectangle((420, 120 + 30 * i, 436, 136 + 30 * i), fill=PALETTE[i])
        draw.text((444, 120 + 30 * i), words(rng, 1), fill=BLACK, font=font(14))
        angle = end
    return image


def scatter(rng: random.Random) -> Image.Image:
    image, draw = sheet(rng.choice((500, 640)), rng.choice((400, 480)))
    left, top, right, bottom = _axes(draw, rng, *image.size, grid=False)
    for colour in rng.sample(PALETTE, 3):
        middle = rng.uniform(left, right), rng.uniform(top, bottom)
        for _ in range(60):
            x, y = rng.gauss(middle[0], 60), rng.gauss(middle[1], 40)
            if left < x < right and top < y < bottom:
                draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
    return image


def flowchart(rng: random.Random) -> Image.Image:
    image, draw = sheet(640, 480)
    fill: Colour = soft(rng)
    for row in range(4):
        y = 25 + row * 112
        columns = rng.randrange(1, 4)
        for column in range(columns):
            x = 640 * (column + 0.5) / columns
            draw.rounded_rectangle((x - 75, y, x + 75, y + 56), 8 if row else 25, fill=fill, outline=BLACK, width=2)
            draw.text((x - 55, y + 18), words(rng, 2), fill=BLACK, font=font(14))
            if row < 3:
                draw.line((x, y + 56, x, y + 108), fill=BLACK, width=2)
                draw.polygon(((x - 6, y + 100), (x + 6, y + 100), (x, y + 111)), fill=BLACK)
    return image


def network(rng: random.Random) -> Image.Image:
    image, draw = sheet(600, 460)
    places = [(rng.uniform(40, 560), rng.uniform(40, 420)) for _ in range(12)]
    for a in places:
        for b in rng.sample(places, 2):
            draw.line((*a, *b), fill=(90, 90, 90), width=1)
    for i, (x, y) in enumerate(places):
        draw.ellipse((x - 17, y - 17, x + 17, y + 17), fill=rng.choice(PALETTE), outline=BLACK)
        draw.text((x - 5, y - 8), str(i), fill=(255, 255, 255), font=font(14))
    return image


def streets(rng: random.Random) -> Image.Image:
    image, draw = sheet(640, 480, (242, 239, 233))
    for _ in range(6):
        x, y, r = rng.randrange(640), rng.randrange(480), rng.randrange(30, 90)
        draw.polygon([(x + r * math.cos(t) * rng.uniform(0.6, 1.3), y + r * math.sin(t)) for t in range(6)], fill=(200, 225, 170))
    draw.line([(x, 300 + 60 * math.sin(x / 90 + rng.random())) for x in range(-10, 660, 30)], fill=(170, 211, 223), width=26)
    for _ in range(22):
        a, b = (rng.randrange(640), rng.choice((0, 480))), (rng.randrange(640), rng.randrange(480))
        draw.line((*a, *b), fill=(190, 180, 170), width=8)
        draw.line((*a, *b), fill=rng.choice(((255, 255, 255), (252, 214, 164))), width=6)
    for _ in range(12):
        draw.text((rng.randrange(560), rng.randrange(460)), words(rng, 2), fill=(80, 80, 80), font=font(11))
    return image


def regions(rng: random.Random) -> Image.Image:
    image, draw = sheet(640, 440, (180, 208, 232))
    seeds = [(rng.uniform(60, 580), rng.uniform(50, 390), soft(rng)) for _ in range(16)]
    for x, y, colour in seeds:
        r = rng.uniform(50, 95)
        points = [
            (x + r * rng.uniform(0.7, 1.1) * math.cos(t / 3), y + r * rng.uniform(0.7, 1.1) * math.sin(t / 3)) for t in range(19)
        ]
        draw.polygon(points, fill=colour, outline=(90, 90, 90))
    for x, y, _ in seeds:
        draw.text((x - 25, y), words(rng, 1), fill=(40, 40, 40), font=font(13))
    return image


def contours(rng: random.Random) -> Image.Image:
    """Relief with contour lines: shaded, so of many colours."""
    small = Image.new("L", (14, 10))
    small.putdata([rng.randrange(256) for _ in range(140)])
    relief = small.resize((640, 460), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(6))
    levels = relief.point(lambda v: v // 18 * 18)
    image = Image.merge(
        "RGB", (levels.point(lambda v: 150 + v // 3), levels.point(lambda v: 190 + v // 8), levels.point(lambda v: 130 + v // 5))
    )
    edge = levels.filter(ImageFilter.FIND_EDGES).point(lambda v: 255 if v > 8 else 0)
    image.paste((140, 100, 70), mask=edge)
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        draw.text((rng.randrange(580), rng.randrange(440)), words(rng, 1), fill=(60, 40, 30), font=font(12))
    return image


FAMILIES = {
    "chart": {
        "bars": (bars, "chart"),
        "flowchart": (flowchart, "chart"),
        "lines": (lines, "chart"),
        "network": (network, "chart"),
        "pie": (pie, "chart"),
        "scatter": (scatter, "chart"),
    },
    "map": {
        "regions": (regions, "map illustration"),
        "streets": (streets, "map illustration"),
        "contours": (contours, "map illustration"),
    },
}
