"""A site whose language is Chinese gets Chinese tags in its callback, over the real stack."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from acceptance.house import House, until
from acceptance.pictures import png
from tagger.delivery import Endpoint
from tagger.keys import hash_key
from tagger.site import Site
from workers.models.fake import subject_of

COLOUR = next((red, 40, 40) for red in range(256) if subject_of((red, 40, 40)) == "cat")


class Inbox:
    """Answers every callback with `written` and keeps its fields."""

    def __init__(self) -> None:
        self.fields: list[dict[str, Any]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.fields.append(json.loads(body)["data"]["fields"])
                content = b'{"fields": {"tags": {"outcome": "written"}}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    opened = Inbox()
    yield opened
    opened.close()


def test_a_chinese_site_gets_chinese_tags(house: House, inbox: Inbox) -> None:
    url = f"http://127.0.0.1:{inbox.server.server_address[1]}/callback"
    house.ledger.put_site(Site(id="zh", name="中文站", locales=("zh-Hans",), allowed_hosts=(house.pictures.host,)))
    house.ledger.add_key("zh", "acceptance", hash_key("key-zh"))
    house.ledger.put_endpoint(Endpoint(id="end_zh", site_id="zh", url=url, secrets=(house.receiver.secret,), allow_private=True))
    picture = house.pictures.put("zh.png", png(COLOUR))
    answer = house.call("POST", "/v1/jobs", key="key-zh", json={"asset": {"id": "zh-1", "image": {"url": picture}}})
    assert answer.status_code == 202, answer.text
    until(lambda: inbox.fields, "the callback comes")
    (fields,) = inbox.fields
    assert fields["tags"]["add"] == [{"id": "cat", "label": "猫", "score": pytest.approx(0.9)}]
    assert set(fields) == {"tags"}, "no English text for readers of Chinese"
