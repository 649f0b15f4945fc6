"""Request bodies of the API, checked by pydantic; unknown keys are refused and named."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from tagger.addresses import AllowedHost
from tagger.annotation import Field as FieldName
from tagger.asset import Context, ImageSource, Role
from tagger.errors import BadRequest, Pointer
from tagger.job import JobRequest
from tagger.site import Site

LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def check_locale(text: str) -> str:
    if not LOCALE.fullmatch(text):
        raise ValueError("not a BCP 47 language tag such as en or zh-Hans")
    return text


def check_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character, which no database stores")
    return text


def check_host(text: str) -> str:
    AllowedHost.parse(text)  # a worker could only find out with every single image
    return text


Text = Annotated[str, AfterValidator(check_text)]
Locale = Annotated[str, Field(max_length=35), AfterValidator(check_locale)]
AssetId = Annotated[Text, Field(min_length=1, max_length=512)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageIn(Body):
    url: Text | None = Field(None, max_length=4096, description="Where to fetch the image; http or https.")
    base64: str | None = Field(None, description="The bytes themselves, base64, with or without a data: prefix.")

    @model_validator(mode="after")
    def one_of(self) -> Self:
        if (self.url is None) == (self.base64 is None):
            raise ValueError("give exactly one of url and base64")
        return self


class AssetIn(Body):
    id: AssetId
    revision: Text | None = Field(None, max_length=256, description="The CMS's version of the asset.")
    image: ImageIn


class ContextIn(Body):
    role: Role = "unknown"
    title: Text | None = Field(None, max_length=1000)
    caption: Text | None = Field(None, max_length=5000)
    contains_text: bool | None = None


class Wanted(Body):
    """What is asked for, however the image comes."""

    profile: Text | None = Field(None, max_length=64, description="A kind of business; the site's own when not given.")
    locales: list[Locale] | None = Field(None, min_length=1, max_length=16)
    fields: list[FieldName] = Field(default=["alt_text", "caption", "tags"], min_length=1, max_length=4)
    context: ContextIn = ContextIn()
    lane: Literal["upload", "backfill"] = "upload"
    metadata: dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]] = Field({}, max_length=16)

    def request(self, site: Site, asset_id: str, revision: str | None, source: ImageSource, profile: str) -> JobRequest:
        return JobRequest(
            site_id=site.id,
            asset_id=asset_id,
            asset_revision=revision,
            source=source,
            lane=self.lane,
            profile=profile,
            locales=tuple(self.locales or site.locales),
            fields=tuple(dict.fromkeys(self.fields)),
            context=Context(**self.context.model_dump()),
            metadata=self.metadata,
        )


JOB_EXAMPLE: JsonDict = {
    "asset": {"id": "4711", "revision": "3", "image": {"url": "https://cms.example/a.jpg"}},
    "profile": "news",
    "locales": ["en", "zh-Hans"],
    "fields": ["alt_text", "caption", "tags"],
    "context": {"role": "informative", "title": "Cats", "caption": None, "contains_text": None},
    "lane": "upload",
    "metadata": {"post": "88"},
}


class JobIn(Wanted):
    asset: AssetIn
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [JOB_EXAMPLE]})


class EndpointIn(Body):
    url: Text = Field(max_length=2048, pattern=r"^https?://")
    allow_private: bool = Field(False, description="The URL may lead to a private or loopback address.")


class SiteIn(Body):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    name: Text = Field(min_length=1, max_length=200)
    profile: Text = "general"
    locales: list[Locale] = Field(default=["en"], min_length=1, max_length=16)
    vocabulary: Text | None = None
    allowed_hosts: list[Annotated[str, AfterValidator(check_host)]] = Field(default=[], max_length=64)
    tell_unwritten: bool = Field(True, description="Send `asset.described` also when nothing is to be written.")
    tell_failed: bool = Field(True, description="Send `asset.failed` for a job that is dead.")
    endpoint: EndpointIn | None = None


class ReplayIn(Body):
    ids: list[Text] = Field(default=[], max_length=1000, description="Their ids; empty: all that the filter finds.")
    site: Text | None = None
    since: str | None = Field(None, description="RFC 3339; only those that died, or were parked, since then.")
    reason: Text | None = Field(None, description="Only those with this error code.")


def decode_base64(text: str, limit: int) -> bytes:
    """Bytes of `image.base64`. Errors: BadRequest that points at the field."""
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadRequest(
            "asset.image.base64 is not base64.", errors=(Pointer(pointer="/asset/image/base64", detail=str(err)),)
        ) from None
    if not data or len(data) > limit:
        raise BadRequest(f"The image must have 1 to {limit} bytes.", errors=(Pointer(pointer="/asset/image/base64"),))
    return data
