"""The pages over ASGI: signed in with a key, forms sent as a browser sends them."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from support.ledger_cases import World
from tagger.api.app import create_app
from tagger.keys import hash_key
from tagger.settings import load

SITE_KEY, OPERATOR_KEY = "key-of-site", "key-of-operator"


class Visitor:
    """A browser at the pages. `world` has the site `s`; its key is SITE_KEY."""

    def __init__(self, world: World, home: Path, **settings: Any) -> None:
        self.world = world
        own = {"admin_key": OPERATOR_KEY, "broker_url": f"redis+socket://{home}/none.sock", **settings}
        self.client = TestClient(create_app(load({}, home=home, **own)), follow_redirects=False)

    def sign_in(self, key: str = SITE_KEY, **more: Any) -> Response:
        return self.client.post("/pages/login", data={"key": key}, **more)

    def get(self, page: str, **more: Any) -> Response:
        return self.client.get(f"/pages/{page}", **more)

    def token(self, page: str = "jobs") -> str:
        [token] = set(re.findall(r'name="csrf" value="([0-9a-f]+)"', self.get(page).text))
        return token

    def send(self, form: str, data: dict[str, Any], **more: Any) -> Response:
        return self.client.post(f"/pages/{form}", data={"csrf": self.token(), **data}, **more)

    def text(self, page: str) -> str:
        """What a person reads, without marks."""
        answer = self.get(page)
        assert answer.status_code == 200, answer.text
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def with_keys(world: World) -> None:
    world.ledger.add_key("s", "test", hash_key(SITE_KEY))
