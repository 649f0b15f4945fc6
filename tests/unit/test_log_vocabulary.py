"""Log lines share one vocabulary: events are `noun.verb`, and ids have the keys job, worker, delivery, site and asset."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
OTHER_KEYS = {"job_id", "worker_id", "delivery_id", "site_id", "asset_id"}


@functools.cache
def calls() -> dict[str, ast.Call]:
    """By their places. Read when a test asks, not while tests are collected."""
    return dict(_calls())


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for package in ("tagger", "workers"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                    logger = node.func.value
                    if isinstance(logger, ast.Name) and logger.id.lower() == "log":
                        yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_events_are_named_noun_and_verb() -> None:
    events = {place: arg.value for place, call in calls().items() for arg in call.args if isinstance(arg, ast.Constant)}
    wrong = {
        place: event for place, event in events.items() if isinstance(event, str) and not re.fullmatch(r"[a-z_]+\.[a-z_]+", event)
    }
    assert len(events) > 50
    assert wrong == {}


def test_ids_have_one_key_each() -> None:
    assert [place for place, call in calls().items() if OTHER_KEYS & {keyword.arg for keyword in call.keywords}] == []
