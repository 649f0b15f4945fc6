"""Shapes of a batch: to what length a source is padded, and how pictures are copied to the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tagger.prediction import Pixels

SOURCE_MULTIPLE = 16  # source lengths are multiples of this, so that rows are aligned and a device sees few shapes
BATCHES = (1, 2, 4, 8, 16, 32, 64)  # sizes of a batch of fixed shape; beyond the last, its multiples


def padded_length(patches: int, text: int) -> int:
    """Least text length ≥ `text` that makes patches and text a multiple of 16."""
    return math.ceil((patches + text) / SOURCE_MULTIPLE) * SOURCE_MULTIPLE - patches


def source_padding(patches: int, ids: Tensor, pad: int) -> Tensor:
    """ids [B, T] → [B, 1, 1, N + T]: 0 where the source is real, -inf at padded text."""
    padding = torch.zeros(ids.shape[0], 1, 1, patches + ids.shape[1], device=ids.device)
    padding[:, 0, 0, patches:].masked_fill_(ids == pad, -math.inf)
    return padding


def stack(batch: Sequence[Pixels]) -> Tensor:
    """n × [s, s, 3] → uint8 [n, s, s, 3] in the host's memory."""
    return torch.from_numpy(np.stack(batch))


def fixed_batch(count: int) -> int:
    """The size of the fixed batch that holds `count` items."""
    return next((size for size in BATCHES if size >= count), math.ceil(count / BATCHES[-1]) * BATCHES[-1])


def fixed_sizes(most: int) -> tuple[int, ...]:
    """All sizes of fixed batches that hold up to `most` items."""
    return tuple(dict.fromkeys(fixed_batch(count) for count in range(1, most + 1)))


def fill(buffer: Tensor, batch: Sequence[Pixels]) -> None:
    """n × [s, s, 3] into uint8 [B, s, s, 3], B ≥ n; the remaining rows repeat the last picture. The host does not wait for
    what is staged (see `accelerator.staged`)."""
    for row, pixels in zip(buffer, batch, strict=False):
        row.copy_(torch.from_numpy(np.require(pixels, requirements="W")), non_blocking=True)  # torch takes no other
    buffer[len(batch) :] = buffer[len(batch) - 1]


def canary_pixels(size: int) -> Pixels:
    """A picture of crossing waves in three colours, the same on every machine."""
    steps = np.arange(size, dtype=np.int64)
    row, column = steps[:, None], steps[None, :]
    channels = (row * 5 + column * 2) % 256, (row * column // 7) % 256, (row * 3 - column * 11) % 256
    return np.stack(channels, axis=-1).astype(np.uint8)
