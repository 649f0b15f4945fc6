"""Traces of jobs. They are off without `trace_url`: then nothing of OpenTelemetry's SDK is imported, and every span is `OFF`.

A trace goes through three processes that do not call each other. So its context, a W3C `traceparent`, lies with the job and with
the delivery in the ledger (docs/tracing.md).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from tagger.errors import SettingsError
from tagger.settings import Settings

Kind = Literal["internal", "server", "consumer", "client"]

TRACED_ROLES = ("api", "tag", "deliver", "reconcile")
HEADER = "traceparent"


class Span(Protocol):
    """A part of a trace, while it lasts."""

    @property
    def context(self) -> str | None: ...  # the `traceparent` of its children; None: traces are off

    def set(self, **attributes: Any) -> None: ...

    def rename(self, name: str) -> None: ...


class Tracer(Protocol):
    """What tagger/telemetry/otel.py makes."""

    def span(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], root: bool, attributes: Mapping[str, Any]
    ) -> AbstractContextManager[Span]: ...

    def batch(self, members: Sequence[Span | None], attributes: Mapping[str, Any]) -> AbstractContextManager[Span]: ...

    def past(self, name: str, began_ms: int, ended_ms: int, parent: str | None) -> None: ...

    def current(self) -> Span | None: ...

    def log_ids(self) -> Mapping[str, str]: ...

    def close(self) -> None: ...


class _Off:
    """The span while traces are off."""

    context: str | None = None

    def __enter__(self) -> _Off:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, **_attributes: Any) -> None:
        return None

    def rename(self, _name: str) -> None:
        return None


OFF = _Off()
_tracer: Tracer | None = None


def start(settings: Settings, role: str) -> bool:
    """Turn traces on for this process, if the settings ask for it. Errors: SettingsError if the extra `otel` is not installed."""
    global _tracer
    if not settings.trace_url or role not in TRACED_ROLES:
        return False
    try:
        from tagger.telemetry.otel import OtelTracer
    except ImportError as err:
        raise SettingsError("trace_url is set, but OpenTelemetry is not installed.", "Install tagger[otel].") from err
    _tracer = OtelTracer(settings.trace_url, settings.trace_ratio, role)
    return True


def close() -> None:
    """Send what waits, for some seconds at most. Call it once, at the end of the process."""
    global _tracer
    if _tracer is not None:
        _tracer.close()
        _tracer = None


def active() -> bool:
    return _tracer is not None


def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    links: Sequence[str] = (),
    root: bool = False,
    **attributes: Any,
) -> AbstractContextManager[Span]:
    """A span around the body; log lines of the body carry its ids.

    `parent`: a stored context; without it the span is a child of the current one. `root`: it begins a trace of its own.
    """
    return OFF if _tracer is None else _tracer.span(name, kind, parent, links, root, attributes)


def batch(members: Sequence[Span | None], **attributes: Any) -> AbstractContextManager[Span]:
    """A span of work that serves many spans at once. It has a trace of its own, because it cannot be the child of all of them.
    Links lead from it to its members, and from each member to it."""
    return OFF if _tracer is None else _tracer.batch(members, attributes)


def past(name: str, began_ms: int, ended_ms: int, *, parent: str | None = None) -> None:
    """Record a span that is over."""
    if _tracer is not None:
        _tracer.past(name, began_ms, ended_ms, parent)


def current() -> Span | None:
    """The span of this thread, to be a member of a batch. None while traces are off."""
    return None if _tracer is None else _tracer.current()


def headers() -> dict[str, str]:
    """The header that lets a receiver continue the trace."""
    here = current()
    return {} if here is None or here.context is None else {HEADER: here.context}


def add_ids(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog."""
    if _tracer is not None:
        event.update(_tracer.log_ids())
    return event
