"""The tag worker of one lane. It starts decoders, models, the ledger, then hints, and ends them in reverse order."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from tagger.blobs import open_blobs
from tagger.errors import TaggerError
from tagger.job import Claim, Lane
from tagger.ledger import GROUP_PAUSE_SECONDS, Ledger, open_ledger
from tagger.queue.app import make_app
from tagger.settings import Settings
from tagger.telemetry import metrics
from tagger.telemetry.probe_server import Probes
from workers.decode.pool import DecoderPool
from workers.inference.device_memory import device_memory
from workers.inference.ensemble import FatalHook, Models, long_side, on_processor, scorer, sized, start_models
from workers.pipeline import celery_consumer
from workers.pipeline.claim import Claimer, ClaimHooks, ClaimTerms
from workers.pipeline.deps import PipelineDeps, Settlement
from workers.pipeline.describe import describe
from workers.pipeline.in_flight import InFlight
from workers.pipeline.judge import SiteRules
from workers.pipeline.ledger_poll import QUIET_SECONDS, LedgerPoll
from workers.pipeline.site_cache import SiteCache
from workers.pipeline.task_events import TaskEvents
from workers.pipeline.traced import traced
from workers.pipeline.upload_priority import YieldToUploads
from workers.runtime import priority
from workers.runtime.idle_memory import IdleMemory
from workers.runtime.register import StopRequested, new_worker_id, registered, retire_worker
from workers.runtime.shutdown import Shutdown
from workers.runtime.standstill import Standstill

log = structlog.get_logger()

GATHER_SECONDS = (
    0.02  # pause between two write transactions: lite images of one batch end together, and share one wait for the disk
)


def run(settings: Settings, lane: Lane, probes: Probes, *, alone: bool = False, processor: int | None = None) -> int:
    """Works until it is asked to end; returns the exit status. `alone`: no upload worker shares the machine, so a backfill does
    not yield. `processor`: the CPU for models that need no device. Errors: those of loading a model.
    """
    if alone:
        priority.lower_session_priority()  # ended as requested
    elif lane == "backfill":
        priority.lower_priority()  # with it, a backfill on all cores hardly changes the p95 of uploads
    light = on_processor(settings)
    if light:
        priority.use_batch_scheduling()
    settings = sized(settings)
    if lane == "solo":
        settings = settings.model_copy(update={"threads": 1, "max_batch": 1, "decode_processes": 1})
    worker_id = new_worker_id()
    structlog.contextvars.bind_contextvars(lane=lane, worker=worker_id)
    decoder = DecoderPool.of(settings, long_side=long_side(settings))  # before tagger starts a thread
    ledger = open_ledger(settings.ledger, group_pause_seconds=GATHER_SECONDS if light else GROUP_PAUSE_SECONDS)

    def on_request() -> None:
        probes.ending()
        celery_consumer.stop_consuming()

    shutdown = Shutdown(on_request, lambda: retire_worker(ledger, worker_id))
    shutdown.install()
    models: Models | None = None
    fatal_hook = FatalHook()
    upload_priority = YieldToUploads(settings.home if light else None, lane, shutdown.requested)
    try:
        in_flight = InFlight(settings.threads)
        cpu_pin = priority.CpuPin(processor if light else None, in_flight.full)

        def before_image() -> None:
            cpu_pin.update()
            upload_priority.wait_for_uploads()

        models = start_models(settings, on_fatal=fatal_hook, before_batch=before_image, backlog=in_flight.full)
        deps, rules = _pipeline_deps(settings, lane, ledger, decoder, models, upload_priority, shutdown.requested)
        models.wait_ready(shutdown.requested)
        aside = threading.Thread(target=_aside, args=(rules, ledger, in_flight, shutdown.requested), name="aside", daemon=True)
        aside.start()
        _work(
            _Parts(
                settings=settings,
                lane=lane,
                worker_id=worker_id,
                ledger=ledger,
                deps=deps,
                models=models,
                fatal_hook=fatal_hook,
                upload_priority=upload_priority,
                in_flight=in_flight,
                stopping=shutdown.requested,
                probes=probes,
            )
        )
    except StopRequested:
        log.info("worker.ended_early")
    finally:
        if models is not None:
            models.close()
        decoder.close()
        ledger.close()
        shutdown.done()
    log.info("worker.ended")
    return 0


def _aside(rules: SiteRules, ledger: Ledger, in_flight: InFlight, stopping: threading.Event) -> None:
    """What a worker does beside its work: it prepares for the first image, then keeps its memory small."""
    try:
        rules.prepare(ledger.sites())
    except TaggerError as err:
        log.warning("vocabularies.not_prepared", code=err.code, error=str(err))  # the first image does it
    IdleMemory(in_flight.idle_seconds).run(stopping)


def _pipeline_deps(
    settings: Settings,
    lane: Lane,
    ledger: Ledger,
    decoder: DecoderPool,
    models: Models,
    upload_priority: YieldToUploads,
    stopping: threading.Event,
) -> tuple[PipelineDeps, SiteRules]:
    rules = SiteRules.load(settings.home, scorer(models.plan, settings.vectors, models), instructed=models.takes_instructions)
    deps = PipelineDeps(
        ledger=SiteCache(ledger),
        blobs=open_blobs(settings),
        decoder=decoder,
        models=models,
        rules=rules,
        fetch_seconds=settings.fetch_seconds,
        max_bytes=settings.max_body_bytes,
        wait_for_uploads=upload_priority.wait_for_uploads,
        stopping=stopping,
        stood_still=_watched(stopping).seconds,
        on_stage=_measure_stages(lane),
        on_error=lambda error: metrics.ERRORS.labels(lane, error.stage, error.code).inc(),
        on_verdict=lambda verdict: metrics.VERDICTS.labels(verdict.action).inc(),
    )
    return deps, rules


def _watched(stopping: threading.Event) -> Standstill:
    still = Standstill()
    threading.Thread(target=still.run, args=(stopping,), name="standstill", daemon=True).start()
    return still


def _measure_stages(lane: Lane) -> Callable[[str, float], None]:
    child = functools.cache(functools.partial(metrics.STAGE_SECONDS.labels, lane))  # looked up six times per image

    def on_stage(stage: str, seconds: float) -> None:
        child(stage).observe(seconds)

    return on_stage


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A tag worker whose models are loaded."""

    settings: Settings
    lane: Lane
    worker_id: str
    ledger: Ledger
    deps: PipelineDeps
    models: Models
    fatal_hook: FatalHook
    upload_priority: YieldToUploads
    in_flight: InFlight
    stopping: threading.Event
    probes: Probes


