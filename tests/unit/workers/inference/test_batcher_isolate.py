"""Which part failed when a batch raises: one image, several, or the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import ModelError, ModelOutOfMemory, PoisonImage
from workers.inference.isolate import DeviceFault, is_out_of_memory, isolate


class Bench:
    """A device that answers an item with its double, unless `law` raises on the batch."""

    def __init__(self, law: Callable[[Sequence[int]], None], *, well: bool = True) -> None:
        self.law, self.well = law, well
        self.runs: list[list[int]] = []
        self.given: list[int] = []  # items whose result came back
        self.checks = 0
        self.too_large: list[int] = []

    def run(self, items: Sequence[int]) -> list[int]:
        self.runs.append(list(items))
        self.law(items)
        self.given += items
        return [2 * item for item in items]

    def healthy(self) -> bool:
        self.checks += 1
        return self.well

    def out_of_memory(self, items: Sequence[int]) -> None:
        self.too_large.append(len(items))


def raises_on(*bad: int) -> Callable[[Sequence[int]], None]:
    def law(items: Sequence[int]) -> None:
        if set(bad) & set(items):
            raise ValueError("bad picture")

    return law


def test_a_good_batch_runs_once_and_asks_no_canary() -> None:
    bench = Bench(raises_on())
    assert isolate(bench, [1, 2, 3]) == [2, 4, 6]
    assert (len(bench.runs), bench.checks) == (1, 0)


def test_one_offender_alone_is_poison_and_the_others_finish_once() -> None:
    bench = Bench(raises_on(5))
    answers = isolate(bench, list(range(16)))
    assert isinstance(answers[5], PoisonImage)
    assert "bad picture" in answers[5].detail
    assert [a for i, a in enumerate(answers) if i != 5] == [2 * i for i in range(16) if i != 5]
    assert sorted(bench.given) == [i for i in range(16) if i != 5]
    assert bench.checks == 0, "the neighbours that ran well afterwards prove the device"
    assert len(bench.runs) <= 2 * math.log2(16) + 1


def test_several_offenders_are_poison_each_if_the_canary_passes() -> None:
    bench = Bench(raises_on(0, 7))
    answers = isolate(bench, list(range(8)))
    assert [i for i, a in enumerate(answers) if isinstance(a, PoisonImage)] == [0, 7]
    assert bench.checks >= 1
    assert sorted(bench.given) == list(range(1, 7))


def test_a_dead_device_charges_nobody_and_is_found_early() -> None:
    def dead(items: Sequence[int]) -> None:
        raise RuntimeError("context is destroyed")

    bench = Bench(dead, well=False)
    with pytest.raises(DeviceFault):
        isolate(bench, list(range(64)))
    assert len(bench.runs) < 12, "not every half needs to be tried"


@pytest.mark.parametrize("items", [[1], [0, 1]])
def test_a_failure_with_nothing_after_it_is_charged_only_if_the_canary_passes(items: list[int]) -> None:
    """One image alone, or the last of a batch: it may as well be the device."""
    with pytest.raises(DeviceFault):
        isolate(Bench(raises_on(1), well=False), items)
    assert isinstance(isolate(Bench(raises_on(1)), items)[-1], PoisonImage)


def test_a_fault_that_passes_away_costs_nobody_anything() -> None:
    left = [1]

    def once(items: Sequence[int]) -> None:
        if left:
            left.pop()
            raise RuntimeError("a hiccup")

    bench = Bench(once)
    assert isolate(bench, [1, 2, 3, 4]) == [2, 4, 6, 8]
    assert bench.checks == 0


def test_out_of_memory_halves_until_it_fits() -> None:
    def small(items: Sequence[int]) -> None:
        if len(items) > 3:
            raise MemoryError

    bench = Bench(small)
    assert isolate(bench, list(range(16))) == [2 * i for i in range(16)]
    assert sorted(bench.given) == list(range(16)), "each once"
    assert bench.too_large[:3] == [16, 8, 4]


def test_out_of_memory_alone_is_that_image_s_error() -> None:
    def huge(items: Sequence[int]) -> None:
        if 3 in items:
            raise MemoryError

    answers = isolate(Bench(huge), list(range(8)))
    assert isinstance(answers[3], ModelOutOfMemory)
    assert [a for i, a in enumerate(answers) if i != 3] == [0, 2, 4, 8, 10, 12, 14]


class Miscounting(Bench):
    def run(self, items: Sequence[int]) -> list[int]:
        return super().run(items)[:-1]


def test_a_wrong_number_of_results_is_never_the_images_fault() -> None:
    with pytest.raises(DeviceFault):
        isolate(Miscounting(raises_on(), well=False), [1, 2, 3])
    for answer in isolate(Miscounting(raises_on()), [1, 2, 3]):
        assert isinstance(answer, ModelError)
        assert not isinstance(answer, PoisonImage)
        assert answer.retryable


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.integers(1, 40), st.booleans())
def test_every_item_gets_exactly_one_answer_whatever_raises(count: int, bad: set[int], memory: int, well: bool) -> None:
    def law(items: Sequence[int]) -> None:
        if len(items) > memory:
            raise MemoryError
        if bad & set(items):
            raise ValueError

    bench = Bench(law, well=well)
    items = list(range(count))
    try:
        answers = isolate(bench, items)
    except DeviceFault:
        assert not well
        assert bad & set(items)
        return
    assert len(answers) == count
    for item, answer in zip(items, answers, strict=True):
        if item in bad:
            assert isinstance(answer, PoisonImage)
        else:
            assert answer == 2 * item
    assert sorted(bench.given) == [i for i in items if i not in bad]


OutOfMemoryError = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})
OrtFail = type("Fail", (Exception,), {"__module__": "onnxruntime.capi.onnxruntime_pybind11_state"})


@pytest.mark.parametrize(
    ("err", "memory"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (OrtFail("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1024"), True),
        (OrtFail("Non-zero status code returned while running Conv node"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory lane"), False),
    ],
)
def test_out_of_memory_is_recognised_without_the_runtimes(err: Exception, memory: bool) -> None:
    assert is_out_of_memory(err) is memory
