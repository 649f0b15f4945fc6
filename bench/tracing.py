"""What traces cost for one image: every call that tagger makes for it, without its work.

python -m bench.tracing

Prints microseconds an image with traces off, with one trace in a hundred kept, and with all kept. The collector, which answers at
once, shares the process, so the last figure is too high.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tagger.settings import Settings
from tagger.telemetry import tracing

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.collector import Collector

IDS = {"job": "job_01J9Z3", "site": "blog", "asset": "4711"}
ROUNDS = 5


def one_image() -> None:
    with tracing.span("POST", kind="server"), tracing.span("accept", **IDS) as span:
        span.set(created=True)
        context = span.context
    tracing.active()
    with tracing.span("describe", kind="consumer", parent=context, **IDS, attempt=1) as span:
        tracing.past("queue wait", 1_000, 2_000, parent=context)
        for stage in ("fetch", "decode", "model", "judge", "persist"):
            with tracing.span(stage):
                member = tracing.current() if stage == "model" else None
                if stage == "model":
                    tracing.batch([member], model="lite@1", size=1)
        span.set(settlement="described")
    with tracing.span("deliver", kind="client", parent=context, **IDS, attempt=1) as span:
        tracing.headers()
        span.set(result="delivered", http_status=200, status="delivered")


def microseconds(images: int) -> float:
    """For one image, of the fastest round."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(images):
            one_image()
        took.append((time.perf_counter() - began) / images)
    return min(took) * 1e6


def main() -> None:
    print(f"off: {microseconds(20_000):.1f} µs an image")
    collector = Collector()
    for ratio in (0.01, 1.0):
        tracing.start(Settings(trace_url=collector.url, trace_ratio=ratio), "tag")
        print(f"on, ratio {ratio}: {microseconds(140):.0f} µs an image")
        tracing.close()
    collector.close()


if __name__ == "__main__":
    main()