def _acquit(worker: _Parts) -> None:
    """The images in the threads are not the reason why this worker lost its lease."""
    acquitted = worker.ledger.acquit(worker.worker_id, worker.in_flight.jobs())
    log.warning("worker.starved", jobs_acquitted=acquitted)


def _work(worker: _Parts) -> None:
    """Register, send heartbeats and take hints until asked to end. Then running jobs finish."""
    settings, lane, ledger, models, probes = worker.settings, worker.lane, worker.ledger, worker.models, worker.probes
    liveness, events = celery_consumer.ConsumerLiveness(), TaskEvents(ledger)
    ready = metrics.WORKER_READY.labels(lane)

    def models_problem() -> str | None:
        ready.set(models.ready())
        if memory := device_memory():
            metrics.DEVICE_MEMORY.labels("used").set(memory.used)
            metrics.DEVICE_MEMORY.labels("total").set(memory.total)
        return models.problem()

    def describe_counted(claim: Claim) -> Settlement:
        events.started(claim)
        started = time.monotonic()
        with worker.in_flight.hold(claim.job_id), traced(claim) as (in_trace, span):
            settlement = describe(in_trace, worker.deps)
            span.set(settlement=settlement)
        metrics.JOBS.labels(lane, settlement).inc()
        events.settled(claim, settlement, time.monotonic() - started)
        return settlement

    claimer = Claimer(
        ledger,
        describe_counted,
        ClaimTerms(
            lane=lane,
            worker_id=worker.worker_id,
            lease_ms=round(settings.job_seconds * 1000),
            threads=settings.threads,
        ),
        ClaimHooks(ready=models.ready, around=worker.upload_priority.around, not_claimed=events.not_claimed),
        stopping=worker.stopping,
    )
    poll = LedgerPoll(
        due=lambda: models.ready() and ledger.has_due(lane, worker.worker_id),
        claim=claimer.claim_due,
        idle=lambda: claimer.no_hints_for(QUIET_SECONDS),
        threads=settings.threads,
        stopping=worker.stopping,
    )
    app = make_app(settings.broker)
    celery_consumer.register(app, claimer)
    probes.ready = lambda: (
        None if models.ready() else "A model is not well: its canary came out wrong, or its server does not answer."
    )
    health_checks = [probes.turned, models_problem, liveness.problem]
    with registered(
        ledger, worker_id=worker.worker_id, role="tag", lane=lane, stopping=worker.stopping, health_checks=health_checks,
        checks=models.checks,
    ) as heartbeat:  # fmt: skip
        heartbeat.on_starved = functools.partial(_acquit, worker)
        worker.fatal_hook.callback = heartbeat.check_now
        probes.started()
        name = f"{lane}@{os.uname().nodename}.{os.getpid()}"
        poll.start()
        celery_consumer.consume(app, queue=lane, threads=settings.threads, name=name, liveness=liveness, events=events)
        poll.stop()
    ready.set(0)
