"""An SVG of the runs over time: jobs a second, size of the ledger, size of the broker, memory. One line per run."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, ROW, COLUMN = 360, 150, 52, 44, 214, 430
COLOURS = ("#2a6fdb", "#d9822b", "#2f9e5b", "#a34fc4", "#c23b3b")
SMOOTH = 6  # samples of a rate

Points = list[tuple[float, float]]


def draw(runs: list[dict[str, Any]]) -> str:
    panels: list[tuple[str, Callable[[dict[str, Any]], Points]]] = [
        ("jobs a second", speeds),
        ("ledger, MiB", lambda run: series(run, lambda sample: sample["ledger_mib"])),
        ("broker, MiB of memory", lambda run: series(run, lambda sample: sample["broker_mib"])),
        ("memory of all processes, MiB", lambda run: series(run, lambda sample: sum(sample["memory_mib"].values()))),
    ]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * COLUMN} {TOP + 2 * ROW}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11">',
        "<title>Load: jobs a second, and sizes over time</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_legend(runs),
    ]
    for number, (title, points) in enumerate(panels):
        lines = [points(run) for run in runs]
        out += _panel(title, lines, LEFT + COLUMN * (number % 2), TOP + 16 + ROW * (number // 2))
    return "\n".join([*out, "</svg>"]) + "\n"


def series(run: dict[str, Any], value: Callable[[dict[str, Any]], float]) -> Points:
    return [(sample["at_s"], value(sample)) for sample in run["samples"]]


def speeds(run: dict[str, Any]) -> Points:
    samples = run["samples"]
    pairs = [(samples[max(0, n - SMOOTH)], later) for n, later in enumerate(samples) if n]
    return [
        (later["at_s"], (later["done"] - first["done"]) / (later["at_s"] - first["at_s"]))
        for first, later in pairs
        if later["at_s"] > first["at_s"]
    ]


def _legend(runs: list[dict[str, Any]]) -> list[str]:
    out = []
    for n, run in enumerate(runs):
        x, colour = LEFT + 170 * n, COLOURS[n % len(COLOURS)]
        words = f"{run['workers']} tag workers, {run['jobs']:,} jobs"
        out.append(
            f'<rect x="{x}" y="12" width="12" height="4" fill="{colour}"/><text x="{x + 18}" y="18">{escape(words)}</text>'
        )
    return out


def _panel(title: str, lines: list[Points], left: float, top: float) -> list[str]:
    length = max((x for line in lines for x, _ in line), default=1.0) or 1.0
    most = _round_up(max((y for line in lines for _, y in line), default=1.0))
    out = [
        f'<text x="{left}" y="{top - 8}" font-size="12" font-weight="600">{escape(title)}</text>',
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999999"/>',
    ]
    for n in range(5):
        y, x = top + HEIGHT * (1 - n / 4), left + WIDTH * n / 4
        out.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{most * n / 4:g}</text>')
        out.append(f'<text x="{x:.0f}" y="{top + HEIGHT + 14}" text-anchor="middle">{length * n / 240:.1f}</text>')
    out.append(f'<text x="{left + WIDTH / 2}" y="{top + HEIGHT + 28}" text-anchor="middle">minutes</text>')
    for n, line in enumerate(lines):
        points = " ".join(f"{left + WIDTH * x / length:.1f},{top + HEIGHT * (1 - y / most):.1f}" for x, y in line)
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[n % len(COLOURS)]}" stroke-width="1.5"/>')
    return out


def _round_up(value: float) -> float:
    """The next of 4, 8, 20, 40, 80, 200 …: each divides into four parts that are short to write."""
    step = 4.0
    while step < value:
        step *= 2.5 if str(step)[0] == "8" else 2
    return step
