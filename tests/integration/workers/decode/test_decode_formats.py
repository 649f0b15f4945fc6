"""Correct pixels from every kind of picture (promise I1), through the real pool."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from support.blocks import extended

from tagger.imagemeta.read import read_metadata
from workers.decode.pool import Decoded, DecoderPool

pillow_heif.register_heif_opener()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1, long_side=256) as pool:
        yield pool


def quarters(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red, green, blue and grey quarters: each turn and each swap of channels shows."""
    image = Image.new("RGB", size)
    w, h = size[0] // 2, size[1] // 2
    for at, colour in (((0, 0), (220, 20, 20)), ((w, 0), (20, 200, 20)), ((0, h), (20, 20, 210)), ((w, h), (150, 150, 150))):
        image.paste(colour, (*at, at[0] + w, at[1] + h))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decode(pool: DecoderPool, data: bytes) -> Decoded:
    return pool.decode(data, deadline=time.monotonic() + 30)


def assert_like(decoded: Decoded, image: Image.Image, tolerance: float = 8) -> None:
    expected = np.asarray(image.convert("RGB"), np.int16)
    assert decoded.pixels.shape == expected.shape
    assert np.abs(decoded.pixels - expected).mean() <= tolerance


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg", "quality": 95}),
        ("BMP", {}),
        ("AVIF", {"quality": 95}),
        ("HEIF", {"quality": 95}),
    ],
)
def test_every_format_gives_the_same_pixels(pool: DecoderPool, kind: str, options: dict[str, Any]) -> None:
    decoded = decode(pool, encoded(quarters(), kind, **options))
    assert_like(decoded, quarters())
    assert (decoded.format, decoded.width, decoded.height, decoded.frames) == (kind, 120, 80, 1)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.owndata or decoded.pixels.base is not None
    assert decoded.pixels.flags.writeable


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_of_tiff_becomes_rgb(pool: DecoderPool, mode: str) -> None:
    image = quarters()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    elif mode == "LAB":
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, srgb, ImageCms.createProfile("LAB"), outputMode="LAB")  # type: ignore[assignment]
    elif mode in ("I", "F"):
        image = image.convert("L").convert(mode)
    else:
        image = image.quantize(8) if mode == "P" else image.convert(mode)
    expected = quarters() if mode in ("P", "RGBA", "CMYK", "YCbCr", "LAB") else quarters().convert("1" if mode == "1" else "L")
    assert_like(decode(pool, encoded(image, "TIFF")), expected, tolerance=12)


