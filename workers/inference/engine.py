"""The engine loads a model, warms it, guards each batch and checks its health. If the device is broken, it ends the process.

One owner thread per engine does all of this; no other thread uses the device. The states:

    starting ──▶ ready ◀──▶ unwell ──▶ failed        stopped: closed by `close`
        └──────────────────────────────▶ failed

Unwell: the canary gave a wrong result. No batch runs until the canary is right again. After CANARY_TRIES wrong results in a row,
the device counts as broken. A broken device, like a broken owner thread, ends the process through `on_fatal`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Literal, TypeVar, cast

import structlog

from tagger.errors import BatchOverdue, DeviceLost, EngineStopped, ModelError
from tagger.prediction import Pixels
from tagger.telemetry import tracing
from workers.inference.batcher import Batcher, Entry
from workers.inference.budget import Budget
from workers.inference.device import WatchedDevice
from workers.inference.engine_options import EngineHooks, EngineLimits
from workers.inference.isolate import DeviceFault, isolate
from workers.inference.steps import finished, prepared
from workers.models.base import Model, PartialPrediction, ReadsTexts, model_id

P = TypeVar("P")
R = TypeVar("R")

State = Literal["starting", "ready", "unwell", "failed", "stopped"]

CANARY_TRIES = 3

log = structlog.get_logger(__name__)


class Engine(Generic[P, R]):
    def __init__(
        self,
        loader: Callable[[], Model[P, R]],
        limits: EngineLimits | None = None,
        hooks: EngineHooks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`loader` runs in the owner thread."""
        self._loader = loader
        self._limits = limits = limits or EngineLimits()
        self._hooks = hooks = hooks or EngineHooks()
        self._clock = clock
        self.budget = Budget(max_batch=limits.max_batch, budget_ms=limits.budget_ms, max_units=limits.max_units)
        self._batcher: Batcher[P, R] = Batcher(
            self.budget, wait_ms=limits.wait_ms, max_waiting=limits.max_waiting, patient=hooks.patient, clock=clock
        )
        self._thread = threading.Thread(target=self._own, name="engine-owner", daemon=True)
        self._changed = threading.Condition()
        self._state: State = "starting"
        self._failure: BaseException | None = None
        self._device: WatchedDevice[P, R] | None = None
        self._running: list[Entry[P, R]] = []
        self._progress = clock()  # when the owner thread last made progress
        self._checked = clock()  # when the canary was last right
        self._closing = threading.Event()

    # --- any thread ------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._progress = self._clock()
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """True when ready; False after `timeout` seconds. Errors: those of loading, of warming or of the first canary."""
        with self._changed:
            self._changed.wait_for(lambda: self._state != "starting", timeout)
            if self._failure is not None:
                raise self._failure
            return self._state == "ready"

    @property
    def state(self) -> State:
        return self._state

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and warm, and the last canary was right."""
        return self._state == "ready"

    @property
    def model(self) -> str:
        """name@revision. Errors: EngineStopped before it is loaded."""
        return model_id(self._loaded().model)

    @property
    def waiting(self) -> int:
        """Images in the queue, without those on the device."""
        return len(self._batcher)

    def alive(self) -> bool:
        """False if the owner thread is dead, or has work but makes no progress. Then the heartbeat must stop.

        True before `start` and after a clean `close`.
        """
        if self._state == "failed":
            return False
        if self._state == "stopped" or self._thread.ident is None:
            return True
        progress = max(self._progress, self._device.progress if self._device else self._progress)
        if self._state == "starting":
            return self._clock() - progress < self._limits.start_seconds
        since = self._batcher.oldest()
        if not self._running and since is None:
            return True  # nothing to do
        # An idle engine made its last progress long ago, so only the time with work counts.
        return self._clock() - max(progress, since or progress) < self._limits.batch_seconds

    def predict(self, pixels: Pixels, instruction: str = "", *, deadline: float) -> PartialPrediction:
        """The prediction of the model for one image. It blocks; call it from a task thread.

        `pixels`: [height, width, 3] uint8, RGB, upright. `instruction`: the profile's, or an entailment model's text.
        `deadline`: seconds on the engine's clock (time.monotonic). Errors, all leaves of ModelError: PoisonImage,
        ModelOutOfMemory, BatchOverdue, EngineStopped (no attempt counts), ModelError.
        """
        model = self._loaded().model
        raw = self._ask(model, lambda: model.prepare(pixels, instruction), deadline)
        return finished(model, raw, pixels)

    def read(self, text: str, *, deadline: float) -> R:
        """The raw result of a text alone. Errors: as `predict`; ModelError if the model does not read texts."""
        model = self._loaded().model
        if not isinstance(model, ReadsTexts):
            raise ModelError(f"{model_id(model)} does not read texts.")
        prepare = model.prepare_text
        return self._ask(model, lambda: cast(P, prepare(text)), deadline)

    def _ask(self, model: Model[P, R], prepare: Callable[[], P], deadline: float) -> R:
        """Prepare in this thread, then wait for the owner's answer."""
        if self._clock() >= deadline:
            raise BatchOverdue
        item, size = prepared(model, prepare)
        return self._batcher.submit(item, size=size, deadline=deadline)

    def close(self, *, drain: bool = True, timeout: float | None = None) -> None:
        """Stop. With `drain`, accepted images are finished first; later ones get EngineStopped. Waits up to `timeout` seconds for
        the owner thread."""
        self._closing.set()
        self._batcher.close()
        if not drain:
            self._batcher.abort("The model is shutting down.")
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _loaded(self) -> WatchedDevice[P, R]:
        if self._device is None or self._state in ("failed", "stopped"):
            raise EngineStopped(f"The model is {'not loaded yet' if self._state == 'starting' else self._state}.")
        return self._device

    # --- the owner thread ------------------------------------------------------------------------------------

    def _own(self) -> None:
        fatal = ""
        try:
            self._load_and_warm()
            self._serve()
        except DeviceFault as err:
            self._failure = ModelError(f"The device or the model failed: {err}")
            fatal = str(err)
        except BaseException as err:  # noqa: BLE001 - the thread ends here; wait_ready and on_fatal carry it on
            self._failure = err
            fatal = f"the owner thread died: {type(err).__name__}: {err}"
        try:
            if fatal:
                self._fail(fatal)
            else:
                self._become("stopped")
        finally:
            self._release_waiters()

    def _fail(self, reason: str) -> None:
        log.error("engine.failed", reason=reason, exc_info=self._failure)
        was_ready = self._state != "starting"
        self._become("failed")
        if was_ready:  # a failed start is raised by wait_ready
            self._hooks.on_fatal(reason)

    def _load_and_warm(self) -> None:
        model = self._loader()
        log.info("model.loaded", model=model_id(model))
        self._device = WatchedDevice(
            model,
            self.budget,
            batch_seconds=self._limits.batch_seconds,
            canary_cosine=self._limits.canary_cosine,
            clock=self._clock,
            between=self._hooks.before_batch,
        )
        self._device.warm(limit=self._limits.start_seconds, go_on=lambda: not self._closing.is_set())
        self._require_canary()

    def _serve(self) -> None:
        while True:
            self._progress = self._clock()
            due = self._checked + self._limits.canary_seconds - self._clock()
            if due <= 0:
                self._require_canary()
                continue
            batch = self._batcher.take(timeout=due)
            if batch is None:
                return
            if batch:
                self._answer(batch)

    def _answer(self, batch: list[Entry[P, R]]) -> None:
        self._running = batch
        self._hooks.before_batch()
        self._progress = started = self._clock()
        count, size = len(batch), sum(entry.size for entry in batch)
        fill = self.budget.fill(count, size)
        with tracing.batch([entry.span for entry in batch], model=self.model, size=count):
            answers = isolate(self._loaded(), [entry.item for entry in batch])
        for entry, answer in zip(batch, answers, strict=True):
            if isinstance(answer, ModelError):
                log.warning("image.failed", code=answer.code, detail=answer.detail)
                entry.answer.set_exception(answer)
            else:
                entry.answer.set_result(answer)
        self._running = []
        self._hooks.on_batch(count, size, self._clock() - started, fill)

    def _require_canary(self) -> None:
        """Ready if the canary is right; else unwell, and the canary runs again. DeviceFault after CANARY_TRIES."""
        for _ in range(CANARY_TRIES):
            if self._loaded().healthy():
                self._checked = self._clock()
                self._become("ready")
                return
            if self._state == "ready":
                self._become("unwell")
            if self._closing.wait(self._limits.canary_retry_seconds):
                break
        raise DeviceFault("the canary came out wrong again and again")

    # --- ends ------------------------------------------------------------------------------------------------

    def _become(self, state: State) -> None:
        with self._changed:
            if state != self._state:
                log.info("engine.state_changed", state=state, previous=self._state)
            self._state = state
            self._changed.notify_all()

    def _release_waiters(self) -> None:
        """Answer all waiting threads, because the owner thread ended."""
        reason = "The model is shutting down." if self._failure is None else "The model failed; the image is not charged."
        for entry in self._running:
            if not entry.answer.done():
                entry.answer.set_exception(EngineStopped(reason) if self._failure is None else DeviceLost())
        self._running = []
        self._batcher.abort(reason)
