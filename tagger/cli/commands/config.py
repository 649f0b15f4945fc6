"""`tagger config show | profiles`."""

from __future__ import annotations

import typer
from pydantic import SecretStr

from tagger.cli import console
from tagger.settings import ENV_PREFIX, Settings
from tagger.settings.limits import batch_warning
from tagger.telemetry.masking import mask_passwords

app = typer.Typer(help="Show settings and profiles.", no_args_is_help=True)


@app.command("show")
def show(json: console.Json = False) -> None:
    """Show every setting with its value; secrets are masked.

    Example:  tagger config show
    """
    chosen = console.settings()
    rows = [
        {
            "setting": name,
            "value": shown(value),
            "variable": ENV_PREFIX + name.upper(),
            "meaning": Settings.model_fields[name].description,
        }
        for name, value in chosen
    ]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        console.print_table(rows, ["setting", "variable", "value", "meaning"], "", drop=["variable"], prose="meaning")
    if too_large := batch_warning(chosen.threads, chosen.max_batch):
        console.err.print(f"Warning: {too_large}.")


def shown(value: object) -> str | None:
    """A value without secrets. A password inside a URL is masked too."""
    if value is None:
        return None
    return "***" if isinstance(value, SecretStr) else mask_passwords(str(value))


@app.command("profiles")
def profiles(json: console.Json = False) -> None:
    """List the profiles that a site or a job can use.

    Example:  tagger config profiles
    """
    rows = [{"name": p.name, "vocabulary": p.vocabulary, "instruction": p.instruction} for p in console.catalog().profiles]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        console.print_table(rows, ["name", "vocabulary", "instruction"], "", prose="instruction")
