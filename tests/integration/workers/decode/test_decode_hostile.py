"""Hostile and broken files: a typed error or correct pixels, within time and memory, and the pool lives on (promise I1)."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
import psutil
import pytest
from PIL import Image

from tagger.errors import DecodeError, DecodeTimeout, ImageError, ImageTooLarge, ImageTooManyPixels
from workers.decode.pool import Decoded, DecoderPool

pillow_heif.register_heif_opener()
MIB = 1 << 20


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1, long_side=256, max_pixels=4_000_000, max_bytes=8 * MIB, memory_bytes=768 * MIB, seconds=10) as pool:
        yield pool


def decode(pool: DecoderPool, data: bytes) -> Decoded:
    return pool.decode(data, deadline=time.monotonic() + 30)


def picture(size: tuple[int, int] = (200, 150)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 0, depth: int = 8) -> bytes:
    header = struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    made = (struct.pack("!I", len(b)) + name + b + struct.pack("!I", zlib.crc32(name + b)) for name, b in every)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def idat(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(bytes((width + 1) * height))


KINDS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_a_typed_error(pool: DecoderPool, kind: str) -> None:
    data = encoded(picture(), kind)
    for share in (0.05, 0.3, 0.6, 0.9):
        with pytest.raises(DecodeError) as caught:
            decode(pool, data[: int(len(data) * share)])
        assert not caught.value.retryable
        assert caught.value.detail


def photo(size: tuple[int, int] = (200, 160)) -> Image.Image:
    """Something in every block, as in a photo: noise over a gradient."""
    noise = Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))
    return Image.blend(picture(size), noise, 0.3)


JPEGS: list[dict[str, Any]] = [
    {},
    {"subsampling": 0},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 3},
    {"progressive": True},
]


@pytest.mark.parametrize("cut", [2, 3, 8, 92])
@pytest.mark.parametrize("options", JPEGS, ids=str)
def test_a_jpeg_that_lacks_its_last_bytes_is_decoded_with_a_warning(pool: DecoderPool, options: dict[str, Any], cut: int) -> None:
    data = encoded(photo(), "JPEG", **options)
    whole, decoded = decode(pool, data), decode(pool, data[:-cut])
    assert whole.warnings == ()
    assert [warning.startswith("The JPEG file ends early; ") for warning in decoded.warnings] == [True]
    assert (decoded.pixels.shape, decoded.width, decoded.height) == (whole.pixels.shape, 200, 160)
    rows = 136  # all but the last band of blocks
    assert np.abs(decoded.pixels[:rows].astype(int) - whole.pixels[:rows]).mean() < 2


@pytest.mark.parametrize("options", [*JPEGS, {"progressive": True, "subsampling": 0}], ids=str)
def test_every_cut_of_a_jpeg_is_an_error_or_nearly_the_whole_picture(pool: DecoderPool, options: dict[str, Any]) -> None:
    """Wherever the file ends: between scans, in a marker, at a restart. Nothing is described that is mostly missing."""
    data = encoded(photo((96, 96)), "JPEG", **options)
    whole = decode(pool, data).pixels.astype(int)
    described = 0
    for cut in range(1, len(data), 61):
        with contextlib.suppress(DecodeError):
            off = np.abs(decode(pool, data[:-cut]).pixels - whole).mean(axis=(1, 2))  # of each row
            assert (off < 40).mean() >= 0.80, (cut, off)  # a band of blocks is a sixth of so small a picture
            assert off.mean() < 20, cut
            described += 1
    assert described


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_rows_are_counted_in_other_formats_too(pool: DecoderPool, kind: str) -> None:
    data = encoded(photo(), kind)
    nearly = decode(pool, data[: int(len(data) * 0.97)])
    assert len(nearly.warnings) == 1
    assert "of its rows are there" in nearly.warnings[0]
    with pytest.raises(DecodeError, match="ends early"):
        decode(pool, data[: int(len(data) * 0.9)])


@pytest.mark.parametrize("kind", KINDS)
def test_altered_bytes_never_harm_the_pool(pool: DecoderPool, kind: str) -> None:
    data = encoded(picture(), kind)
    rng = random.Random(kind)
    for _ in range(40):
        altered = bytearray(data)
        for _ in range(rng.randint(1, 12)):
            altered[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert decode(pool, bytes(altered)).pixels.size > 0
        except ImageError:
            continue


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><svg width='1'/>", "SVG"),
        (b"<!DOCTYPE html><html><body>login", "HTML"),
        (b"\n\n<html>", "HTML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"just words", "not an image"),
        (bytes(5000), "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),  # would start Ghostscript
        (b"8BPS\0\1" + bytes(100), "not an image"),
        (b"P6 9999 9999 255\n", "not an image"),
        (b"\0\0\1\0\1\0", "not an image"),
    ],
)
def test_what_is_no_pixel_image_is_told_apart(pool: DecoderPool, data: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode(pool, data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_too_many_pixels_are_refused_by_the_header(pool: DecoderPool, kind: str) -> None:
    data = encoded(Image.new("L", (2001, 2000)), kind)
    started = time.monotonic()
    with pytest.raises(ImageTooManyPixels, match="4,000,000"):
        decode(pool, data)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("size", [(100_000, 100_000), (2_000_000_000, 1), (1, 2_000_000_000), (0, 5), (2**31 - 1, 2**31 - 1)])
def test_a_header_that_lies_about_size(pool: DecoderPool, size: tuple[int, int]) -> None:
    with pytest.raises(DecodeError):
        decode(pool, png(*size, (b"IDAT", zlib.compress(b"\0" * 1000))))
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0" + struct.pack("<HH", 65535, 65535) + b"\0\2\2D\1\0;"
    with pytest.raises(DecodeError):
        decode(pool, gif)


def test_text_and_profile_bombs_do_not_cost_memory(pool: DecoderPool) -> None:
    bomb = zlib.compress(bytes(300 * MIB), 1)
    for chunk in ((b"zTXt", b"k\0\0" + bomb), (b"iTXt", b"k\0\1\0\0\0" + bomb), (b"iCCP", b"k\0\0" + bomb)):
        started = time.monotonic()
        with contextlib.suppress(DecodeError):  # an error or the right pixels: either keeps the promise
            assert decode(pool, png(64, 64, chunk, idat(64, 64))).pixels.shape == (64, 64, 3)
        assert time.monotonic() - started < 5
        assert psutil.Process(pool.pids[0]).memory_info().rss < 300 * MIB
    many = [(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(900_000))) for n in range(500)]
    with pytest.raises(DecodeError):
        decode(pool, png(64, 64, *many, idat(64, 64)))


def test_pixels_that_inflate_beyond_their_header_are_left_unread(pool: DecoderPool) -> None:
    data = png(64, 64, (b"IDAT", zlib.compress(bytes(500 * MIB), 1)[: 7 * MIB]))
    started = time.monotonic()
    assert decode(pool, data).pixels.shape == (64, 64, 3)
    assert time.monotonic() - started < 5


def test_an_endless_animation_costs_no_more_than_its_first_frame(pool: DecoderPool) -> None:
    frame = b"!\xf9\4\0\0\0\0\0,\0\0\0\0\x08\0\x08\0\0\2\x0a\x84\x8f\xa9\xcb\xed\x0f\xa3\x9c\xb4\x16\0"
    still = encoded(Image.new("P", (8, 8)), "GIF")
    data = still[:-1] + frame * 250_000 + b";"
    started = time.monotonic()
    decoded = decode(pool, data)
    assert (decoded.pixels.shape, decoded.frames) == ((8, 8, 3), 2)
    assert time.monotonic() - started < 3


def test_an_apng_whose_later_frames_are_huge(pool: DecoderPool) -> None:
    control = struct.pack("!IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0)
    huge = struct.pack("!IIIIIHHBB", 1, 60_000, 60_000, 0, 0, 1, 10, 0, 0)
    chunks = [(b"acTL", struct.pack("!II", 2_000_000_000, 0)), (b"fcTL", control), idat(64, 64), (b"fcTL", huge)]
    chunks.append((b"fdAT", b"\0\0\0\2" + zlib.compress(bytes(1000))))
    assert decode(pool, png(64, 64, *chunks)).pixels.shape == (64, 64, 3)


def test_a_tiff_whose_directories_go_in_a_circle(pool: DecoderPool) -> None:
    data = bytearray(encoded(picture(), "TIFF"))
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    data[at + 2 + 12 * count : at + 6 + 12 * count] = struct.pack("<I", at)
    assert decode(pool, bytes(data)).pixels.shape[2] == 3


def test_polyglots_are_only_their_picture(pool: DecoderPool) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.html", "<script>alert(1)</script>")
    for tail in (archive.getvalue(), b"<?php system($_GET['c']); ?>", b"<script>alert(1)</script>", bytes(100_000)):
        for kind in ("JPEG", "PNG", "GIF"):
            assert decode(pool, encoded(picture(), kind) + tail).format == kind
    gif_script = b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"
    with pytest.raises(DecodeError):
        decode(pool, gif_script)


def test_broken_exif_does_not_cost_the_picture(pool: DecoderPool) -> None:
    circle = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\1\0\0\0\x08\0\0\0\x08\0\0\0"
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", circle):
        assert decode(pool, encoded(picture(), "JPEG", exif=exif)).pixels.shape == (150, 200, 3)


def test_more_bytes_than_allowed(pool: DecoderPool) -> None:
    with pytest.raises(ImageTooLarge):
        decode(pool, bytes(8 * MIB + 1))


def test_memory_over_the_limit_is_a_typed_error_and_charges_no_neighbour() -> None:
    big = encoded(Image.new("RGBA", (9000, 9000)), "PNG", compress_level=1)
    small = encoded(picture(), "JPEG")
    with DecoderPool(1, memory_bytes=400 * MIB, max_pixels=10**9) as pool:
        assert decode(pool, small).width == 200
        for _ in range(3):
            with pytest.raises(DecodeTimeout, match="memory") as caught:
                decode(pool, big)
            assert not caught.value.retryable
            assert decode(pool, small).width == 200
