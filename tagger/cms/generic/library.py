"""`library.page`: asks a CMS for its assets, a page at a time, and reads the answer. Pure.

The order is by id and never changes, so a cursor neither skips nor repeats an asset while others come and go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from tagger.asset import Role
from tagger.cms.generic.callback import BOM
from tagger.cms.job_body import ID_CHARS, URL_CHARS, AssetId, Revision, Text, Url, empty_as_none, given_alone, without_nulls
from tagger.errors import AnswerInvalid
from tagger.validation_text import fault_text

TYPE = "library.page"
ASSET_ID: TypeAdapter[str] = TypeAdapter(AssetId)
MOST = 200  # assets on a page

Writer = Literal["person", "tagger", "import", "unknown"]


def _object(given: Any) -> Any:
    """null means the same as not given, as in every body."""
    return {} if given is None else given_alone(given)


class _TagsGiven(dict[str, Any]):
    """What stands under `tags`, so that the union below is chosen by the key and not by what happens to fit."""


def _fields(given: Any) -> Any:
    given = _object(given)
    if not isinstance(given, dict):
        return given
    values = {key: _object(value) for key, value in given.items()}
    return {key: _TagsGiven(value) if key == "tags" and isinstance(value, dict) else value for key, value in values.items()}


def _kind_of_field(given: Any) -> str:
    return "labels" if isinstance(given, _TagsGiven | ListedTags) else "texts"


class _Given(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def null_is_not_given(cls, given: Any) -> Any:
        return without_nulls(given)


class ListedImage(_Given):
    url: Annotated[Annotated[Url, Field(max_length=URL_CHARS)] | None, BeforeValidator(empty_as_none)] = None
    send: bool = False  # tagger cannot reach it: the CMS sends the bytes when it is asked to


class ListedText(BaseModel):
    value: Text | None
    writer: Annotated[Writer, BeforeValidator(lambda given: "unknown" if given is None else given)] = "unknown"


class ListedContext(BaseModel):
    role: Role = "unknown"
    title: Text | None = None
    caption: Text | None = None
    filename: Text | None = None
    parent_title: Text | None = None


class ListedTags(BaseModel):
    labels: list[Text] | None = None  # None: the CMS did not say which tags the asset has


ListedField = Annotated[
    Annotated[dict[str, ListedText], Tag("texts")] | Annotated[ListedTags, Tag("labels")], Discriminator(_kind_of_field)
]


class Listed(_Given):
    """One asset of a CMS, as it stands there."""

    model_config = ConfigDict(extra="ignore")

    id: AssetId
    revision: Revision = None
    modified_at: Text | None = None
    trashed: bool = False  # a person may still take it out of the trash
    image: Annotated[ListedImage, BeforeValidator(_object)] = ListedImage()  # without one, the asset is skipped as `no_image`
    context: Annotated[ListedContext, BeforeValidator(_object)] = ListedContext()
    fields: Annotated[dict[str, ListedField], BeforeValidator(_fields)] = {}

    def text(self, field: str, locale: str) -> ListedText | None:
        """None: the CMS did not speak of it."""
        texts = self.fields.get(field)
        return texts.get(locale) if isinstance(texts, dict) else None


class Unusable(Listed):
    """An asset that is not as agreed. It is skipped by its id, and the other assets of the library are described."""

    fault: str


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


def read_page(content: bytes, *, strict: bool = False) -> LibraryPage:
    """`strict`: one asset that is not as agreed makes the page invalid. Errors: AnswerInvalid."""
    try:
        page = json.loads(content.removeprefix(BOM))
        if not strict and isinstance(page, dict) and isinstance(page.get("data"), list):
            page["data"] = [_usable(row, number) for number, row in enumerate(page["data"], start=1)]
        return LibraryPage.model_validate(page)
    except ValidationError as err:
        raise AnswerInvalid(f"The page of the library is not as agreed: {_told(err)}") from None
    except (ValueError, RecursionError):
        raise AnswerInvalid("The page of the library is not JSON.") from None


def _usable(row: Any, number: int) -> Listed:
    try:
        return Listed.model_validate(row)
    except ValidationError as err:
        fault = _told(err)
    given = row.get("id") if isinstance(row, dict) else None
    try:
        asset_id = ASSET_ID.validate_python(given)
    except ValidationError:  # an id is needed for the cursor and the report
        plain = given.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(given, str) else ""
        asset_id = plain[:ID_CHARS] or f"(row {number} of a page)"
    return Unusable(id=asset_id, fault=fault)


def _told(err: ValidationError) -> str:
    first = err.errors(include_url=False)[0]
    return f"{'/'.join(map(str, first['loc']))}: {fault_text(first)}"
