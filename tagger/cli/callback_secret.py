"""The callback secret of a command. It is no argument: every user of the machine can read the arguments of a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from tagger.cli import console
from tagger.errors import BadRequest
from tagger.net.signing import key_of

VARIABLE: Final = "TAGGER_CALLBACK_SECRET"
HELP = f"File with the callback secret of the site (whsec_…); otherwise the variable {VARIABLE} has it."

SecretFile = Annotated[Path | None, typer.Option(**console.PATH, help=HELP)]


def callback_secret(file: Path | None) -> str:
    """Errors: BadRequest if there is none, or if it is not a secret."""
    try:
        secret = os.environ.get(VARIABLE, "") if file is None else file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it holds more than ASCII"
        raise BadRequest(f"{file}: {reason}.", "Name a file with the secret that you may read.") from None
    if not secret.strip():
        where = f"The variable {VARIABLE} is not set" if file is None else f"{file} is empty"
        raise BadRequest(f"{where}.", f"Name a file with --secret-file, or set {VARIABLE}.")
    key_of(secret.strip())
    return secret.strip()
