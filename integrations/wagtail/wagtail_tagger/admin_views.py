"""Wagtail's admin: the report of all pictures, and what an editor decides about one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from wagtail.images import get_image_model

from wagtail_tagger import outbox, panel, pictures, review
from wagtail_tagger.models import Picture

SHOWN = 20
CHANGED = "The proposal has changed since this page was opened. Read it again."


def policy() -> Any:
    try:
        from wagtail.permissions import policy_registry
    except ImportError:  # before Wagtail 7
        from wagtail.images.permissions import permission_policy

        return permission_policy
    return policy_registry.get_by_type(get_image_model())


def may_change_some(user: Any) -> bool:
    return bool(policy().user_has_any_permission(user, ["change"]))


def report(request: HttpRequest) -> HttpResponse:
    if not may_change_some(request.user):
        raise PermissionDenied
    state = request.GET.get("state", "")
    theirs = policy().instances_user_has_any_permission_for(request.user, ["change"])
    known = Picture.objects.exclude(state="").order_by("-changed_at")
    chosen = known.filter(state=state) if state in Picture.STATES else known
    page = Paginator(chosen, SHOWN).get_page(request.GET.get("p"))
    rows = {pictures.key_of(row.pk): row for row in theirs.filter(pk__in=[picture.key for picture in page])}
    listed = [(rows[picture.key], panel.of(picture.key)) for picture in page if picture.key in rows]
    counts = [(name, panel.STATES[name], known.filter(state=name).count()) for name in Picture.STATES]
    context = {"page": page, "listed": listed, "counts": counts, "state": state, "waiting": outbox.status()}
    return TemplateResponse(request, "wagtail_tagger/report.html", context)


@require_POST
def decide(request: HttpRequest, key: str) -> HttpResponse:
    row = pictures.find(key)
    if row is None:
        raise Http404
    if not policy().user_has_permission_for_instance(request.user, "change", row):
        raise PermissionDenied
    try:
        if not _done(pictures.key_of(row.pk), request.POST):
            messages.error(request, CHANGED)
    except review.TooLong as err:
        messages.error(request, str(err))
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}):
        back = reverse("wagtailimages:edit", args=[row.pk])
    return redirect(back)


def _done(key: str, asked: Any) -> bool:
    """False: tagger has offered something else by now."""
    what, _, name = asked.get("do", "").partition(":")
    if what in ("accept", "reject"):
        place = panel.place(name)
        if place is None:
            return False
        if what == "reject":
            review.reject(key, place)
            return True
        value = asked.get(f"value:{name}", "").replace("\0", "").replace("\r\n", "\n").strip()  # PostgreSQL takes no NUL
        return review.accept(key, place, asked.get(f"shown:{name}", ""), value)
    if what in ("lock", "unlock"):
        review.set_locked(key, what == "lock")
    elif what == "describe":
        review.describe(key)
    return True
