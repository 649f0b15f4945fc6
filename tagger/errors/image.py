"""The picture, or the way to it, is at fault (stages fetch and decode)."""

from __future__ import annotations

from tagger.errors.base import TaggerError


class ImageError(TaggerError):
    """The picture or its address is at fault. Charged to this job alone."""

    code = "image_error"
    title = "The image cannot be used"
    status = 422


class FetchError(ImageError):
    code = "image_unreachable"
    title = "The image cannot be fetched"
    stage = "fetch"
    default_remedy = "Check that the URL opens without a login, or send the bytes."


class FetchFailed(FetchError):
    """A network fault, a time-out or a 5xx: another attempt may succeed."""

    retryable = True


class FetchRefused(FetchError):
    """The server answered 4xx."""

    code = "image_not_found"
    title = "The server refused to give the image"


class AddressForbidden(FetchError):
    code = "address_forbidden"
    title = "The image's address is not allowed"
    default_remedy = "Send the bytes, or allow the host with `tagger sites set SITE --allow-host HOST:PORT`."


class UrlInvalid(AddressForbidden):
    code = "image_url_invalid"
    title = "The image's URL is not valid"
    default_remedy = "Send an absolute http or https URL with a plain host name and port, and percent-encode its other parts."


class ImageNotThereYet(FetchRefused):
    """403, 404, a page or an empty file within the first minute after a hook: many CMSes send it before the file is public."""

    code = "image_not_there_yet"
    title = "The image is not there yet"
    retryable = True
    default_remedy = (
        "It is tried again by itself; after the first minute 403, 404, a page and an empty file are final. "
        "Send the hook once the file is public."
    )


class EncodingInvalid(FetchError):
    code = "image_encoding_invalid"
    title = "The image's Content-Encoding cannot be undone"
    default_remedy = "Serve the image without Content-Encoding, or with gzip; an image is compressed already."


class ImageTooLarge(FetchError):
    code = "image_too_large"
    title = "The image is over a limit"
    default_remedy = "Send a rendition of about 1,024 pixels instead of the original."


class DecodeError(ImageError):
    code = "image_unreadable"
    title = "Image cannot be decoded"
    stage = "decode"
    default_remedy = "Send a JPEG, PNG, WebP, GIF, TIFF, HEIC or AVIF file that opens in a viewer."


class ImageTooManyPixels(DecodeError):
    code = "image_too_many_pixels"
    title = "The image has too many pixels"
    default_remedy = "Send a rendition of about 1,024 pixels instead of the original."


class ImageHidden(DecodeError):
    """What the picture shows lies in its transparency, in a later frame, or in details that vanish when it is reduced."""

    code = "image_hidden"
    title = "The models would see nothing but one colour of the image"
    default_remedy = "Send a rendition that shows on white, or the frame that is meant."


class DecodeTimeout(DecodeError):
    code = "image_decode_limit"
    title = "Decoding the image went over its time or memory limit"
    default_remedy = "Send a plain JPEG or PNG rendition of it."
