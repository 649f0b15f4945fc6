"""A whole stack with fake models behind a real socket, two sites with keys, a receiver of callbacks, and a web of pictures."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import requests
import structlog
from faults.receiver import Receiver

from acceptance.pictures import Pictures
from tagger.cli.main import main
from tagger.delivery import Endpoint
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.settings import Settings, child_env, load
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack

ROOT = Path(__file__).parent.parent.parent
TAGGER = [sys.executable, "-m", "tagger"]
KEYS = {"site": "key-of-site", "other": "key-of-other", "operator": "key-of-the-operator"}
ENDED = frozenset({"done", "dead", "superseded", "cancelled"})
FAKE: Mapping[str, Any] = {"caption": "fake", "embed": "fake", "threads": 8, "max_batch": 4, "decode_processes": 1}


def until(look: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true answer of `look`, before the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.03)
    return found


def clean_env(**more: str) -> dict[str, str]:
    """This environment without settings of tagger."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("TAGGER_")}, **more}


def tagger(*args: str, home: Path, seconds: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """The command `tagger`, in a home of its own."""
    env = clean_env(TAGGER_HOME=str(home), NO_COLOR="1", COLUMNS="160", **more)
    return subprocess.run([*TAGGER, *args], env=env, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


def called(*args: str, home: Path | str, **more: str) -> subprocess.CompletedProcess[str]:
    """The same within this process: without the second or two in which a new one imports what it needs."""
    return _called(args, clean_env(TAGGER_HOME=str(home), NO_COLOR="1", COLUMNS="160", **more))


def _called(args: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    said, complained, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.dict(os.environ, env, clear=True), patch.object(sys, "argv", ["tagger", *args]),
        redirect_stdout(said), redirect_stderr(complained),
    ):  # fmt: skip
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(["tagger", *args], code, said.getvalue(), complained.getvalue())


def told(*args: str, home: Path, **more: str) -> Any:
    """What `tagger … --json` says; it must succeed."""
    done = called(*args, "--json", home=home, **more)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[str]:
    """Those that still run, in words."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())[-80:]}")
        except psutil.NoSuchProcess:
            continue
    return found


class House:
    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        (home / "fake.json").write_text('{"a_ms": 5, "b_ms": 2}')
        own = {"model_dir": home, "api_port": 0, "admin_key": KEYS["operator"], "max_body_bytes": 1 << 20, "log_level": "warning"}
        wanted: Settings = load({}, home=home, **FAKE, **own)
        # The stack runs in this process and logs from its threads. On standard output its lines came among what a command says.
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        self.stack = Stack(wanted, ProcessPlan(upload=1, backfill=1))
        self.pictures, self.receiver = Pictures(), Receiver()
        self.http = requests.Session()
        self.stack.start()
        self.settings = self.stack.settings
        self.ledger: Ledger = open_ledger(self.settings.ledger)
        for name in ("site", "other"):
            self.ledger.put_site(
                Site(id=name, name=name, allowed_hosts=(self.pictures.host,), hook_secrets=(self.receiver.secret,))
            )
            self.ledger.add_key(name, "acceptance", hash_key(KEYS[name]))
        self.ledger.put_endpoint(
            Endpoint(id="end_1", site_id="site", url=self.receiver.url, secrets=(self.receiver.secret,), allow_private=True)
        )
        assert self.stack.wait_ready(90) == []

    def call(
        self, method: str, path: str, *, key: str | None = "site", headers: Mapping[str, str] = {}, **options: Any
    ) -> requests.Response:
        bearer = {} if key is None else {"Authorization": f"Bearer {KEYS.get(key, key)}"}
        return self.http.request(method, self.stack.api_url + path, headers={**bearer, **headers}, timeout=60, **options)

    def job(self, job_id: str, key: str = "site") -> dict[str, Any]:
        answer = self.call("GET", f"/v1/jobs/{job_id}", key=key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        until(lambda: self.job(job_id)["status"] in ENDED, f"{job_id} ends")
        return self.job(job_id)

    def post(self, asset: str, url: str, **fields: Any) -> requests.Response:
        return self.call("POST", "/v1/jobs", json={"asset": {"id": asset, "image": {"url": url}}, **fields})

    def posted(self, asset: str, url: str, **fields: Any) -> str:
        answer = self.post(asset, url, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def tagger(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return _called(args, {**child_env(self.settings), "NO_COLOR": "1", "COLUMNS": "160", **more})

    def told(self, *args: str) -> Any:
        done = self.tagger(*args, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def close(self) -> None:
        self.http.close()
        self.ledger.close()
        self.stack.stop()
        self.receiver.close()
        self.pictures.close()


class Running:
    """A command of tagger that goes on running; ended with the block, and whatever it started with it."""

    def __init__(self, *args: str, home: Path, log: Path, **more: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*TAGGER, *args], env=clean_env(TAGGER_HOME=str(home), COLUMNS="200", PYTHONUNBUFFERED="1", **more),
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def until_it_says(self, words: str, seconds: float = 90) -> str:
        until(
            lambda: words in self.said() or self.process.poll() is not None, f"it says {words!r}: {self.said()[-2000:]}", seconds
        )
        assert words in self.said(), f"ended with {self.process.returncode}: {self.said()[-3000:]}"
        return self.said()

    def interrupt(self, seconds: float = 60) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            mine = family(self.process.pid)
            self.process.kill()
            for process in mine:
                if process.is_running():
                    process.kill()
        self.process.wait()
