"""The settings `TAGGER = {…}`, and which field of the image model holds which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.core.signals import setting_changed
from django.db.models import Model

from wagtail_tagger import signature

# Where the words of well-known image models are: Wagtail, django-filer, plain names. The first that exists counts.
KNOWN = {
    "alt_text": ("alt_text", "default_alt_text", "alt", "description"),
    "caption": ("caption", "default_caption"),
}
KEYS = (
    "URL", "SITE", "HOOK_SECRET", "CALLBACK_SECRETS", "API_KEY", "LOCALE", "MODEL", "FIELDS", "FILE", "TITLE", "TAGS", "BASE_URL",
    "RENDITION", "SEND_BYTES", "SEND_ON_COMMIT",
)  # fmt: skip
Place = tuple[str, str]  # field and locale, as tagger names them


@dataclass(frozen=True, kw_only=True)
class Config:
    url: str
    site: str
    hook_secret: str
    callback_secrets: tuple[str, ...]
    api_key: str
    locale: str
    model: type[Model]
    texts: Mapping[Place, str]  # place → attribute of the model
    file: str
    title: str | None
    tags: str | None
    base_url: str
    rendition: str
    send_bytes: bool
    send_on_commit: bool

    @property
    def ready(self) -> bool:
        """Whether pictures are announced."""
        return bool(self.url and self.site and self.hook_secret)

    @property
    def locales(self) -> list[str]:
        return sorted({locale for _, locale in self.texts})

    @property
    def fields(self) -> list[str]:
        return sorted({field for field, _ in self.texts} | ({"tags"} if self.tags else set()))

    def longest(self, place: Place) -> int | None:
        return getattr(self.model._meta.get_field(self.texts[place]), "max_length", None)


@lru_cache(maxsize=1)
def config() -> Config:
    """Errors: ImproperlyConfigured."""
    given: dict[str, Any] = getattr(settings, "TAGGER", {})
    if unknown := sorted(set(given) - set(KEYS)):
        raise ImproperlyConfigured(f"TAGGER has the unknown key {unknown[0]!r}. It may have: {', '.join(KEYS)}.")
    model = _model(given)
    locale = given.get("LOCALE") or settings.LANGUAGE_CODE.split("-")[0]
    return Config(
        url=str(given.get("URL", "")).rstrip("/"),
        site=given.get("SITE", ""),
        hook_secret="".join(_secrets("HOOK_SECRET", given.get("HOOK_SECRET", ""))),
        callback_secrets=_secrets("CALLBACK_SECRETS", given.get("CALLBACK_SECRETS", ())),
        api_key=given.get("API_KEY", ""),
        locale=locale,
        model=model,
        texts=_texts(model, given.get("FIELDS"), locale),
        file=given.get("FILE") or _needed(model, "file", "image"),
        title=given.get("TITLE", _first(model, ("title", "name"))),
        tags=given.get("TAGS", _first(model, ("tags",))),
        base_url=str(given.get("BASE_URL") or getattr(settings, "WAGTAILADMIN_BASE_URL", "")).rstrip("/"),
        rendition=given.get("RENDITION", "max-1024x1024"),
        send_bytes=bool(given.get("SEND_BYTES", False)),
        send_on_commit=bool(given.get("SEND_ON_COMMIT", True)),
    )


def _model(given: Mapping[str, Any]) -> type[Model]:
    name = given.get("MODEL") or getattr(settings, "WAGTAILIMAGES_IMAGE_MODEL", "wagtailimages.Image")
    try:
        return apps.get_model(name)
    except (LookupError, ValueError) as err:
        raise ImproperlyConfigured(f"TAGGER['MODEL'] is {name!r}: {err}") from err


def _secrets(name: str, given: Any) -> tuple[str, ...]:
    """Without empty ones: an environment may set none, for example where static files are collected."""
    secrets = tuple(secret for secret in ((given,) if isinstance(given, str) else tuple(given or ())) if secret)
    for number, secret in enumerate(secrets, 1):
        try:
            signature.key(secret)
        except ValueError as err:
            raise ImproperlyConfigured(f"TAGGER[{name!r}], secret {number}: {err}. Take the secret that tagger printed.") from err
    return secrets


def _texts(model: type[Model], given: Mapping[str, Any] | None, locale: str) -> dict[Place, str]:
    """`{"alt_text": "alt"}` for one language, `{"alt_text": {"en": "alt_en", "zh-Hans": "alt_zh"}}` for several."""
    if given is None:
        found = {field: _first(model, names) for field, names in KNOWN.items()}
        return {(field, locale): name for field, name in found.items() if name}
    places = {}
    for field, names in given.items():
        for own, name in (names if isinstance(names, Mapping) else {locale: names}).items():
            if not _has(model, name):
                raise ImproperlyConfigured(f"TAGGER['FIELDS']: {model._meta.label} has no field {name!r}.")
            places[field, own] = name
    return places


def _has(model: type[Model], name: str) -> bool:
    try:
        return model._meta.get_field(name) is not None
    except FieldDoesNotExist:
        return False


def _first(model: type[Model], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _has(model, name)), None)


def _needed(model: type[Model], *names: str) -> str:
    if found := _first(model, names):
        return found
    raise ImproperlyConfigured(f"Set TAGGER['FILE'] to the file field of {model._meta.label}.")


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("TAGGER", "WAGTAILIMAGES_IMAGE_MODEL"):
        config.cache_clear()


setting_changed.connect(_forget)
