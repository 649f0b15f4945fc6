"""A ledger with a clock that the test sets, a site, an endpoint and a worker, with short helper methods."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tagger.annotation import Annotation, Verdict
from tagger.asset import ImageSource
from tagger.delivery import AttemptReport, DeliveryClaim, DeliveryStatus, Endpoint, FieldOutcome
from tagger.errors import DeliveryError, FetchFailed
from tagger.job import Claim, Description, JobRequest
from tagger.ledger import Ledger, open_ledger
from tagger.ledger.intake.replies import keep_prediction
from tagger.site import Site

START_MS = 1_790_000_000_000
PUBLISH = Verdict(action="publish")
ALT = Annotation(field="alt_text", locale="en", value="Tabby cat", score=0.9, model="m@1", rules=("A1",), verdict=PUBLISH)
FIELDS = {"alt_text": {"en": {"value": "Tabby cat"}}}
AWAY = DeliveryError("Connection refused.").info().to_dict()
BROKEN = FetchFailed("Timed out.").info()


def description(text: str = "Tabby cat", embedding: tuple[str, bytes] | None = None) -> Description:
    alt = Annotation.from_dict({**ALT.to_dict(), "value": text})
    return Description(
        annotations=(alt,), verdict=PUBLISH, sha256="ab" * 32, width=8, height=6, timings_ms={"model": 88}, embedding=embedding
    )  # fmt: skip


@functools.cache
def _new_file() -> bytes:
    """A ledger that nobody has used. To migrate one for each test took longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = open_ledger(f"sqlite:///{path}")
        ledger.migrate()
        ledger.close()
        return path.read_bytes()


class World:
    @classmethod
    def on_sqlite(cls, path: Path) -> Self:
        """With a new file there."""
        path.write_bytes(_new_file())
        return cls(f"sqlite:///{path}")

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = START_MS
        self.rng = random.Random(7)
        self.ledger: Ledger = open_ledger(url, clock=lambda: self.now)
        self.ledger.migrate()
        self.site("s")
        self.worker("w")
        self.later(10)  # the ledger has been calm for a lease

    def later(self, seconds: float) -> None:
        self.now += round(seconds * 1000)

    @contextmanager
    def second_process(self) -> Iterator[Ledger]:
        """Another Ledger on the same database, as another process would have it."""
        other = open_ledger(self.url, clock=lambda: self.now)
        try:
            yield other
        finally:
            other.close()

    def site(self, site_id: str) -> None:
        self.ledger.put_site(Site(id=site_id, name=site_id))
        url = f"https://{site_id}.example/hook"
        self.ledger.put_endpoint(Endpoint(id=f"end_{site_id}", site_id=site_id, url=url, secrets=("whsec_a",)))

    def worker(self, worker_id: str) -> None:
        self.ledger.register_worker(worker_id, role="tag", lane="upload", host="here", pid=1)

    def request(self, asset: str, version: str = "1", site: str = "s", **more: Any) -> JobRequest:
        source = ImageSource(kind="url", location=f"https://cms.example/{asset}.jpg")
        return JobRequest(site_id=site, asset_id=asset, asset_revision=version, source=source, **more)

    def accept(self, asset: str, version: str = "1", **more: Any) -> str:
        [accepted] = self.ledger.accept([self.request(asset, version, **more)])
        return accepted.job_id

    def claim(self, job_id: str | None = None, worker: str = "w", lane: Any = "upload") -> Claim | None:
        return self.ledger.claim(lane=lane, worker_id=worker, lease_ms=120_000, job_id=job_id)

    def claimed(self, job_id: str | None = None, worker: str = "w", lane: Any = "upload") -> Claim:
        claim = self.claim(job_id, worker, lane)
        assert claim is not None
        return claim

    def described(self, asset: str, version: str = "1", **more: Any) -> str:
        """The id of a job whose delivery waits."""
        job_id = self.accept(asset, version, **more)
        assert self.ledger.complete(self.claimed(job_id), description(), FIELDS)
        return job_id

    def cache(self, key: str, value: bytes) -> None:
        """A prediction, kept as `complete` keeps it."""
        self.ledger._write(lambda tx: keep_prediction(tx, key, value))

    def tagged(self, tags: list[dict[str, Any]]) -> Description:
        """A description whose only annotation is these tags."""
        annotation = Annotation.from_dict({**ALT.to_dict(), "field": "tags", "value": tags})
        return replace(description(), annotations=(annotation,))

    def deliverable(self, limit: int = 50) -> list[DeliveryClaim]:
        return self.ledger.claim_deliveries(worker_id="w", limit=limit)

    def finish(self, claim: DeliveryClaim, result: Any, *outcomes: FieldOutcome, **more: Any) -> DeliveryStatus | None:
        good = result in ("delivered", "gone")
        report = AttemptReport(
            result=result, status=200 if good else None, duration_ms=5, error=None if good else AWAY, outcomes=outcomes, **more
        )
        return self.ledger.finish_delivery(claim, report, self.rng)

    def status(self, job_id: str) -> str:
        return self.ledger.job_status(job_id)

    def delivery_status(self, job_id: str) -> str:
        delivery_id = self.ledger.job(job_id).delivery_id
        assert delivery_id is not None
        return self.ledger.delivery(delivery_id).status


def said(outcome: Any, value_sha256: str | None = None) -> FieldOutcome:
    return FieldOutcome(field="alt_text", locale="en", outcome=outcome, value_sha256=value_sha256)
