"""Probes and metrics. `/healthz`: this process answers. `/readyz`: it can accept work, which takes the ledger, nothing else."""

from __future__ import annotations

import os
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import REGISTRY, GaugeMetricFamily

from tagger.api.deps import Parts, PartsDep
from tagger.api.problems import respond
from tagger.errors import LedgerUnavailable

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="The process is up")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Work can be accepted", response_model=None)
def readyz(request: Request, parts: PartsDep) -> dict[str, Any] | JSONResponse:
    try:
        parts.ledger.ping()
        stats = parts.ledger.stats()
    except LedgerUnavailable as err:
        return respond(request, err)
    return {"ready": True, "workers": stats.workers}


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(parts: PartsDep) -> Response:
    return Response(_exposition() + _ledger_exposition(parts), media_type=CONTENT_TYPE_LATEST)


def _exposition() -> bytes:
    """Of this process, or of all processes of the stack when they share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _ledger_exposition(parts: Parts) -> bytes:
    """What only the ledger knows, read at the moment of the scrape."""
    registry = CollectorRegistry()
    registry.register(_LedgerCollector(parts))
    return generate_latest(registry)


class _LedgerCollector:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> list[GaugeMetricFamily]:
        up = GaugeMetricFamily("tagger_ledger_up", "1 when the ledger answers")
        try:
            stats = self._parts.ledger.stats()
        except LedgerUnavailable:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        jobs = GaugeMetricFamily("tagger_jobs", "Jobs in the ledger", labels=["status"])
        for status, count in stats.jobs.items():
            jobs.add_metric([status], count)
        deliveries = GaugeMetricFamily("tagger_deliveries", "Deliveries in the ledger", labels=["status"])
        for state, count in stats.deliveries.items():
            deliveries.add_metric([state], count)
        workers = GaugeMetricFamily("tagger_workers", "Living worker processes", labels=["role"])
        for role, count in stats.workers.items():
            workers.add_metric([role], count)
        return [up, jobs, deliveries, workers]
