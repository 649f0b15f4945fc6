"""Text in pictures, read by the real models."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps
from support.overlays import WITHOUT_TEXT, Overlay, overlays, photo

from tagger.judge.in_picture import is_sure
from tagger.prediction import TextLine
from workers.models.lite import LiteModel, load
from workers.models.lite.ocr import Reader
from workers.models.lite.ocr import load as load_reader

OVERLAYS, SHARE = 60, 0.07


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader()


@pytest.fixture(scope="module")
def model() -> LiteModel:
    return load()


def sure(lines: tuple[TextLine, ...]) -> list[str]:
    return [line.text for line in lines if is_sure(line)]


def bare() -> list[Image.Image]:
    """Photographs without text: whole, mirrored, and their halves."""
    whole = [photo(name) for name in WITHOUT_TEXT]
    left = [image.crop((0, 0, image.width // 2, image.height)) for image in whole]
    right = [image.crop((image.width // 2, 0, image.width, image.height)) for image in whole]
    return [*whole, *map(ImageOps.mirror, whole), *left, *right]


def test_words_of_seven_percent_are_read_in_both_languages_and_nothing_else_is(reader: Reader) -> None:
    read = [(overlay, sure(reader.read(overlay.image))) for overlay in overlays(OVERLAYS, SHARE)]
    found, missed = [o for o, lines in read if lines], [(o.photo, o.text) for o, lines in read if not lines]
    false = sum(bool(sure(reader.read(image))) for image in bare())
    assert len(found) / OVERLAYS >= 0.85, missed
    assert len(found) / (len(found) + false) >= 0.95, false
    for language in (str.isascii, lambda text: not text.isascii()):
        some = [(o, lines) for o, lines in read if language(o.text)]
        assert sum(bool(lines) for _, lines in some) / len(some) >= 0.8, missed
    exact = [o for o, lines in read if _plain(o) in "".join(lines).replace(" ", "")]
    assert len(exact) / len(found) >= 0.85


def _plain(overlay: Overlay) -> str:
    return overlay.text.replace(" ", "")


def test_photographs_without_text_cost_little_more(model: LiteModel, reader: Reader) -> None:
    """Most of them never meet the text detector; of the processor's time of an image, reading is the smaller part."""
    images = [photo(name) for name in WITHOUT_TEXT]
    inputs = [model.prepare(np.asarray(image), "") for image in images]
    model.run(inputs[:1])
    start = time.process_time()
    for image in images:
        assert reader.read(image) == ()
    reading, start = time.process_time() - start, time.process_time()
    model.run(inputs)
    assert reading < 0.6 * (time.process_time() - start)


def sign(*lines: str) -> Image.Image:
    image, size = Image.new("RGB", (640, 480), (130, 150, 170)), 60
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 60, 580, 420), fill=(235, 235, 235), outline=(20, 20, 20), width=6)
    for n, line in enumerate(lines):
        draw.text((100, 90 + n * 90), line, fill=(20, 20, 20), font=ImageFont.load_default(size))
    return image


def test_lines_are_read_from_top_to_bottom_with_their_spaces(reader: Reader) -> None:
    assert [line.text for line in reader.read(sign("NO PARKING", "AT ANY TIME", "ROOM 204"))] == [
        "NO PARKING",
        "AT ANY TIME",
        "ROOM 204",
    ]


@pytest.mark.parametrize("degrees", [-12, -4, 4, 12])
def test_tilted_lines_are_read(reader: Reader, degrees: int) -> None:
    image = sign("NO PARKING", "AT ANY TIME").rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(130, 150, 170))
    assert [line.text for line in reader.read(image)] == ["NO PARKING", "AT ANY TIME"]


def test_boxes_are_shares_of_the_picture(reader: Reader) -> None:
    (line,) = reader.read(sign("NO PARKING"))
    left, top, right, bottom = line.box
    assert 0.1 < left < 0.2 < 0.5 < right < 0.9
    assert 0.15 < top < 0.25 < bottom < 0.4


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (40, 2_000), (2_000, 40)])
def test_a_picture_of_any_shape_is_read(reader: Reader, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    assert all(0 <= line.score <= 1 for line in reader.read(Image.fromarray(noise)))


def test_the_model_tells_that_it_looked(model: LiteModel) -> None:
    for image, lines in ((sign("NO PARKING"), ["NO PARKING"]), (photo("sk_coffee.png"), [])):
        pixels = np.asarray(image)
        part = model.finish(model.run([model.prepare(pixels, "")])[0], pixels)
        assert part.lines is not None
        assert [line.text for line in part.lines] == lines


def test_the_faces_of_photographs_are_found_and_no_others(model: LiteModel) -> None:
    found = {}
    for name in ("grace_hopper.jpg", *WITHOUT_TEXT):
        pixels = np.asarray(photo(name))
        part = model.finish(model.run([model.prepare(pixels, "")])[0], pixels)
        assert part.faces is not None
        found[name] = len(part.faces)
    assert {name for name, count in found.items() if count} == {"grace_hopper.jpg", "sk_astronaut.png", "sk_camera.png"}
    assert max(found.values()) == 1
