"""Shapes of a batch: how long a source is padded, and how pictures reach the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tagger.prediction import Pixels

SOURCE_MULTIPLE = 16  # source lengths are multiples of this: aligned rows, and few shapes for a device to plan for
BATCHES = (1, 2, 4, 8, 16, 32, 64)  # batch sizes that a device other than the CPU sees


def padded_length(patches: int, text: int) -> int:
    """Least text length ≥ `text` that makes patches and text a multiple of 16."""
    return math.ceil((patches + text) / SOURCE_MULTIPLE) * SOURCE_MULTIPLE - patches


def source_padding(patches: int, ids: Tensor, pad: int) -> Tensor:
    """ids [B, T] → [B, 1, 1, N + T]: 0 where the source is real, -inf at padded text."""
    padding = torch.zeros(ids.shape[0], 1, 1, patches + ids.shape[1], device=ids.device)
    padding[:, 0, 0, patches:].masked_fill_(ids == pad, -math.inf)
    return padding


def stack(batch: Sequence[Pixels], device: torch.device) -> Tensor:
    """n × [s, s, 3] → uint8 [B, s, s, 3] on the device. On a CPU B = n; elsewhere the next of BATCHES, the last repeated."""
    rows = len(batch) if device.type == "cpu" else fixed_batch(len(batch))
    images = np.stack([*batch, *[batch[-1]] * (rows - len(batch))])
    return torch.from_numpy(images).to(device)


def fixed_batch(count: int) -> int:
    return next((size for size in BATCHES if size >= count), count)


def canary_pixels(size: int) -> Pixels:
    """A picture of crossing waves in three colours, the same on every machine."""
    steps = np.arange(size, dtype=np.int64)
    row, column = steps[:, None], steps[None, :]
    channels = (row * 5 + column * 2) % 256, (row * column // 7) % 256, (row * 3 - column * 11) % 256
    return np.stack(channels, axis=-1).astype(np.uint8)
