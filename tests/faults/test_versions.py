"""Q22: versions of an asset that look alike, through every entrance, are described once each and none is taken for another."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from faults.figures import Figures
from faults.harness import KEY, UPLOAD, Rig, png
from tagger.keys import hash_key
from tagger.net import signing

Build = Callable[..., Rig]
Report = Callable[[Figures], None]
Send = Callable[[str], requests.Response]

PICTURE = png((180, 40, 90))
SHA256 = hashlib.sha256(PICTURE).hexdigest()


@contextmanager
def pictures() -> Iterator[str]:
    """A web server that has one picture at every path; its host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PICTURE)))
            self.end_headers()
            self.wfile.write(PICTURE)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Cms:
    """A site that names a version of an image in each of the four ways."""

    def __init__(self, rig: Rig, host: str) -> None:
        self.rig, self.secret, self.url = rig, signing.new_secret(), f"http://{host}/3"
        self.receiver = rig.add_site("cms", hook_secrets=(self.secret,), allowed_hosts=(host,))
        rig.ledger.add_key("cms", "cms", hash_key(f"{KEY}-of-cms"))
        self.auth = {"Authorization": f"Bearer {KEY}-of-cms"}

    def hook(self, asset: str, event_id: str) -> requests.Response:
        data = {"asset": {"id": asset, "revision": "1", "image": {"url": self.url}}}
        body = json.dumps({"type": "asset.updated", "timestamp": "2026-11-21T09:30:00Z", "data": data}).encode()
        headers = signing.sign([self.secret], event_id, int(time.time()), body)
        return requests.post(f"{self.rig.api}/v1/hooks/cms", data=body, headers=headers, timeout=10)

    def upload(self, asset: str, revision: str | None) -> requests.Response:
        where = f"{self.rig.api}/v1/assets/{asset}/image"
        params = {} if revision is None else {"revision": revision}
        return requests.put(where, params=params, data=PICTURE, headers={**self.auth, "Content-Type": "image/png"}, timeout=10)

    def job(self, asset: str) -> requests.Response:
        body = {"asset": {"id": asset, "image": {"url": self.url}}}
        return requests.post(f"{self.rig.api}/v1/jobs", json=body, headers=self.auth, timeout=10)

    def alike(self) -> dict[str, list[Send]]:
        """Per asset, the requests whose versions are the same letters: of the picture's hash, and of its address."""
        by_hash: list[Send] = [
            lambda asset: self.hook(asset, SHA256),
            lambda asset: self.upload(asset, SHA256),
            lambda asset: self.upload(asset, None),
        ]
        by_address: list[Send] = [self.job, lambda asset: self.upload(asset, self.url)]
        return {"hash": by_hash, "back-hash": by_hash[::-1], "address": by_address, "back-address": by_address[::-1]}


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_q22_versions_that_look_alike_are_described_once_each(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger)
    for role in ("api", "reconcile", "deliver", UPLOAD):
        rig.start(role)
    with pictures() as host:
        cms = Cms(rig, host)
        rig.ready()
        alike = cms.alike()
        jobs: dict[str, list[str]] = {asset: [] for asset in alike}
        for turn in range(3):  # an asset's next version comes when the one before is written
            for asset, sends in alike.items():
                if turn < len(sends):
                    answer = sends[turn](asset)
                    assert answer.status_code == 202, answer.text
                    jobs[asset].append(answer.json()["id"])
                    rig.accepted[jobs[asset][-1]] = time.monotonic()
            rig.all_done(30)
        again = {asset: sends[-1](asset).json()["id"] for asset, sends in alike.items()}  # an older one may be a return to it
    ids = {job for made in jobs.values() for job in made}
    taken = sum(map(len, alike.values())) - len(ids)
    figures = rig.figures("Q22", taken_for_another=taken, assets=len(alike), effective_writes=rig.effective())
    report(replace(figures, duplicates=rig.effective() - len(ids)))  # an asset has several versions here, each to be written
    assert (figures.lost, taken) == (0, 0)
    assert {asset: cms.receiver.effective[asset] for asset in alike} == {asset: len(sends) for asset, sends in alike.items()}
    assert again == {asset: made[-1] for asset, made in jobs.items()}, "the newest a second time is the job that it was"
    assert cms.receiver.messages == cms.receiver.effective
