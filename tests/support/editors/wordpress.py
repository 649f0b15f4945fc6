"""A person in WordPress, by its REST API: `python -m support.editors.wordpress URL USER PASSWORD`."""

from __future__ import annotations

import base64
import html
import sys
from typing import Any

import requests

from support.editors.loop import serve

TEXTS = {"alt_text": "alt_text", "caption": "caption"}


class Person:
    def __init__(self, url: str, user: str, password: str) -> None:
        self.api, self.http = f"{url}/wp-json/wp/v2", requests.Session()
        self.http.auth, self.http.trust_env = (user, password), False

    def upload(self, q: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Disposition": f'attachment; filename="{q["filename"]}"', "Content-Type": "image/png"}
        answer = self.http.post(f"{self.api}/media", data=base64.b64decode(q["base64"]), headers=headers)
        answer.raise_for_status()
        return {"id": str(answer.json()["id"])}

    def edit(self, q: dict[str, Any]) -> dict[str, Any]:
        return self._change(q["id"], {TEXTS[q["field"]]: q.get("value", "")})

    def tag(self, q: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(f"{self.api}/tagger_tag", json={"name": q["label"]})
        term = answer.json()["data"]["term_id"] if answer.status_code == 400 else answer.json()["id"]
        return self._change(q["id"], {"tagger_tag": [*self._terms(q["id"]), term]})

    def untag(self, q: dict[str, Any]) -> dict[str, Any]:
        names = self._names(q["id"])
        return self._change(q["id"], {"tagger_tag": [term for term, name in names.items() if name != q["label"]]})

    def read(self, q: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.get(f"{self.api}/media/{q['id']}", params={"context": "edit"})
        if answer.status_code in (404, 410):
            return {"gone": True}
        found = answer.json()
        texts = {"alt_text": {"en": found["alt_text"]}, "caption": {"en": found["caption"]["raw"]}}
        return {"fields": texts, "tags": list(self._names(q["id"]).values())}

    def delete(self, q: dict[str, Any]) -> dict[str, Any]:
        self.http.delete(f"{self.api}/media/{q['id']}", params={"force": "true"}).raise_for_status()
        return {}

    def _terms(self, asset: str) -> list[int]:
        return list(self.http.get(f"{self.api}/media/{asset}", params={"context": "edit"}).json()["tagger_tag"])

    def _names(self, asset: str) -> dict[int, str]:
        terms = self.http.get(f"{self.api}/tagger_tag", params={"post": asset, "per_page": 100}).json()
        return {term["id"]: html.unescape(term["name"]) for term in terms}

    def _change(self, asset: str, change: dict[str, Any]) -> dict[str, Any]:
        self.http.post(f"{self.api}/media/{asset}", json=change).raise_for_status()
        return {}


if __name__ == "__main__":
    me = Person(*sys.argv[1:4])
    serve({
        "upload": me.upload, "edit": me.edit, "clear": me.edit, "tag": me.tag, "untag": me.untag, "read": me.read,
        "delete": me.delete,
    })  # fmt: skip
