"""Numbers with limits beyond which only a process at work would fail, far from the setting that is wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Size = Annotated[int, Field(gt=0, le=1 << 40)]  # bytes or pixels
DecodeMemory = Annotated[int, Field(ge=128 << 20, le=1 << 40)]  # with less, a decoder cannot even start
Processes = Annotated[int, Field(ge=0, le=1024)]
SearchIndex = Literal["exact", "pgvector", "none"]  # none: only tags and texts are searched


def fitting_batch(threads: int, max_batch: int) -> int:
    """The batch that is used. `threads` must hold two: while one is computed, the images of the next one are fetched."""
    return min(max_batch, max(1, threads // 2))


def batch_warning(threads: int, max_batch: int) -> str:
    """That a smaller batch than `max_batch` is used; empty: it is not. A start is not refused for it: 0.1.0 took any pair."""
    used = fitting_batch(threads, max_batch)
    return "" if used == max_batch else f"max_batch ({max_batch}) is more than half of threads ({threads}); {used} is used"
