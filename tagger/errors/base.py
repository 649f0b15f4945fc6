"""What every error is: a kind with a code, and what happened this time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

Stage = Literal["accept", "claim", "fetch", "decode", "batch", "judge", "persist", "deliver"]

TYPE_BASE = "https://tagger.dev/errors/"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Where in the request the fault lies (RFC 6901), and what is wrong there."""

    pointer: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ErrorInfo:
    """The stored and transmitted form of an error. Holds no secret: `detail` is written by us, never a peer's body."""

    code: str
    title: str
    status: int
    detail: str
    stage: Stage
    retryable: bool
    remedy: str
    errors: tuple[Pointer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form as in API.md, without `request_id`, which only a response has."""
        body = asdict(self)
        body["errors"] = [asdict(p) for p in self.errors]
        return {"type": TYPE_BASE + self.code.replace("_", "-"), **body}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> ErrorInfo:
        return cls(
            code=body["code"],
            title=body["title"],
            status=body["status"],
            detail=body["detail"],
            stage=body["stage"],
            retryable=body["retryable"],
            remedy=body["remedy"],
            errors=tuple(Pointer(**p) for p in body.get("errors", ())),
        )


@dataclass(eq=False)
class TaggerError(Exception):
    """Base of all. `detail` says what happened this time; class variables say what kind of thing it is."""

    detail: str = ""
    remedy: str = ""  # overrides the class's default remedy
    errors: tuple[Pointer, ...] = field(default=(), kw_only=True)

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside tagger"
    status: ClassVar[int] = 500
    stage: ClassVar[Stage] = "accept"
    retryable: ClassVar[bool] = False
    default_remedy: ClassVar[str] = "Look into the log by the job's id; if it happens again, report it."

    @classmethod
    def by_code(cls) -> dict[str, type[TaggerError]]:
        """Every kind from this one down; of those with one code the most general."""
        found = {code: kind for child in reversed(cls.__subclasses__()) for code, kind in child.by_code().items()}
        return {**found, cls.code: cls}

    def __str__(self) -> str:
        return self.detail or self.title

    def info(self) -> ErrorInfo:
        return ErrorInfo(
            code=self.code,
            title=self.title,
            status=self.status,
            detail=self.detail or self.title,
            stage=self.stage,
            retryable=self.retryable,
            remedy=self.remedy or self.default_remedy,
            errors=self.errors,
        )
