"""Twelve messages and an editor at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tagger.conformance.outcome import expect
from tagger.conformance.trial import Asset, Trial

RACERS = 12
BEFORE, THEIRS = "The text before the race", "The editor's own words"


def racers(trial: Trial) -> str:
    """A third of the races is without an editor, a third in an empty field with one, a third over tagger's own text with one."""
    kinds: Counter[str] = Counter()
    for number in range(trial.races):
        kinds[_race(trial, number)] += 1
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items()))


def _race(trial: Trial, number: int) -> str:
    asset, ours = trial.upload(), list[str]()
    if number % 3 == 2:
        ours = [asset.describe(BEFORE).value or BEFORE]
    edits = number % 3 != 0
    outcomes = _all_at_once(trial, asset, ours, edits=edits)
    strange = outcomes.keys() - {"written", "kept", "rejected", "unchanged"}
    expect(not strange, f"Race {number}: there were the outcomes {sorted(strange)}.")
    expect(outcomes["written"] <= 1, f"Race {number}: {outcomes['written']} of {RACERS} were told that they had written.")
    found = asset.text()
    if edits:
        expect(found == THEIRS, f"Race {number}: the editor's text was lost; the field holds {found!r}.")
        return "the editor last" if outcomes["written"] else "the editor first"
    expect(outcomes["written"] == 1, f"Race {number}: nobody was told that they had written.")
    expect(found.startswith("Racer "), f"Race {number}: the field holds {found!r}.")
    return "one winner"


def _all_at_once(trial: Trial, asset: Asset, ours: list[str], *, edits: bool) -> Counter[str]:
    start = threading.Barrier(RACERS + edits)

    def race(number: int) -> str:
        data = asset.data(f"Racer {number}", ours=ours)
        start.wait()
        return asset.answer(trial.client.send("asset.described", data)).outcome

    def edit() -> str:
        start.wait()
        asset.edit(THEIRS)
        return ""

    calls: list[Callable[[], str]] = [lambda number=number: race(number) for number in range(RACERS)]  # type: ignore[misc]
    with ThreadPoolExecutor(RACERS + 1) as pool:
        running = [pool.submit(call) for call in ([*calls, edit] if edits else calls)]
        return Counter(outcome for future in running if (outcome := future.result()))
