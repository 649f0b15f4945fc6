"""docker-compose.yml brought up for the tests, and a CMS beside it: what an operator does, as methods."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tagger.net import signing
from tagger.system.home import free_port

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tagger" / "demo" / "photos"
PROJECT = "tagger-compose-test"
FIRST, NEXT = "tagger:compose-test-1", "tagger:compose-test-2"
ROLES = ("api", "tag-upload", "tag-backfill", "tag-solo", "deliver", "reconcile", "flower")
PARTS = ("redis", "postgres", "prometheus", "receiver")
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


def engine_env(folder: Path) -> dict[str, str]:
    """DOCKER_HOST, COMPOSE and OWN_ENGINE, as engine.sh wrote them."""
    script = f". {shlex.quote(str(folder / 'env'))} && env"
    lines = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = dict(line.partition("=")[::2] for line in lines if "=" in line)
    return {name: pairs[name] for name in ("DOCKER_HOST", "COMPOSE", "OWN_ENGINE")}


@dataclass
class Stack:
    folder: Path  # secrets, the receiver's files, settings
    engine: dict[str, str]
    image: str = FIRST
    scale: int = 1
    api_port: int = field(default_factory=free_port)
    receiver_port: int = field(default_factory=free_port)
    hook_secret: str = ""
    key: str = ""
    sent: int = 0
    image_bytes: int = 0
    ready_seconds: float = 0.0

    # --- the engine ---

    def run(self, *argv: str, seconds: float = 300, check: bool = True) -> str:
        builder = {"DOCKER_BUILDKIT": "0"} if self.engine["OWN_ENGINE"] == "1" else {}  # Debian's docker.io has no buildx
        env = {**os.environ, **self.engine, **self.settings(), **builder}
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(argv)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    def settings(self) -> dict[str, str]:
        return {
            "COMPOSE_PROFILES": "cpu",
            "TAGGER_IMAGE": self.image,
            "TAGGER_PUBLISH": f"127.0.0.1:{self.api_port}",
            "TAGGER_SECRETS_DIR": str(self.folder / "secrets"),
            "RECEIVER_PORT": str(self.receiver_port),
            "RECEIVER_DIR": str(self.folder / "receiver"),
        }

    def compose(self, *argv: str, seconds: float = 300, check: bool = True) -> str:
        files = ["-f", "docker-compose.yml", "-f", "tests/compose/override.yml"]
        program = [*shlex.split(self.engine["COMPOSE"]), "-p", PROJECT, "--env-file", "/dev/null", *files]
        return self.run(*program, *argv, seconds=seconds, check=check)

    def build(self) -> int:
        """Builds the image under two tags that differ in their label; the size of the image in bytes."""
        host = ["--network", "host"] if self.engine["OWN_ENGINE"] == "1" else []
        for name in (FIRST, NEXT):
            self.run(
                "docker", "build", *host, "--build-arg", f"VERSION={name[-1]}", "--target", "tagger", "-t", name, ".", seconds=600
            )
        return int(self.run("docker", "image", "inspect", "-f", "{{.Size}}", FIRST))

    def prepare(self) -> None:
        """Secrets, and the receiver with what docs/protocol.md prints."""
        self.run("sh", "deploy/compose/make-secrets.sh", str(self.folder / "secrets"))
        (self.folder / "receiver").mkdir()
        [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "protocol.md").read_text("utf-8"), flags=re.S)
        (self.folder / "receiver" / "from_docs.py").write_text(program)
        shutil.copy(Path(__file__).parent / "receiver.py", self.folder / "receiver" / "server.py")
        shutil.copytree(
            PHOTOS, self.folder / "receiver" / "pictures", ignore=lambda _, names: [n for n in names if n.endswith(".md")]
        )

    def up(self, *more: str) -> None:
        self.compose("up", "-d", "--no-build", "--wait", "--wait-timeout", "240",
                     "--scale", f"tag-upload={self.scale}", *more)  # fmt: skip

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20", check=False)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        [found] = json.loads(self.run("docker", "inspect", container))
        return dict(found)

    def kill(self, service: str) -> None:
        """SIGKILL to a container's first process, as the kernel does it: the engine restarts only what nobody ended by hand."""
        pid = str(self.inspect(self.containers(service)[0])["State"]["Pid"])
        options = ["--rm", "--pid=host", "--user=0", "--network=none", "--entrypoint=python3"]
        self.run("docker", "run", *options, self.image, "-c", KILL, pid)

    def healthy(self, service: str) -> bool:
        states = [self.inspect(container)["State"] for container in self.containers(service)]
        return bool(states) and all(state.get("Health", {}).get("Status") == "healthy" for state in states)

    def inside(self, service: str, *argv: str) -> str:
        return self.compose("exec", "-T", service, *argv)

    def fetched(self, url: str, user: str = "", password: str = "") -> tuple[int, str]:
        """What a container of the stack reads from another one."""
        code = (
            "import base64, sys, urllib.request as r, urllib.error as e\n"
            "q = r.Request(sys.argv[1])\n"
            "if sys.argv[2]: q.add_header('Authorization', 'Basic ' + base64.b64encode(sys.argv[2].encode()).decode())\n"
            "try: a = r.urlopen(q, timeout=10); print(a.status); print(a.read().decode())\n"
            "except e.HTTPError as err: print(err.code)\n"
        )
        status, _, body = self.inside("reconcile", "python", "-c", code, url, f"{user}:{password}" if user else "").partition(
            "\n"
        )
        return int(status), body

    # --- the CMS ---

    def add_site(self) -> None:
        added = json.loads(self.inside(
            "api", "tagger", "sites", "add", "cms", "--endpoint", "http://receiver:8000/cms", "--allow-private",
            "--allow-host", "receiver:8000", "--json",
        ))  # fmt: skip
        self.hook_secret = added["hook_secret"]
        (self.folder / "receiver" / "secret").write_text(added["callback_secret"])
        self.key = json.loads(self.inside("api", "tagger", "keys", "create", "--site", "cms", "--json"))["key"]

    def upload(self, asset: str, photo: str = "china.jpg") -> int:
        """PUT of a photograph whose bytes no other upload has. Returns the status; 0: the connection failed."""
        self.sent += 1
        data = (PHOTOS / photo).read_bytes() + f"{asset} {self.sent}".encode()
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            return requests.put(f"{self.api}/v1/assets/{asset}/image", data=data, headers=headers, timeout=30).status_code
        except requests.RequestException:
            return 0

    def hook(self, asset: str, photo: str) -> int:
        body = json.dumps(
            {"type": "asset.created", "data": {"asset": {"id": asset, "image": {"url": f"http://receiver:8000/{photo}"}}}}
        )
        headers = signing.sign([self.hook_secret], f"evt-{asset}", int(time.time()), body.encode())
        return requests.post(f"{self.api}/v1/hooks/cms", data=body, headers=headers, timeout=30).status_code

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def received(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = requests.get(f"http://127.0.0.1:{self.receiver_port}/state", timeout=10).json()
        return found


def until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> float:
    """Waits for the condition; returns how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - began


class Load:
    """Uploads until it is stopped; knows which were accepted."""

    def __init__(self, stack: Stack, prefix: str, pause: float = 0.1) -> None:
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self._stop = threading.Event()

        def run() -> None:
            number = 0
            while not self._stop.wait(pause):
                number += 1
                asset = f"{prefix}-{number}"
                status = stack.upload(asset)
                if status == 202:
                    self.accepted.append(asset)
                else:
                    self.refused.append(status)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def reached(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.accepted) >= count

    def stop(self) -> Sequence[str]:
        self._stop.set()
        self._thread.join()
        return self.accepted
