"""`manage.py check` says what is missing before an editor notices it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.utils.module_loading import import_string

from wagtail_tagger.conf import config


@register()
def settings_are_whole(**_: Any) -> list[CheckMessage]:
    known, found = config(), []
    if not known.ready:
        found.append(Warning("TAGGER has no URL, SITE and HOOK_SECRET: no picture is announced.", id="tagger.W001"))
    if not known.callback_secrets:
        found.append(Warning("TAGGER has no CALLBACK_SECRETS: every message of tagger is refused.", id="tagger.W002"))
    if not known.send_bytes and not known.base_url:
        hint = "Set TAGGER['BASE_URL'], or TAGGER['SEND_BYTES'] and TAGGER['API_KEY'] if tagger cannot reach this site."
        found.append(Warning("tagger has no address of the pictures.", hint, id="tagger.W003"))
    if apps.is_installed("wagtail.images") and not _form_keeps_words():
        hint = 'WAGTAILIMAGES_IMAGE_FORM_BASE = "wagtail_tagger.forms.ImageForm", or a subclass of it.'
        found.append(Warning("A form that was opened before tagger wrote puts back the old words.", hint, id="tagger.W004"))
    names = [app.name for app in apps.get_app_configs()]
    if "wagtail.images" in names[: names.index("wagtail_tagger")]:
        hint = "Put wagtail_tagger before wagtail.images in INSTALLED_APPS."
        found.append(Warning("The page of an image does not show what tagger proposes.", hint, id="tagger.W005"))
    return found


def _form_keeps_words() -> bool:
    from wagtail_tagger.forms import ImageForm

    name = getattr(settings, "WAGTAILIMAGES_IMAGE_FORM_BASE", "")
    return bool(name) and issubclass(import_string(name), ImageForm)
