"""`tagger up | api | worker | flower | migrate`: the processes of an installation."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Annotated, Literal

import typer

from tagger.cli import console
from tagger.errors import BadRequest, LedgerUnavailable, SettingsError
from tagger.ledger import newest_schema, open_ledger
from tagger.settings import child_env, plain_env
from tagger.supervisor.flower_pages import PASSWORD_ENV
from tagger.supervisor.plan import ProcessPlan, require_flower
from tagger.supervisor.stack import Stack
from tagger.system.home import check_port, check_room, is_loopback, make_home, read_state, taken
from tagger.system.interpreter import module
from tagger.telemetry import logs

FLOWER_PORT = 5555
FLOWER_USER = "tagger"
LOOPBACK = "127.0.0.1"


def up(
    caption: Annotated[
        Literal["auto", "ofa", "lite", "openai", "none"] | None,
        typer.Option(help="Model of the captions. ofa needs torch; it runs on a CPU, slowly. openai needs `openai_url`."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.")] = None,
    flower: Annotated[bool, typer.Option("--flower", help="Also run Flower, the monitor of Celery, on 127.0.0.1:5555.")] = False,
) -> None:
    """Run broker, ledger, API and workers on this machine.

    After Ctrl-C the workers finish the jobs that run, and every process ends. Jobs that wait stay in the ledger.

    Example:  tagger up --port 8400
    """
    if flower:
        require_flower()
    settings = console.settings(caption=caption, api_port=port)
    make_home(settings.home)
    if read_state(settings.home) is not None:
        raise taken(settings.home)
    check_room(settings.home)
    with (settings.home / "logs-supervisor.log").open("a") as log_file:
        logs.configure(settings, "supervisor", stream=log_file)
        stack = Stack(settings, ProcessPlan.of(settings, flower=FLOWER_PORT if flower else None))
        ended = _stop_event()
        killed: list[str] = []
        try:
            with console.out.status("Starting…") as line:
                stack.start()
                late = stack.wait_ready(on_wait=lambda missing: line.update(f"Starting… {missing}"), give_up=ended)
            if not ended.is_set():
                console.out.print(
                    f"API        {stack.api_url}/docs\nPages      {stack.api_url}/pages/\n"
                    f"Home       {settings.home}\nLogs       {settings.home / 'logs'}"
                    + (f"\nFlower     http://127.0.0.1:{FLOWER_PORT}/tasks" if flower else ""),
                )
                if late:
                    console.out.print(f"Loading    {', '.join(late)}: jobs are accepted and wait for it")
                console.out.print("Next:  tagger sites add --help      Press Ctrl-C to stop.")
            ended.wait()
            console.out.print("Stopping: jobs that run are finished, jobs that wait stay in the ledger…")
        finally:
            killed = stack.stop()
        if killed:
            console.err.print(
                f"These processes did not stop and were killed: {', '.join(killed)}. Their jobs are freed at the next start."
            )
            sys.exit(1)
    console.out.print("Stopped.")


def _stop_event() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def api() -> None:
    """Run the HTTP API alone, as one process.

    Example:  tagger api
    """
    from tagger.api.app import serve  # not needed by any other command, and slow to import

    settings = console.settings()
    logs.configure(settings, "api")
    serve(settings)


def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a database that is still starting.")] = 60.0,
) -> None:
    """Bring the ledger to the schema of this version, then end.

    Two at once do no harm: the second waits for the first.

    Example:  tagger migrate --wait 60
    """
    settings = console.settings()
    logs.configure(settings, "migrate")
    if not settings.ledger_url:
        make_home(settings.home)
    ledger = open_ledger(settings.ledger)
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                ledger.migrate()
                break
            except LedgerUnavailable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(1.0)
    finally:
        ledger.close()
    console.out.print(f"The ledger has schema {newest_schema()}.")


def worker(
    role: Annotated[
        Literal["tag", "deliver", "reconcile"],
        typer.Argument(help="Work of the process: tag (describe images), deliver (send callbacks), reconcile (repair)."),
    ],
    lane: Annotated[
        Literal["upload", "backfill", "solo"] | None,
        typer.Option(help="Lane whose jobs a tag worker takes.", show_default="upload"),
    ] = None,
    alone: Annotated[
        bool,
        typer.Option("--alone", help="No upload worker shares this machine, so a backfill worker does not yield to uploads."),
    ] = False,
) -> None:
    """Run one worker process, as `python -m workers` does.

    Its probes and metrics are at `metrics_port`.

    Example:  tagger worker tag --lane backfill
    """
    if role != "tag" and (lane is not None or alone):
        raise BadRequest(f"--lane and --alone are for the role tag, not for {role}.", f"Call `tagger worker {role}`.")
    settings = console.settings()
    more = ["--lane", lane or "upload", *(["--alone"] if alone else [])] if role == "tag" else []
    argv = module("workers", role, *more)
    os.execve(sys.executable, argv, child_env(settings, role=role))


def flower(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Flower.")] = FLOWER_PORT,
    address: Annotated[
        str, typer.Option(help="Address of Flower; an address that other machines reach needs `flower_password`.")
    ] = LOOPBACK,
) -> None:
    """Run Flower, the monitor of Celery.

    Flower shows workers and tasks. A task is a job: search for its id, its state, its site or its asset.

    Example:  tagger flower --port 5555
    """
    settings = console.settings()
    require_flower()
    password = settings.flower_password.get_secret_value() if settings.flower_password else ""
    if not password and not is_loopback(address):
        raise SettingsError(f"Flower on {address} needs a password.", "Set TAGGER_FLOWER_PASSWORD, or leave --address out.")
    if "," in password:  # Flower takes it for a list of users
        raise SettingsError("The password of Flower must not contain a comma.", "Choose another TAGGER_FLOWER_PASSWORD.")
    check_port(address, port, "Choose another port with --port, or stop the program that uses it.")
    argv = module("tagger.supervisor.flower_pages", "--quiet", "flower", f"--address={address}", f"--port={port}")
    # by the environment, not by an argument: the broker's URL may hold a password, too
    secrets = {"CELERY_BROKER_URL": settings.broker}
    if password:
        secrets[PASSWORD_ENV] = f"{FLOWER_USER}:{password}"
    os.execve(sys.executable, argv, {**plain_env(), **secrets})
