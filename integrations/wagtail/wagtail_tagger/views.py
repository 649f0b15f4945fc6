"""`POST tagger/messages`: tagger's messages. Who signed is checked; no user takes part."""

from __future__ import annotations

import json
import time
from typing import Any

import django
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from wagtail_tagger import __version__, library, signature
from wagtail_tagger.apply import apply
from wagtail_tagger.conf import config

try:
    from django.contrib.auth.decorators import login_not_required
except ImportError:  # before Django 5.1, which brought LoginRequiredMiddleware

    def login_not_required(view_func: Any) -> Any:
        return view_func


CHANGES = ("asset.described", "asset.failed", "asset.reverted")
TYPES = (*CHANGES, "library.page", "site.probe", "webhook.test")


@login_not_required
@csrf_exempt
@require_POST
def messages(request: HttpRequest) -> HttpResponse:
    told, body = request.headers, request.body
    given = (told.get("webhook-id", ""), told.get("webhook-timestamp", ""), told.get("webhook-signature", ""))
    if not signature.valid(config().callback_secrets, *given, body, time.time()):
        return JsonResponse({"detail": "The message is not signed by your tagger."}, status=401)
    try:
        message = json.loads(body)
        kind, data = message["type"], message["data"]
        if kind in CHANGES:
            str(data["asset"]["id"]), int(data["sequence"])
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"detail": "The message cannot be read."}, status=422)
    try:
        return _answer(kind, data, given[0])
    except DatabaseError as err:  # an empty answer would read as "all pictures were deleted"
        return JsonResponse({"detail": f"The database failed: {err}"}, status=503, headers={"Retry-After": "2"})


def _answer(kind: str, data: dict[str, Any], delivery: str) -> HttpResponse:
    if kind == "site.probe":
        return JsonResponse(capabilities())
    if kind == "library.page":
        return JsonResponse(library.page(data))
    if kind in CHANGES:
        return JsonResponse(apply(kind, data, delivery))
    return HttpResponse(status=204)


def capabilities() -> dict[str, Any]:
    known = config()
    longest: dict[str, int] = {}
    for place in known.texts:
        if (chars := known.longest(place)) is not None:
            longest[place[0]] = min(chars, longest.get(place[0], chars))
    return {
        **_cms(),
        "plugin": __version__,
        "fields": known.fields,
        "locales": known.locales,
        "longest": longest,
        "strict": True,
        "types": list(TYPES),
    }


def _cms() -> dict[str, str]:
    try:
        import wagtail
    except ImportError:
        return {"cms": "Django", "cms_version": django.get_version()}
    return {"cms": "Wagtail", "cms_version": wagtail.__version__}
