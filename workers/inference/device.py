"""A model on its device. Every call is timed and watched. Only the owner thread of the engine uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from workers.inference import watchdog
from workers.inference.budget import Budget
from workers.inference.isolate import WrongCount, is_out_of_memory
from workers.models.base import FixedShapes, Model, TakesInTurn, TimesItself, cosine, model_id

P = TypeVar("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)


class WatchedDevice(Generic[P, R]):
    """The methods of a device that `isolate` needs, and the canary."""

    def __init__(
        self,
        model: Model[P, R],
        budget: Budget,
        *,
        batch_seconds: float,
        canary_cosine: float,
        clock: Callable[[], float],
        between: Callable[[], None],
    ) -> None:
        """`batch_seconds`: limit of one run. `between`: called between the images of a batch that are taken in turn."""
        self.model = model
        self._in_turn = isinstance(model, TakesInTurn) and model.in_turn()
        self._times = model if isinstance(model, TimesItself) else None
        self._between = between
        self.progress = clock()  # when a run last came back
        self._budget = budget
        self._batch_seconds = batch_seconds
        self._canary_cosine = canary_cosine
        self._clock = clock

    def run(self, items: Sequence[P], *, limit: float | None = None) -> Sequence[R]:
        """Call the model once. If the call takes more than `limit` seconds, the process ends. A successful call updates the
        budget. A model that takes images one after the other is called for each image, and has that time for each."""
        started = self._clock()
        with watchdog.guard(self._batch_seconds if limit is None else limit) as again:
            results = self._one_by_one(items, again) if self._in_turn else self.model.run(items)
        self.progress = self._clock()
        if len(results) == len(items):
            seconds = self._times.device_seconds() if self._times is not None else self.progress - started
            self._budget.ran(sum(map(self.model.size, items)), seconds)
        return results

    def _one_by_one(self, items: Sequence[P], again: Callable[[], None]) -> Sequence[R]:
        results: list[R] = []
        for item in items:
            if results:
                self.progress = self._clock()
                self._between()
                again()
            outcome = self.model.run([item])
            if len(outcome) != 1:
                raise WrongCount(f"{len(outcome)} results for one image")
            results += outcome
        return results

    def out_of_memory(self, items: Sequence[P]) -> None:
        """These items together exceeded the memory, so later batches are smaller."""
        units = sum(map(self.model.size, items))
        self._budget.ran_out_of_memory(len(items), units)
        log.warning("device.memory_exhausted", model=model_id(self.model), images=len(items), units=units)

    def healthy(self) -> bool:
        """Whether the result of the canary is within the given cosine of its golden vector."""
        name = model_id(self.model)
        try:
            results = self.run([self.model.canary()])
            if len(results) != 1:
                raise WrongCount(f"{len(results)} results for the canary")
            likeness = cosine(self.model.reading(results[0]), self.model.golden())
        except Exception as err:  # noqa: BLE001 - whatever the device raises on the canary means that it is not well
            log.error("canary.raised", model=name, error=f"{type(err).__name__}: {err}"[:300])
            return False
        if likeness < self._canary_cosine:
            log.error("canary.mismatched", model=name, cosine=round(likeness, 4), least=self._canary_cosine)
            return False
        return True

    def warm(self, *, limit: float, go_on: Callable[[], bool]) -> None:
        """Run the canary in batches of 1, 4, 16 … up to the budget, or once for each shape that the model prepares.

        First calls are slow, so they happen before real images. The run also finds the memory limit and the cost of a batch.
        `limit`: seconds of one run. Errors: those of the model."""
        canary = self.model.canary()
        count = 1
        while count and go_on():
            try:
                self.run([canary] * count, limit=limit)
            except Exception as err:
                if count == 1 or not is_out_of_memory(err):
                    raise
                self.out_of_memory([canary] * count)
                return
            count = self._next_warm(count, self.model.size(canary))

    def _next_warm(self, count: int, units: float) -> int:
        """The next size: four times as many, or the model's next shape, or the most that the budget allows. 0: done."""
        if self._in_turn:
            return 0
        most = self._budget.max_batch
        shapes = self.model.shapes(most) if isinstance(self.model, FixedShapes) else ()
        larger = min(next((shape for shape in shapes if shape > count), 4 * count), most)
        while larger > count and not self._budget.fits(larger, larger * units):
            larger -= 1
        return larger if larger > count else 0
