"""Circuit: the memory that an endpoint is away, so that deliveries wait parked instead of spending their attempts.

closed → (failures) → open → (pause) → half_open, one delivery probes → closed, or open again with a longer pause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

CircuitState = Literal["closed", "open", "half_open"]

OPENS_AFTER = 5  # consecutive unreachable failures
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 600_000
RETRY_CLOSED_MS = 2_000  # wait of a delivery that found the endpoint away before the circuit opened, per failure


@dataclass(frozen=True, kw_only=True)
class Circuit:
    state: CircuitState = "closed"
    failures: int = 0  # consecutive
    pause_ms: int = FIRST_PAUSE_MS  # before the next probe
    probe_ms: int = 0  # when the next probe may go
    probe_id: str | None = None  # the delivery that probes


def unreachable(circuit: Circuit, delivery_id: str, now_ms: int) -> Circuit:
    """A delivery could not reach the endpoint. Only the probe itself lengthens the pause."""
    failures = circuit.failures + 1
    if circuit.state == "closed":
        if failures < OPENS_AFTER:
            return replace(circuit, failures=failures)
        return Circuit(state="open", failures=failures, probe_ms=now_ms + FIRST_PAUSE_MS)
    if circuit.state == "half_open" and circuit.probe_id == delivery_id:
        return reopened(circuit, now_ms)
    return replace(circuit, failures=failures)


def reopened(circuit: Circuit, now_ms: int) -> Circuit:
    """The probe failed, or its process died."""
    pause = min(circuit.pause_ms * 2, LONGEST_PAUSE_MS)
    return Circuit(state="open", failures=circuit.failures + 1, pause_ms=pause, probe_ms=now_ms + pause)


def probing(circuit: Circuit, delivery_id: str) -> Circuit:
    """The one delivery that may go while the circuit is half open."""
    return replace(circuit, state="half_open", probe_id=delivery_id)


def unproven(circuit: Circuit) -> Circuit:
    """The probe was called back before it was sent: another may go at once."""
    return replace(circuit, state="open", probe_id=None)
