"""The sample media library as a process, filled with many small pictures without a hook."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from tagger.delivery import Endpoint
from tagger.demo.media_store import MediaStore, Text, Writer, set_tag, set_text
from tagger.ledger import Ledger
from tagger.net.signing import new_secret
from tagger.site import Site
from tagger.system.children import start_child
from tagger.system.interpreter import module

EVERYTHING = (
    "SELECT asset, field, locale, value, writer FROM texts ORDER BY 1, 2, 3",
    "SELECT asset, label, writer, present FROM tags ORDER BY 1, 2",
)


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 24), (number % 200, number // 200 % 256, 100)).save(file, "PNG")
    return file.getvalue()


class SampleLibrary:
    """`fill` before `start`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "files").mkdir(parents=True)
        self.secret = new_secret()
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.http = requests.Session()

    def fill(self, number: int, texts: Mapping[int, Mapping[str, tuple[str, Writer]]], tags: Mapping[int, str]) -> list[str]:
        """`texts` and `tags` (a person's) by the number of the asset. Returns the ids in the order of the numbers."""
        store = MediaStore(self.home / "library.sqlite", ("en",))
        ids = [f"a{n:05}" for n in range(number)]
        with store.change() as db:
            for n, asset in enumerate(ids):
                (self.home / "files" / f"{asset}-1").write_bytes(png(n))
                row = (asset, 1, f"{asset}.png", "image/png", "unknown", 1_000 + n)
                db.execute(
                    "INSERT INTO assets (id, revision, filename, media_type, role, created_ms) VALUES (?, ?, ?, ?, ?, ?)", row
                )
                for field, (value, writer) in {"title": (f"{asset}.png", "import"), **texts.get(n, {})}.items():
                    set_text(db, asset, Text(field, "en", value, writer))  # type: ignore[arg-type]
                if n in tags:
                    set_tag(db, asset, tags[n], None, "person", None, present=True)
        store.close()
        return ids

    def start(self, ledger: Ledger, site: str, hook_url: str = "http://127.0.0.1:9/v1/hooks/none") -> None:
        """Starts the process and adds its site to the ledger."""
        argv = [*module("tagger.demo.media_library", "--home", str(self.home)), "--hook-url", hook_url]
        secrets = {"MEDIA_LIBRARY_HOOK_SECRET": self.secret, "MEDIA_LIBRARY_CALLBACK_SECRETS": self.secret}
        with (self.home / "log").open("ab") as log:
            self.process = start_child(argv, env={**os.environ, **secrets}, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.url = ready["url"]
        host = self.url.removeprefix("http://")
        ledger.put_site(Site(id=site, name=site, allowed_hosts=(host,), hook_secrets=(self.secret,)))
        endpoint = Endpoint(id=f"end_{site}", site_id=site, url=ready["callback_url"], secrets=(self.secret,), allow_private=True)
        ledger.put_endpoint(endpoint)

    def edit(self, asset: str, **change: Any) -> None:
        self.http.post(f"{self.url}/api/assets/{asset}/edit", json=change, timeout=30).raise_for_status()

    def delete(self, asset: str) -> None:
        self.http.delete(f"{self.url}/api/assets/{asset}", timeout=30).raise_for_status()

    def writes(self) -> Any:
        return self.http.get(f"{self.url}/api/writes", timeout=30).json()

    def content(self) -> list[list[tuple[Any, ...]]]:
        """Every text and tag, byte for byte."""
        store = MediaStore(self.home / "library.sqlite", ("en",))
        try:
            with store.change() as db:
                return [[tuple(row) for row in db.execute(stmt)] for stmt in EVERYTHING]
        finally:
            store.close()

    def close(self) -> None:
        self.http.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
