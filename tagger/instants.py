"""Moments as people and callers write them."""

from __future__ import annotations

from datetime import UTC, datetime

from tagger.errors import BadRequest, Pointer


def parse_instant(text: str | None) -> int | None:
    """RFC 3339 to milliseconds. Errors: BadRequest."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{text!r} is not a time like 2026-11-21T09:30:00Z.", errors=(Pointer(pointer="/since"),)) from None
    if moment.tzinfo is None:
        raise BadRequest(f"{text!r} has no time zone; add Z for UTC.", errors=(Pointer(pointer="/since"),))
    return int(moment.timestamp() * 1000)


def format_instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
