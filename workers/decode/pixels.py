"""Decodes bytes to upright sRGB pixels of a bounded size, with Pillow. It runs inside a decoder process, which may crash.

Only the first frame is decoded. Transparency becomes white. An image is never enlarged. numpy is not used here, because its
thread pools would take most of the memory limit.
"""

from __future__ import annotations

import functools
import io
import re
import warnings
from dataclasses import dataclass, field, replace

import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, UnidentifiedImageError

from tagger.asset import Content
from tagger.errors import DecodeError, DecodeTimeout, ImageTooManyPixels
from tagger.net.body import looks_like_html
from workers.decode import truncated
from workers.decode.content import content, is_blank
from workers.decode.file_blocks import blocks

# AVIF is tried before HEIF. Both accept the brand "mif1", but only Pillow's plugin refuses content of the other format.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")  # Pillow opens MPO as JPEG first
MAX_PROFILE = 4 << 20  # bytes of an ICC profile; a large CMYK one has 2.5 MB
COUNTED = frozenset({"PNG", "WEBP", "MPO", "AVIF", "HEIF"})  # their header has the number of frames
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MAGIC = ((b"\x89PNG", "PNG"), (b"\xff\xd8", "JPEG"), (b"GIF8", "GIF"), (b"RIFF", "WEBP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"))
SPACE_OF_MODE = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    rgb: bytes = field(repr=False)  # height × width × 3
    width: int  # of `rgb`
    height: int
    full_width: int  # of the original, upright
    full_height: int
    format: str
    frames: int  # GIF, TIFF: 2 means "more than one", since counting would read the whole file
    content: Content = "shown"
    exif: bytes = b""
    iptc: bytes = b""
    xmp: bytes = b""
    extended: bytes = b""
    texts: bytes = b""  # JSON: "caption" and "title" that the format itself keeps
    warnings: tuple[str, ...] = ()  # in plain English, for the job


def configure(max_pixels: int) -> None:
    """Sets Pillow's process-wide limits. Each library uses one thread, because the pool has a process per core."""
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("ignore")  # about unusual files; nobody reads them here
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    Image.init()


def decode(data: bytes, *, max_pixels: int, long_side: int) -> Picture:
    """Decodes `data`. Neither side of the result is larger than `long_side`.

    If a file ends early but holds at least 95 % of its rows, it is decoded with a warning.
    Errors: DecodeError, ImageTooManyPixels, DecodeTimeout (memory). Any other error of a parser becomes DecodeError.
    """
    try:
        return _decoded(data, max_pixels, long_side)
    except _EndsEarly as cut:
        there = _what_is_there(data, cut.kind, max_pixels, long_side)
        if there is None:
            raise DecodeError(f"The {cut.kind} data ends early.") from None
        return there


class _EndsEarly(Exception):
    def __init__(self, kind: str) -> None:
        self.kind = kind


