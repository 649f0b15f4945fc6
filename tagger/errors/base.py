"""The base of all errors: a class with a code, and the detail of this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

Stage = Literal["accept", "claim", "fetch", "decode", "batch", "judge", "persist", "deliver"]

TYPE_BASE = "https://tagger.dev/errors/"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """The place of the fault in the request (RFC 6901), and what is wrong there."""

    pointer: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ErrorInfo:
    """The stored and transmitted form of an error. It holds no secret: tagger writes `detail`, and never copies a peer's body."""

    code: str
    title: str
    status: int
    detail: str
    stage: Stage
    retryable: bool
    remedy: str
    errors: tuple[Pointer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form as in docs/api.md, without `request_id`, which only a response has."""
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
    """Base of all errors. `detail` says what happened this time. The class variables describe the kind of error."""

    detail: str = ""
    remedy: str = ""  # overrides the class's default remedy
    errors: tuple[Pointer, ...] = field(default=(), kw_only=True)

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside tagger"
    status: ClassVar[int] = 500
    stage: ClassVar[Stage] = "accept"
    retryable: ClassVar[bool] = False
    default_remedy: ClassVar[str] = "Search the log for the job's id. If the error happens again, report it with these log lines."

    @classmethod
    def by_code(cls) -> dict[str, type[TaggerError]]:
        """Every subclass by its code. If several share a code, the most general one."""
        below = {code: kind for child in reversed(cls.__subclasses__()) for code, kind in child.by_code().items()}
        return {**below, cls.code: cls}

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
