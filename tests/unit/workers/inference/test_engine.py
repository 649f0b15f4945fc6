"""The engine in this process, with a model that the test scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import (
    BatchOverdue,
    DeviceLost,
    EngineStopped,
    ModelDirectoryInvalid,
    ModelError,
    ModelOutOfMemory,
    PoisonImage,
)
from tagger.prediction import CaptionPrediction, Pixels, Vector
from workers.inference.engine import Engine
from workers.inference.engine_options import EngineHooks, EngineLimits
from workers.models.base import PartialPrediction

FAR = 10.0
CANARY = 255


class Scripted:
    """A model whose item is the picture's first value. `law(batch)` may raise; `ill` turns the canary's sign."""

    name, revision = "scripted", "00000000"

    def __init__(self) -> None:
        self.law: Callable[[Sequence[int]], None] = lambda batch: None
        self.ill = False
        self.short = False
        self.batches: list[list[int]] = []
        self.runners: set[int] = set()
        self.cosine = threading.Event()

    def prepare(self, pixels: Pixels, instruction: str) -> int:
        if instruction == "refuse":
            raise ValueError("no such prompt")
        return int(pixels[0, 0, 0])

    def size(self, item: int) -> float:
        return 1.0

    def run(self, batch: Sequence[int]) -> list[int]:
        self.runners.add(threading.get_ident())
        if CANARY not in batch:
            self.batches.append(list(batch))
        self.law(batch)
        return list(batch)[: -1 if self.short else None]

    def finish(self, raw: int, pixels: Pixels) -> PartialPrediction:
        if raw != pixels[0, 0, 0]:
            raise AssertionError("another image's result")
        return PartialPrediction(model="scripted@00000000", caption=CaptionPrediction(model="s", text=str(raw), score=1.0))

    def canary(self) -> int:
        return CANARY

    def golden(self) -> Vector:
        return np.array([1.0, 0.0], dtype=np.float32)

    def reading(self, raw: int) -> Vector:
        self.cosine.set()
        return np.array([-1.0 if self.ill else 1.0, 0.0], dtype=np.float32)


def picture(value: int) -> Pixels:
    return np.full((2, 2, 3), value, dtype=np.uint8)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + FAR
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.001)


@contextmanager
def running(model: Scripted, **options: Any) -> Iterator[tuple[Engine[Any, Any], list[str]]]:
    """A ready engine, and the reasons that it gave for ending the process."""
    fatal: list[str] = []
    options = {"wait_ms": 2, "canary_retry_seconds": 0.01, "on_fatal": fatal.append, **options}
    limits = EngineLimits(**{name: value for name, value in options.items() if name in EngineLimits.__dataclass_fields__})
    hooks = EngineHooks(**{name: value for name, value in options.items() if name in EngineHooks.__dataclass_fields__})
    clock = {name: value for name, value in options.items() if name == "clock"}
    engine: Engine[Any, Any] = Engine(lambda: model, limits, hooks, **clock)
    engine.start()
    try:
        assert engine.wait_ready(FAR)
        yield engine, fatal
    finally:
        engine.close(timeout=FAR)


def ask(engine: Engine[Any, Any], values: Sequence[int], seconds: float = FAR) -> list[Any]:
    """What each picture's own task thread got: the caption's text, or the error."""

    def one(value: int) -> Any:
        try:
            said = engine.predict(picture(value), deadline=time.monotonic() + seconds)
        except ModelError as err:
            return err
        assert said.caption is not None
        return said.caption.text

    with ThreadPoolExecutor(max(1, len(values))) as pool:
        return list(pool.map(one, values))


def raises_on(bad: Sequence[int], err: Exception) -> Callable[[Sequence[int]], None]:
    def law(batch: Sequence[int]) -> None:
        if set(bad) & set(batch):
            raise err

    return law


def test_images_are_batched_by_one_thread_and_each_gets_its_own_answer() -> None:
    model, seen = Scripted(), []
    with running(model, max_batch=8, on_batch=lambda *report: seen.append(report)) as (engine, _):
        assert ask(engine, range(40)) == [str(i) for i in range(40)]
        assert engine.model == "scripted@00000000"
        assert engine.alive()
    assert len(model.runners) == 1
    assert max(map(len, model.batches)) > 1
    assert sum(count for count, *_ in seen) == 40
    assert all(0 < fill <= 1 and units == count and seconds >= 0 for count, units, seconds, fill in seen)


def test_one_bad_image_fails_alone() -> None:
    model = Scripted()
    with running(model) as (engine, fatal):
        model.law = raises_on([3], ValueError("cannot"))
        answers = ask(engine, range(16))
        assert isinstance(answers.pop(3), PoisonImage)
        assert answers == [str(i) for i in range(16) if i != 3]
        assert engine.ready
        assert not fatal


def test_out_of_memory_loses_no_image_and_makes_smaller_batches() -> None:
    model = Scripted()

    def law(batch: Sequence[int]) -> None:
        if len(batch) > 2:
            raise MemoryError

    with running(model, max_batch=16) as (engine, _):
        model.law = law
        assert ask(engine, range(48)) == [str(i) for i in range(48)]
        model.batches.clear()
        assert ask(engine, range(48)) == [str(i) for i in range(48)]
        assert all(len(batch) <= 2 for batch in model.batches), "the lesson is kept"
        model.law = raises_on([7], MemoryError())
        assert isinstance(ask(engine, [7])[0], ModelOutOfMemory)


def test_a_device_too_small_for_a_full_batch_is_found_out_while_warming() -> None:
    model = Scripted()
    model.law = lambda batch: (_ for _ in ()).throw(MemoryError) if len(batch) > 4 else None
    with running(model, max_batch=16) as (engine, _):
        assert not engine.budget.fits(9, 9)
        assert ask(engine, range(10)) == [str(i) for i in range(10)]


def test_every_shape_that_a_model_prepares_apart_is_warmed() -> None:
    class Shaped(Scripted):
        warmed: list[int]

        def shapes(self, most: int) -> tuple[int, ...]:
            return tuple(2**n for n in range(most.bit_length() + 1) if 2 ** (n - 1) < most)

        def run(self, batch: Sequence[int]) -> list[int]:
            self.warmed = [*getattr(self, "warmed", []), len(batch)]
            return super().run(batch)

    model = Shaped()
    with running(model, max_batch=12):
        assert model.warmed[:5] == [1, 2, 4, 8, 12]  # 12 are run in the shape of 16


class InTurn(Scripted):
    def in_turn(self) -> bool:
        return True


def test_a_model_that_takes_images_in_turn_gets_one_at_a_time_and_a_pause_before_each() -> None:
    model, pauses, seen = InTurn(), [], []
    options = {"before_batch": lambda: pauses.append(len(model.batches)), "on_batch": lambda *report: seen.append(report)}
    with running(model, max_batch=4, wait_ms=200, **options) as (engine, _):
        assert ask(engine, range(8)) == [str(i) for i in range(8)]
    assert sorted(model.batches) == [[i] for i in range(8)]
    assert pauses == list(range(8))
    assert max(count for count, *_ in seen) > 1  # their answers go out together


def test_of_images_taken_in_turn_the_bad_one_fails_alone() -> None:
    model = InTurn()
    model.law = raises_on([3], ValueError("bad"))
    with running(model, max_batch=4, wait_ms=200) as (engine, fatal):
        found = ask(engine, range(8))
    assert [str(i) if i != 3 else "" for i in range(8)] == [said if isinstance(said, str) else "" for said in found]
    assert isinstance(found[3], ModelError)
    assert fatal == []


def test_a_dead_device_ends_the_process_and_says_which_images_it_held() -> None:
    model = Scripted()
    with running(model) as (engine, fatal):
        model.law = lambda batch: (_ for _ in ()).throw(RuntimeError("context is destroyed"))
        answers = ask(engine, range(16))
        assert {DeviceLost} <= {type(a) for a in answers} <= {DeviceLost, EngineStopped}  # the batch, and what waited behind it
        until(lambda: bool(fatal))
        assert not engine.ready
        assert not engine.alive()
        with pytest.raises(EngineStopped):
            engine.predict(picture(1), deadline=time.monotonic() + FAR)
    assert len(fatal) == 1


def test_a_wrong_number_of_results_is_an_error_of_the_model() -> None:
    model = Scripted()
    with running(model) as (engine, fatal):
        model.short = True
        assert {DeviceLost} <= {type(a) for a in ask(engine, range(4))} <= {DeviceLost, EngineStopped}
        until(lambda: bool(fatal))


def test_garbage_is_noticed_by_the_canary() -> None:
    model = Scripted()
    with running(model, canary_seconds=0.02) as (engine, fatal):
        model.ill = True
        until(lambda: bool(fatal))
        assert not engine.ready
        assert "canary" in fatal[0]


def test_no_image_runs_while_the_canary_is_wrong_and_a_short_illness_is_survived() -> None:
    model = Scripted()
    with running(model, canary_seconds=0.02, canary_retry_seconds=0.1) as (engine, fatal):
        model.ill = True
        until(lambda: engine.state == "unwell")
        model.batches.clear()
        answer: Future[Any] = Future()
        threading.Thread(target=lambda: answer.set_result(ask(engine, [5])), daemon=True).start()
        until(lambda: engine.waiting == 1)
        assert model.batches == []
        model.ill = False
        assert answer.result(FAR) == ["5"]
        until(lambda: engine.state == "ready")
        assert not fatal


def test_never_ready_if_the_first_canary_is_wrong() -> None:
    model = Scripted()
    fatal: list[str] = []
    model.ill = True
    engine: Engine[Any, Any] = Engine(lambda: model, EngineLimits(canary_retry_seconds=0.001), EngineHooks(on_fatal=fatal.append))
    engine.start()
    with pytest.raises(ModelError, match="canary"):
        engine.wait_ready(FAR)
    assert (engine.ready, engine.alive(), fatal) == (False, False, [])


def test_a_loader_s_error_reaches_the_one_who_waits() -> None:
    def loader() -> Scripted:
        raise ModelDirectoryInvalid("config.json is missing")

    engine: Engine[Any, Any] = Engine(loader)
    engine.start()
    with pytest.raises(ModelDirectoryInvalid, match="is missing"):
        engine.wait_ready(FAR)
    engine.close()


def test_what_the_image_breaks_outside_the_device_is_charged_to_it() -> None:
    with running(Scripted()) as (engine, _), pytest.raises(PoisonImage, match="no such prompt"):
        engine.predict(picture(1), "refuse", deadline=time.monotonic() + FAR)


def test_an_overdue_image_costs_nothing() -> None:
    model = Scripted()
    with running(model) as (engine, _):
        with pytest.raises(BatchOverdue):
            engine.predict(picture(1), deadline=time.monotonic() - 1)
        assert model.batches == []


class Gate(Scripted):
    """Holds the owner thread inside `run` until the test opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.opened = threading.Event(), threading.Event()
        self.law = self.hold

    def hold(self, batch: Sequence[int]) -> None:
        if CANARY not in batch:
            self.entered.set()
            assert self.opened.wait(FAR)


