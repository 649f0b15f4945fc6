"""Where the embedded broker of a home listens."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

MAX_SOCKET_PATH = 100  # bytes; Linux ends at 107, macOS at 103


def broker_socket(home: Path) -> Path:
    """Where the embedded broker of `home` listens: there, or in a private folder of ours where that path is too long."""
    socket = home / "broker.sock"
    if len(os.fsencode(socket)) < MAX_SOCKET_PATH:
        return socket
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    socket = Path(tempfile.gettempdir()) / f"tagger-{os.getuid()}-{name}" / "broker.sock"
    return socket if len(os.fsencode(socket)) < MAX_SOCKET_PATH else Path("/tmp", *socket.parts[-2:])  # noqa: S108 - short


def broker_socket_url(home: Path) -> str:
    """The URL of that socket for kombu, which takes `?`, `#`, `;` and `%` of a bare path for parts of a URL."""
    return f"redis+socket://{quote(str(broker_socket(home)))}"
