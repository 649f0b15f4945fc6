"""What an operator should know of: one event, its words, and its message. Pure.

The message has the form and the signature of a callback, so that what verifies the one verifies the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tagger.instants import format_instant

OperatorEventType = Literal["endpoint.failing", "endpoint.disabled", "endpoint.unconfirmed", "delivery.exhausted"]
TYPES: tuple[OperatorEventType, ...] = get_args(OperatorEventType)

REMEDIES: Mapping[OperatorEventType, str] = {
    "endpoint.failing": "Run `tagger webhooks test --site {site}`. It prints the answer and what to do.",
    "endpoint.disabled": "Repair the endpoint, then run `tagger sites resume {site}`. It sends the parked deliveries.",
    "endpoint.unconfirmed": (
        "Run `tagger webhooks test --site {site}` and correct the endpoint's URL or its answers, then run "
        "`tagger deliveries replay --site {site} --unconfirmed --since {since}`."
    ),
    "delivery.exhausted": "Remove the cause, then run `tagger dead-letters replay {delivery}`.",
}


@dataclass(frozen=True, kw_only=True)
class OperatorEvent:
    id: str  # "evt_…"; the webhook-id of every attempt
    type: OperatorEventType
    at_ms: int
    data: Mapping[str, Any]
    attempts: int = 0  # of its webhook, failed
    told: bool = False  # it is in the log and in the metrics


def data_of(
    kind: OperatorEventType, *, site: str, endpoint: str | None, status: int | None, error: Mapping[str, Any] | None, **more: Any
) -> dict[str, Any]:
    """The `data` of an event. `status` and `error` are those of the last attempt; they hold no word of a peer."""
    cause = error or {}
    data = {
        "site": site,
        "endpoint": endpoint,
        **more,
        "status": status,
        "code": cause.get("code"),
        "detail": cause.get("detail"),
    }
    return {**data, "remedy": REMEDIES[kind].format(**data)}


def body(event: OperatorEvent) -> bytes:
    message = {"type": event.type, "timestamp": format_instant(event.at_ms), "data": dict(event.data)}
    return json.dumps(message, separators=(",", ":")).encode()
