"""A person in the sample media library, by its JSON API: `python -m support.editors.media_library URL`."""

from __future__ import annotations

import base64
import sys
from typing import Any

import requests

from support.editors.loop import serve


class Person:
    def __init__(self, url: str) -> None:
        self.url, self.http = url, requests.Session()
        self.http.trust_env = False

    def upload(self, q: dict[str, Any]) -> dict[str, Any]:
        content = base64.b64decode(q["base64"])
        answer = self.http.put(f"{self.url}/api/assets", params={"filename": q["filename"]}, data=content)
        answer.raise_for_status()
        return {"id": answer.json()["id"]}

    def edit(self, q: dict[str, Any]) -> dict[str, Any]:
        return self._change(q, {"fields": {q["field"]: {q["locale"]: q.get("value", "")}}})

    def tag(self, q: dict[str, Any]) -> dict[str, Any]:
        return self._change(q, {"add_tags": [q["label"]]})

    def untag(self, q: dict[str, Any]) -> dict[str, Any]:
        return self._change(q, {"remove_tags": [q["label"]]})

    def read(self, q: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.get(f"{self.url}/api/assets/{q['id']}")
        if answer.status_code == 404:
            return {"gone": True}
        fields = answer.json()["fields"]
        texts = {name: {locale: text["value"] for locale, text in locales.items()} for name, locales in fields.items()}
        return {"fields": texts, "tags": [tag["label"] for tag in answer.json()["tags"]]}

    def delete(self, q: dict[str, Any]) -> dict[str, Any]:
        self.http.delete(f"{self.url}/api/assets/{q['id']}").raise_for_status()
        return {}

    def _change(self, q: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
        self.http.post(f"{self.url}/api/assets/{q['id']}/edit", json=change).raise_for_status()
        return {}


if __name__ == "__main__":
    me = Person(sys.argv[1])
    serve({
        "upload": me.upload, "edit": me.edit, "clear": me.edit, "tag": me.tag, "untag": me.untag, "read": me.read,
        "delete": me.delete,
    })  # fmt: skip
