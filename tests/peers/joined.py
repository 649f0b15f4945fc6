"""A running tagger, and a WordPress that is joined to it, as an administrator would do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from peers.wordpress_site import WordPress
from tagger.delivery import Endpoint
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.settings import load
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack

PHOTOS = Path(__file__).parents[2] / "tagger" / "demo" / "photos"
KEY = "key-of-the-site"


def until(look: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true answer of `look`, before the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True, kw_only=True)
class Tagger:
    url: str
    ledger: Ledger
    home: Path
    stack: Stack

    @classmethod
    @contextmanager
    def running(cls, home: Path) -> Iterator[Tagger]:
        home.mkdir(exist_ok=True)
        own = {"api_port": 0, "log_level": "warning", "decode_processes": 1, "threads": 8, "max_batch": 4}
        stack = Stack(load({}, home=home, caption="lite", embed="lite", **own), ProcessPlan(upload=1, backfill=1))
        stack.start()
        ledger = open_ledger(stack.settings.ledger)
        try:
            assert stack.wait_ready(120) == []
            yield cls(url=stack.api_url, ledger=ledger, home=home, stack=stack)
        finally:
            ledger.close()
            stack.stop()


@dataclass(frozen=True, kw_only=True)
class Joined:
    tagger: Tagger
    wp: WordPress
    name: str  # the site's, in tagger
    callback_secret: str
    settings: dict[str, str]

    @property
    def http(self) -> requests.Session:
        session = requests.Session()
        session.auth, session.trust_env = ("editor1", self.wp.password), False
        return session

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody tells tagger anything: the plugin has no address of it, as before it was installed."""
        self.wp.set_up(url="")
        try:
            yield
        finally:
            self.wp.set_up(**self.settings)

    @property
    def endpoint(self) -> str:
        return self.wp.url + "/wp-json/tagger/v1/messages"

    def api(self, method: str, path: str, **options: Any) -> Any:
        with self.http as http:
            answer = http.request(method, f"{self.wp.url}/wp-json/wp/v2{path}", timeout=60, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def upload(self, photo: str, name: str = "", **fields: str) -> int:
        """As an editor uploads: by REST."""
        return self.upload_file(PHOTOS / photo, name, **fields)

    def upload_file(self, file: Path, name: str = "", **fields: str) -> int:
        kind = "image/png" if file.suffix == ".png" else "image/jpeg"
        headers = {"Content-Disposition": f'attachment; filename="{name or file.name}"', "Content-Type": kind}
        return int(self.api("POST", "/media", data=file.read_bytes(), headers=headers, params=fields)["id"])

    def alt(self, asset: int) -> str:
        return str(self.api("GET", f"/media/{asset}")["alt_text"])

    def described(self, asset: int, seconds: float = 60.0) -> str:
        return str(until(lambda: self.alt(asset), f"picture {asset} has an alt text", seconds))

    def state(self, asset: int) -> str:
        return str(self.wp.php(f"return Tagger\\Store::asset({asset})->state;"))

    def cron(self) -> int:
        """What WordPress does each minute; how many messages wait after it."""
        return int(self.wp.php("do_action('tagger_outbox'); return Tagger\\Outbox::status()['waiting'];"))

    def waiting(self) -> int:
        return int(self.wp.php("return Tagger\\Outbox::status()['waiting'];"))


def join(tagger: Tagger, wp: WordPress) -> Joined:
    """`tagger sites add` and `tagger keys create`, then the settings page."""
    name = "wp" + "".join(wp.version.split(".")[:2])
    hook, callback = signing.new_secret(), signing.new_secret()
    host = wp.url.removeprefix("http://")
    tagger.ledger.put_site(Site(id=name, name=name, allowed_hosts=(host,), hook_secrets=(hook,)))
    endpoint = wp.url + "/wp-json/tagger/v1/messages"
    tagger.ledger.put_endpoint(Endpoint(id=f"end_{name}", site_id=name, url=endpoint, secrets=(callback,), allow_private=True))
    tagger.ledger.add_key(name, "peers", hash_key(KEY + name))
    settings = {"url": tagger.url, "site": name, "hook_secret": hook, "callback_secret": callback, "locale": "en"}
    wp.set_up(**settings, api_key=KEY + name)
    return Joined(tagger=tagger, wp=wp, name=name, callback_secret=callback, settings=settings)
