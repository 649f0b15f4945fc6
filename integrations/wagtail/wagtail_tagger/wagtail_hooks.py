"""The report in Wagtail's menu, and the addresses of its buttons."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, reverse
from wagtail import hooks
from wagtail.admin.menu import MenuItem

from wagtail_tagger import admin_views


@hooks.register("register_admin_urls")
def urls() -> list[Any]:
    own = [
        path("", admin_views.report, name="report"),
        path("<str:key>/", admin_views.decide, name="decide"),
    ]
    return [path("tagger/", include((own, "wagtail_tagger")))]


class _Item(MenuItem):
    def is_shown(self, request: Any) -> bool:
        return admin_views.may_change_some(request.user)


@hooks.register("register_reports_menu_item")
def menu_item() -> MenuItem:
    return _Item("tagger", reverse("wagtail_tagger:report"), name="tagger", icon_name="image", order=1500)
