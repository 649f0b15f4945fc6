"""The set-up of the demo: the embedded stack and the sample media library, as real processes with real HTTP."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from tagger.delivery import Endpoint
from tagger.demo.photos_folder import media_type
from tagger.errors import Unavailable
from tagger.ids import new_id
from tagger.keys import hash_key, new_key
from tagger.ledger import open_ledger
from tagger.net.signing import new_secret
from tagger.services.renditions import Renditions
from tagger.settings import Settings, plain_env
from tagger.site import Site
from tagger.supervisor.stack import Stack
from tagger.system.children import start_child
from tagger.system.interpreter import module
from tagger.system.local_http import local_session

SITE = "media-library"
WAIT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The services that the steps of the tour use."""

    stack: Stack
    library: str  # address of the media library
    key: str  # bearer key of its site
    renditions: Renditions
    http: requests.Session = field(default_factory=local_session)

    def api(self, method: str, path: str, **options: Any) -> Any:
        """JSON from tagger's API. Errors: Unavailable, with the answer."""
        return _json(
            self.http.request(
                method, self.stack.api_url + path, headers={"Authorization": f"Bearer {self.key}"}, timeout=30, **options
            )
        )

    def cms(self, method: str, path: str, **options: Any) -> Any:
        """JSON of the media library."""
        return _json(self.http.request(method, self.library + path, timeout=30, **options))

    def metric(self, name: str) -> float:
        """The sum over all labels of one metric of tagger, from `/metrics`."""
        text = self.http.get(self.stack.api_url + "/metrics", timeout=30).text
        return sum(s.value for family in text_string_to_metric_families(text) for s in family.samples if s.name == name)

    def upload(self, name: str, content: bytes, **query: Any) -> str:
        """Upload as an editor would; the asset's id."""
        headers = {"Content-Type": media_type(name)}
        asset = self.cms("PUT", "/api/assets", params={"filename": name, **query}, data=content, headers=headers)
        return str(asset["id"])

    def job_of(self, asset_id: str) -> dict[str, Any] | None:
        """The newest job of an asset, with its delivery; None before its hook arrived."""
        jobs = self.api("GET", "/v1/jobs", params={"asset": asset_id, "limit": 1})["data"]
        return dict(self.api("GET", f"/v1/jobs/{jobs[0]['id']}")) if jobs else None


def wait_for(what: str, look: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """The first true result of `look`. Errors: Unavailable, which names the missing condition."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        if time.monotonic() > deadline:
            raise Unavailable(f"After {seconds:.0f} s still missing: {what}.")
        time.sleep(0.03)
    return result


@contextlib.contextmanager
def open_scene(settings: Settings, stack: Stack, renditions: Renditions, say: Callable[[str], None]) -> Iterator[Scene]:
    """Start everything, yield the scene, stop everything."""
    library: subprocess.Popen[bytes] | None = None
    try:
        stack.start()
        hook_secret, callback_secret = new_secret(), new_secret()
        library, ready = _start_library(settings.home, stack.api_url, hook_secret, callback_secret)
        key = _add_site(settings, ready, hook_secret, callback_secret)
        stack.wait_ready(on_wait=lambda missing: say(f"starting {missing}"))
        yield Scene(stack=stack, library=ready["url"], key=key, renditions=renditions)
    finally:
        try:
            if library is not None:
                end_library(library)
        finally:
            stack.stop()


def end_library(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _add_site(settings: Settings, ready: dict[str, Any], hook_secret: str, callback_secret: str) -> str:
    """Do the same as `tagger sites add` and `tagger keys create`. Returns the key."""
    host = ready["url"].removeprefix("http://")
    site = Site(id=SITE, name="Sample media library", allowed_hosts=(host,), hook_secrets=(hook_secret,))
    endpoint = Endpoint(id=new_id("end"), site_id=SITE, url=ready["callback_url"], secrets=(callback_secret,), allow_private=True)
    key = new_key()
    ledger = open_ledger(settings.ledger)
    try:
        ledger.put_site(site)  # a home that stays may already have the site, with another port
        ledger.put_endpoint(endpoint)
        ledger.add_key(SITE, "demo", hash_key(key))
    finally:
        ledger.close()
    return key


def _start_library(
    home: Path, api: str, hook_secret: str, callback_secret: str
) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    argv = module("tagger.demo.media_library", "--home", str(home / "media-library"))
    argv += ["--hook-url", f"{api}/v1/hooks/{SITE}"]
    env = {**plain_env(), "MEDIA_LIBRARY_HOOK_SECRET": hook_secret, "MEDIA_LIBRARY_CALLBACK_SECRETS": callback_secret}
    with (home / "logs" / "media-library.log").open("ab") as log:
        process = start_child(argv, env=env, stdout=subprocess.PIPE, stderr=log, own_session=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Unavailable("The sample media library did not start.", f"Read {home / 'logs' / 'media-library.log'}.")
    return process, json.loads(line)


def _json(answer: requests.Response) -> Any:
    if not answer.ok:
        raise Unavailable(f"{answer.request.method} {answer.request.path_url} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json() if answer.content else None
