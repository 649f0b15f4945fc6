"""Confirmation: whether an endpoint's answers show that it knows the protocol and the assets.

A wrong path answers 404 to everything, or 200 with a page of its own. Each such delivery ends well by its status, so neither
the circuit nor a dead letter tells of it. The row of such answers is counted per endpoint; one answer that confirms ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.delivery import AttemptReport, FieldOutcome

ROW = 5  # answers in a row that confirm nothing, at which the operator is told
AGAIN = 10  # told again when the row is that many times as long
UNANSWERED = frozenset({"not_answered", "unknown_outcome"})  # reasons of ours


def confirms(fields: Mapping[str, Any], report: AttemptReport) -> bool | None:
    """Whether the answer to a message with these `fields` shows that it arrived at the right place. None: it says neither.

    A 404, `gone` and a 2xx that answers none of the fields may be right for one asset; that all assets get them is not. A 2xx
    without a body is a legal answer (docs/api.md).
    """
    if report.result == "gone":
        return False
    if report.result != "delivered" or not fields:
        return None
    if report.outcomes:
        return any(answered(outcome) for outcome in report.outcomes)
    return report.error is None


def answered(outcome: FieldOutcome) -> bool:
    """Whether the receiver itself said what became of the field."""
    return outcome.outcome != "unverified" or outcome.reason not in UNANSWERED


def tells(row: int) -> bool:
    """Whether the operator is told at this length: 5, 50, 500 …"""
    while row > ROW and row % AGAIN == 0:
        row //= AGAIN
    return row == ROW
