"""Errors of the request, or of what the request names (stage accept)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tagger.errors.base import TaggerError


class BadRequest(TaggerError):
    code = "bad_request"
    title = "The request is not valid"
    status = 422
    default_remedy = "Correct the field that `errors` names, then send the request again."


class SettingsError(BadRequest):
    code = "settings_invalid"
    title = "The configuration is not valid"
    default_remedy = "Correct the named key in tagger.toml or in the environment."


class Unauthorized(TaggerError):
    code = "unauthorized"
    title = "The key is missing or wrong"
    status = 401
    default_remedy = "Send `Authorization: Bearer <key>` with a key made by `tagger keys create`."


class SignatureInvalid(TaggerError):
    code = "signature_invalid"
    title = "The signature is not valid"
    status = 401
    default_remedy = "Sign the message with the site's secret, as Standard Webhooks defines, and send it within five minutes."


class Forbidden(TaggerError):
    code = "forbidden"
    title = "The key does not allow this request"
    status = 403
    default_remedy = "Use a key of the site that the request is about."


class NotFound(TaggerError):
    code = "not_found"
    title = "The id or the path does not exist"
    status = 404
    default_remedy = "Check the id. A key reads only the jobs and deliveries of its own site."


class Conflict(TaggerError):
    code = "conflict"
    title = "The present state does not allow this request"
    status = 409
    default_remedy = "Read the present state, then decide whether to send another request."


class IdempotencyConflict(BadRequest):
    code = "idempotency_key_reused"
    title = "The Idempotency-Key was already used with another body"
    default_remedy = "Use a new Idempotency-Key for a new request."


class IdempotencyInFlight(Conflict):
    code = "idempotency_in_flight"
    title = "A request with the same Idempotency-Key is still running"
    retryable = True
    default_remedy = "Wait a second, then send the same request again."


class UnknownProfile(BadRequest):
    code = "unknown_profile"
    title = "The profile does not exist"
    default_remedy = "Use one of the profiles that `tagger config profiles` lists."


class UnsupportedLanguage(BadRequest):
    code = "unsupported_language"
    title = "The text is not in a language that the model reads"
    default_remedy = "Send the text in English."


class BodyTooLarge(BadRequest):
    code = "body_too_large"
    title = "The body is larger than the limit"
    status = 413
    default_remedy = "Send a smaller rendition or a URL, or raise `max_body_bytes`."


class VocabularyInvalid(BadRequest):
    code = "vocabulary_invalid"
    title = "The vocabulary file is not valid"
    default_remedy = "Run `tagger vocabulary check FILE`. It prints each fault with its line and column."


class LabelsInvalid(BadRequest):
    code = "labels_invalid"
    title = "The file of labels is not valid"
    default_remedy = (
        "Write a CSV file with the columns file and true_tags (ids, separated by spaces). The column caption is optional."
    )


class EmbedRefused(BadRequest):
    code = "embed_refused"
    title = "The texts cannot be written into the image file"
    default_remedy = "Use the texts in the table. The image file was not changed."


class ProfileInvalid(BadRequest):
    code = "profile_invalid"
    title = "The profile file is not valid"
    default_remedy = "Correct the file at the named line and column."


class JobCancelled(Conflict):
    """Returned to a caller that waits for the job's result. The job itself stores no error."""

    code = "job_cancelled"
    title = "The job was cancelled before it had a result"
    retryable = True
    default_remedy = "If you still need the result, send the request again."


class BodyTooSlow(TaggerError):
    code = "body_too_slow"
    title = "The body did not arrive in time"
    status = 408
    retryable = True
    default_remedy = "Send the body without pauses, send a smaller rendition, or send the image's URL."


class TooManyBodies(TaggerError):
    code = "too_many_bodies"
    title = "The API holds too many large bodies at this moment"
    status = 429
    retryable = True
    default_remedy = (
        "Send the request again after `Retry-After` seconds. Send fewer bodies at the same "
        "time, send URLs, or raise `body_memory_bytes`."
    )


@dataclass(eq=False)
class QuotaExceeded(TaggerError):
    retry_after: int = field(default=60, kw_only=True)  # seconds

    code = "quota_exceeded"
    title = "The site has used up its quota"
    status = 429
    retryable = True
    default_remedy = (
        "Send the request again after `Retry-After` seconds. The operator sees and changes the quota with "
        "`tagger sites show` and `tagger sites set`."
    )


class AmbiguousLength(BadRequest):
    code = "ambiguous_length"
    title = "The request states the length of its body in two ways"
    status = 400
    default_remedy = "Send either Content-Length or Transfer-Encoding, not both. If a proxy adds one of them, correct the proxy."
