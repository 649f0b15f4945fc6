"""Whether the models can see the content of an image. Only the decoder knows this.

The models get the image on a white background, scaled down, and without later frames.
"""

from __future__ import annotations

from PIL import Image

from tagger.asset import Content

SPREAD = 6  # of 255, between the least and the greatest value of a channel: the noise of a lossy format


def content(whole: Image.Image, seen: Image.Image, frames: int) -> Content:
    """`whole`: the image at full size, with its transparency (L, LA, RGB, RGBA, CMYK or LAB). `seen`: the image for the
    models."""
    if not _one_colour(seen):
        return "shown"
    return "blank" if frames == 1 and is_blank(whole) else "hidden"


def is_blank(whole: Image.Image) -> bool:
    """One colour all over, or fully transparent."""
    clear = whole.mode in ("LA", "RGBA") and whole.getchannel("A").getextrema()[1] == 0
    return clear or _one_colour(whole)


def _one_colour(image: Image.Image) -> bool:
    extrema = image.getextrema()
    channels = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(high - low <= SPREAD for low, high in channels)
