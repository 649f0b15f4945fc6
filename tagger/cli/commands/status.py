"""`tagger status`: the current numbers, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.cli import attention, console
from tagger.ledger import Ledger
from tagger.system.home import Phase, phase, read_state

STACK: Mapping[Phase | None, str] = {
    None: "does not run here (`tagger up` starts it)",
    "starting": "is starting",
    "running": "runs",
    "draining": "is stopping: jobs that run are finished, jobs that wait stay in the ledger",
}


def status(json: console.Json = False) -> None:
    """Show the current jobs, deliveries, lanes and workers.

    Example:  tagger status --json
    """
    settings = console.settings()
    state, doing = read_state(settings.home), phase(settings.home)
    with console.ledger() as ledger:
        troubles = attention.troubles(ledger, settings.home)
        body = {**_status(ledger, state), "phase": doing, "attention": [trouble._asdict() for trouble in troubles]}
    if json:
        console.print_json(body)
        return
    out = console.out
    address = f", API at {state['api']}" if state and doing == "running" else ""
    out.print(f"Stack      {STACK[doing]}{address}")
    out.print(f"Workers    {numbers(body['workers']) or 'none alive'}")
    out.print(f"Jobs       {numbers(body['jobs']) or 'none'}")
    out.print(f"Deliveries {numbers(body['deliveries']) or 'none'}")
    for lane, counts in body["lanes"].items():
        age = f", the oldest has waited {counts['oldest_seconds']:.0f} s" if counts["oldest_seconds"] is not None else ""
        out.print(
            f"Lane       {lane}: {counts['claimable']} ready, {counts['running']} running, "
            f"{counts['waiting']} wait for a retry{age}"
        )
    for trouble in troubles:
        out.print(f"Attention  {trouble.what}: {trouble.detail}. {trouble.remedy}", style="yellow")


def _status(ledger: Ledger, state: dict[str, object] | None) -> dict[str, Any]:
    stats = ledger.stats()
    now = ledger.now_ms()
    lanes = {
        lane: {
            "claimable": counts.claimable,
            "waiting": counts.waiting,
            "running": counts.running,
            "oldest_seconds": None if counts.oldest_claimable_ms is None else max(0, now - counts.oldest_claimable_ms) / 1000,
        }
        for lane, counts in ledger.lane_counts().items()
    }
    return {
        "running": state is not None,
        "workers": dict(stats.workers),
        "jobs": dict(stats.jobs),
        "deliveries": dict(stats.deliveries),
        "lanes": lanes,
    }


def numbers(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)
