"""What the admin shows of one picture."""

from __future__ import annotations

from typing import Any

from wagtail_tagger.conf import Place, config
from wagtail_tagger.models import Picture
from wagtail_tagger.review import name_of

STATES = {
    "waiting": "Waiting for tagger",
    "written": "Written by tagger",
    "review": "Needs review",
    "nothing": "Nothing to say",
    "failed": "Failed",
    "kept": "Your text was kept",
}
REASONS = {
    "low_score": "tagger is not sure enough.",
    "needs_purpose": "The picture is a link, a button or a logo: its text must say what it is for.",
    "text_unchecked": "The picture may hold text that was not read.",
    "redundant": "The text repeats the title or the caption.",
    "no_caption": "No model offered a text.",
    "no_tags": "No tag was certain enough.",
    "not_specific": "The text is too general.",
}
FIELDS = {"alt_text": "Alternative text", "caption": "Caption"}


def place(name: str) -> Place | None:
    return next((known for known in config().texts if name_of(known) == name), None)


def of(key: str) -> dict[str, Any]:
    picture = Picture.objects.filter(key=key).first()
    told = picture.told if picture else {}
    ours = {name_of((w.field, w.locale)) for w in picture.words.all() if w.writer == "tagger"} if picture else set()
    return {
        "key": key,
        "state": picture.state if picture else "",
        "label": STATES.get(picture.state, "") if picture else "",
        "locked": bool(picture and picture.locked),
        "offers": [
            _shown(name, text) for part in ("proposals", "kept") for name, text in told.get(part, {}).items() if place(name)
        ],
        "written": [_shown(name, text) for name, text in told.get("written", {}).items() if name in ours],
        "reasons": _reasons(told.get("reasons", [])) if picture and picture.state == "nothing" else "",
        "error": told.get("error"),
        "ready": config().ready,
    }


def _shown(name: str, text: dict[str, Any]) -> dict[str, Any]:
    field, _, locale = name.partition("|")
    score = text.get("score")
    several = len(config().locales) > 1
    return {
        "name": name,
        "title": FIELDS.get(field, field) + (f" ({locale})" if several else ""),
        "value": text["value"],
        "longest": config().longest(where) if (where := place(name)) else None,
        "score": f"{round(100 * score)} %" if isinstance(score, (int, float)) else "",
        "model": text.get("model") or "",
        "reasons": _reasons(text.get("reasons") or []),
    }


def _reasons(given: list[str]) -> str:
    return " ".join(REASONS.get(reason, reason.replace("_", " ") + ".") for reason in given)
