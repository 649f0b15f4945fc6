"""The figures of one fault: one line for people, one JSON object for machines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SEED = int(os.environ.get("FAULTS_SEED", "1"))
LONG = os.environ.get("FAULTS_LONG") == "1"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one fault came to. `recovery_s`: seconds from the fault, one per job (or per fault) that it hit."""

    fault: str
    ledger: str
    accepted: int
    lost: int
    duplicates: int  # effective writes beyond one per accepted job
    recovery_s: Sequence[float] = ()
    seed: int = SEED
    more: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        words = [
            f"{self.fault:<4}{self.ledger:<9}accepted={self.accepted} lost={self.lost}",
            f"duplicate_effective_writes={self.duplicates}",
            *([f"recovery_p50={share(self.recovery_s, 0.5):.1f}s recovery_p99={share(self.recovery_s, 0.99):.1f}s"]
              if self.recovery_s else []),
            f"seed={self.seed}",
            *(f"{name}={value}" for name, value in self.more.items()),
        ]  # fmt: skip
        return " ".join(words)

    def as_json(self) -> str:
        return json.dumps(
            {
                "fault": self.fault, "ledger": self.ledger, "accepted": self.accepted, "lost": self.lost,
                "duplicate_effective_writes": self.duplicates, "seed": self.seed, "long": LONG,
                "recovery_p50_s": round(share(self.recovery_s, 0.5), 3) if self.recovery_s else None,
                "recovery_p99_s": round(share(self.recovery_s, 0.99), 3) if self.recovery_s else None,
                "recoveries": len(self.recovery_s), **self.more,
            }
        )  # fmt: skip


def share(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie: by nearest rank, so a p99 of few values is their maximum."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
