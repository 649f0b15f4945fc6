"""One tree of errors. Every leaf knows its stage, its HTTP status, whether a retry can help, and the remedy.

TaggerError
├── BadRequest              stage accept: the caller can mend it
│   ├── UnknownProfile, UnknownSite, UnknownVocabulary …
├── ImageError              the picture is at fault, never its neighbours
│   ├── FetchError          stage fetch
│   └── DecodeError         stage decode
├── ModelError              stage batch
├── DeliveryError           stage deliver
└── Unavailable             a part of ours is away: always retryable

The same shape (`ErrorInfo`) is the problem+json body, `job.error` and the cause of a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

Stage = Literal["accept", "claim", "fetch", "decode", "batch", "judge", "persist", "deliver"]

TYPE_BASE = "https://tagger.dev/errors/"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Where in the request the fault lies (RFC 6901), and what is wrong there."""

    pointer: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ErrorInfo:
    """The stored and transmitted form of an error. Holds no secret: `detail` is written by us, never a peer's body."""

    code: str
    title: str
    status: int
    detail: str
    stage: Stage
    retryable: bool
    remedy: str
    errors: tuple[Pointer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form as in API.md, without `request_id`, which only a response has."""
        body = asdict(self)
        body["errors"] = [asdict(p) for p in self.errors]
        return {"type": TYPE_BASE + self.code.replace("_", "-"), **body}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> ErrorInfo:
        return cls(
            code=body["code"],
            title=body["title"],
            status=body["status"],
            detail=body["detail"],
            stage=body["stage"],
            retryable=body["retryable"],
            remedy=body["remedy"],
            errors=tuple(Pointer(**p) for p in body.get("errors", ())),
        )


@dataclass(eq=False)
class TaggerError(Exception):
    """Base of all. `detail` says what happened this time; class variables say what kind of thing it is."""

    detail: str = ""
    remedy: str = ""  # overrides the class's default remedy
    errors: tuple[Pointer, ...] = field(default=(), kw_only=True)

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside tagger"
    status: ClassVar[int] = 500
    stage: ClassVar[Stage] = "accept"
    retryable: ClassVar[bool] = False
    default_remedy: ClassVar[str] = "Look into the log by the job's id; if it happens again, report it."

    def __str__(self) -> str:
        return self.detail or self.title

    def info(self) -> ErrorInfo:
        return ErrorInfo(
            code=self.code,
            title=self.title,
            status=self.status,
            detail=self.detail or self.title,
            stage=self.stage,
            retryable=self.retryable,
            remedy=self.remedy or self.default_remedy,
            errors=self.errors,
        )


# --- stage accept: the request -------------------------------------------------------------------------------


class BadRequest(TaggerError):
    code = "bad_request"
    title = "The request is not valid"
    status = 422
    default_remedy = "Correct the field that `errors` points at and send the request again."


class SettingsError(BadRequest):
    code = "settings_invalid"
    title = "The configuration is not valid"
    default_remedy = "Correct the named key in tagger.toml or the environment."


class Unauthorized(TaggerError):
    code = "unauthorized"
    title = "The key is missing or wrong"
    status = 401
    default_remedy = "Send `Authorization: Bearer <key>` with a key made by `tagger keys create`."


class SignatureInvalid(TaggerError):
    code = "signature_invalid"
    title = "The signature does not fit"
    status = 401
    default_remedy = "Sign with the site's secret, by Standard Webhooks, and send within five minutes."


class Forbidden(TaggerError):
    code = "forbidden"
    title = "That key may not do this"
    status = 403
    default_remedy = "Use a key of the site that owns the thing."


class NotFound(TaggerError):
    code = "not_found"
    title = "No such thing"
    status = 404
    default_remedy = "Check the id; a key sees only the things of its own site."


class Conflict(TaggerError):
    code = "conflict"
    title = "The thing is not in a state that allows this"
    status = 409
    default_remedy = "Read the thing again and decide anew."


class IdempotencyConflict(BadRequest):
    code = "idempotency_key_reused"
    title = "The same Idempotency-Key came with another body"
    default_remedy = "Use a new key for a new request."


class IdempotencyInFlight(Conflict):
    code = "idempotency_in_flight"
    title = "A request with that Idempotency-Key is still in flight"
    retryable = True
    default_remedy = "Wait a second and send it again."


class UnknownProfile(BadRequest):
    code = "unknown_profile"
    title = "No such profile"
    default_remedy = "Use one of the profiles that `tagger config profiles` lists."


class UnsupportedLanguage(BadRequest):
    code = "unsupported_language"
    title = "The text is not in a language that the model reads"
    default_remedy = "Send the text in English."


class BodyTooLarge(BadRequest):
    code = "body_too_large"
    title = "The body is over the limit"
    status = 413
    default_remedy = "Send a smaller rendition, or a URL, or raise `max_body_bytes`."


class VocabularyInvalid(BadRequest):
    code = "vocabulary_invalid"
    title = "The vocabulary file is not valid"
    default_remedy = "Run `tagger vocabulary check FILE`; it names line, column and reason."


class LabelsInvalid(BadRequest):
    code = "labels_invalid"
    title = "The file of labels is not valid"
    default_remedy = "Write a CSV file with the columns file, true_tags (ids, separated by spaces) and, if there is one, caption."


class EmbedRefused(BadRequest):
    code = "embed_refused"
    title = "The words cannot be written into the image file"
    default_remedy = "Keep this image's words in the table; the file itself was not changed."


class ProfileInvalid(BadRequest):
    code = "profile_invalid"
    title = "The profile file is not valid"
    default_remedy = "Correct the file at the named line and column."


class Unavailable(TaggerError):
    code = "unavailable"
    title = "A part of tagger is away"
    status = 503
    retryable = True
    default_remedy = "Try again in a few seconds; `tagger doctor` names the part that is missing."


class PortTaken(Unavailable):
    code = "port_taken"
    title = "A port cannot be listened on"
    retryable = False
    default_remedy = "Choose another port."


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    title = "The ledger cannot be reached"
    stage = "persist"


class BrokerUnavailable(Unavailable):
    code = "broker_unavailable"
    title = "The broker cannot be reached"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "The image bytes cannot be stored or read"


class DecoderUnavailable(Unavailable):
    """No decoder process could take the image in time, or none starts. Says nothing about the image."""

    code = "decoder_unavailable"
    title = "No image decoder is free"
    stage = "decode"


# --- stages fetch and decode: the picture ---------------------------------------------------------------------


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
    default_remedy = "Send the bytes, or add the host to the site's allowed hosts."


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


class DecodeTimeout(DecodeError):
    code = "image_decode_limit"
    title = "Decoding the image went over its time or memory limit"
    default_remedy = "Send a plain JPEG or PNG rendition of it."


# --- stage batch: models --------------------------------------------------------------------------------------


class ModelError(TaggerError):
    code = "model_failed"
    title = "The model failed on this image"
    stage = "batch"
    retryable = True


class PoisonImage(ModelError):
    """The model raises on this image alone; found by bisection. Retrying cannot help."""

    code = "image_poisonous"
    title = "The model cannot process this image"
    retryable = False
    default_remedy = "Look at the image; send another rendition of it, then replay the dead letter."


class ModelOutOfMemory(ModelError):
    """This image does not fit into the device's memory even alone."""

    code = "model_out_of_memory"
    title = "The model ran out of memory on this image"
    default_remedy = "Send a smaller rendition of it, or give the device to fewer processes."


class BatchOverdue(ModelError):
    code = "batch_overdue"
    title = "The image waited too long for the model"
    default_remedy = "It is tried again by itself; start more workers if it happens often."


class EngineStopped(ModelError):
    """The owner thread is ending; the job goes back without being charged."""

    code = "engine_stopped"
    title = "The model is shutting down"
    default_remedy = "Another worker takes the job by itself; if none is left, start one with `tagger up`."


class CrashedTooOften(TaggerError):
    code = "crashed_worker"
    title = "The worker process died each time it had this image alone"
    stage = "batch"
    status = 500
    default_remedy = "Look at the image; send another rendition of it, then replay the dead letter."


class DeadlineExceeded(TaggerError):
    code = "deadline_exceeded"
    title = "The job ran past its deadline"
    stage = "batch"
    retryable = True
    status = 504
    default_remedy = "It is tried again by itself; raise `job_seconds` or start more workers if it happens often."


class NotChecked(TaggerError):
    """No model of the worker can tell whether a text describes an image."""

    code = "check_unavailable"
    title = "No model here checks texts against images"
    stage = "batch"
    status = 501
    default_remedy = "Start the workers with `check = ofa-entailment`, after `tagger models pull ofa-entailment`."


class ModelDirectoryInvalid(TaggerError):
    code = "model_directory_invalid"
    title = "The model directory cannot be used"
    stage = "batch"
    default_remedy = "Run `tagger models check`, then `tagger models pull`."


class WeightsNotFetched(ModelDirectoryInvalid):
    """The weights of a model could not be brought to this machine."""

    code = "weights_not_fetched"
    title = "The weights cannot be fetched"
    default_remedy = "Connect this machine, or name a folder with a copy of the weights as `model_mirror`."


# --- stage deliver ------------------------------------------------------------------------------------------


class DeliveryError(TaggerError):
    code = "delivery_failed"
    title = "The endpoint did not take the delivery"
    status = 502
    stage = "deliver"
    retryable = True
    default_remedy = "Look at the attempts with `tagger deliveries show`, mend the endpoint, then replay."


class DeliveryExhausted(DeliveryError):
    code = "delivery_exhausted"
    title = "Every attempt to deliver failed"
    retryable = False


class EndpointGone(DeliveryError):
    code = "endpoint_gone"
    title = "The endpoint answered 410 and was disabled"
    retryable = False
    default_remedy = "Enable the endpoint again with `tagger sites resume`, or register a new one."


class EndpointUnreachable(DeliveryError):
    """Nothing was sent: the name, the connection or TLS failed. Spends no attempt."""

    code = "endpoint_unreachable"
    title = "The endpoint cannot be reached"
    default_remedy = "Start the receiver; deliveries wait, without spending attempts, until it is back."


class EndpointMisconfigured(DeliveryError):
    """The endpoint's own registration is at fault, not this delivery. Spends no attempt."""

    code = "endpoint_misconfigured"
    title = "The endpoint's registration cannot be used"
    default_remedy = "Register the endpoint again, with a URL that may be reached and a secret made by tagger."


class AnswerIncomplete(DeliveryError):
    """The message went out; whether the endpoint acted on it is unknown. The next attempt tells."""

    code = "answer_incomplete"
    title = "The endpoint gave no complete answer in time"
    default_remedy = "Answer the callback within `deliver_seconds`, and do long work afterwards."


class AnswerInvalid(DeliveryError):
    code = "answer_invalid"
    title = "The endpoint answered 2xx with a body that is not the contract's"
