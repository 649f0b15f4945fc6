"""One request to tagger: a hook, or the bytes of a picture."""

from __future__ import annotations

import http.client
import json
import logging
import mimetypes
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.db import DatabaseError

from wagtail_tagger import pictures, signature
from wagtail_tagger.conf import config
from wagtail_tagger.models import Message, Picture

SECONDS = 30
FINAL = (400, 413, 414, 422)  # tagger will never take this body
READS = 5  # a file on other storage may be away for a while
USUAL = (OSError, ValueError, SyntaxError)  # Pillow raises all three for a file that it cannot read
MOST_BYTES = 32 * 1024 * 1024
TITLE_CHARS, CAPTION_CHARS = 200, 500  # of an upload they are in the address, which proxies limit to about 8 kB

log = logging.getLogger(__name__)


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
    try:
        known, content, kind = _read(row, again)
    except Exception as err:  # a storage has errors of its own, and each image library too; the other rows go on
        if not isinstance(err, USUAL):
            log.warning("tagger: the file of picture %s cannot be read", message.key, exc_info=True)
        final = message.attempts >= READS and not isinstance(err, DatabaseError)
        told = f"The file cannot be read: {type(err).__name__}: {err}"
        return Answer(code="unreadable", error=told, final=final, own=True)
    if len(content) > MOST_BYTES:
        return Answer(code="too_large", error="The file is too large to be sent.", final=True, own=True)
    return _put(known, content, kind) if config().send_bytes else post(message.kind, message.event, known)


def _read(row: Any, again: str) -> tuple[dict[str, Any], bytes, str]:
    """What tagger is told of this picture; its bytes and their type, if this site sends them."""
    version = Picture.objects.filter(key=pictures.key_of(row.pk)).values_list("version", flat=True).first() or 0
    asset = {
        "id": pictures.key_of(row.pk),
        "revision": pictures.revision(row, version, again),
        "image": pictures.image(row, make=True),
    }
    known = {"asset": asset, "context": pictures.context(row), "locales": config().locales, "fields": config().fields}
    if not config().send_bytes:
        return known, b"", ""
    stored = pictures.file_of(row, make=True)
    with stored.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    return known, content, mimetypes.guess_type(stored.name)[0] or "application/octet-stream"


def post(kind: str, event: str, data: dict[str, Any]) -> Answer:
    body = json.dumps({"type": kind, "data": data}).encode()
    signed = signature.headers(config().hook_secret, event, time.time(), body)
    url = f"{config().url}/v1/hooks/{quote(config().site, safe='')}"
    return _request("POST", url, body, {**signed, "Content-Type": "application/json"})


def _put(known: dict[str, Any], content: bytes, kind: str) -> Answer:
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
    return _request("PUT", url, content, {"Authorization": f"Bearer {config().api_key}", "Content-Type": kind})


def _request(method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
    if not url.startswith(("http://", "https://")):
        return Answer(error="TAGGER['URL'] is no web address.")
    request = urllib.request.Request(url, body, {**headers, "User-Agent": "wagtail-tagger"}, method=method)  # noqa: S310
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            return Answer(status=answer.status, own=True)
    except urllib.error.HTTPError as err:
        error = _told(err) or f"HTTP {err.code}"
        own = err.code < 500 and err.code != 429
        return Answer(status=err.code, code=f"HTTP {err.code}", error=error, final=err.code in FINAL, own=own)
    except (OSError, ValueError, http.client.HTTPException) as err:
        return Answer(error=f"tagger cannot be reached: {err}")


def _told(answer: urllib.error.HTTPError) -> str:
    try:
        with answer:
            problem = json.loads(answer.read(65536))
    except (OSError, ValueError, http.client.HTTPException):  # the status says enough
        return ""
    return f"{problem.get('detail', '')} {problem.get('remedy', '')}".strip() if isinstance(problem, dict) else ""
