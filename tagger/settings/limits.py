"""Numbers with limits beyond which only a process at work would fail, far from the setting that is wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tagger.errors import SettingsError

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Size = Annotated[int, Field(gt=0, le=1 << 40)]  # bytes or pixels
DecodeMemory = Annotated[int, Field(ge=128 << 20, le=1 << 40)]  # with less, a decoder cannot even start
Processes = Annotated[int, Field(ge=0, le=1024)]
SearchIndex = Literal["exact", "pgvector", "none"]  # none: only tags and texts are searched


def fitting_batch(threads: int, max_batch: int, given: str | None) -> int:
    """The largest batch, of which `threads` must hold two: while one is computed, the images of the next one are fetched.

    `given`: where `max_batch` was set; None: nowhere, so it follows `threads`. Errors: SettingsError.
    """
    most = max(1, threads // 2)
    if max_batch <= most:
        return max_batch
    if given is not None:
        detail = f"{given}: {max_batch} is more than half of threads ({threads})."
        raise SettingsError(detail, f"Set threads to at least {2 * max_batch}, or max_batch to at most {most}.")
    return most
