"""Traces by OpenTelemetry's SDK, sent by OTLP over HTTP. Only tracing.py imports this module, and only if traces are on.

The provider is not made global: libraries that look for a global one, such as FastAPI, must not add spans of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import SystemRandom
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

import tagger
from tagger.errors import TaggerError

BATCH = "batch"
EXPORT_SECONDS = 5.0  # of one request to the collector
CLOSE_SECONDS = 3.0  # at the end of the process: a collector that is away must not delay it
KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "consumer": trace.SpanKind.CONSUMER,
    "client": trace.SpanKind.CLIENT,
}
_W3C = TraceContextTextMapPropagator()
_SECURE = SystemRandom()


class JobSampler(Sampler):
    """A span follows its parent, a batch follows its members, and a new trace is kept by the ratio.

    A request's parent belongs to the caller. Neither its flag nor its id decides whether the trace is kept, because the caller
    chooses both: a stranger could have every request recorded. So the ratio is applied to a random number, which nobody can
    foresee.
    """

    def __init__(self, ratio: float, draw: Callable[[], float] = _SECURE.random) -> None:
        self._ratio = ratio
        self._draw = draw  # from 0 to below 1

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if name == BATCH:
            chosen: Sampler = ALWAYS_ON if any(link.context.trace_flags.sampled for link in links or ()) else ALWAYS_OFF
        elif parent.is_valid and kind is not trace.SpanKind.SERVER:
            chosen = ALWAYS_ON if parent.trace_flags.sampled else ALWAYS_OFF
        else:
            chosen = ALWAYS_ON if self._draw() < self._ratio else ALWAYS_OFF
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"JobSampler({self._ratio})"


class OtelSpan:
    """A `tagger.telemetry.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    @property
    def context(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(self.span, Context()))
        return carrier.get("traceparent")

    def set(self, **attributes: Any) -> None:
        self.span.set_attributes(_named(attributes))

    def rename(self, name: str) -> None:
        self.span.update_name(name)


class OtelTracer:
    """A `tagger.telemetry.tracing.Tracer`. Thread-safe."""

    def __init__(self, url: str, ratio: float, role: str) -> None:
        named = Resource.create({"service.name": f"tagger-{role}", "service.version": tagger.__version__})
        resource = named.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
        exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
        self._provider = TracerProvider(sampler=JobSampler(ratio), resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tagger", tagger.__version__)

    @contextmanager
    def span(
        self, name: str, kind: str, parent: str | None, links: Sequence[str], root: bool, attributes: Mapping[str, Any]
    ) -> Iterator[OtelSpan]:
        made = self._tracer.start_span(
            name,
            context=Context() if root else _context(parent),
            kind=KINDS[kind],
            links=[trace.Link(context) for text in links if (context := _span_context(text)).is_valid],
            attributes=_named(attributes),
        )
        with self._entered(made) as entered:
            yield entered

    @contextmanager
    def batch(self, members: Sequence[Any], attributes: Mapping[str, Any]) -> Iterator[OtelSpan]:
        spans: list[trace.Span] = [member.span for member in members if member is not None]
        links = [trace.Link(span.get_span_context()) for span in spans]
        made = self._tracer.start_span(BATCH, context=Context(), links=links, attributes=_named(attributes))
        for span in spans:
            span.add_link(made.get_span_context())
        with self._entered(made) as entered:
            yield entered

    @contextmanager
    def _entered(self, span: trace.Span) -> Iterator[OtelSpan]:
        """No event of the exception: its message may hold an address or a text of the caller, and the log has it."""
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield OtelSpan(span)
            except BaseException as err:
                code = err.code if isinstance(err, TaggerError) else type(err).__name__
                span.set_status(trace.StatusCode.ERROR, code)
                raise

    def past(self, name: str, began_ms: int, ended_ms: int, parent: str | None) -> None:
        span = self._tracer.start_span(name, context=_context(parent), start_time=began_ms * 1_000_000)
        span.end(max(began_ms, ended_ms) * 1_000_000)

    def current(self) -> OtelSpan | None:
        span = trace.get_current_span()
        return OtelSpan(span) if span.get_span_context().is_valid else None

    def log_ids(self) -> Mapping[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    def close(self) -> None:
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(CLOSE_SECONDS)


def _context(parent: str | None) -> Context | None:
    """None: the current one."""
    return None if parent is None else _W3C.extract({"traceparent": parent}, Context())


def _span_context(text: str) -> trace.SpanContext:
    return trace.get_current_span(_context(text)).get_span_context()


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Names of our own have our prefix; None says nothing."""
    return {f"tagger.{name}": value for name, value in attributes.items() if value is not None}
