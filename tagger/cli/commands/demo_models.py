"""The models of `tagger demo`: the small ones, or the distilled OFA, whose weights are downloaded first."""

from __future__ import annotations

import importlib.util

from tagger.cli import console
from tagger.cli.commands.models import asked
from tagger.demo import hub
from tagger.settings import Settings

WEIGHTS = ["ofa-caption", "ofa-entailment"]


def with_ofa(settings: Settings) -> Settings:
    """The settings with OFA's captions and its check. If these cannot be had, the reason is printed, and the settings stay."""
    complaint = _prepared(settings)
    if complaint is None:
        return settings.model_copy(update={"caption": "ofa", "check": "ofa-entailment"})
    console.out.print(f"{complaint}\nThe demo goes on with the small models.\n")
    return settings


def _prepared(settings: Settings) -> str | None:
    """None: weights and torch are there. Else a sentence that says what is missing."""
    rows, _ = asked("list", WEIGHTS, settings)
    absent = [row["name"] for row in rows if not str(row.get("status", "")).startswith("there")]
    source = settings.model_mirror or hub.address()
    if absent and settings.model_mirror is None and (why := hub.unreachable(str(source), hub.SECONDS)) is not None:
        return why
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed. `make demo MODELS=ofa` installs it; else install tagger with its `gpu` extra."
    if not absent:
        return None
    console.out.print(f"Downloading {' and '.join(absent)}\n  from {source}\n  to {settings.models}")
    rows, _ = asked("pull", absent, settings)
    for row in rows:
        if "error" in row:
            return f"{row['error']['detail']} {row['error']['remedy']}"
        console.out.print(f"  {row['name']}: {row['bytes'] / 1e6:,.0f} MB, every file checked")
    return None if len(rows) == len(absent) else "The download ended early. The next demo goes on where it stopped."
