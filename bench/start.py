"""How long commands and processes take to start, as ratios to the import of the libraries that they cannot do without.

python -m bench.start

Processor time (user and system), least of five, by turns in one run. A process of a role has started when it is registered in
the ledger. Exit status 1: a bar is missed.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

ROUNDS = 5
SMALL = "import typer, rich.console"
LEDGER = "import typer, rich.console, sqlalchemy, structlog, pydantic"
COMMANDS: Sequence[tuple[str, str, float]] = (  # arguments, what they are compared with, most
    ("--help", SMALL, 4.0),
    ("--version", SMALL, 4.0),
    ("status", LEDGER, 2.0),
    ("sites list", LEDGER, 2.0),
)
ROLES = ("reconcile", "deliver")
ROLE_SECONDS = 0.7
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Figure:
    name: str
    seconds: float  # of the processor
    value: float  # what the bar is about
    most: float

    @property
    def met(self) -> bool:
        return self.value <= self.most


def processor_seconds(argv: Sequence[str], env: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, env=dict(env), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def role_seconds(role: str, env: Mapping[str, str]) -> tuple[float, float]:
    """(of the processor, of the clock) from exec to the log line that says that the worker is registered."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "workers", role], env=dict(env), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "worker.registered" in line:
                break
        wall = time.monotonic() - started
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS, wall
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def measure(env: Mapping[str, str]) -> list[Figure]:
    python, tagger = [sys.executable], [sys.executable, "-P", "-m", "tagger"]
    argvs = {code: [*python, "-c", code] for code in (SMALL, LEDGER)}
    argvs |= {args: [*tagger, *args.split()] for args, _, _ in COMMANDS}
    processor_seconds([*tagger, "sites", "add", "s"], env)  # makes the home: no other command does
    for argv in argvs.values():  # makes the files of compiled modules
        processor_seconds(argv, env)
    rounds = [{name: processor_seconds(argv, env) for name, argv in argvs.items()} for _ in range(ROUNDS)]
    least = {name: min(times[name] for times in rounds) for name in argvs}
    found = [
        Figure(name=f"tagger {args}", seconds=least[args], value=least[args] / least[base], most=most)
        for args, base, most in COMMANDS
    ]
    for role in ROLES:
        seconds, wall = min(role_seconds(role, env) for _ in range(ROUNDS))
        name = f"workers {role} (by the clock {wall:.2f} s)"
        found.append(Figure(name=name, seconds=seconds, value=seconds, most=ROLE_SECONDS))
    for base in (SMALL, LEDGER):
        print(f"{least[base]:6.3f} s         {base}")
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        env = {name: text for name, text in os.environ.items() if not name.startswith(("TAGGER_", "PYTHONDONTWRITE"))}
        figures = measure({**env, "TAGGER_HOME": home})
    for figure in figures:
        verdict = "met" if figure.met else "MISSED"
        print(f"{figure.seconds:6.3f} s  {figure.value:5.2f} ≤ {figure.most}  {verdict:6}  {figure.name}")
    print(json.dumps([asdict(figure) for figure in figures]))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
