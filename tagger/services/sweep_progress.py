"""What a sweep found, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(kw_only=True)
class Swept:
    """What a sweep found."""

    looked_at: int = 0
    new: int = 0
    changed: int = 0  # another revision
    edited: int = 0
    deleted: int = 0
    missing: list[str] = field(default_factory=list)  # the CMS does not list them; they can be erased, and were not
    missing_earlier: int = 0  # as many more were found before the sweep was interrupted
    kept: dict[str, int] = field(default_factory=dict)  # missing too, but never erased: how many by the reason
    too_many_new: bool = False  # more new assets than one sweep takes
    stopped: bool = False  # before its end
    since: str = ""  # new assets were looked for from then on

    def row(self) -> dict[str, Any]:
        row = {**asdict(self), "missing": len(self.missing) + self.missing_earlier}
        del row["missing_earlier"]
        return row


@dataclass(kw_only=True)
class Progress:
    """How far a sweep has come. It is stored as JSON after each page."""

    began_ms: int
    since_ms: int
    cursor: str | None = None  # of the last new asset that was listed
    listed: bool = False  # all new assets were
    after: str = ""  # the last known asset that was compared
    found: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self | None:
        """None: it cannot be continued. Another version of tagger may have stored more, or less."""
        try:
            progress = cls(**_known(cls, stored))
            Swept(**_known(Swept, progress.found))
        except (TypeError, AttributeError):
            return None
        return progress

    def swept(self) -> Swept:
        return Swept(**_known(Swept, self.found))


def _known(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    names = {known.name for known in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}
