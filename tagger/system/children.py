"""The one way to start a child process: it is killed when this process ends, however this one ends.

Only this module starts processes (`tests/test_architecture.py`), so none can be forgotten.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tagger.system.parent_death import die_with_parent

Stream = int | IO[bytes] | IO[str] | None


def start_child(  # noqa: PLR0913 - the parameters of subprocess.Popen
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Call it in a thread that lives as long as the child should. `argv[0]` is an absolute path.

    `own_session`: signals to this process's group, such as Ctrl-C in a terminal, do not reach the child. Errors: OSError.
    """
    return subprocess.Popen(
        die_with_parent(argv),
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        start_new_session=own_session,
    )
