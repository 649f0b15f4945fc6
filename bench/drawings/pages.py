"""Screenshots, documents and what a scanner makes of them."""

from __future__ import annotations

import random

from PIL import Image, ImageFilter

from bench.drawings.canvas import PALETTE, WORDS, font, paragraph, sheet, soft, words

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def web(rng: random.Random) -> Image.Image:
    image, draw = sheet(1024, 700)
    draw.rectangle((0, 0, 1024, 56), fill=rng.choice(PALETTE))
    for i in range(5):
        draw.text((420 + 110 * i, 18), words(rng, 1), fill=WHITE, font=font(16))
    draw.text((24, 14), words(rng, 1), fill=WHITE, font=font(24))
    draw.rectangle((0, 56, 210, 700), fill=(243, 244, 246))
    for i in range(11):
        draw.text((24, 90 + 38 * i), words(rng, 2), fill=(60, 60, 70), font=font(15))
    draw.text((250, 90), words(rng, 4), fill=BLACK, font=font(30))
    paragraph(draw, rng, (250, 150, 700, 480), 15, (50, 50, 60))
    for i in range(3):
        draw.rounded_rectangle((740, 150 + 140 * i, 990, 270 + 140 * i), 10, fill=soft(rng), outline=(210, 210, 210))
    draw.rounded_rectangle((250, 520, 380, 560), 6, fill=PALETTE[0])
    draw.text((275, 530), words(rng, 1), fill=WHITE, font=font(16))
    return image


def editor(rng: random.Random) -> Image.Image:
    image, draw = sheet(900, 600, (30, 31, 38))
    draw.rectangle((0, 0, 900, 30), fill=(50, 52, 60))
    for i, colour in enumerate(((255, 95, 86), (255, 189, 46), (39, 201, 63))):
        draw.ellipse((12 + 22 * i, 9, 24 + 22 * i, 21), fill=colour)
    for line in range(28):
        x = 60 + 28 * rng.choice((0, 1, 1, 2, 3))
        draw.text((18, 40 + 20 * line), str(line + 1), fill=(110, 112, 120), font=font(13))
        for _ in range(rng.randrange(0, 8)):
            word = rng.choice(WORDS)
            draw.text(
                (x, 40 + 20 * line),
                word,
                fill=rng.choice(((220, 220, 220), (140, 200, 250), (230, 150, 110), (160, 210, 130))),
                font=font(14),
            )
            x += int(draw.textlength(word + " ", font=font(14)))
    return image


def table(rng: random.Random) -> Image.Image:
    image, draw = sheet(960, 600)
    draw.rectangle((0, 0, 960, 34), fill=(33, 115, 70))
    draw.rectangle((0, 34, 960, 84), fill=(240, 240, 240))
    for x in range(0, 960, 96):
        draw.line((x, 84, x, 600), fill=(205, 205, 205))
        draw.text((x + 10, 60), words(rng, 1)[:8], fill=(70, 70, 70), font=font(13))
    for y in range(84, 600, 24):
        draw.line((0, y, 960, y), fill=(205, 205, 205))
        for x in range(0, 960, 96):
            if rng.random() < 0.75:
                draw.text((x + 8, y + 5), str(rng.randrange(99999)), fill=BLACK, font=font(13))
    return image


def dialog(rng: random.Random) -> Image.Image:
    image, draw = sheet(800, 560, rng.choice(PALETTE[:6]))
    draw.rectangle((0, 525, 800, 560), fill=(40, 40, 48))
    for i in range(4):
        draw.rectangle((30, 30 + 90 * i, 74, 74 + 90 * i), fill=soft(rng))
        draw.text((26, 80 + 90 * i), words(rng, 1), fill=WHITE, font=font(12))
    draw.rectangle((200, 120, 660, 400), fill=(248, 248, 248), outline=(120, 120, 120))
    draw.rectangle((200, 120, 660, 150), fill=(225, 228, 235))
    draw.text((214, 127), words(rng, 3), fill=BLACK, font=font(15))
    paragraph(draw, rng, (230, 180, 630, 300), 15)
    for x in (430, 545):
        draw.rounded_rectangle((x, 350, x + 95, 384), 5, fill=(230, 230, 230), outline=(150, 150, 150))
        draw.text((x + 22, 358), words(rng, 1)[:7], fill=BLACK, font=font(14))
    return image


