"""Bodies share the memory that is set aside for them: in order, without waiting for each other, and given back."""

from __future__ import annotations

import asyncio
import contextlib

from tagger.api.body_budget import BodyBudget

SOON = 0.01


def test_first_come_first_served() -> None:
    async def run() -> None:
        budget = BodyBudget(100)
        assert await budget.take(60, SOON)
        large = asyncio.create_task(budget.take(60, 5))
        await asyncio.sleep(0)
        assert not await budget.take(10, SOON), "a small one does not overtake, or the large one would wait for ever"
        budget.give(60)
        assert await large
        assert await budget.take(40, SOON)
        assert budget.held == 100

    asyncio.run(run())


def test_one_that_is_larger_than_all_is_held_alone() -> None:
    async def run() -> None:
        budget = BodyBudget(10)
        assert await budget.take(50, SOON)
        assert not await budget.take(1, SOON)
        budget.give(50)
        assert await budget.take(1, SOON)

    asyncio.run(run())


def test_who_gives_up_or_leaves_takes_nothing_with_it() -> None:
    async def run() -> None:
        budget = BodyBudget(10)
        assert await budget.take(10, SOON)
        leaving = asyncio.create_task(budget.take(9, 5))
        behind = asyncio.create_task(budget.take(5, 5))
        await asyncio.sleep(0)
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving
        budget.give(10)
        assert await behind
        assert budget.held == 5
        at_once = asyncio.create_task(budget.take(10, 5))
        await asyncio.sleep(0)
        budget.give(5)  # grants it
        at_once.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await at_once
        assert budget.held in (0, 10)
        assert budget.held == (10 if not at_once.cancelled() else 0)

    asyncio.run(run())
