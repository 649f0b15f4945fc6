"""`library.page`: asks a CMS for its assets, a page at a time, and reads the answer. Pure.

The order is by id and never changes, so a cursor neither skips nor repeats an asset while others come and go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagger.asset import Role
from tagger.cms.generic.callback import BOM
from tagger.cms.job_body import AssetId, Revision, Text, Url
from tagger.errors import AnswerInvalid

TYPE = "library.page"
MOST = 200  # assets on a page

Writer = Literal["person", "tagger", "import", "unknown"]


class ListedImage(BaseModel):
    url: Url | None = None
    send: bool = False  # tagger cannot reach it: the CMS sends the bytes when it is asked to


class ListedText(BaseModel):
    value: Text | None
    writer: Writer = "unknown"


class ListedContext(BaseModel):
    role: Role = "unknown"
    title: Text | None = None
    caption: Text | None = None
    filename: Text | None = None
    parent_title: Text | None = None


class ListedTags(BaseModel):
    labels: list[Text] | None = None  # None: the CMS did not say which tags the asset has


class Listed(BaseModel):
    """One asset of a CMS, as it stands there."""

    model_config = ConfigDict(extra="ignore")

    id: AssetId
    revision: Revision = None
    modified_at: Text | None = None
    image: ListedImage
    context: ListedContext = ListedContext()
    fields: dict[str, dict[str, ListedText] | ListedTags] = {}

    def text(self, field: str, locale: str) -> ListedText | None:
        """None: the CMS did not speak of it."""
        texts = self.fields.get(field)
        return texts.get(locale) if isinstance(texts, dict) else None


class LibraryPage(BaseModel):
    data: Annotated[list[Listed], Field(max_length=MOST)]
    next_cursor: Text | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class PageQuery:
    """Which assets. `since` (an RFC 3339 time) may return some that were modified before it, never fewer."""

    cursor: str | None = None
    limit: int = 50
    since: str | None = None
    ids: Sequence[str] | None = None
    missing: Sequence[str] = ()  # fields: only assets where one of them was never set

    def data(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {"cursor": self.cursor, "limit": min(self.limit, MOST), "since": self.since}
        wanted |= {"ids": None if self.ids is None else list(self.ids), "missing": list(self.missing)}
        return {key: value for key, value in wanted.items() if value not in (None, [])}


def read_page(content: bytes) -> LibraryPage:
    """Errors: AnswerInvalid."""
    try:
        return LibraryPage.model_validate(json.loads(content.removeprefix(BOM)))
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        raise AnswerInvalid(
            f"The page of the library is not as agreed: {'/'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    except (ValueError, RecursionError):
        raise AnswerInvalid("The page of the library is not JSON.") from None
