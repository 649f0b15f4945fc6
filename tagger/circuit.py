"""Circuit: the memory that an endpoint is away, so that deliveries wait parked instead of spending their attempts.

closed → (too many of the last minute's tries found nobody) → open → (pause) → half_open, one delivery probes → closed, or open
again with a longer pause. The minute is kept as counts per slot of five seconds: a share of all tries, not a row of failures,
so that neither one broken asset among many opens it, nor one lucky answer among many failures keeps it closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from tagger.delivery import AttemptReport

CircuitState = Literal["closed", "open", "half_open"]
Sign = Literal["good", "bad", "away"]

SLOT_MS = 5_000
SLOTS = 12  # the window is this slot and the eleven before it: 55 to 60 s
LEAST = 5  # tries that found nobody, before the circuit may open
SHARE = 0.5  # of all tries in the window that must have gone wrong
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 600_000
RETRY_CLOSED_MS = 2_000  # wait of a delivery that found nobody before the circuit opened, per such try in the window
FAILING_AFTER = 4  # failed attempts of one delivery, at which the operator is told if most tries go wrong
TELL_AGAIN_MS = 600_000  # an endpoint that comes and goes is told of at most this often

# What stands in front of a CMS says so when the CMS itself is away: a gateway, a load balancer, a content network (52x, 530).
GATEWAY = frozenset({502, 503, 504, *range(520, 528), 530})


class Slot(NamedTuple):
    number: int  # milliseconds since 1970 over SLOT_MS
    good: int
    bad: int
    away: int


@dataclass(frozen=True, kw_only=True)
class Circuit:
    state: CircuitState = "closed"
    window: tuple[Slot, ...] = ()  # oldest first; only slots in which something was tried
    pause_ms: int = FIRST_PAUSE_MS  # before the next probe
    probe_ms: int = 0  # when the next probe may go
    probe_id: str | None = None  # the delivery that probes


def sign_of(report: AttemptReport) -> Sign | None:
    """What an attempt says of the endpoint. None: an endpoint that asks for patience is neither well nor away."""
    if report.result == "park":
        return "away"
    if report.result != "retry":
        return "good"  # it answered, and meant it
    if report.retry_after_ms is not None:
        return None
    return "away" if report.status in GATEWAY else "bad"


def tried(circuit: Circuit, delivery_id: str, sign: Sign, now_ms: int) -> Circuit:
    """After one try. A good answer closes the circuit; of failures only the probe's own lengthens the pause."""
    if circuit.state == "closed":
        counted = replace(circuit, window=_counted(circuit.window, sign, now_ms))
        if sign == "away" and away(counted) >= LEAST and away(counted) >= SHARE * tries(counted):
            return Circuit(state="open", probe_ms=now_ms + FIRST_PAUSE_MS)
        return counted
    if sign == "good":
        return Circuit()
    if circuit.state == "half_open" and circuit.probe_id == delivery_id:
        return reopened(circuit, now_ms)
    return circuit


def reopened(circuit: Circuit, now_ms: int, least_ms: int = 0) -> Circuit:
    """The probe failed, or its process died. `least_ms`: a pause that the endpoint asked for itself."""
    pause = min(circuit.pause_ms * 2, LONGEST_PAUSE_MS)
    return Circuit(state="open", pause_ms=pause, probe_ms=now_ms + max(pause, least_ms))


def probing(circuit: Circuit, delivery_id: str) -> Circuit:
    """The one delivery that may go while the circuit is half open."""
    return replace(circuit, state="half_open", probe_id=delivery_id)


def unproven(circuit: Circuit) -> Circuit:
    """The probe was called back before it was sent: another may go at once."""
    return replace(circuit, state="open", probe_id=None)


def tries(circuit: Circuit) -> int:
    return sum(slot.good + slot.bad + slot.away for slot in circuit.window)


def away(circuit: Circuit) -> int:
    return sum(slot.away for slot in circuit.window)


def mostly_fails(circuit: Circuit) -> bool:
    """Whether at least half of the window's tries went wrong, in whatever way."""
    good = sum(slot.good for slot in circuit.window)
    return tries(circuit) > 0 and tries(circuit) - good >= SHARE * tries(circuit)


def _counted(window: tuple[Slot, ...], sign: Sign, now_ms: int) -> tuple[Slot, ...]:
    """Slots from before the window are let go, and those from the future too: the clock was set back."""
    number = now_ms // SLOT_MS
    recent = [slot for slot in window if number - SLOTS < slot.number <= number]
    last = recent.pop() if recent and recent[-1].number == number else Slot(number, 0, 0, 0)
    return (*recent, last._replace(**{sign: getattr(last, sign) + 1}))
