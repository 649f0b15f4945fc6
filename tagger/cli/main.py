"""The command `tagger`."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

import tagger
from tagger.cli import console
from tagger.cli.registry import Root
from tagger.errors import BadRequest, DiskFull, TaggerError
from tagger.telemetry.control_characters import escape_controls

app = typer.Typer(
    name="tagger",
    cls=Root,
    help="Write alt text, captions and tags for the images of a CMS. A text that a person wrote is never overwritten.",
    epilog="\b\nExamples:\n  tagger demo\n  tagger up\n  tagger describe ~/Pictures --out captions.csv",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG})  # of standard output; typer handles a closed pipe


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tagger {tagger.__version__}")
        raise typer.Exit


@app.callback()
def root(
    home: Annotated[
        Path | None,
        typer.Option(**console.PATH, help="Folder of ledger, broker, bytes and logs. Default: TAGGER_HOME, else ~/.tagger."),
    ] = None,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    console.HOME["home"] = home


def _tell_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback with escaped control characters, because its text may come from outside."""
    sys.stderr.write(escape_controls("".join(traceback.format_exception(kind, error, trace))))


def _replace_closed_streams() -> None:
    """Replace standard streams that are closed; a daemon or a cron job may start a command without them."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)  # a file uses the descriptor now, so it must not be closed
                descriptor = -1
            if descriptor >= 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends


def main() -> None:
    """Exit status 0: done · 1: an error, printed with its remedy · 2: wrong usage · 130: interrupted."""
    sys.excepthook = _tell_unexpected
    _replace_closed_streams()
    console.tolerate_encodings()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here a full disk can still be reported
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            console.complain(BadRequest(f"{error.filename}: {error.strerror}.", "Use a shorter name."))
            sys.exit(1)
        if error.errno in FULL and error.filename is not None:
            console.complain(DiskFull(f"{error.filename}: {error.strerror}."))
            sys.exit(1)
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the rest of the buffer cannot be written
        console.err.print(f"Standard output cannot be written: {error.strerror}.", style="bold red")
        sys.exit(1)
    except TaggerError as error:
        console.complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