def _decoded(data: bytes, max_pixels: int, long_side: int) -> Picture:
    kind = "image"
    try:
        with _opened(data, max_pixels) as image:
            kind = image.format or kind
            return _picture(image, data, max_pixels, long_side)
    except UnidentifiedImageError:
        raise DecodeError(_what_instead(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many(max_pixels) from None
    except MemoryError:
        raise DecodeTimeout("Decoding the image took too much memory.") from None
    except DecodeError:
        raise
    except Exception as err:  # noqa: BLE001 — parsers raise anything on hostile input; the kind of error is all we pass on
        if "truncated" in str(err).lower() or isinstance(err, EOFError):
            raise _EndsEarly(kind) from None
        raise DecodeError(f"The {kind} data is broken.") from None


def _what_is_there(data: bytes, kind: str, max_pixels: int, long_side: int) -> Picture | None:
    """The image of a file that ends early, if nearly all of it is there."""
    opened = functools.partial(_opened, max_pixels=max_pixels)
    try:
        share = truncated.share_there(data, kind, opened, lambda image: _reduce(image, long_side))
        if share < truncated.LEAST:
            return None
        with truncated.tolerant():
            picture = _decoded(truncated.completed(data, kind), max_pixels, long_side)
    except MemoryError:
        raise DecodeTimeout("Decoding the image took too much memory.") from None
    except Exception:  # noqa: BLE001 — what a parser raises on the second try adds nothing to what the first one said
        return None
    shown = f"{share:.1%} of its rows are there" if share < 1 else "all of its rows are there"
    shows: Content = (
        "hidden" if picture.content == "blank" and share < 1 else picture.content
    )  # the missing rest may have content
    return replace(picture, content=shows, warnings=(f"The {kind} file ends early; {shown}.",))


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _check(image.size, max_pixels)
    return image


def _reduce(image: Image.Image, long_side: int) -> None:
    if image.format in ("JPEG", "MPO"):
        image.draft(None, _contained(image.size, long_side))  # libjpeg then skips detail that the resize would discard


def _picture(image: Image.Image, data: bytes, max_pixels: int, long_side: int) -> Picture:
    full = image.size
    _reduce(image, long_side)
    image.load()
    _check(image.size, max_pixels)  # some parsers know the real size only now
    turn = _turn(image)
    whole = small = _plain_mode(image)
    target = _contained(small.size, long_side)
    if small.size != target:
        small = small.resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
    upright = _to_srgb(small, image.info.get("icc_profile"))
    if turn is not None:
        upright = upright.transpose(turn)
    frames = _frames(image)
    shows = content(whole, upright, frames)
    if shows == "blank" and image.size != full and not _blank_in_full(data, max_pixels):
        shows = "hidden"
    metadata = blocks(image, data)
    turned = turn in (TURNS[5], TURNS[6], TURNS[7], TURNS[8])
    return Picture(
        rgb=upright.tobytes(),
        width=upright.width,
        height=upright.height,
        full_width=full[1] if turned else full[0],
        full_height=full[0] if turned else full[1],
        format=image.format or "",
        frames=frames,
        content=shows,
        exif=metadata["exif"],
        iptc=metadata["iptc"],
        xmp=metadata["xmp"],
        extended=metadata["extended"],
        texts=metadata["texts"],
    )


def _blank_in_full(data: bytes, max_pixels: int) -> bool:
    """A scaled-down JPEG loses fine lines, so it may look blank although the original is not."""
    try:
        with _opened(data, max_pixels) as image:
            image.load()
            return is_blank(_plain_mode(image))
    except MemoryError:
        return False


def _check(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_many(max_pixels)


def _too_many(max_pixels: int) -> ImageTooManyPixels:
    return ImageTooManyPixels(f"The image has more than {max_pixels:,} pixels.")


def _contained(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    longest = max(size)
    if longest <= long_side:
        return size
    return max(1, round(size[0] * long_side / longest)), max(1, round(size[1] * long_side / longest))


def _turn(image: Image.Image) -> Image.Transpose | None:
    # After load(), because TIFF then rotates itself and removes the tag.
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 — a broken EXIF block must not cost the picture
        return None


def _plain_mode(image: Image.Image) -> Image.Image:
    """One of L, LA, RGB, RGBA, CMYK, LAB: modes that can be resized without a change of meaning."""
    mode = image.mode
    if mode.startswith("I;16"):
        native = image if mode == "I;16" else image.convert("I")  # Pillow cannot change the values of other modes
        return native.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if mode in ("I", "F"):
        return _stretched(image)
    if mode in ("PA", "La", "RGBa") or (mode != "CMYK" and image.has_transparency_data and mode not in ("LA", "RGBA")):
        return image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA")
    if mode == "1":
        return image.convert("L")
    if mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return image
    return image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    """32-bit and floating point grey. The range decides between 0–1, 0–255 and 0–65535; other ranges are scaled from minimum to
    maximum."""
    low, high = image.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not (low == low and abs(low) + abs(high) < 1e38):
        raise DecodeError("The image holds values that are not numbers.")
    if low < 0 or high > 65535:
        scale, offset = (255 / (high - low) if high > low else 0.0), -low
    else:
        top = 1.0 if image.mode == "F" and high <= 1 else 255.0 if high <= 255 else 65535.0
        scale, offset = 255 / top, 0.0
    return image.point(lambda value: value * scale + (offset * scale + 0.5)).convert("L")


def _to_srgb(image: Image.Image, profile: object) -> Image.Image:
    if image.mode in ("LA", "RGBA"):
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(rgba, mask=rgba.getchannel("A"))
    if isinstance(profile, bytes) and 0 < len(profile) <= MAX_PROFILE:
        transform = _transform(profile, image.mode)
        if transform is not None:
            converted = ImageCms.applyTransform(image, transform)
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From `profile` to sRGB. None if no change is needed, or if the profile is broken or for another mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != SPACE_OF_MODE.get(mode):
            return None
        if mode == "RGB" and re.match(r"sRGB|c2\b", ImageCms.getProfileDescription(source)):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _frames(image: Image.Image) -> int:
    try:
        if image.format in COUNTED:
            return int(getattr(image, "n_frames", 1))
        return 2 if getattr(image, "is_animated", False) else 1
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 — a broken second frame says nothing about the first
        return 1


def _what_instead(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "The file is empty."
    if b"<svg" in head and head.startswith(b"<"):
        return "SVG drawings are not read, only pixel images."
    if looks_like_html(data):
        return "The data is HTML, not an image."
    if head.startswith(b"%pdf"):
        return "PDF documents are not read, only pixel images."
    for magic, kind in MAGIC:
        if data.startswith(magic):
            return f"The {kind} data is broken."
    return "The data is not an image in a known format."
