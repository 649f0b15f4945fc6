"""Ids sort by the time at which they were made, also within one millisecond."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tagger.ids import first_id, new_id


def test_ids_of_one_millisecond_sort_in_the_order_of_their_making() -> None:
    made = [new_id("job", 1_790_000_000_000) for _ in range(1_000)]
    assert made == sorted(set(made))
    assert first_id("job", 1_790_000_000_000) <= made[0]
    assert made[-1] < first_id("job", 1_790_000_000_001)


def test_a_clock_that_goes_back_makes_new_ids() -> None:
    later, earlier = new_id("job", 1_790_000_000_500), new_id("job", 1_790_000_000_400)
    assert earlier < later


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id("dlv", 1_790_000_000_000), range(4_000)))
    assert len(set(made)) == 4_000
