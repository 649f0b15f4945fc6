"""Illustrations, icons and logos."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageDraw, ImageFilter

from bench.drawings.canvas import PALETTE, font, sheet, soft, words

WHITE = (255, 255, 255)


def _star(x: float, y: float, r: float, points: int = 5) -> list[tuple[float, float]]:
    return [
        (
            x + (r if i % 2 == 0 else r * 0.42) * math.sin(i * math.pi / points),
            y - (r if i % 2 == 0 else r * 0.42) * math.cos(i * math.pi / points),
        )
        for i in range(2 * points)
    ]


def letter(rng: random.Random) -> Image.Image:
    side = rng.choice((128, 256, 512))
    image, draw = sheet(side, side)
    draw.rounded_rectangle((side * 0.08, side * 0.08, side * 0.92, side * 0.92), side * 0.2, fill=rng.choice(PALETTE))
    draw.text((side * 0.32, side * 0.18), rng.choice("ABGKTWR"), fill=WHITE, font=font(side * 0.55))
    return image


def glyph(rng: random.Random) -> Image.Image:
    side = rng.choice((96, 200, 320))
    image, draw = sheet(side, side, rng.choice((WHITE, (240, 240, 240), (32, 34, 40))))
    colour, w = rng.choice(PALETTE), side // 14
    draw.ellipse((side * 0.2, side * 0.2, side * 0.62, side * 0.62), outline=colour, width=w)
    draw.line((side * 0.58, side * 0.58, side * 0.84, side * 0.84), fill=colour, width=w)
    if rng.random() < 0.5:
        draw.line((side * 0.3, side * 0.41, side * 0.52, side * 0.41), fill=colour, width=w)
    return image


def badge(rng: random.Random) -> Image.Image:
    image, draw = sheet(400, 400, rng.choice((WHITE, soft(rng))))
    draw.ellipse((40, 40, 360, 360), fill=rng.choice(PALETTE), outline=(40, 40, 60), width=10)
    draw.polygon(_star(200, 190, 110, rng.choice((5, 6, 8))), fill=WHITE)
    draw.text((150, 300), words(rng, 1)[:9].upper(), fill=WHITE, font=font(26))
    return image


def headphones(rng: random.Random) -> Image.Image:
    """Line art, as icon sets have it."""
    image, draw = sheet(256, 256)
    ink = rng.choice((*PALETTE, (0, 0, 0)))
    draw.arc((40, 40, 216, 216), 180, 360, fill=ink, width=14)
    for x in (34, 182):
        draw.rounded_rectangle((x, 125, x + 40, 205), 14, fill=ink)
    return image


def symbol(rng: random.Random) -> Image.Image:
    """Black shapes without words, as toolbars have them."""
    side = rng.choice((32, 48, 96, 192))
    image, draw = sheet(side * 4, side * 4)
    ink, unit = rng.choice(((0, 0, 0), (46, 52, 54), (90, 90, 90))), side / 2
    for _ in range(rng.randrange(2, 6)):
        x, y = unit * rng.randrange(1, 6), unit * rng.randrange(1, 6)
        if rng.random() < 0.4:
            draw.ellipse((x, y, x + 2 * unit, y + 2 * unit), outline=ink, width=max(1, side // 3))
        else:
            draw.rectangle((x, y, x + unit * rng.choice((1, 2)), y + unit * rng.choice((0.6, 2))), fill=ink)
    return image.resize((side, side), Image.Resampling.BOX)


def arrow(rng: random.Random) -> Image.Image:
    side = rng.choice((48, 96, 160))
    image, draw = sheet(side * 4, side * 4, rng.choice((WHITE, WHITE, (245, 245, 245))))
    s = side * 4
    draw.polygon(
        [
            (0.15 * s, 0.4 * s),
            (0.5 * s, 0.4 * s),
            (0.5 * s, 0.2 * s),
            (0.86 * s, 0.5 * s),
            (0.5 * s, 0.8 * s),
            (0.5 * s, 0.6 * s),
            (0.15 * s, 0.6 * s),
        ],
        fill=rng.choice((*PALETTE, (0, 0, 0))),
    )
    return image.resize((side, side), Image.Resampling.BOX).rotate(90 * rng.randrange(4))


def wordmark(rng: random.Random) -> Image.Image:
    image, draw = sheet(600, 200, rng.choice((WHITE, (20, 24, 40))))
    colour = rng.choice(PALETTE[:8])
    draw.polygon(_star(100, 100, 65, rng.choice((3, 4, 6))), fill=colour)
    draw.text((190, 60), words(rng, 1) + rng.choice(("ly", "io", "")), fill=colour, font=font(76))
    return image


def hills(rng: random.Random) -> Image.Image:
    image, draw = sheet(640, 440, (150, 205, 240))
    draw.ellipse((480, 40, 560, 120), fill=(250, 215, 90))
    for base, colour in ((250, (120, 180, 110)), (310, (90, 155, 90)), (370, (70, 130, 75))):
        phase = rng.random() * 6
        draw.polygon([(0, 440), *((x, base + 40 * math.sin(x / 95 + phase)) for x in range(0, 650, 10)), (640, 440)], fill=colour)
    for _ in range(6):
        x, y = rng.randrange(30, 600), rng.randrange(300, 390)
        draw.rectangle((x - 4, y, x + 4, y + 30), fill=(110, 75, 50))
        draw.ellipse((x - 24, y - 40, x + 24, y + 8), fill=(50, 120, 60))
    return image


def face(rng: random.Random) -> Image.Image:
    image, draw = sheet(420, 480, soft(rng))
    skin, hair = rng.choice(((245, 205, 170), (190, 135, 95), (120, 80, 55))), rng.choice(PALETTE)
    draw.rounded_rectangle((80, 360, 340, 560), 90, fill=rng.choice(PALETTE), outline=(30, 30, 30), width=4)
    draw.ellipse((110, 70, 310, 300), fill=hair, outline=(30, 30, 30), width=4)
    draw.ellipse((125, 110, 295, 360), fill=skin, outline=(30, 30, 30), width=4)
    for x in (175, 245):
        draw.ellipse((x - 14, 205, x + 14, 235), fill=WHITE, outline=(30, 30, 30), width=3)
        draw.ellipse((x - 5, 215, x + 5, 227), fill=(30, 30, 30))
    draw.arc((175, 250, 245, 320), 20, 160, fill=(150, 40, 40), width=5)
    return image


def house(rng: random.Random) -> Image.Image:
    """With soft shading, as a children's book has it."""
    sky = Image.linear_gradient("L").resize((600, 420))
    image = Image.merge("RGB", (sky.point(lambda v: 120 + v // 3), sky.point(lambda v: 180 + v // 5), sky.point([245] * 256)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 320, 600, 420), fill=(110, 170, 80))
    wall = soft(rng)
    draw.rectangle((180, 190, 420, 350), fill=wall, outline=(60, 50, 50), width=3)
    draw.polygon(((150, 195), (300, 90), (450, 195)), fill=rng.choice(((180, 60, 50), (120, 70, 60), (60, 70, 110))))
    draw.rectangle((275, 260, 325, 350), fill=(110, 70, 40))
    for x in (210, 345):
        draw.rectangle((x, 225, x + 45, 265), fill=(210, 235, 250), outline=(60, 50, 50), width=3)
    return image.filter(ImageFilter.GaussianBlur(0.8))


def shapes(rng: random.Random) -> Image.Image:
    image, draw = sheet(600, 400, soft(rng))
    for _ in range(14):
        x, y, r = rng.randrange(600), rng.randrange(400), rng.randrange(25, 120)
        draw.regular_polygon((x, y, r), rng.choice((3, 4, 5, 30)), rng.randrange(90), fill=rng.choice((*PALETTE, soft(rng))))
    return image


def spheres(rng: random.Random) -> Image.Image:
    """Shaded balls on a gradient, as drawing programs render them."""
    ground = Image.linear_gradient("L").rotate(90 * rng.randrange(4)).resize((560, 420))
    image = Image.merge("RGB", tuple(ground.point([c + v // 4 for v in range(256)]) for c in rng.choices(range(90, 190), k=3)))
    shade = Image.radial_gradient("L")
    for _ in range(rng.randrange(3, 7)):
        r, colour = rng.randrange(40, 90), rng.choice(PALETTE)
        ball = Image.merge("RGB", tuple(shade.point([min(255, int(c * (1.4 - v / 200))) for v in range(256)]) for c in colour))
        mask = Image.new("L", (256, 256))
        ImageDraw.Draw(mask).ellipse((4, 4, 252, 252), fill=255)
        at = rng.randrange(500), rng.randrange(360)
        image.paste(ball.resize((r * 2, r * 2)), at, mask.resize((r * 2, r * 2)))
    return image


def dusk(rng: random.Random) -> Image.Image:
    """A poster: a gradient sky, flat ridges in front."""
    sky = Image.linear_gradient("L").resize((640, 420))
    image = Image.merge(
        "RGB",
        (
            sky.point([60 + v * 2 // 3 for v in range(256)]),
            sky.point([40 + v // 2 for v in range(256)]),
            sky.point([110 + v // 8 for v in range(256)]),
        ),
    )
    draw = ImageDraw.Draw(image)
    x, y = rng.randrange(100, 540), rng.randrange(120, 220)
    draw.ellipse((x - 45, y - 45, x + 45, y + 45), fill=(255, 220, 150))
    for base, colour in ((230, (110, 70, 110)), (290, (80, 50, 95)), (350, (45, 30, 65))):
        points = [(px, base + rng.randrange(-50, 30)) for px in range(0, 700, 60)]
        draw.polygon([(0, 420), *points, (660, 420)], fill=colour)
    return image


def balloons(rng: random.Random) -> Image.Image:
    image, draw = sheet(480, 480, (250, 245, 230))
    for _ in range(9):
        x, y, colour = rng.randrange(60, 420), rng.randrange(60, 260), rng.choice(PALETTE)
        draw.line((x, y + 45, 240, 470), fill=(90, 90, 90), width=2)
        draw.ellipse((x - 36, y - 45, x + 36, y + 45), fill=colour, outline=(40, 40, 40), width=3)
        draw.ellipse((x - 20, y - 30, x - 6, y - 8), fill=WHITE)
    return image


DRAWN = "illustration"
FAMILIES = {
    "icon": {
        "arrow": (arrow, DRAWN),
        "badge": (badge, DRAWN),
        "glyph": (glyph, DRAWN),
        "headphones": (headphones, f"{DRAWN} technology electronics"),
        "letter": (letter, DRAWN),
        "symbol": (symbol, DRAWN),
        "wordmark": (wordmark, DRAWN),
    },
    "illustration": {
        "balloons": (balloons, f"{DRAWN} toy"),
        "dusk": (dusk, f"{DRAWN} nature landscape sky outdoor mountain sunset sunrise"),
        "face": (face, f"{DRAWN} person portrait"),
        "hills": (hills, f"{DRAWN} nature landscape sky outdoor tree grass"),
        "house": (house, f"{DRAWN} house building sky outdoor architecture"),
        "shapes": (shapes, DRAWN),
        "spheres": (spheres, DRAWN),
    },
}
