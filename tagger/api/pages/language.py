"""The language of the pages: what the reader chose, else what the browser asks for, else English."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import Request, Response

from tagger.api.pages.chinese import CHINESE

COOKIE = "tagger_language"
NAMES: Mapping[str, str] = {"en": "English", "zh": "中文"}
TABLES: Mapping[str, Mapping[str, str]] = {"en": {}, "zh": CHINESE}
YEAR_SECONDS = 365 * 86_400

Translate = Callable[..., str]


def chosen(request: Request) -> str:
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wanted is not None and wanted in NAMES:
            return wanted
    return _asked_for(request.headers.get("accept-language", ""))


def _asked_for(header: str) -> str:
    """The one of our languages that the header likes best."""
    best, most = "en", 0.0
    for part in header[:500].split(","):
        name, _, weight = part.strip().partition(";")
        code = name.partition("-")[0].strip().lower()
        liking = _weight(weight)
        if code in NAMES and liking > most:
            best, most = code, liking
    return best


def _weight(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=")) if text.strip() else 1.0
    except ValueError:
        return 0.0


def keep(request: Request, response: Response) -> None:
    """Remember a choice that the reader made with the switch."""
    wanted = request.query_params.get("lang")
    if wanted is not None and wanted in NAMES:
        response.set_cookie(COOKIE, wanted, max_age=YEAR_SECONDS, path=None, httponly=True, samesite="strict")


def translator(lang: str) -> Translate:
    """Texts are known by their English words. `t("{n} images", n=3)` fills the blanks after the translation."""
    table = TABLES[lang]

    def translate(text: str, **values: object) -> str:
        found = table.get(text, text)
        return found.format(**values) if values else found

    return translate