def chat(rng: random.Random) -> Image.Image:
    image, draw = sheet(420, 780, (236, 229, 221))
    draw.rectangle((0, 0, 420, 64), fill=rng.choice(PALETTE))
    draw.text((70, 20), words(rng, 2), fill=WHITE, font=font(20))
    y = 84
    while y < 660:
        tall, x = rng.choice((50, 74, 98)), rng.choice((16, 120))
        draw.rounded_rectangle((x, y, x + 280, y + tall), 12, fill=WHITE if x == 16 else (220, 248, 198))
        paragraph(draw, rng, (x + 14, y + 10, x + 262, y + tall), 14)
        y += tall + 16
    draw.rounded_rectangle((12, 720, 408, 764), 20, fill=WHITE)
    return image


def letter_page(rng: random.Random) -> Image.Image:
    image, draw = sheet(620, 877)
    draw.text((70, 60), words(rng, 3), fill=BLACK, font=font(22))
    draw.text((400, 110), words(rng, 3), fill=BLACK, font=font(13))
    for top in (170, 400, 600):
        paragraph(draw, rng, (70, top, 550, top + 190), 14)
    return image


def form(rng: random.Random) -> Image.Image:
    image, draw = sheet(620, 820)
    draw.text((60, 40), words(rng, 4), fill=BLACK, font=font(24))
    for y in range(110, 760, 54):
        draw.text((60, y), words(rng, 2), fill=BLACK, font=font(14))
        draw.rectangle((240, y - 6, 560, y + 26), outline=BLACK)
        if rng.random() < 0.5:
            draw.text((250, y), words(rng, 3), fill=(40, 40, 120), font=font(14))
    return image


def columns(rng: random.Random) -> Image.Image:
    image, draw = sheet(700, 900)
    draw.text((60, 40), words(rng, 6), fill=BLACK, font=font(26))
    for x in (60, 360):
        paragraph(draw, rng, (x, 110, x + 270, 850), 12)
    return image


def _scanned(page: Image.Image, rng: random.Random) -> Image.Image:
    """Slightly turned, on yellowed paper, with grain, as a scanner gives it."""
    turned = page.rotate(rng.uniform(-2, 2), Image.Resampling.BICUBIC, fillcolor=WHITE).filter(ImageFilter.GaussianBlur(0.7))
    grain = Image.effect_noise(turned.size, 14).convert("RGB")
    paper = Image.new("RGB", turned.size, (rng.randrange(225, 250), rng.randrange(220, 242), rng.randrange(195, 230)))
    inked = Image.blend(turned, paper, 0.35)
    return Image.blend(inked, grain, 0.12)


def scan(rng: random.Random) -> Image.Image:
    return _scanned(rng.choice((letter_page, columns))(rng), rng)


def receipt(rng: random.Random) -> Image.Image:
    image, draw = sheet(360, 720)
    draw.text((90, 30), words(rng, 2), fill=BLACK, font=font(22))
    for y in range(100, 620, 26):
        draw.text((30, y), words(rng, 2), fill=BLACK, font=font(14))
        draw.text((280, y), f"{rng.randrange(9999) / 100:.2f}", fill=BLACK, font=font(14))
    draw.text((30, 650), words(rng, 1), fill=BLACK, font=font(22))
    return _scanned(image, rng)


SHOT, PAPER = "screenshot technology computer", "document"
FAMILIES = {
    "screenshot": {
        "chat": (chat, SHOT),
        "dialog": (dialog, SHOT),
        "editor": (editor, SHOT),
        "table": (table, SHOT),
        "web": (web, SHOT),
    },
    "document": {
        "columns": (columns, PAPER),
        "form": (form, PAPER),
        "letter_page": (letter_page, PAPER),
        "receipt": (receipt, PAPER),
        "scan": (scan, PAPER),
    },
}