def test_sixteen_bit_grey_png_is_scaled_not_clipped(pool: DecoderPool) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(1, 256).repeat(8, axis=0)
    decoded = decode(pool, encoded(Image.fromarray(ramp), "PNG"))
    assert np.abs(decoded.pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bit_grey_tiff_in_both_byte_orders(pool: DecoderPool, order: str) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(1, 256).repeat(8, axis=0).astype(order)
    decoded = decode(pool, encoded(Image.fromarray(ramp), "TIFF"))
    assert np.abs(decoded.pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_colour_png(pool: DecoderPool) -> None:
    rgb = np.asarray(quarters(), np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    assert_like(decode(pool, _png(120, 80, 16, 2, rows)), quarters(), 1)


def _png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    header = struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    made = (struct.pack("!I", len(b)) + name + b + struct.pack("!I", zlib.crc32(name + b)) for name, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_exif_orientation_comes_out_upright(pool: DecoderPool, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(quarters(), kind, exif=exif)
    decoded = decode(pool, data)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    turned = orientation >= 5
    assert expected.size == ((80, 120) if turned else (120, 80))
    assert_like(decoded, expected)
    assert (decoded.width, decoded.height) == expected.size


def test_orientation_holds_for_a_reduced_jpeg_too(pool: DecoderPool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(pool, encoded(quarters((1600, 1000)), "JPEG", exif=exif))
    assert decoded.pixels.shape == (256, 160, 3)
    assert (decoded.width, decoded.height) == (1000, 1600)
    assert decoded.pixels[40, 120].tolist() == pytest.approx([220, 20, 20], abs=8)  # the first quarter is now top right


@pytest.mark.parametrize(
    ("size", "shape"),
    [((256, 100), (100, 256)), ((257, 100), (100, 256)), ((1000, 10), (3, 256)), ((5000, 1), (1, 256)), ((1, 1), (1, 1))],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_reduced_and_a_small_one_never_enlarged(
    pool: DecoderPool, kind: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    decoded = decode(pool, encoded(Image.new("RGB", size, (200, 100, 50)), kind))
    assert decoded.pixels.shape == (*shape, 3)
    assert (decoded.width, decoded.height) == size
    assert np.abs(decoded.pixels.astype(int) - (200, 100, 50)).max() <= 4


def test_transparency_is_laid_on_white(pool: DecoderPool) -> None:
    half = Image.new("RGBA", (600, 400), (255, 0, 0, 0))
    half.paste((0, 0, 0, 128), (0, 0, 300, 400))
    for kind in ("PNG", "WEBP"):
        pixels = decode(pool, encoded(half, kind)).pixels
        assert pixels[50, 20].tolist() == pytest.approx([127] * 3, abs=3)
        assert pixels[50, 230].tolist() == pytest.approx([255] * 3, abs=3)  # and no red shines through


def test_transparency_of_palettes_and_colour_keys(pool: DecoderPool) -> None:
    palette = quarters().quantize(8)
    clear = palette.getpixel((0, 0))
    key = Image.new("RGB", (8, 8), (1, 2, 3))
    grey = Image.new("L", (8, 8), 7)
    grey_alpha = Image.new("LA", (8, 8), (0, 0))
    bits = Image.new("1", (8, 8), 0)
    cases = [
        encoded(palette, "PNG", transparency=clear),
        encoded(palette, "GIF", transparency=clear),
        encoded(key, "PNG", transparency=(1, 2, 3)),
        encoded(grey, "PNG", transparency=7),
        encoded(grey_alpha, "PNG"),
        encoded(bits, "PNG", transparency=0),
    ]
    for data in cases:
        assert decode(pool, data).pixels[1, 1].tolist() == [255, 255, 255]


def test_cmyk_is_inverted_with_and_without_adobes_marker(pool: DecoderPool) -> None:
    plain = encoded(quarters().convert("CMYK"), "JPEG", quality=95)  # Pillow writes Adobe's marker and inverts
    assert b"Adobe" in plain
    assert_like(decode(pool, plain), quarters(), 20)
    start = plain.index(b"\xff\xee")
    (length,) = struct.unpack("!H", plain[start + 2 : start + 4])
    unmarked = plain[:start] + plain[start + 2 + length :]
    assert_like(decode(pool, unmarked), quarters(), 20)  # as browsers do: nobody writes the other kind


def _swapped_profile() -> bytes:
    """A matrix profile whose red and blue primaries are exchanged: using it shows."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack("!I", profile[128:132])
    for index in range(count):
        at = 132 + 12 * index
        name = bytes(profile[at : at + 4])
        if name in (b"rXYZ", b"bXYZ"):
            profile[at : at + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
        if name == b"desc":
            offset, length = struct.unpack("!II", profile[at + 4 : at + 12])
            profile[offset : offset + length] = (
                profile[offset : offset + length].replace(b"s\0R\0G\0B", b"o\0d\0d\0 ").replace(b"sRGB", b"odd ")
            )
    return bytes(profile)


def test_a_colour_profile_is_applied(pool: DecoderPool) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    pixels = decode(pool, encoded(red, "PNG", icc_profile=_swapped_profile())).pixels
    assert pixels[0, 0, 2] > 200
    assert pixels[0, 0, 0] < 60


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_broken_or_unfitting_profile_is_ignored(pool: DecoderPool, kind: str) -> None:
    for profile in (b"garbage" * 40, _swapped_profile()[:300], _swapped_profile()[:200] + bytes(400)):
        assert_like(decode(pool, encoded(quarters(), kind, icc_profile=profile)), quarters())
    if kind != "WEBP":
        decode(pool, encoded(quarters().convert("L"), kind, icc_profile=_swapped_profile()))


def test_only_the_first_frame_counts(pool: DecoderPool) -> None:
    frames = [quarters(), *(Image.new("RGB", (120, 80), (n, n, n)) for n in (0, 90, 200))]
    for kind, count in (("GIF", 2), ("PNG", 4), ("WEBP", 4), ("TIFF", 2), ("AVIF", 4), ("HEIF", 4)):
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind in ("AVIF", "HEIF") else {}
        decoded = decode(pool, encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
        assert_like(decoded, quarters())
        assert decoded.frames == count, kind


def test_metadata_blocks_come_along_raw(pool: DecoderPool) -> None:
    exif = Image.Exif()
    exif[0x010E] = "A caption"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>words</x:xmpmeta>"
    for kind in ("JPEG", "WEBP", "PNG"):
        options: dict[str, Any] = {"exif": exif}
        if kind == "PNG":
            options["pnginfo"] = info = PngImagePlugin.PngInfo()
            info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        else:
            options["xmp"] = xmp
        decoded = decode(pool, encoded(quarters(), kind, **options))
        assert b"A caption" in decoded.exif
        assert decoded.xmp == xmp


def test_iptc_block_of_a_jpeg(pool: DecoderPool) -> None:
    iptc = b"\x1c\x02\x78\x00\x05Words"
    resource = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack("!I", len(iptc)) + iptc
    segment = b"\xff\xed" + struct.pack("!H", len(resource) + 2) + resource
    jpeg = encoded(quarters(), "JPEG")
    assert decode(pool, jpeg[:2] + segment + jpeg[2:]).iptc == iptc


def test_a_huge_metadata_block_is_left_out(pool: DecoderPool) -> None:
    decoded = decode(pool, encoded(quarters(), "WEBP", xmp=b"x" * 300_000))
    assert decoded.xmp == b""
    assert_like(decoded, quarters(), 12)


def test_texts_of_the_format_and_what_the_picture_shows_come_along(pool: DecoderPool) -> None:
    decoded = decode(pool, encoded(Image.new("RGBA", (9, 9)), "PNG"))
    assert (decoded.content, decoded.texts) == ("blank", b"")
    decoded = decode(pool, encoded(quarters(), "GIF", comment=b"Grandma"))
    assert (decoded.content, decoded.texts) == ("shown", b'{"caption": ["Grandma"]}')  # a file may hold several


def test_the_xmp_that_one_segment_of_a_jpeg_does_not_hold_comes_along(pool: DecoderPool) -> None:
    data = extended("<dc:description>Board meeting</dc:description>")
    decoded = decode(pool, data)
    found = read_metadata(xmp_packet=decoded.xmp, extended_xmp=decoded.extended)
    assert found.caption is not None
    assert found.caption.text == "Board meeting"
