"""An API process with a ledger that has something of everything to show, and a browser that is signed in."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from support.chromium import Page
from support.ledger_cases import World
from support.pages import OPERATOR_KEY, with_keys

from pages.scene import fill
from tagger.settings import child_env, load
from tagger.system.home import free_port
from tagger.system.interpreter import module

ROOT = Path(__file__).parents[2]
AXE = os.environ.get("PAGES_AXE", "")  # axe.min.js: tests/pages/fetch.sh gets it
SECONDS = 60.0


@contextmanager
def served(home: Path, **settings: Any) -> Iterator[tuple[str, World]]:
    """The address of an API whose ledger `fill` filled."""
    port = free_port()
    own = {"broker_url": f"redis+socket://{home}/none.sock", "admin_key": OPERATOR_KEY, "log_level": "warning", **settings}
    chosen = load({}, home=home, api_port=port, **own)
    world = World.on_sqlite(home / "ledger.sqlite")
    with_keys(world)
    fill(world)
    log = home / "api.log"
    with log.open("wb") as out:
        process = subprocess.Popen(module("tagger", "api"), env=child_env(chosen, role="api"), cwd=ROOT, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.05)
        yield url, world
    finally:
        process.terminate()
        process.wait(SECONDS)
        world.ledger.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(url + "/healthz", timeout=20).ok
    except requests.ConnectionError:
        return False


def sign_in(page: Page, url: str, key: str) -> None:
    page.cookies(url, {})
    page.open(f"{url}/pages/login")
    page.fill("#key", key)
    page.click("main form button", leaves=True)


def theme(page: Page, name: str) -> None:
    """`light` or `dark`, as the reader's system asks for it."""
    page.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])


def faults(page: Page) -> list[str]:
    """What axe finds on the page: WCAG 2.2 AA and its best practices."""
    if not AXE:
        pytest.skip("no axe: set PAGES_AXE")
    page.do(Path(AXE).read_text("utf-8") + "; true")
    found = page.do(
        "axe.run(document).then((result) => JSON.stringify({passes: result.passes.length, "
        "violations: result.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 120))])}))"
    )
    result = json.loads(found)
    assert result["passes"] > 10, "axe looked at nothing"
    return [f"{rule}: {nodes}" for rule, nodes in result["violations"]]
