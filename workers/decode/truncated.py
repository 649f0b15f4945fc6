"""Measures how much of an image a file holds if it ends early. It runs inside a decoder process.

Browsers and viewers show a file that lacks its last bytes. So an image with nearly all rows is described, with a warning. The
file is decoded twice, with different substitutes for the lost bytes. A pixel that differs depends on the lost bytes.
"""

from __future__ import annotations

import contextlib
import functools
import random
import re
from collections.abc import Callable, Iterator, Sequence

from PIL import Image, ImageChops, ImageFile

LEAST = 0.95  # of the rows
END_OF_JPEG = b"\xff\xd9"
VISIBLE = 24  # levels of 256; a lost refinement of a progressive JPEG changes less
MAX_NOISE = 1 << 20  # bytes
START_OF_SCAN = 0xDA
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # within the data of a scan: the end of it
SEGMENTS = (b"\xc4", b"\xda", b"\xdd", b"\xfe")  # markers that may stand between scans: tables, scan, interval, comment
MAX_SEGMENT = 1024  # bytes of those; a longer one at the very end is left as it is
GREY = 128  # what libjpeg puts where it has no data

Open = Callable[[bytes], Image.Image]
Reduce = Callable[[Image.Image], None]


def share_there(data: bytes, kind: str, opened: Open, reduce: Reduce) -> float:
    """The share of the rows that the file holds, 0..1; also 0 if Pillow cannot know it.

    `opened` opens a file and checks its size; `reduce` asks for fewer pixels, where the format can give them.
    Errors: those of Pillow.
    """
    return _jpeg_share(data, opened, reduce) if kind in ("JPEG", "MPO") else _rows_share(data, opened)


def completed(data: bytes, kind: str) -> bytes:
    """The file with a valid end, if the format has an end marker that can be added."""
    return _whole_segments(data) + END_OF_JPEG if kind in ("JPEG", "MPO") else data


@contextlib.contextmanager
def tolerant() -> Iterator[None]:
    """Inside this block Pillow loads the present part of a file that ends early."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _jpeg_share(data: bytes, opened: Open, reduce: Reduce) -> float:
    whole = _whole_segments(data)
    noise = random.Random(0).randbytes(min(len(whole), MAX_NOISE)).replace(b"\xff", b"\xaa")
    with opened(whole + END_OF_JPEG) as plain, opened(whole + noise + END_OF_JPEG) as noisy:
        layers: Sequence[tuple[int, ...]] = getattr(plain, "layer", ())  # (id, horizontal sampling, vertical sampling, …)
        if not _every_frequency(whole, {layer[0] for layer in layers}):
            return 0.0
        full = plain.size[1]
        reduce(plain)
        reduce(noisy)
        changed = _over(ImageChops.difference(plain, noisy), VISIBLE)
        drawn = _over(ImageChops.difference(plain, Image.new(plain.mode, plain.size, (GREY,) * len(plain.getbands()))), 1)
        height = plain.size[1]
    unit = 8 * max(layer[2] for layer in layers)
    return min(_share_before(changed, max(1, round(unit * height / full))), _drawn_rows(drawn) / height)


def _whole_segments(data: bytes) -> bytes:
    """`data` without an incomplete marker or segment at its end; else the end marker would become part of it."""
    data = data.removesuffix(b"\xff")
    last = max(data.rfind(b"\xff" + kind, len(data) - MAX_SEGMENT) for kind in SEGMENTS)
    whole = last < 0 or (last + 4 <= len(data) and last + 2 + int.from_bytes(data[last + 2 : last + 4]) <= len(data))
    return data if whole else data[:last]


def _every_frequency(data: bytes, components: set[int]) -> bool:
    """Whether each component has data for each of its 64 frequencies. A progressive file sends the low frequencies first."""
    sent: set[tuple[int, int]] = set()
    for scan in _scans(data):
        count = scan[0]
        first, last, precision = scan[1 + 2 * count], scan[2 + 2 * count], scan[3 + 2 * count] >> 4
        if precision == 0:
            sent |= {(scan[1 + 2 * n], frequency) for n in range(count) for frequency in range(first, last + 1)}
    return sent >= {(component, frequency) for component in components for frequency in range(64)}


def _scans(data: bytes) -> Iterator[bytes]:
    """The header of each scan of a JPEG file."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == START_OF_SCAN:
            yield data[at + 4 : end]
            match = MARKER.search(data, end)
            end = match.start() if match else len(data)
        at = at + 1 if marker == 0xFF else end


def _share_before(changed: Image.Image, unit: int) -> float:
    """JPEG is stored in bands of `unit` rows, from left to right. Everything after the first difference is missing."""
    width, height = changed.size
    box = changed.getbbox()
    if box is None:
        return 1.0
    top = box[1]
    end = min(height, ((top + 1) // unit + 1) * unit)
    band = changed.crop((0, top, width, end)).getbbox()
    column = band[0] if band else 0
    return (top * width + column * (end - top)) / (width * height)


def _drawn_rows(drawn: Image.Image) -> int:
    """Rows down to the last one that is mostly something else than the grey of missing data."""
    column = drawn.resize((1, drawn.size[1]), Image.Resampling.BOX)
    box = column.point([255 if value >= 128 else 0 for value in range(256)]).getbbox()
    return box[3] if box else 0


def _over(image: Image.Image, level: int) -> Image.Image:
    """255 where any band is over `level`, else 0."""
    most = functools.reduce(ImageChops.lighter, image.split())
    return most.point([255 if value > level else 0 for value in range(256)])


def _rows_share(data: bytes, opened: Open) -> float:
    """Two decodes into areas with different fillings. A row without data keeps its filling."""
    with tolerant():
        first, second = (_rows(data, opened, level) for level in (0, 1))
    return sum(one == other for one, other in zip(first, second, strict=True)) / len(first)


def _rows(data: bytes, opened: Open, level: int) -> list[bytes]:
    with opened(data) as image:
        prepare = getattr(image, "load_prepare", None)
        if prepare is None:
            return [bytes([level])]

        def filled() -> None:
            prepare()
            image.im = Image.new(image.mode, image.size, (level,) * len(image.getbands())).im

        image.load_prepare = filled  # type: ignore[attr-defined]
        image.load()
        pixels, height = image.tobytes(), image.size[1]
    stride = len(pixels) // height
    return [pixels[at : at + stride] for at in range(0, len(pixels), stride)]
