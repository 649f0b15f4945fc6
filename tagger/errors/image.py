"""Errors of the image or of its address (stages fetch and decode)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tagger.errors.base import TaggerError


class ImageError(TaggerError):
    """The image or its address is the cause. Only this job counts the failure."""

    code = "image_error"
    title = "The image cannot be used"
    status = 422
    default_remedy = "Check that the image opens in a viewer, then send it again."


class FetchError(ImageError):
    code = "image_unreachable"
    title = "The image cannot be fetched"
    stage = "fetch"
    default_remedy = "Check that the URL opens without a login, or send the image's bytes."


@dataclass(eq=False)
class FetchFailed(FetchError):
    """A network fault, a time-out or a 5xx: another attempt may succeed. `retry_after_ms`: the wait that the server asks for."""

    retry_after_ms: int | None = field(default=None, kw_only=True)
    retryable = True


class FetchRefused(FetchError):
    """The server answered 4xx."""

    code = "image_not_found"
    title = "The server refused to send the image"


class AddressForbidden(FetchError):
    code = "address_forbidden"
    title = "The image's address is not allowed"
    default_remedy = "Send the image's bytes, or allow the host with `tagger sites set SITE --allow-host HOST:PORT`."


class UrlInvalid(AddressForbidden):
    code = "image_url_invalid"
    title = "The image's URL is not valid"
    default_remedy = "Send an absolute http or https URL with a plain host name. Percent-encode its path and its query."


class ImageNotThereYet(FetchRefused):
    """403, 404, a page or an empty file within the first minute after a hook: many CMSes send it before the file is public."""

    code = "image_not_there_yet"
    title = "The image is not there yet"
    retryable = True
    default_remedy = (
        "tagger tries again by itself. After the first minute 403, 404, a page and an empty file are final. "
        "Send the hook after the file is public."
    )


class EncodingInvalid(FetchError):
    code = "image_encoding_invalid"
    title = "The image's Content-Encoding cannot be decoded"
    default_remedy = "Serve the image without Content-Encoding, or with gzip. An image file is already compressed."


class ImageTooLarge(FetchError):
    code = "image_too_large"
    title = "The image file is larger than the limit"
    default_remedy = "Send a rendition of about 1,024 pixels instead of the original."


class DecodeError(ImageError):
    code = "image_unreadable"
    title = "The image cannot be decoded"
    stage = "decode"
    default_remedy = "Send a JPEG, PNG, WebP, GIF, TIFF, HEIC or AVIF file that opens in a viewer."


class ImageTooManyPixels(DecodeError):
    code = "image_too_many_pixels"
    title = "The image has too many pixels"
    default_remedy = "Send a rendition of about 1,024 pixels instead of the original."


class ImageHidden(DecodeError):
    """The content of the image is in its transparency, in a later frame, or in details that disappear when it is scaled down."""

    code = "image_hidden"
    title = "The models would see only one colour"
    default_remedy = "Send a rendition whose content is visible on a white background, or send the right frame."


class DecodeTimeout(DecodeError):
    code = "image_decode_limit"
    title = "Decoding the image exceeded the limit of time or memory"
    default_remedy = "Send a plain JPEG or PNG rendition of the image."
