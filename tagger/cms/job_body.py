"""The body of a request for a job, as every entrance reads it: `POST /v1/jobs`, multipart, raw uploads, hooks, `describe`.

One model, so that what one entrance takes, no other refuses. null means the same as not given. A context that is too long is
cut, because it only helps: a long caption must not cost the picture its description. What identifies or comes back unchanged
(ids, revision, URL, metadata) is never cut but refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.config import JsonDict

from tagger import locales
from tagger.annotation import Field as FieldName
from tagger.asset import Context, ImageSource, Role
from tagger.errors import AddressForbidden, BadRequest, BodyTooLarge, Pointer
from tagger.job import JobRequest
from tagger.net.url import parse_url
from tagger.site import Site
from tagger.validation_text import fault_text

ID_CHARS, REVISION_CHARS, URL_CHARS = 512, 256, 4_096
TITLE_CHARS, CAPTION_CHARS = 1_000, 5_000
METADATA_KEYS, KEY_CHARS, VALUE_CHARS = 20, 255, 2_000
BOM = b"\xef\xbb\xbf"
POINTERS = 20  # of a body in which everything is wrong
BLANKS = b" \t\r\n\f\v"
URLSAFE = bytes.maketrans(b"-_", b"+/")
DATA_URI = re.compile(r"\s*data:[^,]{0,255},", re.IGNORECASE)


def check_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character, which no database stores")
    if any("\ud800" <= char <= "\udfff" for char in text):  # JSON can carry half of a surrogate pair
        raise ValueError("is not valid Unicode")
    return text


def check_url(text: str) -> str:
    """The URL as it was given: a signature may cover each character of it."""
    try:
        parse_url(text)
    except AddressForbidden as err:
        raise ValueError(str(err)) from None
    return text


def as_text(value: Any) -> Any:
    """Most CMSes count in integers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else value


def empty_as_none(value: Any) -> Any:
    return None if value == "" else value


def object_of(given: Any) -> Any:
    """PHP writes an empty object as `[]`."""
    return {} if given == [] else given


def given_alone(given: Any) -> Any:
    return without_nulls(object_of(given))


def without_nulls(given: Any) -> Any:
    """null means the same as not given."""
    return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given


def plain_json(content: bytes) -> str:
    """The text of a JSON body: UTF-8 (RFC 8259), with or without a byte order mark. Errors: ValueError."""
    return content.removeprefix(BOM).decode()


def _cut(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: (value[:limit] or None) if isinstance(value, str) else value)


Text = Annotated[str, AfterValidator(check_text)]
Locale = Annotated[str, AfterValidator(locales.parse), Field(description="BCP 47, such as en or pt-BR; pt_BR is read too.")]
AssetId = Annotated[Text, Field(min_length=1, max_length=ID_CHARS), BeforeValidator(as_text)]
Revision = Annotated[
    Annotated[Text, Field(max_length=REVISION_CHARS)] | None, BeforeValidator(empty_as_none), BeforeValidator(as_text)
]
Url = Annotated[Text, AfterValidator(check_url)]
Title = Annotated[Text | None, _cut(TITLE_CHARS), Field(description=f"Cut after {TITLE_CHARS:,} characters.")]
Caption = Annotated[Text | None, _cut(CAPTION_CHARS), Field(description=f"Cut after {CAPTION_CHARS:,} characters.")]
Metadata = Annotated[
    dict[
        Annotated[Text, Field(min_length=1, max_length=KEY_CHARS)],
        Annotated[Text, Field(max_length=VALUE_CHARS)],
    ],
    Field(max_length=METADATA_KEYS),
    BeforeValidator(given_alone),
]
Fields = Annotated[list[FieldName], Field(min_length=1, max_length=4)]
ALL_FIELDS: list[FieldName] = ["alt_text", "caption", "tags"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def null_is_not_given(cls, given: Any) -> Any:
        return given_alone(given)


class ImageIn(Body):
    url: Url | None = Field(None, max_length=URL_CHARS, description="URL of the image, http or https.")
    base64: str | None = Field(None, description="The image bytes in base64. Line breaks and a data: prefix are allowed.")

    @model_validator(mode="before")
    @classmethod
    def one_of(cls, given: Any) -> Any:
        if isinstance(given, dict) and (given.get("url") is None) == (given.get("base64") is None):
            raise ValueError("give exactly one of url and base64")
        return given


class AssetIn(Body):
    id: AssetId
    revision: Revision = Field(None, description="The CMS's version of the asset.")
    image: ImageIn


class ContextIn(Body):
    role: Role = "unknown"
    title: Title = None
    caption: Caption = None
    contains_text: bool | None = None


class Wanted(Body):
    """What is asked for, however the image comes. It is a whole body: `[]` in its place is no object, as in a hook."""

    profile: Text | None = Field(None, max_length=63, description="Kind of business. Default: the profile of the site.")
    locales: list[Locale] | None = Field(None, min_length=1, max_length=16)
    fields: Fields = ALL_FIELDS
    context: ContextIn = ContextIn()
    lane: Literal["upload", "backfill"] = "upload"
    metadata: Metadata = {}

    @model_validator(mode="before")
    @classmethod
    def null_is_not_given(cls, given: Any) -> Any:
        return without_nulls(given)

    def request(self, site: Site, asset_id: str, revision: str | None, source: ImageSource, profile: str) -> JobRequest:
        return JobRequest(
            site_id=site.id,
            asset_id=asset_id,
            asset_revision=revision,
            source=source,
            lane=self.lane,
            profile=profile,
            locales=tuple(dict.fromkeys(self.locales or site.locales)),
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


class AssetPart(Body):
    id: AssetId
    revision: Revision = None


class JobPart(Wanted):
    """A job whose image comes by itself: the part `job` of a multipart job, and a hook whose bytes follow."""

    asset: AssetPart


def pointers(err: ValidationError, prefix: str = "") -> tuple[Pointer, ...]:
    """Where a body is wrong, and why (RFC 6901)."""
    faults = []
    for error in err.errors(include_url=False, include_context=False)[:POINTERS]:
        parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"])
        faults.append(Pointer(pointer=prefix + "".join("/" + part for part in parts), detail=fault_text(error)))
    return tuple(faults)


def decode_base64(text: str, limit: int) -> bytes:
    """Bytes of `image.base64`, in whatever wrapping encoders write: lines, a `data:` prefix, the URL alphabet, no padding.

    Errors: BadRequest (BodyTooLarge among them) that points at the field.
    """
    try:
        payload = text[head.end() :] if (head := DATA_URI.match(text)) else text
        if head and not head[0].rstrip(",").lower().endswith(";base64"):
            raise ValueError("the data: URI is not in base64")
        plain = payload.encode("ascii").translate(URLSAFE, BLANKS)
        data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadRequest(
            "asset.image.base64 is not base64.", errors=(Pointer(pointer="/asset/image/base64", detail=str(err)),)
        ) from None
    if not data:
        raise BadRequest("The image has no bytes.", errors=(Pointer(pointer="/asset/image/base64"),))
    if len(data) > limit:
        raise BodyTooLarge(f"The image is larger than {limit} bytes.", errors=(Pointer(pointer="/asset/image/base64"),))
    return data
