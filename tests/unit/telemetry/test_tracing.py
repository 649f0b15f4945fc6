"""Traces: off without cost, and what one span says when they are on."""

from __future__ import annotations

import importlib
import io
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from support.collector import Collector

from tagger.errors import FetchFailed, SettingsError
from tagger.settings import Settings
from tagger.telemetry import logs, tracing
from workers.inference.batcher import Batcher
from workers.inference.budget import Budget

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"
TRACE, SPAN = SAMPLED.split("-")[1:3]
SERVER = 2  # the number of this kind in OTLP


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    tracing.close()
    made.close()


def turned_on(collector: Collector, ratio: float = 1.0) -> None:
    assert tracing.start(Settings(trace_url=collector.url, trace_ratio=ratio), "tag")


def test_without_the_setting_a_span_is_one_shared_object() -> None:
    assert not tracing.start(Settings(), "tag")
    with tracing.span("describe", parent=SAMPLED, job="job_1") as span:
        span.set(settlement="described")
        assert (span, span.context) == (tracing.OFF, None)
    assert tracing.batch([None], size=1) is tracing.OFF
    assert (tracing.current(), tracing.headers(), tracing.active()) == (None, {}, False)
    assert tracing.add_ids(None, "", {"event": "job.described"}) == {"event": "job.described"}


