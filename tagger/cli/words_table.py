"""The table of `tagger describe`: one line per image, with its texts in every requested locale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tagger.cli import tables
from tagger.cli.tables import Column
from tagger.job import Job
from tagger.judge.gate import REASONS

WORDS = (("caption", "Caption", 50), ("alt_text", "Alternative text", 50), ("tags", "Tags", 40))
STATUS = {"done": "described", "dead": "failed", "cancelled": "cancelled", "superseded": "replaced by a newer version"}
VERDICT = {"publish": "may be published", "review": "a person must decide", "suppress": "not offered"}


def row(job: Job, review: bool) -> dict[str, Any]:
    """One line. The first locale has plain column names; the others have names such as `caption_de`.

    Texts for review are included only on request; then the verdict of the line is `review`.
    """
    locales = job.request.locales
    words: dict[str, Any] = {"file": job.asset_id, "status": job.status}
    for number, locale in enumerate(locales):
        words |= {_name(name, locale, number): [] if name == "tags" else None for name, _, _ in WORDS}
    verdict: str | None = None
    reasons: list[str] = []
    if job.description is not None:
        verdict = job.description.verdict.action
        reasons = list(job.description.verdict.reasons)
        wanted = {"publish", "review"} if review else {"publish"}
        for annotation in job.description.annotations:
            if annotation.locale not in locales or annotation.verdict.action not in wanted:
                continue
            if annotation.verdict.action == "review" and annotation.value is not None:
                verdict = "review"
            name = _name(annotation.field, annotation.locale, locales.index(annotation.locale))
            if isinstance(annotation.value, tuple):
                words[name] = [{"id": t.id, "label": t.label, "score": round(t.score, 3)} for t in annotation.value]
            else:
                words[name] = annotation.value
            if annotation.value == "":  # empty on purpose; an empty cell alone does not show this
                reasons.extend(annotation.verdict.reasons)
    error = f"{job.error.title}: {job.error.detail}" if job.error else None
    return {**words, "verdict": verdict, "reasons": ", ".join(dict.fromkeys(reasons)), "error": error}


def columns(locales: Sequence[str]) -> list[Column]:
    several = len(locales) > 1
    words = [
        Column(name=_name(name, locale, number), heading=f"{heading} ({locale})" if several else heading, width=width)
        for number, locale in enumerate(locales)
        for name, heading, width in WORDS
    ]
    return [
        Column(name="file", heading="File", width=32),
        Column(name="status", heading="Status", width=14, words=lambda status: STATUS.get(status, "not described yet")),
        *words,
        Column(name="verdict", heading="Verdict", width=22, words=lambda verdict: VERDICT.get(verdict, verdict)),
        Column(name="reasons", heading="Reasons", width=50, words=_meanings),
        Column(name="error", heading="Error", width=40),
    ]


def content(rows: Sequence[dict[str, Any]], locales: Sequence[str], suffix: str) -> bytes:
    """CSV and XLSX hold the tags as text, JSON holds them with scores. XLSX has texts instead of codes."""
    return tables.content(rows, columns(locales), suffix, title="captions", body={"data": rows, "next_cursor": None})


def _name(name: str, locale: str, number: int) -> str:
    return name if number == 0 else f"{name}_{locale}"


def _meanings(reasons: str) -> str:
    return " ".join(REASONS.get(code, code) for code in reasons.split(", ") if code)
