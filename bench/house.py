"""The product for a measurement: a home of its own, real processes, and pictures that no cache has seen."""

from __future__ import annotations

import io
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from statistics import quantiles
from types import TracebackType
from typing import Any, Self

import structlog
from PIL import Image

from tagger import demo
from tagger.asset import ImageSource
from tagger.delivery import Endpoint
from tagger.job import JobRequest, Lane
from tagger.ledger import Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.settings import load
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack
from tagger.system.home import free_port

PHOTOS = Path(demo.__file__).parent / "photos"
SITE = "bench"
PAGE = 100
START_SECONDS = 120.0
LOOK_SECONDS = 1.0  # the generator shares the cores with what is measured; a look at the queue costs 2 ms


def photos(side: int) -> list[bytes]:
    """The demo's photographs as JPEG of at most `side` pixels on the longer side: what a CMS keeps as a rendition."""
    renditions = []
    for file in sorted(PHOTOS.glob("*.*g")):
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            small = image.convert("RGB")
            small.thumbnail((side, side))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=85)
            renditions.append(out.getvalue())
    return renditions


def distinct(jpeg: bytes, number: int) -> bytes:
    """The same picture with other bytes: a comment behind the start marker. Decoding costs the same, no cache knows it."""
    comment = f"copy {number}".encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack("!H", len(comment) + 2) + comment + jpeg[2:]


class House:
    """Broker, ledger, reconciler, deliverer and tag workers, as the supervisor starts them.

    The site has an endpoint whose writes are paused, so that every image leaves a delivery row as in earnest, unsent.
    """

    def __init__(self, plan: ProcessPlan, **settings: Any) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        self.home = Path(tempfile.mkdtemp(prefix="tagger-bench-"))
        self.pictures = self.home / "pictures"
        self.pictures.mkdir()
        self._ahead: deque[JobRequest] = deque()
        self.settings = load({}, home=self.home, api_port=free_port(), admin_key="bench-admin", **settings)
        self.stack = Stack(self.settings, plan)
        self._numbers = count()

    def __enter__(self) -> Self:
        self.stack.start()
        self.ledger: Ledger = open_ledger(self.settings.ledger)
        self.hints = Hints(self.settings.broker)
        self.ledger.put_site(Site(id=SITE, name="Bench"))
        self.ledger.put_endpoint(
            Endpoint(id="end_bench", site_id=SITE, url="https://cms.example/hook", secrets=("whsec_YmVuY2g=",))
        )
        self.ledger.pause_writes(SITE, True)
        self.stack.wait_ready(START_SECONDS)
        self._all_workers()
        return self

    def _all_workers(self) -> None:
        plan = self.stack.plan
        wanted = {"tag:upload": plan.upload, "tag:backfill": plan.backfill}
        pause, end = threading.Event(), time.monotonic() + START_SECONDS
        while any(self.ledger.stats().workers.get(role, 0) < number for role, number in wanted.items()):
            if time.monotonic() > end:
                raise TimeoutError(f"Not all workers are there after {START_SECONDS:.0f} s: {wanted}.")
            pause.wait(0.05)

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.stack.stop()
        self.hints.close()
        self.ledger.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def accept(self, jpegs: Iterator[bytes], number: int, lane: Lane) -> list[str]:
        """So many new pictures written, accepted as jobs, and hinted at: what the API and a backfill do."""
        ready = [self._ahead.popleft() for _ in range(min(number, len(self._ahead)))]
        requests = ready + [self._request(next(jpegs), lane) for _ in range(number - len(ready))]
        ids = [accepted.job_id for accepted in self.ledger.accept(requests)]
        self.hints.send_many(ids, lane)
        return ids

    def write_ahead(self, jpegs: Iterator[bytes], number: int, lane: Lane) -> None:
        """So many pictures for later: a CMS has its pictures before it tells of them, and writing them is no work of ours."""
        self._ahead.extend(self._request(next(jpegs), lane) for _ in range(number))

    def _request(self, jpeg: bytes, lane: Lane) -> JobRequest:
        number = next(self._numbers)
        path = self.pictures / f"{number}.jpg"
        path.write_bytes(distinct(jpeg, number))
        source = ImageSource(kind="file", location=str(path), root=str(self.pictures))
        return JobRequest(site_id=SITE, asset_id=f"asset-{number}", source=source, lane=lane)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read straight from the ledger's file, beside the product."""
        with closing(sqlite3.connect(self.home / "ledger.sqlite", timeout=30)) as conn:
            return conn.execute(query, values).fetchall()

    def keep_fed(self, jpegs: Iterator[bytes], lane: Lane, backlog: int, stop: threading.Event, page: int = PAGE) -> None:
        """Until `stop`: whenever fewer than `backlog` jobs wait, a page more is accepted."""
        while not stop.is_set():
            if self.ledger.lane_counts()[lane].claimable < backlog:
                self.accept(jpegs, page, lane)
            else:
                stop.wait(LOOK_SECONDS)


def percentile(values: list[float], share: int) -> float:
    """The `share`-th percentile, by linear interpolation."""
    return quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else values[0]
