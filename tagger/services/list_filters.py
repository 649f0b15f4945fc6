"""Checks of filters of lists. A filter with an unknown value must be an error, because it would look like an empty list."""

from __future__ import annotations

from tagger.errors import BadRequest, Pointer, TaggerError


def check_error_code(code: str | None) -> None:
    """Errors: BadRequest for a text that is not an error code of tagger."""
    if code is not None and code not in TaggerError.by_code():
        raise BadRequest(
            f"{code!r} is not an error code.",
            "docs/errors.md lists all codes; `tagger dead-letters list` shows those of your dead letters.",
            errors=(Pointer(pointer="/reason"),),
        )


def check_verdict_reason(reason: str | None) -> None:
    """Errors: BadRequest for a text that is not a reason of a verdict."""
    if reason is None:
        return
    from tagger.judge.gate import REASONS  # with all text rules, which no other list needs

    if reason not in REASONS:
        raise BadRequest(
            f"{reason!r} is not a reason of a verdict.",
            "docs/errors.md lists them under Reasons.",
            errors=(Pointer(pointer="/reason"),),
        )
