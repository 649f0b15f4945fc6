"""A real Wagtail on this machine, from the wheel of the app, joined to a running tagger. It ends with its context."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from faults.proxy import Proxy
from support.editors.wagtail import Person

from peers.joined import KEY, PHOTOS, Tagger, until
from peers.wordpress_site import _free_port, _running
from tagger.delivery import Endpoint
from tagger.keys import hash_key
from tagger.net import signing
from tagger.site import Site

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-wagtail" / "bin" / "python"
PROJECT = Path(__file__).parent / "wagtail"
USER, PASSWORD = "editor", "editor-pw"
SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Wagtail:
    tagger: Tagger
    road: Proxy  # from Wagtail to tagger
    name: str  # the site's, in tagger
    url: str
    callback_secret: str
    environment: dict[str, str]
    person: Person
    log: Path

    @property
    def endpoint(self) -> str:
        return self.url + "/tagger/messages"

    def manage(self, *arguments: str) -> str:
        return _manage(self.environment, *arguments)

    def upload(self, photo: str, name: str = "") -> str:
        """As an editor does, by the admin's form."""
        return self.person.upload_file(PHOTOS / photo, name or photo)

    def alt(self, key: str) -> str:
        return str(self.person.read({"id": key})["fields"]["alt_text"]["en"])

    def described(self, key: str, seconds: float = 60.0) -> str:
        return str(until(lambda: self.alt(key), f"picture {key} has an alt text", seconds))

    @contextmanager
    def tagger_away(self) -> Iterator[None]:
        connect = self.road.connect

        def refused() -> socket.socket:
            raise ConnectionRefusedError

        self.road.connect = refused
        self.road.reset()
        try:
            yield
        finally:
            self.road.connect = connect


@contextmanager
def booted(tagger: Tagger, name: str, database: dict[str, Any], folder: Path) -> Iterator[Wagtail]:
    url = f"http://127.0.0.1:{_free_port()}"
    hook, callback = signing.new_secret(), signing.new_secret()
    _register(tagger, name, url, hook, callback)
    asked = urlsplit(tagger.url)
    road = Proxy(lambda: socket.create_connection((asked.hostname or "", asked.port or 0)))
    own = {"URL": f"http://127.0.0.1:{road.port}", "SITE": name, "HOOK_SECRET": hook, "CALLBACK_SECRETS": [callback],
           "API_KEY": KEY + name, "LOCALE": "en"}  # fmt: skip
    site = json.dumps({"folder": str(folder), "url": url, "database": database, "tagger": own})
    path = f"{PROJECT}{os.pathsep}"
    environment = {**os.environ, "PYTHONPATH": path, "PEERS_SITE": site, "DJANGO_SETTINGS_MODULE": "peers_site.settings"}
    environment |= {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    try:
        _manage(environment, "migrate", "--verbosity=0")
        _manage(environment, "createsuperuser", "--noinput", "--username", USER, "--email", "e@e.test")
        address = url.removeprefix("http://")
        serve = [str(PYTHON), "-m", "django", "runserver", "--noreload", "--insecure", address]
        with (folder / "wagtail.log").open("wb") as log, _running(serve, log, **environment):
            until(lambda: _answers(url + "/admin/login/"), "Wagtail answers", SECONDS)
            person = Person(url, USER, PASSWORD)
            yield Wagtail(tagger=tagger, road=road, name=name, url=url, callback_secret=callback, environment=environment,
                          person=person, log=folder / "wagtail.log")  # fmt: skip
    finally:
        road.close()


def _register(tagger: Tagger, name: str, url: str, hook: str, callback: str) -> None:
    """`tagger sites add` and `tagger keys create`."""
    tagger.ledger.put_site(Site(id=name, name=name, allowed_hosts=(url.removeprefix("http://"),), hook_secrets=(hook,)))
    endpoint = Endpoint(id=f"end_{name}", site_id=name, url=url + "/tagger/messages", secrets=(callback,), allow_private=True)
    tagger.ledger.put_endpoint(endpoint)
    tagger.ledger.add_key(name, "peers", hash_key(KEY + name))


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [str(PYTHON), "-m", "django", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        time.sleep(0.1)
        return False
