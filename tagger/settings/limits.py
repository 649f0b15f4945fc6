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
MOST_THREADS = 512


def fitting_batch(threads: int, max_batch: int) -> int:
    """The batch that is used. `threads` must hold two: while one is computed, the images of the next one are fetched."""
    return min(max_batch, max(1, threads // 2))


def batch_warning(threads: int, max_batch: int) -> str:
    """That batches are smaller than `max_batch`; empty: they are not. A start is not refused for it: 0.1.0 took any pair."""
    most = fitting_batch(threads, max_batch)
    if most == max_batch:
        return ""
    return f"max_batch ({max_batch}) is more than half of threads ({threads}); a batch gets at most {most} images"


def batch_remedy(threads: int, max_batch: int) -> str:
    lower = f"Set max_batch to at most {fitting_batch(threads, max_batch)}"
    return f"{lower}, or threads to at least {2 * max_batch}." if 2 * max_batch <= MOST_THREADS else f"{lower}."
