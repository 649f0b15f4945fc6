"""`tagger doctor`: whether the stack of this home runs, or its processes run separately, or could run."""

from __future__ import annotations

import requests

from tagger.cli import console
from tagger.cli.commands.status import STACK, numbers
from tagger.cli.finding import Finding
from tagger.errors import PortTaken, SettingsError, TaggerError
from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.system.home import check_port, local_url, phase, read_state
from tagger.system.local_http import local_session


def look_at_stack(settings: Settings) -> Finding:
    state, doing = read_state(settings.home), phase(settings.home)
    if doing == "starting":
        return Finding(what="Stack", state="warning", detail=STACK[doing], remedy="Wait until `tagger up` prints its addresses.")
    if doing == "draining":
        return Finding(what="Stack", state="warning", detail=STACK[doing], remedy="Run `tagger up` again when it has stopped.")
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
    """The stack does not run here. Do its roles run apart, and if not, could it?"""
    workers = _workers(settings)
    try:
        if settings.api_port:
            check_port(settings.api_host, settings.api_port, "Stop the program that uses the port, or set another `api_port`.")
    except SettingsError as err:
        return Finding(what="API", state="broken", detail=err.detail, remedy=err.remedy)
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
    """An API of tagger that no stack of this home has started. That it is of this ledger shows in its workers."""
    if told != workers:
        there, here = numbers(told) or "no workers", numbers(workers) or "none"
        detail = f"the API at {url} uses another ledger: it counts {there}, this ledger has {here}"
        return Finding(what="API", state="broken", detail=detail, remedy=taken.remedy)
    if not workers:
        remedy = "Start `tagger worker tag`, `tagger worker deliver` and `tagger worker reconcile`."
        return Finding(what="API", state="warning", detail=f"ready at {url}, but no worker is alive", remedy=remedy)
    return Finding(what="API", state="ok", detail=f"ready at {url}; the processes run separately: {numbers(workers)}")


def _ready(url: str) -> dict[str, int] | int | None:
    """The workers that an API counts, its status when it is not ready, or None for what is no API of tagger."""
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
    if console.missing_ledger(settings) is not None:
        return {}
    try:
        ledger = open_ledger(settings.ledger)
        try:
            return dict(ledger.stats().workers)
        finally:
            ledger.close()
    except TaggerError:
        return {}  # what is wrong with the ledger is a finding of its own
