"""`tagger doctor`: checks every part and prints what is wrong and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

import requests
import typer

from tagger.cli import attention, console
from tagger.cli.commands import models, site_probe
from tagger.cli.commands.status import numbers
from tagger.errors import BrokerUnavailable, PortTaken, SettingsError, TaggerError
from tagger.job import LANES
from tagger.ledger import open_ledger
from tagger.ledger.connections import needed
from tagger.queue.hints import Hints
from tagger.settings import Settings
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.redis_server import server_binary
from tagger.supervisor.stack import local_session
from tagger.system.home import check_port, local_url, make_home, read_state
from tagger.telemetry.masking import mask_passwords

FREE_BYTES = 1 << 30
STYLES = {"ok": "green", "warning": "yellow", "broken": "red"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check."""

    what: str
    state: Literal["ok", "warning", "broken"]
    detail: str
    remedy: str = ""


def doctor(json: console.Json = False) -> None:
    """Check every part; print what is wrong and what to do.

    The exit status is 1 if a part is broken.

    Example:  tagger doctor --json
    """
    settings = console.settings()
    findings = [_python(settings), home := _home(settings)]
    # all other parts are in the home, so without it one finding is enough
    findings += [check(settings) for check in CHECKS] if home.state != "broken" else []
    if all(found.state != "broken" for found in findings):
        findings += _sites(settings) + _attention(settings)
    if json:
        console.print_json({"data": [asdict(f) for f in findings], "next_cursor": None})
    else:
        for found in findings:
            console.out.print(f"{found.state:8}", end="", style=STYLES[found.state])
            console.out.print(f"{found.what}: {found.detail}")
            if found.remedy and found.state != "ok":
                console.out.print(f"        → {found.remedy}")
    if any(found.state == "broken" for found in findings):
        raise typer.Exit(1)


def _python(_settings: Settings) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Finding(what="Python", state="ok" if good else "broken", detail=version, remedy="Install Python 3.11 or newer.")


def _home(settings: Settings) -> Finding:
    try:
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


def _ledger(settings: Settings) -> Finding:
    def look() -> str:
        ledger = open_ledger(settings.ledger)
        try:
            ledger.migrate()
            ledger.ping()
            jobs = sum(ledger.stats().jobs.values())
        finally:
            ledger.close()
        return f"answers, {jobs} jobs"

    return _attempt("Ledger", look)


def _connections(settings: Settings) -> Finding:
    """Whether the database server allows enough connections for `tagger up` on this machine."""
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

    found = _attempt("Connections", look)
    remedy = f"Raise `max_connections` of PostgreSQL so that {wanted} are free, or run fewer processes (`tag_processes`)."
    return replace(found, state=state, remedy=remedy) if found.state == "ok" else found


def _broker(settings: Settings) -> Finding:
    if not settings.broker_url and read_state(settings.home) is None:
        return _attempt("Broker", lambda: f"would start {server_binary()}")

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

    return _attempt("Broker", look)


def _stack(settings: Settings) -> Finding:
    state = read_state(settings.home)
    if state is None:
        return _port(settings)
    try:
        with local_session() as http:
            answer = http.get(f"{state['api']}/readyz", timeout=3)
    except requests.RequestException as err:
        return Finding(
            what="API", state="broken", detail=f"{state['api']}: {type(err).__name__}", remedy="Read logs/api.log in the home."
        )
    if answer.status_code != 200:
        return Finding(
            what="API", state="broken", detail=f"not ready: {answer.status_code}", remedy="Read logs/api.log in the home."
        )
    return Finding(what="API", state="ok", detail=f"ready at {state['api']}")


def _port(settings: Settings) -> Finding:
    """The stack does not run on this home. Check whether its processes run separately, else whether the port is free."""
    workers = _workers(settings)
    try:
        if settings.api_port:
            check_port(settings.api_host, settings.api_port, "Stop the program that uses the port, or set another `api_port`.")
    except PortTaken as err:
        url = _url(settings)
        answer = _ready(url)
        if answer is None:
            return Finding(what="Stack", state="broken", detail=f"does not run on this home. {err.detail}", remedy=err.remedy)
        if isinstance(answer, int):
            return Finding(what="API", state="broken", detail=f"{url} is not ready: {answer}", remedy="Read the log of the API.")
        return _apart(url, answer, workers, err)
    if workers:
        return Finding(
            what="Stack", state="ok", detail=f"its processes run separately: {numbers(workers)}; no API at {_url(settings)}"
        )
    return Finding(what="Stack", state="warning", detail="does not run on this home", remedy="Start it with `tagger up`.")


def _apart(url: str, told: dict[str, int], workers: dict[str, int], taken: PortTaken) -> Finding:
    """The finding for an API that this home did not start. If it counts the same workers, it uses the same ledger."""
    if told != workers:
        there, here = numbers(told) or "no workers", numbers(workers) or "none"
        detail = f"the API at {url} uses another ledger: it counts {there}, this ledger has {here}"
        return Finding(what="API", state="broken", detail=detail, remedy=taken.remedy)
    if not workers:
        remedy = "Start `tagger worker tag`, `tagger worker deliver` and `tagger worker reconcile`."
        return Finding(what="API", state="warning", detail=f"ready at {url}, but no worker is alive", remedy=remedy)
    return Finding(what="API", state="ok", detail=f"ready at {url}; the processes run separately: {numbers(workers)}")


def _ready(url: str) -> dict[str, int] | int | None:
    """The workers that the API counts; its status if it is not ready; None if it is not an API of tagger."""
    try:
        with local_session() as http:
            answer = http.get(f"{url}/readyz", timeout=3)
            body = answer.json()
            if isinstance(body, dict) and answer.status_code == 503 and "code" in body:
                return 503
            return dict(body["workers"]) if body["ready"] is True else None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None


def _url(settings: Settings) -> str:
    return local_url(settings.api_host, settings.api_port)


def _workers(settings: Settings) -> dict[str, int]:
    try:
        ledger = open_ledger(settings.ledger)
        try:
            return dict(ledger.stats().workers)
        finally:
            ledger.close()
    except TaggerError:
        return {}  # a problem of the ledger is a finding of its own


def _models(settings: Settings) -> Finding:
    def look() -> str:
        models.check_chosen(settings)
        return f"caption={settings.caption}, embed={settings.embed}, check={settings.check}"

    return _attempt("Models", look)


def _sites(settings: Settings) -> list[Finding]:
    """What each CMS said that it can do, where it was asked."""
    told = site_probe.findings(settings)
    return [
        Finding(what=f"Site {site}", state="warning" if cure else "ok", detail=text, remedy=cure) for site, text, cure in told
    ]


def _attention(settings: Settings) -> list[Finding]:
    """Findings for the problems in the ledger that a person must solve."""
    ledger = open_ledger(settings.ledger)
    try:
        told = attention.troubles(ledger)
        return [Finding(what=t.what, state="warning", detail=t.detail, remedy=t.remedy) for t in told]
    finally:
        ledger.close()


def _attempt(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, state="ok", detail=look())
    except TaggerError as err:
        info = err.info()
        return Finding(what=what, state="broken", detail=info.detail, remedy=info.remedy)


CHECKS: tuple[Callable[[Settings], Finding], ...] = (_ledger, _connections, _broker, _stack, _models)
