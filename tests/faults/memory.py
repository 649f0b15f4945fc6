"""Memory of the processes of each role, sampled during a soak; a table by quarters, and an SVG plot."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

import psutil

EVERY_SECONDS = 3.0
WARM_SECONDS = 60.0  # a younger process still fills its pools and caches: it is compared with nothing
DECODER_WARM_SECONDS = 10.0
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Living:
    """A process that is to be looked at. `spared`: no fault is aimed at it, so it lives as long as the soak."""

    role: str
    pid: int
    spared: bool


@dataclass(frozen=True, kw_only=True)
class Sample:
    at_s: float
    role: str
    pid: int
    spared: bool
    age_s: float
    mib: float  # resident set


class Sampler(threading.Thread):
    def __init__(self, living: Callable[[], Sequence[Living]], now_s: Callable[[], float]) -> None:
        super().__init__(name="memory", daemon=True)
        self.samples: list[Sample] = []
        self._living, self._now_s = living, now_s
        self._stop_it = threading.Event()

    def run(self) -> None:
        while not self._stop_it.wait(EVERY_SECONDS):
            for one in self._living():
                try:
                    process = psutil.Process(one.pid)
                    rss, born = process.memory_info().rss, process.create_time()
                except psutil.NoSuchProcess:
                    continue  # it was killed between the two looks
                self.samples.append(
                    Sample(
                        at_s=self._now_s(), role=one.role, pid=one.pid, spared=one.spared, age_s=time.time() - born, mib=rss / MIB
                    )
                )

    def end(self) -> list[Sample]:
        self._stop_it.set()
        self.join()
        return self.samples


@dataclass(frozen=True, kw_only=True)
class Row:
    role: str
    spared: bool
    processes: int
    quarters: tuple[float | None, float | None, float | None, float | None]  # medians, MiB

    @property
    def growth(self) -> float | None:
        """Last quarter over second."""
        second, last = self.quarters[1], self.quarters[3]
        return last / second if second and last else None


def table(samples: Sequence[Sample], length_s: float) -> list[Row]:
    """Per role: the processes that no fault was aimed at, and apart from them those that were killed and started anew."""
    groups: dict[tuple[str, bool], list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.age_s >= (DECODER_WARM_SECONDS if sample.role.startswith("decoder") else WARM_SECONDS):
            groups[sample.role, sample.spared].append(sample)
    rows = []
    for (role, spared), mine in sorted(groups.items()):
        quarters = tuple(
            median(found) if (found := [s.mib for s in mine if n <= 4 * s.at_s / length_s < n + 1]) else None for n in range(4)
        )
        rows.append(Row(role=role, spared=spared, processes=len({s.pid for s in mine}), quarters=quarters))  # type: ignore[arg-type]
    return rows


WIDTH, HEIGHT, LEFT, TOP, RIGHT = 680, 300, 48, 34, 200
COLOURS = ("#2a6fdb", "#d9822b", "#2f9e5b", "#a34fc4", "#c23b3b", "#0f8f8f", "#7a6a3a", "#555555")


def plot(samples: Sequence[Sample], marks: Sequence[tuple[float, str]], length_s: float, title: str) -> str:
    """SVG: a line per role, of the processes that no fault was aimed at. `marks`: (second, kind of fault)."""
    spared = [s for s in samples if s.spared]
    roles = sorted({s.role for s in spared})
    top = 20 * (int(max((s.mib for s in spared), default=1) / 20) + 1)

    def at(second: float, mib: float) -> str:
        return f"{LEFT + WIDTH * second / length_s:.1f},{TOP + HEIGHT * (1 - mib / top):.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {TOP + HEIGHT + 56}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="13" font-weight="600">{escape(title)}</text>',
        *_frame(top, length_s),
        *_marks(marks, length_s),
    ]
    for n, role in enumerate(roles):
        bins: dict[int, list[float]] = defaultdict(list)
        for sample in spared:
            if sample.role == role:
                bins[int(sample.at_s // 10)].append(sample.mib)
        line = " ".join(at(10 * b + 5, median(values)) for b, values in sorted(bins.items()))
        colour, y = COLOURS[n % len(COLOURS)], TOP + 12 + 18 * n
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        out.append(f'<rect x="{LEFT + WIDTH + 14}" y="{y - 8}" width="12" height="4" fill="{colour}"/>')
        out.append(f'<text x="{LEFT + WIDTH + 32}" y="{y - 2}">{escape(role)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _frame(top: int, length_s: float) -> list[str]:
    out = [f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999999"/>']
    for quarter in (1, 3):  # the second and the last are compared
        x = LEFT + WIDTH * quarter / 4
        out.append(f'<rect x="{x}" y="{TOP}" width="{WIDTH / 4}" height="{HEIGHT}" fill="#000000" fill-opacity=".05"/>')
    for n in range(5):
        y, x = TOP + HEIGHT * (1 - n / 4), LEFT + WIDTH * n / 4
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{top * n / 4:.0f}</text>')
        out.append(f'<text x="{x:.0f}" y="{TOP + HEIGHT + 26}" text-anchor="middle">{length_s * n / 240:.0f}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 44}" text-anchor="middle">minutes</text>')
    out.append(
        f'<text x="12" y="{TOP + HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 12 {TOP + HEIGHT / 2})">MiB</text>'
    )
    return out


def _marks(marks: Sequence[tuple[float, str]], length_s: float) -> list[str]:
    """Below the frame: when something was killed, stopped or restarted."""
    heights = {"ledger": 12, "broker": 8}
    out = []
    for second, kind in marks:
        x, height = LEFT + WIDTH * second / length_s, heights.get(kind, 4)
        colour = {"ledger": "#c23b3b", "broker": "#d9822b"}.get(kind, "#888888")
        out.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP + HEIGHT + 1}" y2="{TOP + HEIGHT + 1 + height}" stroke="{colour}"/>'
        )
    return out
