"""`blank` is what is really of one colour or fully transparent, judged before anything is laid on white, reduced or left out."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageDraw

from workers.decode import pixels

WHITE, CLEAR = (255, 255, 255), (0, 0, 0, 0)


def content(image: Image.Image, form: str, **options: Any) -> str:
    out = io.BytesIO()
    image.save(out, form, **options)
    return pixels.decode(out.getvalue(), max_pixels=100_000_000, long_side=256).content


def logo(mode: str, colour: Any, clear: Any) -> Image.Image:
    image = Image.new(mode, (120, 60), clear)
    ImageDraw.Draw(image).ellipse((20, 10, 100, 50), fill=colour)
    return image


def palette(shape: Any, clear: Any) -> Image.Image:
    """Two entries of one colour; the second is the transparent one."""
    image = Image.new("P", (120, 60), 1)
    image.putpalette([*shape, *clear])
    ImageDraw.Draw(image).ellipse((20, 10, 100, 50), fill=0)
    return image


HIDDEN: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "white on transparency": (logo("RGBA", (*WHITE, 255), (*WHITE, 0)), "PNG", {}),
    "black below, white above": (logo("RGBA", (*WHITE, 255), CLEAR), "PNG", {}),
    "grey with alpha": (logo("LA", (255, 255), (255, 0)), "PNG", {}),
    "palette PNG": (palette(WHITE, WHITE), "PNG", {"transparency": 1}),
    "palette PNG, half clear": (palette(WHITE, WHITE), "PNG", {"transparency": b"\xff\x80"}),
    "GIF": (palette(WHITE, (0, 0, 0)), "GIF", {"transparency": 1}),
    "WebP": (logo("RGBA", (*WHITE, 255), CLEAR), "WEBP", {"lossless": True}),
    "WebP, lossy": (logo("RGBA", (*WHITE, 255), (*WHITE, 0)), "WEBP", {}),
    "AVIF": (logo("RGBA", (*WHITE, 255), (*WHITE, 0)), "AVIF", {}),
    "TIFF": (logo("RGBA", (*WHITE, 255), (*WHITE, 0)), "TIFF", {}),
    "colour key": (logo("RGB", WHITE, (0, 0, 1)), "PNG", {"transparency": (0, 0, 1)}),
    "grey key": (logo("L", 255, 3), "PNG", {"transparency": 3}),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_only_transparency_shows_is_not_blank(name: str) -> None:
    image, form, options = HIDDEN[name]
    assert content(image, form, **options) == "hidden"


BLANK: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "white": (Image.new("RGB", (90, 60), WHITE), "PNG", {}),
    "JPEG": (Image.new("RGB", (3000, 900), (10, 200, 90)), "JPEG", {}),
    "CMYK": (Image.new("CMYK", (90, 60), (10, 200, 90, 0)), "JPEG", {}),
    "WebP": (Image.new("RGB", (90, 60), (10, 200, 90)), "WEBP", {}),
    "GIF": (Image.new("P", (90, 60), 3), "GIF", {}),
    "bits": (Image.new("1", (90, 60), 1), "PNG", {}),
    "16 bits": (Image.new("I;16", (90, 60), 40_000), "PNG", {}),
    "palette of equal colours": (palette(WHITE, WHITE), "PNG", {}),
    "one colour, half transparent": (Image.new("RGBA", (90, 60), (10, 200, 90, 128)), "PNG", {}),
    "fully transparent, with colours below": (Image.linear_gradient("L").convert("RGB"), "PNG", {}),
    "fully transparent palette": (palette(WHITE, (0, 0, 0)), "PNG", {"transparency": b"\0\0"}),
    "fully transparent WebP": (Image.new("RGBA", (90, 60), CLEAR), "WEBP", {"lossless": True}),
}
BLANK["fully transparent, with colours below"][0].putalpha(0)


@pytest.mark.parametrize("name", BLANK)
def test_one_colour_or_fully_transparent_is_blank(name: str) -> None:
    image, form, options = BLANK[name]
    assert content(image, form, **options) == "blank"


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_a_picture_that_begins_with_one_colour_may_show_something_later(form: str) -> None:
    first, second = Image.new("RGB", (90, 60), WHITE), Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    assert content(first, form, save_all=True, append_images=[second]) == "hidden"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_detail_that_vanishes_when_reduced_is_not_blank(form: str) -> None:
    fine = Image.new("RGB", (4000, 2000), WHITE)
    ImageDraw.Draw(fine).point([(1203, 777), (1204, 777)], fill=(0, 0, 0))
    assert content(fine, form, **({"quality": 95} if form == "JPEG" else {})) == "hidden"


def test_what_the_models_see_is_shown() -> None:
    assert content(logo("RGBA", (0, 0, 0, 255), CLEAR), "PNG") == "shown"
    assert content(Image.linear_gradient("L"), "JPEG") == "shown"
