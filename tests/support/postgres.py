"""A throw-away PostgreSQL cluster for tests: own folder, own unix socket, no network, gone at the end.

At home a missing PostgreSQL skips, with a word; with CI=true it fails, because a skipped test would look like a passed one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDERS = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin", "/usr/local/bin", "/usr/bin")
CONFIG = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "'32MB'",
    "fsync": "on",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    bin: Path
    folder: Path  # holds `data` and the socket

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        command = [self.bin / "psql", "-X", "-q", "-At", "-h", self.folder, "-U", "postgres", "-d", database, "-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in CONFIG.items())
        self._ctl("start", "-o", f"{options} -c unix_socket_directories='{self.folder}'", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._ctl("stop", "-m", mode)

    def _ctl(self, verb: str, *rest: str) -> None:
        _as_user([self.bin / "pg_ctl", "-D", self.folder / "data", "-w", "-t", "30", verb, *rest])


def find_binaries() -> Path | None:
    return next((Path(folder) for folder in FOLDERS if os.access(Path(folder) / "initdb", os.X_OK)), None)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster. Skips where there is no PostgreSQL, unless CI=true."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed (Debian: postgresql-15): the ledger was not tested on it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="tpg", dir="/tmp"))  # short: a socket's path is limited to 107 bytes
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    it = Cluster(bin=binaries, folder=folder)
    try:
        _as_user([binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"])
        it.start()
        try:
            yield it
        finally:
            it.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(command: list[str | Path]) -> None:
    """PostgreSQL refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *words]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{words[-4:]}: {done.stdout}{done.stderr}")
