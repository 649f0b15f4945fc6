"""Files that a command writes: one that is there already is somebody's, and stays unless its owner says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagger.errors import BadRequest

Force = Annotated[bool, typer.Option("--force", help="Write over a file of that name that is there already.")]


def check_free(out: Path, force: bool) -> None:
    """Errors: BadRequest where `out` exists and `force` is not given."""
    if not force and out.exists():
        raise BadRequest(f"{out} exists already.", "Name another file, or write over this one with --force.")
