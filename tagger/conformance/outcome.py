"""What a rule can come to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["passed", "failed", "not supported"]


class Failed(Exception):
    """The implementation breaks the rule; the text says what happened."""


class NotSupported(Exception):
    """The CMS says that it cannot do this; the rule is left out."""


@dataclass(frozen=True, kw_only=True)
class Result:
    rule: str
    title: str
    state: State
    detail: str
    ms: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def expect(condition: object, detail: str) -> None:
    """Errors: Failed with `detail` unless the condition holds."""
    if not condition:
        raise Failed(detail)
