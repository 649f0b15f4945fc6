"""The commands and where each one is. A module is imported when its command runs: to import all of them takes two seconds.

So `tagger --help` reads the help of each command from the source of its module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

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
    "audit-log": "audit_log.app",
    "sites": "sites.app",
    "webhooks": "webhooks.app",
    "conformance": "conformance.conformance",
    "keys": "keys.app",
    "jobs": "jobs.app",
    "search": "search.search",
    "duplicates": "duplicates.duplicates",
    "trends": "trends.trends",
    "deliveries": "deliveries.app",
    "dead-letters": "dead_letters.app",
    "backfill": "backfill.app",
    "undo": "undo.undo",
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
        """Not the inherited method, which would read a KeyError inside a module as an unknown command."""
        return self[name] if name in PLACES else default

    def __contains__(self, name: object) -> bool:
        return name in PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


def _made(name: str, source: Any) -> Any:
    """The click command that Typer makes from a function or from an app."""
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(source, typer.Typer):
        holder.add_typer(source, name=name)
    else:
        holder.command(name)(source)
    return typer.main.get_group(holder).commands[name]


def help_of(place: str) -> str:
    """The help of a command, from its source: a function's docstring, or `help` of a `typer.Typer`."""
    module, _, wanted = place.partition(".")
    tree = ast.parse((Path(__file__).parent / "commands" / f"{module}.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == wanted:
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.targets[0]) == wanted:
            return next(str(ast.literal_eval(option.value)) for option in node.value.keywords if option.arg == "help")
    raise LookupError(place)


class Root(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as err:
            err.message = err.message.removeprefix("Value error, ")  # words of a library
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # ctx: of the inherited method
        """As the inherited one writes it, without an import of the commands."""
        limit = formatter.width - 6 - max(map(len, PLACES))
        lines = [(name, TyperCommand(name, help=help_of(place)).get_short_help_str(limit)) for name, place in PLACES.items()]
        with formatter.section("Commands"):
            formatter.write_dl(lines)

    def __init__(self, **settings: Any) -> None:
        assert not settings["commands"], "their place is in PLACES"
        super().__init__(**{**settings, "commands": Commands()})
