"""`tagger models pull | list | check | convert`: the weights of the large models. The lite weights are part of tagger."""

from __future__ import annotations

import importlib.util
import subprocess
from json import loads
from typing import Annotated, Any

import typer

from tagger.cli import console
from tagger.errors import SettingsError, WeightsNotFetched
from tagger.settings import Settings, child_env
from tagger.system.children import start_child
from tagger.system.interpreter import module

app = typer.Typer(help="Manage the weights of the large models.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="ofa-caption, ofa-entailment or gme. Without names: all.")]
COLUMNS = ("name", "status", "size", "repository", "revision", "about")


@app.command("pull")
def pull(
    names: Names = None,
    revision: Annotated[str | None, typer.Option(help="Tag or branch on ModelScope, instead of tagger's default.")] = None,
    json: console.Json = False,
) -> None:
    """Download weights into the model directory.

    They come from `model_mirror` if it is set, else from ModelScope. Files that are complete are not downloaded again.

    Example:  tagger models pull ofa-caption
    """
    _run("pull", names, json, *([] if revision is None else ["--revision", revision]))


@app.command("list")
def list_models(json: console.Json = False) -> None:
    """List the weights that tagger can use, and which are downloaded.

    Example:  tagger models list --json
    """
    _run("list", None, json)


@app.command("check")
def check(names: Names = None, json: console.Json = False) -> None:
    """Check the downloaded weights: checksums, keys and shapes.

    Example:  tagger models check
    """
    _run("check", names, json)


@app.command("convert")
def convert(names: Names = None, json: console.Json = False) -> None:
    """Convert `pytorch_model.bin` to `model.safetensors`.

    The new file loads faster, and it cannot hold code. The old file stays.

    Example:  tagger models convert
    """
    _run("convert", names, json)


def check_chosen(settings: Settings) -> list[str]:
    """The large models that `settings` name, after a check that they can be loaded. `auto` uses the models that are present.

    Errors: SettingsError without torch; WeightsNotFetched if weights are missing or broken.
    """
    chosen = [("caption", settings.caption, "ofa", "ofa-caption"), ("embed", settings.embed, "gme", "gme"),
              ("check", settings.check, "ofa-entailment", "ofa-entailment")]  # fmt: skip
    names = [weights for _, value, wanted, weights in chosen if value == wanted]
    if not names:
        return []
    if importlib.util.find_spec("torch") is None:
        raise SettingsError(f"torch is not installed; {', '.join(names)} needs it.", "Install torch, or choose the model `lite`.")
    if settings.model_pull:
        return names  # a worker downloads missing weights
    rows, _ = asked("list", names, settings)
    for row in rows:
        if "error" in row or not str(row["status"]).startswith("there"):
            why = row["error"]["detail"] if "error" in row else f"The weights of {row['name']} are {row['status']}."
            raise WeightsNotFetched(why, f"Run `tagger models pull {row['name']}`.")
    return names


def asked(verb: str, names: list[str] | None, settings: Settings, *more: str) -> tuple[list[dict[str, Any]], int]:
    """Rows and exit status. A process of the workers does the work, because this process has no torch."""
    argv = module("workers.models.weights", verb, *(names or []), *more)
    with start_child(argv, env=child_env(settings), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        rows = [loads(line) for line in process.stdout if line.startswith(b"{")]
    return rows, process.returncode


def _run(verb: str, names: list[str] | None, json: bool, *more: str) -> None:
    """The exit status is 1 if a row has an error."""
    rows, status = asked(verb, names, console.settings(), *more)
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        good = [_told(row) for row in rows if "error" not in row]
        console.print_table(good, COLUMNS, "No weights are here.", drop=["revision"], prose="about")
        for row in rows:
            if "error" in row:
                error = row["error"]
                console.err.print(f"{row['name']}: {error['title']} ({error['code']})", style="bold red", markup=False)
                console.err.print(f"  {error['detail']}\n  {error['remedy']}", markup=False)
    if status:
        raise typer.Exit(1)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    size = row["bytes"]
    return {**row, "size": None if size is None else f"{size / 1e6:,.0f} MB"}
