"""`site.probe`: what the other side is and what it can do. Pure."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagger.cms.generic.callback import BOM
from tagger.cms.job_body import Text

TYPE = "site.probe"
CHARS, ITEMS = 100, 100

Word = Annotated[Text, Field(min_length=1, max_length=CHARS)]
Words = Annotated[list[Word], Field(max_length=ITEMS)]


class Capabilities(BaseModel):
    """The answer to `site.probe`. Only `cms` is required; keys that we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    cms: Word = Field(description="Its name, e.g. WordPress.")
    cms_version: Word | None = None
    plugin: Word | None = Field(None, description="Version of what speaks this protocol inside the CMS.")
    fields: Words = Field([], description="Fields that it stores.")
    locales: Words = Field([], description="Locales of its texts.")
    longest: Annotated[dict[Word, int], Field(max_length=ITEMS)] = Field({}, description="Field → most characters.")
    strict: bool = Field(False, description="Whether it compares and writes in one step, so that no editor's save is lost.")
    types: Words = Field([], description="Types of messages that it acts on.")


def read_answer(content: bytes) -> dict[str, Any] | None:
    """None for an answer that says nothing of the kind: a CMS that does not know the type answers 204 or 501."""
    try:
        return Capabilities.model_validate(json.loads(content.removeprefix(BOM))).model_dump()
    except (ValueError, RecursionError, ValidationError):
        return None
