"""Request bodies of the API that ask for no job, checked by pydantic; unknown keys are refused and named."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

from tagger.annotation import Field as FieldName
from tagger.asset import PictureKind
from tagger.cms.job_body import ALL_FIELDS, AssetId, Body, ImageIn, Locale, Text, Url
from tagger.net.addresses import AllowedHost
from tagger.validation_text import SITE_ID

Since = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
STATEMENT_EXAMPLE: JsonDict = {"text": "A tabby cat on a red sofa", "image": {"url": "https://cms.example/a.jpg"}}


def check_host(text: str) -> str:
    AllowedHost.parse(text)  # a worker could only find out with every single image
    return text


class StatementIn(Body):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [STATEMENT_EXAMPLE]})

    text: Text = Field(max_length=5000, description="An English sentence about the image.")
    image: ImageIn
    profile: Text | None = Field(None, max_length=64, description="The profile whose rules decide what yes, maybe and no mean.")


class SearchIn(Body):
    image: ImageIn
    text: Text | None = Field(None, min_length=1, max_length=500, description="Words that the images have, too.")
    tags: list[Text] = Field(default_factory=list, max_length=16, description="Ids of terms; an image has all.")
    kind: PictureKind | None = None
    after: Since | None = Field(None, description="First described at or after this time.")
    before: Since | None = None
    limit: int = Field(20, ge=1, le=200)


class EndpointIn(Body):
    url: Url = Field(max_length=2048)
    allow_private: bool = Field(False, description="The URL may lead to a private or loopback address.")


class SiteIn(Body):
    id: str = Field(pattern=SITE_ID)
    name: Text = Field(min_length=1, max_length=200)
    cms: Text = Field("generic", description="Whose hooks it sends and whose answers it gives.")
    profile: Text = "general"
    locales: list[Locale] = Field(default=["en"], min_length=1, max_length=16)
    vocabulary: Text | None = None
    allowed_hosts: list[Annotated[str, AfterValidator(check_host)]] = Field(default=[], max_length=64)
    tell_unwritten: bool = Field(True, description="Send `asset.described` also if there is nothing to write.")
    tell_failed: bool = Field(True, description="Send `asset.failed` for a failed job.")
    max_open_jobs: int | None = Field(None, ge=1, description="Quota; further requests get 429. null: no limit.")
    max_bytes_a_day: int | None = Field(None, ge=1, description="Quota of uploads by the UTC day. null: no limit.")
    endpoint: EndpointIn | None = None


class ReplayIn(Body):
    ids: list[Text] = Field(default=[], max_length=1000, description="Their ids. Empty: all that the filter selects.")
    site: Text | None = None
    since: Since | None = Field(None, description="RFC 3339; only those that failed, or were parked, since this time.")
    reason: Text | None = Field(None, description="Only those with this error code.")


class ReplayDeliveriesIn(ReplayIn):
    unconfirmed: bool = Field(
        False, description="Select the deliveries that `site` answered but did not confirm, instead of parked ones."
    )


class BackfillIn(Body):
    site: Text | None = Field(None, description="Only with the operator's key.")
    fields: Annotated[list[FieldName], Field(min_length=1, max_length=4)] = ALL_FIELDS
    only_missing: bool = Field(False, description="Only assets where one of the texts was never set.")
    ids: list[AssetId] | None = Field(None, min_length=1, max_length=10_000, description="Only these assets.")
    since: Since | None = Field(None, description="RFC 3339; only assets that were changed then or later.")
    force_own: bool = Field(False, description="Describe again what was described, and replace the texts that tagger wrote.")
    rate: float | None = Field(None, ge=0.01, le=1_000, description="Most images per second.")
    window: int | None = Field(None, ge=1, le=100_000, description="Most jobs that wait for a worker at one time.")
    dry_run: bool = Field(False, description="Describe the images, write nothing, and report what would be written.")
    sample: int | None = Field(None, ge=1, le=10_000, description="Of a dry run: only so many assets.")


class UndoIn(Body):
    dry_run: bool = Field(False, description="Put nothing back; tell what would be.")
