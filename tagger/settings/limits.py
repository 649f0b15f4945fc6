"""Numbers with limits beyond which only a process at work would fail, far from the setting that is wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Size = Annotated[int, Field(gt=0, le=1 << 40)]  # bytes or pixels
Processes = Annotated[int, Field(ge=0, le=1024)]
