"""How the words and numbers of the ledger are shown to a person. English here; chinese.py has the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tagger.alttext.rules import RULES
from tagger.instants import format_instant
from tagger.judge.gate import REASONS

LABELS: Mapping[str, Mapping[str, str]] = {
    "job": {
        "accepted": "waiting",
        "running": "being described",
        "described": "described, being delivered",
        "done": "done",
        "dead": "failed",
        "superseded": "replaced by a newer job",
        "cancelled": "cancelled",
    },
    "delivery": {
        "pending": "waiting to be sent",
        "sending": "being sent",
        "delivered": "delivered",
        "parked": "waits for the CMS",
        "superseded": "replaced by a newer message",
        "dead": "failed",
        "discarded": "discarded",
    },
    "attempt": {
        "delivered": "the CMS took it",
        "retry": "failed; it will be tried again",
        "park": "the CMS could not be reached",
        "disable": "the CMS refuses all messages",
        "gone": "the image is gone",
        "reject": "the CMS refused it for good",
    },
    "verdict": {"publish": "publish", "review": "a person decides", "suppress": "nothing is written"},
    "outcome": {
        "written": "written",
        "unchanged": "stood there already",
        "kept": "a person's text stayed",
        "rejected": "refused by the CMS",
        "gone": "the image is gone",
        "unverified": "sent; the CMS did not say what it did",
    },
    "field": {"alt_text": "Alt text", "caption": "Caption", "title": "Title", "tags": "Tags"},
    "source": {"model": "a model", "context": "words of the CMS", "rule": "a rule", "person": "a person"},
    "letter": {"job": "Describing failed", "delivery": "Delivering failed"},
    "kind": {
        "photograph": "photograph",
        "illustration": "illustration",
        "icon": "icon",
        "chart": "chart",
        "screenshot": "screenshot",
        "document": "document",
        "medical": "medical image",
        "map": "map",
    },
    "backfill": {"running": "running", "paused": "paused", "done": "done", "cancelled": "cancelled"},
    "count": {
        "described": "described",
        "written": "written",
        "reverted": "put back",
        "kept": "a person's text stayed",
        "unchanged": "stood there already",
        "unverified": "sent; the CMS did not say what it did",
        "rejected": "refused by the CMS",
        "gone": "the image is gone",
        "review": "a person decides",
        "nothing": "nothing to say",
        "dead": "failed",
        "cancelled": "cancelled",
        "replaced": "replaced by a newer job",
    },
    "reason": REASONS,
}


RULES_WHY: Mapping[str, str] = {rule.id: rule.why for rule in RULES}  # in English alone


def instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine_instant(ms: int) -> str:
    return format_instant(ms)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
