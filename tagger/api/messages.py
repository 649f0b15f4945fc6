"""The messages of the webhooks, for the API's description: hooks that come in, callbacks and operator events that go out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from tagger.annotation import Action, Outcome
from tagger.annotation import Field as FieldName
from tagger.api.response_models import ErrorOut
from tagger.asset import Role
from tagger.operator_event import OperatorEventType

SIGNATURE: list[dict[str, Any]] = [
    {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
    for name, text in (
        ("webhook-id", "The event's or delivery's id; the same for every attempt."),
        ("webhook-timestamp", "Seconds since 1970."),
        ("webhook-signature", "v1,<base64>; more than one with blanks between, during a rotation."),
    )
]


class HookImage(BaseModel):
    url: str | None = Field(None, max_length=4096, pattern="^https?://", description="URL of the image.")
    send: bool | None = Field(None, description="true: the bytes follow with `PUT /v1/assets/{id}/image`; no job before that.")


class HookAsset(BaseModel):
    id: str | int = Field(description="1 to 255 characters, or an integer.")
    revision: str | int | None = None
    image: HookImage | None = Field(None, description="Needed unless the event is asset.deleted.")


class HookContext(BaseModel):
    role: Role = "unknown"
    title: str | None = None
    caption: str | None = None
    contains_text: bool | None = None


class HookData(BaseModel):
    asset: HookAsset
    context: HookContext | None = None
    fields: list[FieldName] | dict[FieldName, Any] | None = Field(
        None, description="What to describe; of `asset.edited`: field → locale → the new value, and tags `added` and `removed`."
    )
    by: Literal["person"] | None = Field(None, description="Needed for asset.edited.")
    metadata: dict[str, str] | None = None


class Hook(BaseModel):
    """Signed by Standard Webhooks with a hook secret of the site; `webhook-id` is the event's id."""

    type: str = Field(description="asset.created, asset.updated, asset.edited or asset.deleted; any other is answered 204.")
    data: HookData


class IfCurrent(BaseModel):
    accepted: list[str | None] = Field(alias="in", description='null: never set; "sha256:…" of the value as it is now.')


class TextOffer(BaseModel):
    value: str
    if_current: IfCurrent = Field(description="Write only if the field's present value is one of these.")
    source: str | None = None
    model: str | None = None
    score: float | None = None


class TagOffer(BaseModel):
    id: str
    label: str
    score: float | None = None


class TagsOffer(BaseModel):
    add: list[TagOffer]
    remove: list[str] = Field(description="Ids of tags that tagger added before.")


class Proposal(BaseModel):
    value: str | list[TagOffer]
    reasons: list[str]
    source: str
    model: str | None
    score: float | None


class Named(BaseModel):
    id: str


class DescribedData(BaseModel):
    job: str
    asset: Named
    sequence: int = Field(description="Higher with each message of the asset; refuse a lower one.")
    fields: dict[FieldName, dict[str, TextOffer] | TagsOffer] = Field(description="Texts by locale; tags without one.")
    verdict: Action
    reasons: list[str]
    proposals: dict[FieldName, dict[str, Proposal]] = Field(
        description="For a person to review. Never write it without a person's decision."
    )
    metadata: dict[str, str] | None = None


class AssetDescribed(BaseModel):
    """Signed by Standard Webhooks; `webhook-id` is the delivery's id, the same for every attempt.

    docs/api.md shows a receiver.
    """

    type: Literal["asset.described"]
    timestamp: str
    data: DescribedData


class FailedData(BaseModel):
    job: str
    asset: Named
    sequence: int
    error: ErrorOut
    fields: dict[str, Any] = Field(description="Empty.")
    metadata: dict[str, str] | None = None


class AssetFailed(BaseModel):
    """Signed as asset.described; a site may choose not to be told."""

    type: Literal["asset.failed"]
    timestamp: str
    data: FailedData


class TextOutcome(BaseModel):
    outcome: Outcome
    reason: str | None = None
    sequence: int | None = Field(None, description="With `stale_sequence`: the number of the last message that was taken.")
    value: str | None = Field(None, description="The present value, if it was written or is unchanged.")


class TagsOutcome(BaseModel):
    outcome: Outcome
    reason: str | None = None
    sequence: int | None = Field(None, description="As for a text.")
    value: list[str] | None = None
    added: list[str] | None = Field(None, description="Ids of the present tags that tagger added.")
    removed: list[str] | None = None


class CallbackAnswer(BaseModel):
    """The outcome of each field and locale. Without it the delivery counts as delivered, with the outcome `unverified`.

    The other three refuse a message without fields as stale.
    """

    fields: dict[FieldName, dict[str, TextOutcome] | TagsOutcome]
    outcome: Literal["rejected"] | None = None
    reason: Literal["stale_sequence"] | None = None
    sequence: int | None = Field(None, description="The number of the last message that was taken.")


class OperatorMessage(BaseModel):
    """Sent to `events_url`, signed in the same way."""

    type: OperatorEventType
    timestamp: str
    data: dict[str, Any]
