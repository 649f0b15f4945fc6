"""Which device torch models run on, and the way of pictures to it."""

from __future__ import annotations

import torch

from tagger.prediction import Pixels


def best() -> str:
    """`cuda` where torch sees one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def staged(pixels: Pixels, device: torch.device) -> Pixels:
    """The picture in memory that a CUDA device reads by itself (torch keeps such memory and gives it out again); for other
    devices as it is. To be called where a picture is prepared, in a task's thread: the owner thread then copies nothing, and
    the device works on one batch while the next one is laid ready."""
    if device.type != "cuda":
        return pixels
    held: Pixels = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True).numpy()
    held[...] = pixels
    return held