def test_without_the_setting_a_process_does_not_import_the_sdk_for_traces() -> None:
    """The client of Redis imports the SDK's metrics by itself, where the SDK is installed."""
    code = (
        "import sys, workers.roles.tag, workers.roles.deliver, tagger.api.app\n"
        "from tagger.settings import Settings\nfrom tagger.telemetry import logs\n"
        "logs.configure(Settings(), 'tag')\n"
        "ours = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'opentelemetry.proto')\n"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_of_an_operator_sends_no_traces(collector: Collector) -> None:
    assert not tracing.start(Settings(trace_url=collector.url), "migrate")


def test_the_setting_without_the_extra_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setitem(sys.modules, "tagger.telemetry.otel", None)
    with pytest.raises(SettingsError, match="OpenTelemetry is not installed") as refused:
        turned_on(collector)
    assert "tagger[otel]" in refused.value.remedy


def test_a_span_continues_the_trace_that_was_stored(collector: Collector) -> None:
    turned_on(collector)
    with tracing.span("describe", kind="consumer", parent=SAMPLED, job="job_1", site=None), tracing.span("fetch"):
        inner = tracing.headers()["traceparent"].split("-")
    tracing.past("queue wait", 1_000, 3_500, parent=SAMPLED)
    tracing.close()
    [describe], [fetch], [queue] = collector.spans("describe"), collector.spans("fetch"), collector.spans("queue wait")
    assert (describe.trace, describe.parent, describe.service) == (TRACE, SPAN, "tagger-tag")
    assert describe.attributes == {"tagger.job": "job_1"}
    assert [fetch.trace, fetch.id] == inner[1:3]
    assert fetch.parent == describe.id
    assert (queue.trace, queue.parent, queue.seconds) == (TRACE, SPAN, 2.5)


def test_a_failure_is_marked_with_its_code_and_without_its_text(collector: Collector) -> None:
    turned_on(collector)
    with pytest.raises(FetchFailed), tracing.span("fetch"):
        raise FetchFailed("https://user:secret@cms.example/ answered 500.")
    tracing.close()
    [span] = collector.spans()
    assert (span.error, span.events) == (FetchFailed.code, 0)


@pytest.mark.parametrize(
    "broken",
    ["", "no traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-é-é-01"],
    ids=["empty", "words", "zeros", "letters"],
)
def test_a_parent_that_cannot_be_read_begins_a_new_trace(collector: Collector, broken: str) -> None:
    turned_on(collector)
    with tracing.span("deliver", parent=broken):
        pass
    tracing.close()
    [span] = collector.spans()
    assert span.parent == ""


def test_the_ratio_decides_over_new_traces_and_over_those_of_callers(collector: Collector) -> None:
    turned_on(collector, ratio=0)
    with tracing.span("POST", kind="server", parent=SAMPLED) as request:
        stored = request.context
        with tracing.span("accept"):
            pass
    assert stored is not None
    assert stored.split("-")[1:4:2] == [TRACE, "00"], "the caller names the trace, and has no say in whether it is kept"
    with tracing.span("describe", parent=stored), tracing.span("fetch"):
        pass
    with tracing.span("describe", parent=SAMPLED):
        pass
    tracing.close()
    assert [(span.name, span.trace) for span in collector.spans()] == [("describe", TRACE)], (
        "what tagger began to keep stays whole"
    )


def test_a_request_may_be_kept_though_its_caller_keeps_none(collector: Collector) -> None:
    turned_on(collector)
    with tracing.span("POST", kind="server", parent=UNSAMPLED):
        pass
    tracing.close()
    assert [(span.trace, span.kind) for span in collector.spans()] == [(TRACE, SERVER)]


@pytest.mark.parametrize("low_bits", ["0" * 16, "f" * 16])
def test_the_id_that_a_caller_chose_does_not_decide(low_bits: str) -> None:
    """OpenTelemetry's own sampler keeps every trace whose id ends in zeros."""
    otel = importlib.import_module("tagger.telemetry.otel")
    draws = iter([0.0, 0.49, 0.5, 0.99])
    sampler = otel.JobSampler(0.5, draw=lambda: next(draws))
    trace_id = "4bf92f3577b34da6" + low_bits
    parent = otel._context(f"00-{trace_id}-00f067aa0ba902b7-01")
    asked = [sampler.should_sample(parent, int(trace_id, 16), "POST", otel.KINDS["server"]) for _ in range(4)]
    assert [answer.decision.is_sampled() for answer in asked] == [True, True, False, False]


def test_a_batch_has_links_to_its_images_and_they_have_links_to_it(collector: Collector) -> None:
    turned_on(collector)
    batcher: Batcher[int, int] = Batcher(Budget(max_units=100, max_batch=2), wait_ms=60_000)

    def ask(number: int) -> None:
        with tracing.span("model", root=True):
            batcher.submit(number, deadline=time.monotonic() + 60)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    entries = batcher.take(60)
    assert entries is not None
    with tracing.batch([entry.span for entry in entries], size=2):
        pass
    for entry in entries:
        entry.answer.set_result(0)
    for thread in threads:
        thread.join()
    tracing.close()
    [batch], models = collector.spans("batch"), collector.spans("model")
    assert len({batch.trace, *(model.trace for model in models)}) == 3
    assert batch.links == {model.id for model in models}
    assert [model.links for model in models] == [{batch.id}, {batch.id}]


def test_a_batch_without_an_image_whose_trace_is_kept_is_not_kept(collector: Collector) -> None:
    turned_on(collector, ratio=0)
    with tracing.span("model", root=True):
        members = [tracing.current(), None]
    with tracing.batch(members):
        pass
    tracing.close()
    assert collector.spans() == []


@contextmanager
def logged(url: str) -> Iterator[io.StringIO]:
    """What a process with traces logs in the body."""
    out = io.StringIO()
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers[:]
    try:
        logs.configure(Settings(trace_url=url), "deliver", stream=out)
        yield out
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.contextvars.clear_contextvars()


def test_the_log_does_not_tell_the_key_of_a_collector_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    otel = importlib.import_module("tagger.telemetry.otel")
    monkeypatch.setattr(otel, "CLOSE_SECONDS", 60.0)  # until the exporter gives up
    with socket.socket() as away:
        away.bind(("127.0.0.1", 0))  # nobody listens
        with logged(f"http://127.0.0.1:{away.getsockname()[1]}/v1/traces?api_key=hunter2") as out:
            with tracing.span("deliver"):
                pass
            tracing.close()
    assert "/v1/traces?api_key=***" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_log_lines_carry_the_ids_of_the_span(collector: Collector) -> None:
    with logged(collector.url) as out:
        with tracing.span("deliver", parent=SAMPLED) as span:
            structlog.get_logger("own").warning("delivery.attempted")
            logging.getLogger("other").warning("a library's line")
        structlog.get_logger("own").warning("worker.ended")
    own, other, outside = (json.loads(line) for line in out.getvalue().splitlines())
    assert span.context is not None
    assert [own["trace_id"], own["span_id"]] == span.context.split("-")[1:3]
    assert other["trace_id"] == TRACE
    assert "trace_id" not in outside


def test_a_collector_that_does_not_answer_delays_the_end_by_no_more_than_its_limit(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    otel = importlib.import_module("tagger.telemetry.otel")
    monkeypatch.setattr(otel, "CLOSE_SECONDS", 0.1)
    tracer = otel.OtelTracer(collector.url, 1.0, "tag")
    answered = threading.Event()
    monkeypatch.setattr(tracer._provider, "shutdown", answered.wait)
    ender = threading.Thread(target=tracer.close, daemon=True)
    ender.start()
    ender.join(60)
    assert not ender.is_alive()
    answered.set()
    monkeypatch.undo()
    tracer.close()
