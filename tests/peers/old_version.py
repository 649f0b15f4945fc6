"""The processes and commands of one version of tagger: of this checkout, or of a commit that is unpacked beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
END_SECONDS = 60.0


def unpack(commit: str, folder: Path, needs: Sequence[str]) -> tuple[Path, Path]:
    """The files of the commit, and a folder with packages that it needs and this environment lacks."""
    source, extra = folder / "old", folder / "extra"
    source.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    if needs:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(extra), *needs], check=True)
    return source, extra


@dataclass
class Version:
    """One version on a shared ledger and broker. `settings`: TAGGER_* variables that both versions know."""

    name: str
    source: Path
    settings: dict[str, str]
    logs: Path
    extra: Path | None = None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def tagger(self, *words: str) -> Any:
        """A command; its JSON if it was asked for."""
        argv = [sys.executable, "-W", "ignore", "-m", "tagger", *words]
        done = subprocess.run(argv, env=self._env(), cwd=self.source, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.name}: tagger {' '.join(words)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if "--json" in words else None

    def start(self, *roles: str) -> None:
        """`api`, or a role of `python -m workers` with its options."""
        for role in roles:
            module = ["tagger", "api"] if role == "api" else ["workers", *role.split()]
            with self._log(role).open("ab") as out:
                argv = [sys.executable, "-W", "ignore", "-m", *module]
                self.running[role] = subprocess.Popen(argv, env=self._env(), cwd=self.source, stdout=out, stderr=out)

    def end(self, *roles: str) -> None:
        """As an upgrade ends them: SIGTERM, and they finish what they hold. Without roles: all."""
        for role in roles or tuple(self.running):
            process = self.running.pop(role)
            process.send_signal(signal.SIGTERM)
            code = process.wait(END_SECONDS)
            if code not in (0, -signal.SIGTERM):
                raise SystemExit(f"{self.name}: {role} ended with {code}: {self._log(role).read_text()[-2000:]}")

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()

    def times(self, role: str, *events: str) -> int:
        """How often the process has logged one of these."""
        if not (log := self._log(role)).exists():
            return 0
        words = log.read_text("utf-8", "replace")
        return sum(words.count(f'"{event}"') for event in events)

    def fallen(self) -> list[str]:
        return [
            f"{self.name}: {role} ended with {process.returncode}: {self._log(role).read_text()[-2000:]}"
            for role, process in self.running.items()
            if process.poll() is not None
        ]

    def _log(self, role: str) -> Path:
        return self.logs / f"{self.name}-{role.replace(' ', '')}.log"

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join(str(part) for part in (self.source, self.extra) if part)
        plain = {name: text for name, text in os.environ.items() if not name.startswith("TAGGER_")}
        return {**plain, **self.settings, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def until(what: str, reached: Callable[[], bool], versions: Sequence[Version], seconds: float = 120.0) -> None:
    """Errors: SystemExit if a process fell, or if it is not reached in time."""
    end = time.monotonic() + seconds
    while not reached():
        if fallen := [words for version in versions for words in version.fallen()]:
            raise SystemExit("\n".join(fallen))
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
