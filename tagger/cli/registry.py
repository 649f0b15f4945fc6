"""The commands and where each one is. A module is imported when its command is asked for: all of them take two seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

PLACES = {  # in the order of `tagger --help`
    "demo": "demo.demo",
    "describe": "describe.describe",
    "check": "check.check",
    "evaluate": "evaluate.evaluate",
    "up": "processes.up",
    "api": "processes.api",
    "worker": "processes.worker",
    "flower": "processes.flower",
    "migrate": "processes.migrate",
    "status": "status.status",
    "doctor": "doctor.doctor",
    "purge": "retention.purge",
    "backup": "retention.backup",
    "sites": "sites.app",
    "webhooks": "webhooks.app",
    "conformance": "conformance.conformance",
    "keys": "keys.app",
    "jobs": "jobs.app",
    "deliveries": "deliveries.app",
    "dead-letters": "dead_letters.app",
    "backfill": "backfill.app",
    "models": "models.app",
    "vocabulary": "vocabulary.app",
    "config": "config.app",
}


class Commands(Mapping[str, Any]):
    """Name → command or group of commands."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            module, _, attribute = PLACES[name].partition(".")
            self._found[name] = _made(name, getattr(import_module(f"tagger.cli.commands.{module}"), attribute))
        return self._found[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Not the inherited one, which would take a KeyError inside a module for a command that there is not."""
        return self[name] if name in PLACES else default

    def __contains__(self, name: object) -> bool:
        return name in PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


def _made(name: str, found: Any) -> Any:
    """As Typer makes it of a function, or of an app with functions."""
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return typer.main.get_group(holder).commands[name]


class Root(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        assert not settings["commands"], "their place is in PLACES"
        super().__init__(**{**settings, "commands": Commands()})
