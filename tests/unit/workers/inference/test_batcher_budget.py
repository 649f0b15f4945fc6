"""The limits of one batch, and how they change after each batch."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.inference.budget import GROWTH, OOM_PATIENCE, Budget, CostFit


def most(budget: Budget) -> int:
    """Items of one unit that fit."""
    return max(n for n in range(1, 200) if budget.fits(n, n))


def taught(a: float, b: float, **options: float) -> Budget:
    budget = Budget(max_batch=64, **options)
    for n in (1, 4, 16, 64):
        budget.ran(n, a + b * n)
    return budget


def test_the_count_alone_binds_when_nothing_else_is_set() -> None:
    assert most(Budget(max_batch=16)) == 16


def test_predicted_milliseconds_bind() -> None:
    budget = taught(0.020, 0.002, budget_ms=60)
    assert most(budget) == 20
    assert budget.fill(20, 20) == pytest.approx(1.0)
    assert budget.fill(5, 5) == pytest.approx(0.5)


def run_saturated(budget: Budget, cost: Callable[[int], float], batches: int) -> int:
    """Run as large batches as the budget allows; the size of the last."""
    n = 1
    for _ in range(batches):
        n = most(budget)
        budget.ran(n, cost(n))
    return n


def test_the_budget_of_milliseconds_is_found_from_one_image_on() -> None:
    """One image costs more than half of the budget: taking all of that as per image would never try two."""
    budget = Budget(max_batch=64, budget_ms=40)
    budget.ran(1, 0.022)
    assert run_saturated(budget, lambda n: 0.020 + 0.002 * n, 10) == 10


def test_batches_grow_again_after_a_slow_hour() -> None:
    budget = Budget(max_batch=64, budget_ms=40)
    budget.ran(1, 0.022)
    assert run_saturated(budget, lambda n: 3 * (0.020 + 0.002 * n), 2000) == 1
    assert run_saturated(budget, lambda n: 0.020 + 0.002 * n, 2000) in (9, 10)


@given(st.floats(0.0, 0.05), st.floats(0.0001, 0.05))
def test_a_batch_never_takes_far_longer_than_the_budget(a: float, b: float) -> None:
    budget = Budget(max_batch=256, budget_ms=100)
    budget.ran(1, a + b)
    for _ in range(20):
        n = most(budget)
        budget.ran(n, a + b * n)
        assert a + b * n <= GROWTH * 0.1 + a + b
    assert a + b * most(budget) <= 0.1 + a + b


def test_cost_units_bind_and_one_item_always_fits() -> None:
    budget = Budget(max_batch=16, max_units=1000)
    assert budget.fits(2, 1000)
    assert not budget.fits(2, 1001)
    assert budget.fits(1, 5000)


@given(st.floats(0.0, 1.0), st.floats(0.0005, 0.1), st.integers(0, 2**32))
def test_the_fit_finds_the_cost_among_disturbed_batches(a: float, b: float, seed: int) -> None:
    """Half of the batches were slowed down, up to tenfold; the prediction stays within a tenth."""
    rng = random.Random(seed)
    fit = CostFit()
    for turn in range(12):
        for n in (1, 3, 8, 16, 32):
            exact = a + b * n
            fit.add(n, exact * rng.uniform(1.5, 10) if turn % 2 else exact * rng.uniform(1.0, 1.02))
    for n in (1, 8, 32, 64):
        predicted = fit.predict(n)
        assert predicted is not None
        assert predicted == pytest.approx(a + b * n, rel=0.1)


def test_the_fixed_cost_stays_known_during_a_long_run_of_full_batches() -> None:
    fit = CostFit()
    for n in (1, 4, 16):
        fit.add(n, 0.02 + 0.002 * n)
    for _ in range(500):
        fit.add(16, 0.052)
    assert fit.line == pytest.approx((0.02, 0.002))


def test_the_fit_follows_a_machine_that_slows_down() -> None:
    fit = CostFit()
    for factor in (1, 3):
        for _ in range(20):
            for n in (4, 16):
                fit.add(n, factor * (0.01 + 0.001 * n))
    assert fit.line == pytest.approx((0.03, 0.003))


def test_out_of_memory_halves_down_to_one_and_climbs_back() -> None:
    budget = Budget(max_batch=16)
    seen = []
    for n in (16, 8, 4, 2):
        budget.ran_out_of_memory(n, n)
        seen.append(most(budget))
    assert seen == [8, 4, 2, 1]
    budget.ran_out_of_memory(1, 1)
    assert most(budget) == 1

    runs = 0
    while most(budget) < 16:
        n = most(budget)
        budget.ran(n, 0.01)
        runs += 1
        assert runs < 100 * OOM_PATIENCE
    assert runs > 8 * OOM_PATIENCE, "it must climb slowly"


def test_small_batches_do_not_raise_the_cap() -> None:
    budget = Budget(max_batch=16)
    budget.ran_out_of_memory(16, 16)
    for _ in range(10 * OOM_PATIENCE):
        budget.ran(1, 0.01)
    assert most(budget) == 8