def test_close_finishes_what_was_accepted() -> None:
    model = Gate()
    with running(model, max_batch=2, wait_ms=1000) as (engine, fatal), ThreadPoolExecutor(2) as pool:
        inside = pool.submit(ask, engine, range(6))
        model.entered.wait(FAR)
        until(lambda: engine.waiting == 4)
        closing = pool.submit(engine.close)
        until(lambda: engine._batcher._closed)
        assert isinstance(ask(engine, [9])[0], EngineStopped)
        model.opened.set()
        assert inside.result(FAR) == [str(i) for i in range(6)]
        closing.result(FAR)
        assert (engine.state, fatal) == ("stopped", [])


def test_close_without_draining_gives_the_waiting_ones_back() -> None:
    model = Gate()
    with running(model, max_batch=2, wait_ms=1000) as (engine, _), ThreadPoolExecutor(2) as pool:
        inside = pool.submit(ask, engine, range(6))
        model.entered.wait(FAR)
        until(lambda: engine.waiting == 4)
        closing = pool.submit(engine.close, drain=False)
        until(lambda: engine.waiting == 0)
        model.opened.set()
        closing.result(FAR)
        kinds = sorted(type(a).__name__ for a in inside.result(FAR))
        assert kinds == ["EngineStopped"] * 4 + ["str"] * 2


