"""Accepts work: stores the bytes, commits the job, then sends a hint to the broker from another thread."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from tagger.asset import ImageSource
from tagger.blobs import Blobs
from tagger.errors import BrokerUnavailable, StorageUnavailable
from tagger.job import JobRequest, Lane
from tagger.ledger import Accepted, Ledger
from tagger.services import quotas
from tagger.telemetry import tracing

log = structlog.get_logger()

Send = Callable[[str, Lane], None]


class Hinter:
    """Sends hints from its own thread. If a hint is lost, the reconciler sends another one about a second later."""

    def __init__(self, send: Send, *, capacity: int = 10_000) -> None:
        self._send = send
        self._waiting: queue.Queue[tuple[str, Lane] | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="hinter", daemon=True)
        self._thread.start()

    def hint(self, job_id: str, lane: Lane) -> None:
        try:
            self._waiting.put_nowait((job_id, lane))
        except queue.Full:
            log.warning("hint.dropped", job=job_id, lane=lane)

    def close(self, timeout: float = 5.0) -> None:
        """Send the waiting hints, for `timeout` seconds at most. A broker that does not answer must not block the process."""
        last = time.monotonic() + timeout
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            log.warning("hints.left", count=self._waiting.qsize())
            return
        self._thread.join(max(0.0, last - time.monotonic()))

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._send(*item)
            except BrokerUnavailable as err:
                log.warning("hint.failed", job=item[0], lane=item[1], error=str(err))
            except Exception as err:  # any error: without this thread every later hint would be lost
                log.exception("hint.broke", job=item[0], lane=item[1], error=type(err).__name__)


class Ingest:
    """The one way into the ledger for uploads, hooks and synchronous calls."""

    def __init__(self, ledger: Ledger, blobs: Blobs, hinter: Hinter) -> None:
        self.ledger = ledger
        self.blobs = blobs
        self.hinter = hinter

    def accept(self, request: JobRequest, data: bytes | None = None) -> Accepted:
        """Take one request. With `data`, the bytes are stored first and become the job's source.

        Errors: QuotaExceeded, StorageUnavailable, LedgerUnavailable; then nothing was accepted.
        """
        with tracing.span("accept", site=request.site_id, asset=request.asset_id, lane=request.lane) as span:
            accepted = self._accept(replace(request, trace=span.context), data)
            span.set(job=accepted.job_id, created=accepted.created)
        return accepted

    def _accept(self, request: JobRequest, data: bytes | None) -> Accepted:
        uploaded = 0 if data is None else len(data)
        quotas.check(self.ledger, self.ledger.get_site(request.site_id), uploaded)
        if data is not None:
            source = ImageSource(kind="blob", location=self.blobs.put(data), sha256=hashlib.sha256(data).hexdigest())
            request = replace(request, source=source)
        accepted = self.ledger.accept([request], uploaded=uploaded)[0]
        if accepted.created:
            self.hinter.hint(accepted.job_id, request.lane)
            for ended in accepted.superseded:
                self.tell_of(ended)
        elif data is not None:
            self._drop([request.source.location], request.site_id)  # the existing job has its own copy
        return accepted

    def tell_of(self, job_id: str) -> None:
        """Send a hint for a job that ended without a worker. The worker that gets it cannot claim the job and informs Flower."""
        self.hinter.hint(job_id, "upload")

    def erase(self, site_id: str, asset_id: str) -> int:
        """The CMS deleted the asset: erase it, with its uploaded bytes. Returns how many jobs were erased.

        If bytes cannot be deleted now, the hourly sweep deletes them. Errors: LedgerUnavailable; then nothing was erased.
        """
        erased = self.ledger.erase_asset(site_id, asset_id, deleted=True)
        self._drop(erased.blobs, site_id)
        return erased.jobs

    def _drop(self, keys: Sequence[str], site_id: str) -> None:
        try:
            for key in keys:
                self.blobs.delete(key)
        except StorageUnavailable as err:
            log.warning("blobs.left_to_the_sweep", site=site_id, error=str(err))
