"""A reliability diagram as SVG: of the scores near 0.7, how many were right? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tagger.evaluation.metrics import Calibration

SIDE, LEFT, TOP = 240, 46, 34
COLOURS = ("#2a6fdb", "#d9822b", "#2f9e5b", "#a34fc4")


def diagram(curves: Sequence[tuple[str, Calibration]], *, title: str = "Reliability") -> str:
    """One curve per (name, calibration). A dot's area grows with its count; the dashed diagonal is perfect calibration."""
    height = TOP + SIDE + 44 + 18 * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + SIDE + 24} {height}" width="{LEFT + SIDE + 24}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="18" font-size="13" font-weight="600">{escape(title)}</text>',
        *_axes(),
    ]
    for n, (name, calibration) in enumerate(curves):
        parts += _curve(name, calibration, COLOURS[n % len(COLOURS)], TOP + SIDE + 52 + 18 * n)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _at(score: float, share: float) -> tuple[float, float]:
    return LEFT + SIDE * score, TOP + SIDE * (1 - share)


def _axes() -> list[str]:
    out = [f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="currentColor" stroke-opacity=".4"/>']
    for i in range(0, 11, 2):
        x, y = _at(i / 10, i / 10)
        out.append(f'<text x="{x:.0f}" y="{TOP + SIDE + 14}" text-anchor="middle">{i / 10:.1f}</text>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{i / 10:.1f}</text>')
    (x0, y0), (x1, y1) = _at(0, 0), _at(1, 1)
    dashed = 'stroke="currentColor" stroke-opacity=".5" stroke-dasharray="4 4"'
    out.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {dashed}/>')
    middle = TOP + SIDE / 2
    out.append(f'<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 30}" text-anchor="middle">score</text>')
    out.append(f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">share that was right</text>')
    return out


def _curve(name: str, calibration: Calibration, colour: str, legend_y: int) -> list[str]:
    most = max((bar.count for bar in calibration.bins), default=1)
    points = [(*_at(bar.mean_score, bar.share_true), bar) for bar in calibration.bins]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    error = "no pairs" if calibration.error is None else f"error {calibration.error:.3f}"
    out = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for x, y, bar in points:
        said = f"{bar.count} with a mean score of {bar.mean_score:.2f}: {bar.share_true:.0%} right"
        radius = 2.5 + 5 * (bar.count / most) ** 0.5
        dot = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity=".75"'
        out.append(f"<circle {dot}><title>{said}</title></circle>")
    out.append(f'<circle cx="{LEFT + 5}" cy="{legend_y - 4}" r="4" fill="{colour}"/>')
    out.append(f'<text x="{LEFT + 15}" y="{legend_y}">{escape(name)}: {error}</text>')
    return out