def test_the_owner_thread_s_death_leaves_nobody_waiting() -> None:
    model = Gate()
    with running(model, max_batch=2, wait_ms=1000) as (engine, fatal), ThreadPoolExecutor(1) as pool:
        inside = pool.submit(ask, engine, range(6))
        model.entered.wait(FAR)
        until(lambda: engine.waiting == 4)
        model.law = lambda batch: (_ for _ in ()).throw(SystemExit)  # not an Exception: nothing in the engine expects it
        model.opened.set()
        assert [a for a in inside.result(FAR) if not isinstance(a, str | EngineStopped)] == []
        until(lambda: bool(fatal))
        assert not engine.alive()


def test_a_stalled_owner_is_not_alive_but_an_idle_one_is() -> None:
    model, skew = Gate(), 0.0
    with running(model, clock=lambda: time.monotonic() + skew) as (engine, _), ThreadPoolExecutor(1) as pool:
        skew = 50.0  # nothing to do for fifty seconds
        assert engine.alive()
        inside = pool.submit(ask, engine, [1], 1000.0)
        model.entered.wait(FAR)
        assert engine.alive()
        skew = 120.0
        assert not engine.alive()
        model.opened.set()
        inside.result(FAR)
        until(engine.alive)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["good", "good", "good", "raises", "memory", "overdue"]), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 12),
)
def test_every_image_gets_exactly_one_answer_whatever_happens(kinds: list[str], max_batch: int, max_waiting: int) -> None:
    model = Scripted()
    bad = [i for i, kind in enumerate(kinds) if kind == "raises"]
    large = [i for i, kind in enumerate(kinds) if kind == "memory"]

    def law(batch: Sequence[int]) -> None:
        if set(large) & set(batch) and len(batch) > 1:
            raise MemoryError
        if set(bad) & set(batch):
            raise ValueError

    with running(model, max_batch=max_batch, max_waiting=max_waiting, wait_ms=1) as (engine, fatal):
        model.law = law

        def one(number: int) -> Any:
            return ask(engine, [number], -1 if kinds[number] == "overdue" else FAR)[0]

        with ThreadPoolExecutor(len(kinds)) as pool:
            answers = list(pool.map(one, range(len(kinds))))
        assert engine.ready
        assert not fatal
    expected = {"good": str, "memory": str, "raises": PoisonImage, "overdue": BatchOverdue}
    for number, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
        assert isinstance(answer, expected[kind]), (number, kind, answer)
        if isinstance(answer, str):
            assert answer == str(number)
