"""The folder of an embedded stack: whether it can be used, who runs on it, and which ports are free for it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import json
import os
import random
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal, get_args

from tagger.errors import Conflict, DiskFull, PortTaken, SettingsError

Phase = Literal["starting", "running", "draining"]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
LEAST_BYTES = 4 << 20
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


def check_room(home: Path) -> None:
    """Room for a ledger, a broker and their logs. Each of them would say of a full disk something else. Errors: DiskFull."""
    probe = home / ".room"
    try:
        if shutil.disk_usage(home).free < LEAST_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        probe.write_bytes(b"\0" * 65_536)  # a quota does not show in the disk's numbers
    except OSError as err:
        if err.errno not in NO_ROOM:
            raise
        raise DiskFull(f"The home {home} cannot be written: {err.strerror}.") from err
    finally:
        probe.unlink(missing_ok=True)


def taken(home: Path) -> Conflict:
    """What to say to a second `tagger up`."""
    if phase(home) == "draining":
        return Conflict(f"The tagger on {home} is still stopping.", "Wait until it has finished its work, then start again.")
    return Conflict(f"tagger already runs on {home}.", "Stop it first, or choose another --home.")


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
                raise taken(home) from err
            time.sleep(0.05)
        else:
            return lock


def write_state(home: Path, state: Mapping[str, object]) -> None:
    """`stack.json`: what `tagger status` and `doctor` read."""
    draft = home / "stack.tmp"
    draft.write_text(json.dumps(state), "utf-8")
    draft.replace(home / "stack.json")


def phase(home: Path) -> Phase | None:
    """What the stack of this home does; None where none runs."""
    if not _is_locked(home):
        return None
    told = (read_state(home) or {}).get("phase")
    return next((known for known in get_args(Phase) if known == told), "starting")


def read_state(home: Path) -> dict[str, object] | None:
    """The living stack of this home, or None."""
    if not _is_locked(home):
        return None
    try:
        state: dict[str, object] = json.loads((home / "stack.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None  # it is just starting
    return state


def _is_locked(home: Path) -> bool:
    """Whether a supervisor holds the lock: then `stack.json` speaks of a living stack."""
    try:
        with (home / "stack.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def free_port(host: str = "127.0.0.1") -> int:
    """A free port, of those that the kernel gives to no connection before it is used. Errors: PortTaken."""
    for port in random.sample(PORTS, TRIES):
        with contextlib.suppress(OSError), socket.create_server((host, port)):
            return port
    raise PortTaken(f"None of {TRIES} ports of {host} could be used.", "Choose a port with TAGGER_API_PORT.")


def check_port(host: str, port: int, remedy: str) -> None:
    """Errors: PortTaken, with the remedy; SettingsError for a host that has no address."""
    try:
        socket.getaddrinfo(host, port)
    except socket.gaierror as err:
        detail = f"{host!r} is no address of this machine: {err.strerror}."
        raise SettingsError(detail, "Use an IP address, or a name that resolves here.") from err
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
