"""`tagger doctor`: checks every part and prints what is wrong and what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import typer

from tagger.blobs import open_blobs
from tagger.catalog.load import load_catalog, passed_over
from tagger.cli import attention, console
from tagger.cli.commands import models, site_probe
from tagger.cli.commands.doctor_stack import look_at_stack
from tagger.cli.finding import Finding, attempt
from tagger.errors import BrokerUnavailable, SettingsError
from tagger.job import LANES
from tagger.ledger import open_ledger
from tagger.ledger.connections import needed
from tagger.queue.hints import Hints
from tagger.settings import Settings
from tagger.settings.limits import batch_remedy, batch_warning, fitting_batch
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.redis_server import server_binary
from tagger.system.home import make_home, phase
from tagger.telemetry.masking import mask_passwords

FREE_BYTES = 1 << 30
STYLES = {"ok": "green", "warning": "yellow", "broken": "red"}


def doctor(json: console.Json = False) -> None:
    """Check every part; print what is wrong and what to do.

    The exit status is 1 if a part is broken.

    Example:  tagger doctor --json
    """
    settings = console.settings()
    findings = [_python(settings), home := _home(settings)]
    # all other parts are in the home, so without it one finding is enough
    findings += [check(settings) for check in CHECKS] if home.state != "broken" else []
    if all(finding.state != "broken" for finding in findings):
        findings += _sites(settings) + _attention(settings)
    if json:
        console.print_json({"data": [asdict(f) for f in findings], "next_cursor": None})
    else:
        for finding in findings:
            console.out.print(f"{finding.state:8}", end="", style=STYLES[finding.state])
            console.out.print(f"{finding.what}: {finding.detail}")
            if finding.remedy and finding.state != "ok":
                console.out.print(f"        → {finding.remedy}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _python(_settings: Settings) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Finding(what="Python", state="ok" if good else "broken", detail=version, remedy="Install Python 3.11 or newer.")


def _home(settings: Settings) -> Finding:
    try:
        if not os.path.lexists(settings.home):
            return _no_home(settings.home)
        make_home(settings.home)
        probe = settings.home / ".doctor"
        probe.write_text("")
        probe.unlink()
        free = shutil.disk_usage(settings.home).free
    except SettingsError as err:
        return Finding(what="Home", state="broken", detail=err.detail, remedy=err.remedy)
    except OSError as err:
        return Finding(
            what="Home",
            state="broken",
            detail=f"{settings.home}: {err.strerror}",
            remedy="Choose a folder that you may write to, with --home.",
        )
    detail = f"{settings.home}, {free / 1e9:.1f} GB free"
    if free < FREE_BYTES:
        return Finding(
            what="Home", state="warning", detail=detail, remedy="Free space on the disk. If it is full, tagger accepts no jobs."
        )
    return Finding(what="Home", state="ok", detail=detail)


def _no_home(home: Path) -> Finding:
    """Nothing is made by looking."""
    above = next(folder for folder in home.parents if os.path.lexists(folder))
    if not os.access(above, os.W_OK | os.X_OK):
        detail = f"{home} does not exist, and {above} may not be written to"
        return Finding(what="Home", state="broken", detail=detail, remedy="Choose a folder that you may write to, with --home.")
    return Finding(what="Home", state="warning", detail=f"there is no tagger in {home}", remedy=console.NO_TAGGER)


def _ledger(settings: Settings) -> Finding:
    if (missing := console.missing_ledger(settings)) is not None:
        return Finding(what="Ledger", state="warning", detail=missing, remedy=console.NO_TAGGER)

    def look() -> str:
        ledger = open_ledger(settings.ledger)
        try:
            ledger.migrate()
            ledger.ping()
            jobs = sum(ledger.stats().jobs.values())
        finally:
            ledger.close()
        return f"answers, {jobs} jobs"

    return attempt("Ledger", look)


def _connections(settings: Settings) -> Finding:
    """Whether the database server allows enough connections for `tagger up` on this machine."""
    if console.missing_ledger(settings) is not None:
        return Finding(what="Connections", state="ok", detail="SQLite has no limit")
    plan = ProcessPlan.of(settings)
    wanted = needed(plan.processes)
    state: Literal["ok", "warning"] = "ok"

    def look() -> str:
        nonlocal state
        ledger = open_ledger(settings.ledger)
        try:
            allowed = ledger.connections_allowed()
        finally:
            ledger.close()
        if allowed is None:
            return "SQLite has no limit"
        state = "ok" if allowed >= wanted else "warning"
        return f"the database server allows {allowed}; {plan.processes} processes and a command need up to {wanted}"

    finding = attempt("Connections", look)
    remedy = f"Raise `max_connections` of PostgreSQL so that {wanted} are free, or run fewer processes (`tag_processes`)."
    return replace(finding, state=state, remedy=remedy) if finding.state == "ok" else finding


def _broker(settings: Settings) -> Finding:
    doing = phase(settings.home)
    if not settings.broker_url and doing != "running":
        return attempt("Broker", lambda: "starts and stops with the stack" if doing else f"would start {server_binary()}")

    own = "The supervisor restarts its broker within seconds. If it does not, read broker.log in the home."
    remedy = "Start the broker, or correct `broker_url`." if settings.broker_url else own

    def look() -> str:
        hints = Hints(settings.broker)
        try:
            return "answers, " + ", ".join(f"{lane} {hints.depth(lane)}" for lane in LANES) + " hints waiting"
        except BrokerUnavailable as err:
            cause = err.__cause__ and (err.__cause__.__cause__ or err.__cause__)
            why = mask_passwords(" ".join(str(cause).split())[:300]).rstrip(".") if cause else err.detail.rstrip(".")
            raise BrokerUnavailable(f"{mask_passwords(settings.broker)} does not answer: {why}.", remedy) from err
        finally:
            hints.close()

    return attempt("Broker", look)


def _uploads(settings: Settings) -> Finding:
    """Whether bytes can be stored, read and deleted. The folder of the home needs no look of its own: `_home` wrote there."""
    if not settings.blob_url:
        return Finding(what="Uploaded bytes", state="ok", detail=str(settings.blobs))

    def look() -> str:
        blobs = open_blobs(settings)
        key = blobs.put(b"tagger doctor")
        blobs.get(key)
        blobs.delete(key)
        return f"{settings.blob_url} stores, returns and deletes"

    return attempt("Uploaded bytes", look)


def _models(settings: Settings) -> Finding:
    def look() -> str:
        models.check_chosen(settings)
        return f"caption={settings.caption}, embed={settings.embed}, check={settings.check}"

    return attempt("Models", look)


def _sites(settings: Settings) -> list[Finding]:
    """What each CMS said that it can do, where it was asked."""
    told = site_probe.findings(settings)
    return [
        Finding(what=f"Site {site}", state="warning" if cure else "ok", detail=text, remedy=cure) for site, text, cure in told
    ]


def _words(settings: Settings) -> Finding:
    """Vocabularies and profiles of this home."""

    def look() -> str:
        catalog = load_catalog(settings.home)
        return f"{len(catalog.vocabularies)} vocabularies, {len(list(catalog.profiles))} profiles"

    found = attempt("Vocabularies", look)
    left = [str(path.relative_to(settings.home)) for path in passed_over(settings.home)]
    if found.state != "ok" or not left:
        return found
    remedy = "Put .yaml files into vocabularies/ or profiles/ of the home; `tagger vocabulary import` reads SKOS."
    return replace(found, state="warning", detail=f"not read: {', '.join(left)}", remedy=remedy)


def _attention(settings: Settings) -> list[Finding]:
    """What lies waiting in the ledger for a person."""
    if console.missing_ledger(settings) is not None:
        return []
    ledger = open_ledger(settings.ledger)
    try:
        problems = attention.troubles(ledger, settings.home)
        return [Finding(what=t.what, state="warning", detail=t.detail, remedy=t.remedy) for t in problems]
    finally:
        ledger.close()


def _batches(settings: Settings) -> Finding:
    most = fitting_batch(settings.threads, settings.max_batch)
    if not (detail := batch_warning(settings.threads, settings.max_batch)):
        return Finding(what="Batches", state="ok", detail=f"at most {most} images")
    remedy = batch_remedy(settings.threads, settings.max_batch)
    return Finding(what="Batches", state="warning", detail=detail, remedy=remedy)


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _ledger, _connections, _broker, _uploads, look_at_stack, _models, _words, _batches,
)  # fmt: skip
