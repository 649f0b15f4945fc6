"""The folder of an embedded stack: whether it can be used, who runs on it, and which ports are free for it."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import random
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tagger.errors import Conflict, PortTaken, SettingsError

LOCK_SECONDS = 1.0  # `read_state` holds the lock for an instant
PORTS = range(20_000, 32_768)  # below the ephemeral ports of Linux (32768) and macOS (49152)
TRIES = 50


def make_home(home: Path) -> None:
    """Errors: SettingsError when there can be no such folder, or nothing can be written into it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(13, "it is not writable")
    except OSError as err:
        raise SettingsError(
            f"The home {home} cannot be used: {err.strerror}.", "Choose a folder that you may write to, with --home."
        ) from err


def lock_home(home: Path) -> IO[str]:
    """Held while a stack runs on this home; the kernel lets go of it, however the supervisor ends. Errors: Conflict."""
    lock = (home / "stack.lock").open("a")
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            if time.monotonic() > deadline:
                lock.close()
                raise Conflict(f"tagger already runs on {home}.", "Stop it first, or choose another --home.") from err
            time.sleep(0.05)
        else:
            return lock


def write_state(home: Path, state: Mapping[str, object]) -> None:
    """`stack.json`: what `tagger status` and `doctor` read."""
    draft = home / "stack.tmp"
    draft.write_text(json.dumps(state), "utf-8")
    draft.replace(home / "stack.json")


def read_state(home: Path) -> dict[str, object] | None:
    """The running stack of this home, or None."""
    try:
        with (home / "stack.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # somebody holds it, so `stack.json` speaks of a living stack
    except OSError:
        return None
    else:
        return None
    try:
        state: dict[str, object] = json.loads((home / "stack.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None  # it is just starting
    return state


def free_port(host: str = "127.0.0.1") -> int:
    """A free port, of those that the kernel gives to no connection before it is used. Errors: PortTaken."""
    for port in random.sample(PORTS, TRIES):
        with contextlib.suppress(OSError), socket.create_server((host, port)):
            return port
    raise PortTaken(f"None of {TRIES} ports of {host} could be used.", "Choose a port with TAGGER_API_PORT.")


def check_port(host: str, port: int, remedy: str) -> None:
    """Errors: PortTaken, with the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as err:
        raise PortTaken(f"Port {port} of {host} cannot be used: {err.strerror}.", remedy) from err


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name is resolved by others, so it counts as no address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listens(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def local_url(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to reach it
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
