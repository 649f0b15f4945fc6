"""Medical pictures: grey bodies on black, with the grain of the machine. Made up; no patient is in them."""

from __future__ import annotations

import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter


def _grained(image: Image.Image, blur: float, rng: random.Random) -> Image.Image:
    soft = image.filter(ImageFilter.GaussianBlur(blur))
    grain = Image.effect_noise(soft.size, rng.uniform(8, 16))
    body = soft.point(lambda v: 255 if v > 12 else 0).filter(ImageFilter.GaussianBlur(2))
    grained = Image.blend(soft, grain, 0.08)
    return Image.composite(grained, ImageChops.multiply(grained, soft), body).convert("RGB")


def chest(rng: random.Random) -> Image.Image:
    image = Image.new("L", (480, 520), 4)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((40, 30, 440, 540), 130, fill=rng.randrange(110, 150))
    for x in (95, 255):
        draw.ellipse((x, 90, x + 130, 440), fill=rng.randrange(35, 60))
    draw.rectangle((225, 20, 255, 520), fill=190)
    draw.ellipse((200, 270, 350, 430), fill=170)
    for y in range(90, 420, 38):
        for x in (80, 245):
            draw.arc((x, y, x + 155, y + 90), 190, 350, fill=rng.randrange(110, 150), width=9)
    return _grained(image, 5, rng)


def head(rng: random.Random) -> Image.Image:
    image = Image.new("L", (440, 480), 2)
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 40, 380, 440), fill=rng.randrange(190, 230))
    draw.ellipse((78, 58, 362, 422), fill=rng.randrange(70, 100))
    for _ in range(60):
        x, y, r = rng.gauss(220, 60), rng.gauss(240, 75), rng.randrange(8, 22)
        draw.ellipse((x - r, y - r, x + r, y + r), outline=rng.randrange(90, 150), width=5)
    for x in (180, 228):
        draw.ellipse((x, 190, x + 32, 300), fill=25)
    return _grained(image, 3, rng)


def hand(rng: random.Random) -> Image.Image:
    image = Image.new("L", (420, 540), 6)
    draw = ImageDraw.Draw(image)
    draw.ellipse((110, 270, 310, 500), fill=75)
    for i, tall in enumerate((150, 60, 40, 70, 130)):
        x = 105 + 48 * i
        draw.rounded_rectangle((x - 16, tall, x + 16, 400), 16, fill=80)
        for joint in range(tall + 10, 400, 82):
            draw.rounded_rectangle((x - 8, joint, x + 8, joint + 70), 6, fill=rng.randrange(170, 215))
    return _grained(image, 2.5, rng)


FAMILIES = {
    "medical": {"chest": (chest, "black_and_white"), "hand": (hand, "black_and_white"), "head": (head, "black_and_white")}
}
