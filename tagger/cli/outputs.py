"""Files that a command writes. An existing file is not overwritten without --force."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import console
from tagger.errors import BadRequest
from tagger.system import whole_file

Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


def check_free(out: Path, force: bool) -> None:
    """Errors: BadRequest if `out` exists and `force` is not given."""
    if not force and os.path.exists(out):
        raise BadRequest(f"{out} already exists.", "Name another file, or overwrite this one with --force.")


@dataclass(kw_only=True)
class Output:
    """A file that a command writes after long work, perhaps several times.

    If another program wrote or changed that file in the meantime, the file stays. The content then goes to a free name beside it,
    and `place` becomes that name.
    """

    place: Path
    over: bool = False  # an existing file may be overwritten, once
    ours: str | None = None  # SHA-256 of the content that this object wrote, which may be replaced

    def write(self, content: bytes) -> None:
        """Errors: BadRequest."""
        try:
            if self.over or (self.ours is not None and whole_file.digest(self.place) == self.ours):
                whole_file.replace(self.place, content)
            else:
                self._create(content)
        except OSError as err:
            raise BadRequest(
                f"{self.place} cannot be written: {err.strerror}.", "Name a file in a folder that you may write to."
            ) from err
        self.over, self.ours = False, hashlib.sha256(content).hexdigest()

    def _create(self, content: bytes) -> None:
        wanted = self.place
        names = (wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}") for number in count(2))
        for place in chain([wanted], names):
            try:
                whole_file.create(place, content)
            except FileExistsError:
                continue
            self.place = place
            break
        if self.place != wanted:
            console.err.print(
                f"{wanted} was written by another program during the run; it was not changed. The result is in {self.place}.",
                style="yellow",
                markup=False,
            )
