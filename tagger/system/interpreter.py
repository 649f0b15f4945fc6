"""The commands that start this program's own Python modules.

`python -m NAME` and `python -c CODE` look for modules in the current folder first, and that folder may hold files of somebody
else: a `json.py` among downloaded pictures would run. The flag -P leaves that folder out.
"""

from __future__ import annotations

import sys


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", name, *arguments]


def code(source: str, *arguments: str) -> list[str]:
    """Without site-packages and without variables of the environment: it starts in milliseconds."""
    return [sys.executable, "-P", "-S", "-E", "-c", source, *arguments]
