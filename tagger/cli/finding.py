"""What the doctor found of one part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tagger.errors import TaggerError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the doctor looked at."""

    what: str
    state: Literal["ok", "warning", "broken"]
    detail: str
    remedy: str = ""


def attempt(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, state="ok", detail=look())
    except TaggerError as err:
        info = err.info()
        return Finding(what=what, state="broken", detail=info.detail, remedy=info.remedy)
