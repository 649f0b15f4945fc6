"""A person in Wagtail's admin, by its pages and forms: `python -m support.editors.wagtail URL USER PASSWORD`."""

from __future__ import annotations

import base64
import re
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import requests

from support.editors.loop import serve

TEXTS = {"alt_text": "description"}


class _Form(HTMLParser):
    """What a browser would send of the form with this id."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.inside, self.area, self.select = form, False, "", ""
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        name = known.get("name", "")
        if tag == "form":
            self.inside = known.get("id") == self.form
        elif self.inside and tag == "input" and name and known.get("type") not in ("file", "submit", "checkbox"):
            self.values[name] = known.get("value", "")
        elif self.inside and tag == "textarea" and "form" not in known:
            self.area, self.values[name] = name, ""
        elif self.inside and tag == "select":
            self.select = name
        elif self.inside and tag == "option" and self.select and ("selected" in known or self.select not in self.values):
            self.values[self.select] = known.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"
        self.area = "" if tag == "textarea" else self.area
        self.select = "" if tag == "select" else self.select

    def handle_data(self, data: str) -> None:
        if self.area:
            self.values[self.area] += data


class Person:
    """One session; from one thread at a time."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.admin, self.http, self.lock = f"{url}/admin", requests.Session(), threading.Lock()
        self.http.trust_env = False
        page = self.http.get(f"{self.admin}/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page[:500]
        known = {"csrfmiddlewaretoken": token[1], "username": user, "password": password}
        answer = self.http.post(f"{self.admin}/login/", data=known)
        assert answer.ok, answer.status_code
        assert "sessionid" in self.http.cookies, "the login was refused"

    def upload_file(self, file: Path, name: str, **values: str) -> str:
        return self._upload(name, file.read_bytes(), values)

    def upload(self, q: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._upload(q["filename"], base64.b64decode(q["base64"]), {})}

    def edit(self, q: dict[str, Any]) -> dict[str, Any]:
        return self.change(q["id"], {TEXTS[q["field"]]: q.get("value", "")})

    def tag(self, q: dict[str, Any]) -> dict[str, Any]:
        return self.change(q["id"], {"tags": _typed([*self._tags(q["id"]), q["label"]])})

    def untag(self, q: dict[str, Any]) -> dict[str, Any]:
        return self.change(q["id"], {"tags": _typed([label for label in self._tags(q["id"]) if label != q["label"]])})

    def read(self, q: dict[str, Any]) -> dict[str, Any]:
        form = self.opened(q["id"])
        if form is None:
            return {"gone": True}
        return {"fields": {"alt_text": {"en": form["description"]}}, "tags": _read(form["tags"])}

    def delete(self, q: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            data = {"csrfmiddlewaretoken": self.http.cookies["csrftoken"]}
            self.http.post(f"{self.admin}/images/{q['id']}/delete/", data=data).raise_for_status()
        return {}

    def opened(self, key: str) -> dict[str, str] | None:
        """The form as it is opened now."""
        with self.lock:
            answer = self.http.get(f"{self.admin}/images/{key}/")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return _values(answer.text)

    def save(self, key: str, form: dict[str, str]) -> None:
        with self.lock:
            answer = self.http.post(f"{self.admin}/images/{key}/", data=form, allow_redirects=False)
        assert answer.status_code == 302, (answer.status_code, re.findall(r'error-message">.*?<', answer.text))

    def change(self, key: str, changed: dict[str, str]) -> dict[str, Any]:
        form = self.opened(key)
        assert form is not None, f"picture {key} is gone"
        self.save(key, {**form, **changed})
        return {}

    def _tags(self, key: str) -> list[str]:
        return list(self.read({"id": key})["tags"])

    def _upload(self, name: str, content: bytes, values: dict[str, str]) -> str:
        """As the page for several files does it: the answer names the picture."""
        kind = "image/png" if name.endswith("png") else "image/jpeg"
        with self.lock:
            data = {"csrfmiddlewaretoken": self.http.cookies["csrftoken"], "title": name, **values}
            headers = {"X-Requested-With": "XMLHttpRequest"}
            files = {"files[]": (name, content, kind)}
            answer = self.http.post(f"{self.admin}/images/multiple/add/", data=data, files=files, headers=headers)
        answer.raise_for_status()
        told = answer.json()
        assert told["success"], told
        return str(told["image_id"])


def _values(page: str) -> dict[str, str]:
    form = _Form("w-editor-form")
    form.feed(page)
    assert form.values, "there is no form in the page"
    return form.values


def _typed(labels: list[str]) -> str:
    return ", ".join(f'"{label}"' for label in labels)


def _read(typed: str) -> list[str]:
    """As django-taggit writes labels into its field: in quotes where they have a blank or a comma."""
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^",\s][^",]*)', typed)]


if __name__ == "__main__":
    me = Person(*sys.argv[1:4])
    serve({
        "upload": me.upload, "edit": me.edit, "clear": lambda q: me.edit({**q, "value": ""}), "tag": me.tag, "untag": me.untag,
        "read": me.read, "delete": me.delete,
    })  # fmt: skip
