"""One request to tagger: a hook, or the bytes of a picture."""

from __future__ import annotations

import json
import mimetypes
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from wagtail_tagger import pictures, signature
from wagtail_tagger.conf import config
from wagtail_tagger.models import Message, Picture

SECONDS = 30
FINAL = (400, 413, 414, 422)  # tagger will never take this body
READS = 5  # a file on other storage may be away for a while
MOST_BYTES = 32 * 1024 * 1024
TITLE_CHARS, CAPTION_CHARS = 200, 500  # of an upload they are in the address, which proxies limit to about 8 kB


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 0  # 0: there was none
    code: str = ""
    error: str = ""
    final: bool = False  # never send it again
    own: bool = False  # the fault is of this row, so the others can be tried

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an error: a signed message goes only where the site's owner said."""


def send(message: Message) -> Answer:
    data = {"asset": {"id": message.key}, **message.data}
    again = data.pop("again", "")
    if message.kind not in ("asset.created", "asset.updated"):
        return post(message.kind, message.event, data)
    row = pictures.find(message.key)
    if row is None or not pictures.is_picture(row):
        return Answer(status=204)  # it was deleted meanwhile; that message follows
    version = Picture.objects.filter(key=message.key).values_list("version", flat=True).first() or 0
    try:
        image = pictures.image(row, make=True)
        content = _content(row) if config().send_bytes else b""
    except (OSError, ValueError, SyntaxError) as err:  # Pillow raises all three for a file that it cannot read
        final = message.attempts >= READS
        return Answer(code="unreadable", error=f"The file cannot be read: {err}", final=final, own=True)
    if len(content) > MOST_BYTES:
        return Answer(code="too_large", error="The file is too large to be sent.", final=True, own=True)
    asset = {"id": message.key, "revision": pictures.revision(row, version, again), "image": image}
    known = {"asset": asset, "context": pictures.context(row), "locales": config().locales, "fields": config().fields}
    return _put(row, known, content) if config().send_bytes else post(message.kind, message.event, known)


def _content(row: Any) -> bytes:
    with pictures.file_of(row, make=True).open("rb") as file:
        return file.read(MOST_BYTES + 1)


def post(kind: str, event: str, data: dict[str, Any]) -> Answer:
    body = json.dumps({"type": kind, "data": data}).encode()
    signed = signature.headers(config().hook_secret, event, time.time(), body)
    url = f"{config().url}/v1/hooks/{quote(config().site, safe='')}"
    return _request("POST", url, body, {**signed, "Content-Type": "application/json"})


def _put(row: Any, known: dict[str, Any], content: bytes) -> Answer:
    context = known["context"]
    query = {
        "revision": known["asset"]["revision"],
        "title": (context["title"] or "")[:TITLE_CHARS],
        "caption": (context["caption"] or "")[:CAPTION_CHARS],
        "locale": known["locales"],
        "field": known["fields"],
    }
    given = {name: value for name, value in query.items() if value}
    url = f"{config().url}/v1/assets/{quote(known['asset']['id'], safe='')}/image?{urlencode(given, doseq=True)}"
    kind = mimetypes.guess_type(pictures.file_of(row, make=True).name)[0] or "application/octet-stream"
    return _request("PUT", url, content, {"Authorization": f"Bearer {config().api_key}", "Content-Type": kind})


def _request(method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
    if not url.startswith(("http://", "https://")):
        return Answer(error="TAGGER['URL'] is no web address.")
    request = urllib.request.Request(url, body, {**headers, "User-Agent": "wagtail-tagger"}, method=method)  # noqa: S310
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            return Answer(status=answer.status, own=True)
    except urllib.error.HTTPError as err:
        with err:
            error = _told(err.read(65536)) or f"HTTP {err.code}"
        own = err.code < 500 and err.code != 429
        return Answer(status=err.code, code=f"HTTP {err.code}", error=error, final=err.code in FINAL, own=own)
    except (OSError, ValueError) as err:
        return Answer(error=f"tagger cannot be reached: {err}")


def _told(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return f"{problem.get('detail', '')} {problem.get('remedy', '')}".strip() if isinstance(problem, dict) else ""
