"""The request is at fault (stage accept), or what it is about."""

from __future__ import annotations

from tagger.errors.base import TaggerError


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


class JobCancelled(Conflict):
    """For who waited for its answer. The job itself has no error."""

    code = "job_cancelled"
    title = "The job was cancelled before it had an answer"
    retryable = True
    default_remedy = "Send the request again if the answer is still wanted."


class BodyTooSlow(TaggerError):
    code = "body_too_slow"
    title = "The body did not arrive in time"
    status = 408
    retryable = True
    default_remedy = "Send the body without pauses, or a smaller rendition, or the image's URL."


class TooManyBodies(TaggerError):
    code = "too_many_bodies"
    title = "Too many large bodies came at once"
    status = 429
    retryable = True
    default_remedy = "Send it again after `Retry-After`, and fewer at once; or send URLs; or raise `body_memory_bytes`."


class AmbiguousLength(BadRequest):
    code = "ambiguous_length"
    title = "The request states the length of its body in two ways"
    status = 400
    default_remedy = "Send either Content-Length or Transfer-Encoding, not both; look at the proxy in between."
