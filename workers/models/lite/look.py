"""Colours and light of a picture, from its pixels. Pure.

Simple rules on a 64-pixel thumbnail: hue, saturation and lightness give the name of a colour, mean values give the light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tagger.prediction import Look, Pixels

Floats = npt.NDArray[np.float64]

THUMB = 64
MOST = 5  # dominant colours named
LEAST_SHARE = 0.08  # a colour under this share is not dominant
GREY_SATURATION = 0.14  # HSV saturation under which a pixel has no hue
HUES = ((12, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (195, "cyan"), (258, "blue"), (290, "purple"), (338, "pink"))
NAMES = (*(name for _, name in HUES), "brown", "white", "grey", "black")
RED, ORANGE, YELLOW, BROWN, WHITE, GREY, BLACK = map(NAMES.index, ("red", "orange", "yellow", "brown", "white", "grey", "black"))
LIT, LEAST_LIT = 0.15, 0.02  # lightness from which a hue shows, and the share of such pixels that is needed
VIVID = 0.6  # saturation from which orange is the colour of a thing, not of skin, wood or lamplight
UNIFORM_SPREAD = 6  # of 255, between the least and the largest value of a channel
WARM, COLD = ("red", "orange", "yellow", "brown", "pink"), ("blue", "cyan", "purple")


def thumbnail(image: Image.Image) -> Pixels:
    """[64, 64, 3] uint8, the picture squashed."""
    return np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX, reducing_gap=2.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hsv:
    """[64, 64] each, of the thumbnail."""

    hue: Floats  # degrees, 0 for grey
    saturation: Floats  # 0..1
    high: Floats  # the greatest of the three channels, 0..1
    chroma: Floats  # the greatest less the least

    @classmethod
    def of(cls, rgb: Floats) -> _Hsv:
        """[64, 64, 3] in 0..1. By planes: numpy is slow along an axis of three."""
        r, g, b = np.ascontiguousarray(rgb.transpose(2, 0, 1))
        high = np.maximum(np.maximum(r, g), b)
        chroma = high - np.minimum(np.minimum(r, g), b)
        safe = np.maximum(chroma, 1e-9)
        hue = np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
        return cls(hue=np.where(chroma > 0, hue, 0.0), saturation=chroma / np.maximum(high, 1e-9), high=high, chroma=chroma)


def look(pixels: Pixels, thumb: Pixels | None = None) -> Look:
    """Pixels [h, w, 3] uint8 → Look. `thumb`: what `thumbnail` gave, where it is at hand."""
    height, width = pixels.shape[:2]
    thumb = thumbnail(Image.fromarray(pixels)) if thumb is None else thumb
    rgb = thumb.astype(np.float64) / 255.0
    hsv = _Hsv.of(rgb)
    share = _shares(hsv)
    colours = sorted(share.items(), key=lambda pair: (-pair[1], pair[0]))
    light = float((rgb.reshape(-1, 3) @ np.array([0.2126, 0.7152, 0.0722])).mean())
    warm, cold = (sum(share.get(name, 0.0) for name in group) for group in (WARM, COLD))
    return Look(
        dominant=tuple((name, round(s, 4)) for name, s in colours if s >= LEAST_SHARE)[:MOST],
        warm=bool(warm >= 0.35 and warm > 2 * cold),
        cold=bool(cold >= 0.35 and cold > 2 * warm),
        bright=light >= 0.62,
        dark=light <= 0.28,
        black_and_white=_grey(hsv),
        uniform=min(height, width) <= 2 or _flat(pixels, thumb),
        cues=_cues(rgb, hsv),
    )


def colours(patch: Pixels) -> dict[str, float]:
    """[h, w, 3] uint8 → colour names and the share of the pixels of each. Orange that is pale (skin, wood) is left out."""
    hsv = _Hsv.of(patch.astype(np.float64) / 255.0)
    shares = _shares(hsv)
    pale = (hsv.saturation < VIVID) & (hsv.hue >= HUES[0][0]) & (hsv.hue < HUES[1][0])
    if "orange" in shares and pale.mean() > shares["orange"] / 2:
        del shares["orange"]
    return shares


def _grey(hsv: _Hsv) -> bool:
    """Whether the pixels have no hue although there is enough light to see one. A dark picture has little chroma in any case."""
    lit = hsv.high >= LIT
    if lit.mean() < LEAST_LIT:
        return False
    return bool(np.quantile(hsv.chroma, 0.98) <= 0.06 and np.quantile(hsv.saturation[lit], 0.9) <= 0.12)


def _flat(pixels: Pixels, thumb: Pixels) -> bool:
    """One colour all over. The thumbnail tells at once that most pictures are not; else a grid of pixels does."""
    step = max(1, min(pixels.shape[:2]) // 300)
    grids = (thumb, pixels[::step, ::step])
    return all(high - low <= UNIFORM_SPREAD for grid in grids for low, high in _extremes(grid))


def _extremes(pixels: Pixels) -> tuple[tuple[int, int], ...]:
    """Least and largest value of each channel."""
    return tuple((int(c.min()), int(c.max())) for c in np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _cues(rgb: Floats, hsv: _Hsv) -> tuple[tuple[str, float], ...]:
    """Hints at the scene with their strengths; those under 0.05 are left out."""
    hue, saturation, high = hsv.hue, hsv.saturation, hsv.high
    across, down = np.abs(np.diff(high, axis=1, append=high[:, -1:])), np.abs(np.diff(high, axis=0, append=high[-1:]))
    smooth = np.maximum(across, down) < 0.025 + 0.05 * high
    top, bottom = slice(0, THUMB // 3), slice(2 * THUMB // 3, THUMB)
    blue = (hue > 185) & (hue < 255) & (saturation > 0.15) & (high > 0.3) & smooth
    pale = (saturation < 0.18) & (high > 0.6) & smooth
    green = (hue > 55) & (hue < 180) & (saturation > 0.2) & (high > 0.08)
    warm = ((hue < 48) | (hue > 335)) & (saturation > 0.3) & (high > 0.55) & smooth
    autumn = (hue < 45) & (saturation > 0.4) & (high > 0.2) & ~smooth
    dusky = ((hue > 185) & (hue < 260) | (saturation < 0.2)) & (high > 0.12) & (high < 0.5) & smooth
    lighter = float(high[top].mean() - high[bottom].mean())
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    blue_sky = _ramp(blue[top].mean(), 0.35, 0.75)
    pale_sky = _ramp(pale[top].mean(), 0.35, 0.8) * _ramp(lighter, 0.05, 0.25)
    cues = {
        "blue_sky": blue_sky,
        "pale_sky": pale_sky,
        "no_sky": 1.0 - _ramp((blue | pale | warm | dusky)[top].mean(), 0.1, 0.4),
        "greenery": _ramp(green.mean(), 0.25, 0.65),
        "thicket": _ramp((green & ~smooth).mean(), 0.25, 0.6),
        "autumn_colours": _ramp(autumn.mean(), 0.2, 0.5),
        "dark_sky": _ramp(dusky[top].mean(), 0.4, 0.8),
        "green_bottom": _ramp(green[bottom].mean(), 0.4, 0.9),
        "glow": _ramp(warm[: 2 * THUMB // 3].mean(), 0.12, 0.35)
        * _ramp(float(high[: THUMB // 2].mean() - high[bottom].mean()), 0.1, 0.3),
        "dark": _ramp(0.35 - float(high.mean()), 0.0, 0.15),
        "backdrop": 1.0 - _ramp(float(border.std(axis=0).max()), 0.03, 0.08),
    }
    return tuple((name, round(strength, 3)) for name, strength in cues.items() if strength >= 0.05)


def _ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end`, straight between."""
    return float(min(1.0, max(0.0, (value - start) / (end - start))))


def _shares(hsv: _Hsv) -> dict[str, float]:
    """Colour names and the share of pixels of each."""
    hue, saturation, high = hsv.hue, hsv.saturation, hsv.high
    code = np.digitize(hue, [end for end, _ in HUES])
    code[code == len(HUES)] = RED
    reddish = (code == RED) | (code == ORANGE) | (code == YELLOW)
    code[reddish & (high < 0.55) & (saturation > 0.25) & (hue > 8) & (hue < 60)] = BROWN
    grey = (saturation < GREY_SATURATION) | (high < 0.13)
    code[grey] = np.where(high[grey] > 0.85, WHITE, np.where(high[grey] < 0.2, BLACK, GREY))
    counts = np.bincount(code.ravel(), minlength=len(NAMES))
    return {name: float(count / code.size) for name, count in zip(NAMES, counts, strict=True) if count}
