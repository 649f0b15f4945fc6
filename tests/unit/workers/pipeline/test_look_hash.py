"""The perceptual hash: near for copies of a photograph, far for others."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tagger.search.alike import MOST_BITS, SURE_BITS
from workers.pipeline.look_hash import look_hash

PHOTOS = sorted((Path(__file__).parents[4] / "tagger" / "demo" / "photos").glob("*.[jp][pn]g"))


def hash_of(image: Image.Image) -> int:
    found = look_hash(np.asarray(image.convert("RGB")))
    assert found is not None
    assert len(found) == 16
    return int(found, 16)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def compressed(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=40)
    return Image.open(out)


COPIES = {
    "half_the_size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "another_shape": lambda image: image.resize((400, 300)),
    "small": lambda image: image.resize((40, 30)),
    "compressed_again": compressed,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_differs_in_few_bits(copy: str) -> None:
    for path in PHOTOS:
        image = opened(path)
        most = SURE_BITS if copy != "brighter" else MOST_BITS  # the brightest parts of one are cut off
        assert (hash_of(image) ^ hash_of(COPIES[copy](image))).bit_count() <= most, path.name


def test_other_photographs_differ_in_many_bits() -> None:
    assert len(PHOTOS) >= 8
    hashes = [hash_of(opened(path)) for path in PHOTOS]
    assert min((one ^ other).bit_count() for one, other in combinations(hashes, 2)) > 2 * MOST_BITS


@pytest.mark.parametrize("size", ["1x1", "300x200"])
def test_a_picture_of_one_colour_has_none(size: str) -> None:
    width, height = map(int, size.split("x"))
    assert look_hash(np.full((height, width, 3), 200, np.uint8)) is None


def test_a_narrow_picture_has_one() -> None:
    assert look_hash(np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 3, 3))) is not None
