"""`data` of `asset.edited`: which fields and tags a person changed in the CMS. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tagger.cms.base import Edit, EditedText
from tagger.cms.job_body import Locale, Text, given_alone, object_of

MOST_TAGS, LABEL_CHARS = 500, 255

Label = Annotated[Text, Field(max_length=LABEL_CHARS)]
Labels = Annotated[list[Label], Field(max_length=MOST_TAGS)]


class EditedValue(BaseModel):
    """tagger does not keep the text. `was` is the hash of the text before, which tells whether it was tagger's."""

    value: str | None
    was: str | None = None


class EditedTags(BaseModel):
    """A null is a list without labels. A text that is null is refused instead: it could mean an emptied field."""

    model_config = ConfigDict(extra="forbid")  # `add` in place of `added` would lose the edit

    added: Labels = []
    removed: Labels = []

    @model_validator(mode="before")
    @classmethod
    def null_is_not_given(cls, given: Any) -> Any:
        return given_alone(given)


Texts = Annotated[dict[Locale, EditedValue], BeforeValidator(object_of)]


class EditedFields(BaseModel):
    model_config = ConfigDict(extra="forbid")  # a field that we do not know would stay tagger's

    alt_text: Texts = {}
    caption: Texts = {}
    title: Texts = {}
    tags: EditedTags = EditedTags()

    @model_validator(mode="before")
    @classmethod
    def empty_list_is_an_object(cls, given: Any) -> Any:
        return object_of(given)


class EditIn(BaseModel):
    model_config = ConfigDict(extra="ignore")  # a CMS may say more than we know

    fields: EditedFields
    by: Literal["person"]

    def edit(self, asset_id: str) -> Edit:
        texts = {"alt_text": self.fields.alt_text, "caption": self.fields.caption, "title": self.fields.title}
        return Edit(
            asset_id=asset_id,
            texts=tuple(EditedText(field=name, locale=locale) for name, values in texts.items() for locale in values),
            tags_added=tuple(self.fields.tags.added),
            tags_removed=tuple(self.fields.tags.removed),
        )
