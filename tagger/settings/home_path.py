"""Whether a folder can be the home: every part of the stack must be able to use its path."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from tagger.errors import SettingsError

UNUSABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories: control, surrogate (a byte that is not UTF-8), line breaks
MAX_NAME = 255  # bytes; of a file or folder, on every common file system
MAX_HOME_PATH = 400  # bytes; SQLite opens no file whose path is longer than 512


def usable_home(home: Path) -> Path:
    """The absolute path of the home. Errors: SettingsError for one that a part of the stack could not use, before any starts."""
    problem = _fault_of(str(home))
    if not problem:
        try:
            resolved = home.expanduser().resolve()
            if not (problem := _fault_of(str(resolved))):
                return resolved
        except (OSError, RuntimeError) as err:
            problem = f"cannot be used: {err}"
    raise SettingsError(f"The home {ascii(str(home))[:200]} {problem}.", "Choose another folder with --home or TAGGER_HOME.")


def _fault_of(path: str) -> str:
    if any(unicodedata.category(sign) in UNUSABLE for sign in path):  # the ledger's URL and log lines hold the path
        return "has a control character, or a byte that is not UTF-8, in its path"
    if path != path.strip():  # an environment variable or a file of settings may lose it on the way to a worker
        return "begins or ends with a blank"
    if len(os.fsencode(path)) > MAX_HOME_PATH:
        return f"has a path of {len(os.fsencode(path))} bytes, and at most {MAX_HOME_PATH} can be used"
    if any(len(os.fsencode(part)) > MAX_NAME for part in Path(path).parts):
        return f"has a name in its path that is too long: at most {MAX_NAME} bytes can be used"
    return ""
