"""Bytes whose hook came before: what the hook said counts wherever the query of the request with the bytes says nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from tagger.cms.job_body import Wanted

log = structlog.get_logger()

BODY_KEYS = {"locale": "locales", "field": "fields", "lane": "lane", "metadata": "metadata"}  # by their names in the query
CONTEXT_KEYS = ("role", "title", "caption", "contains_text")


def completed(query: Wanted, names: Collection[str], words: Mapping[str, Any]) -> Wanted:
    """The body of the job. `query`: what the query says; `names`: which of its parameters were given; `words`: the hook's."""
    if not words:
        return query
    given = query.model_dump(mode="json", include={key for name, key in BODY_KEYS.items() if name in names})
    context = query.context.model_dump(mode="json", include={key for key in CONTEXT_KEYS if key in names}, exclude_none=True)
    try:
        return Wanted.model_validate({**words, **given, "context": {**words.get("context", {}), **context}}, extra="ignore")
    except ValidationError as err:  # another version stored them
        log.warning("hook_words.unreadable", error=str(err.errors(include_url=False, include_input=False)[:1]))
        return query
