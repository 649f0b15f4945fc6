"""Writing back (stage deliver)."""

from __future__ import annotations

from tagger.errors.base import TaggerError


class DeliveryError(TaggerError):
    code = "delivery_failed"
    title = "The endpoint did not accept the delivery"
    status = 502
    stage = "deliver"
    retryable = True
    default_remedy = "Read the attempts with `tagger deliveries show`, repair the endpoint, then replay the delivery."


class DeliveryExhausted(DeliveryError):
    code = "delivery_exhausted"
    title = "Every attempt of the delivery failed"
    retryable = False


class EndpointGone(DeliveryError):
    code = "endpoint_gone"
    title = "The endpoint answered 410 and was disabled"
    retryable = False
    default_remedy = "Enable the endpoint again with `tagger sites resume`, or set another URL."


class EndpointUnreachable(DeliveryError):
    """Nothing was sent, because the name, the connection or TLS failed. No attempt counts."""

    code = "endpoint_unreachable"
    title = "The endpoint cannot be reached"
    default_remedy = "Start the receiver. Until then its deliveries wait, and no attempt counts."


class EndpointMisconfigured(DeliveryError):
    """The registration of the endpoint is the cause, not this delivery. No attempt counts."""

    code = "endpoint_misconfigured"
    title = "The registration of the endpoint is not usable"
    default_remedy = (
        "Correct it with `tagger sites set SITE --endpoint URL`. For an address in your network, add --allow-private."
    )


class AnswerIncomplete(DeliveryError):
    """The message was sent. Whether the endpoint acted on it is unknown until the next attempt."""

    code = "answer_incomplete"
    title = "The endpoint gave no complete answer in time"
    default_remedy = "Answer the callback within `deliver_seconds`. Do long work after the answer."


class SequenceStale(DeliveryError):
    """The message wrote nothing. It is sent once more, under a higher number."""

    code = "sequence_stale"
    title = "The receiver has seen a message with a higher number"
    default_remedy = "After a restore of the ledger, do nothing. Otherwise look for a second tagger that writes to the site."


class AnswerInvalid(DeliveryError):
    code = "answer_invalid"
    title = "The endpoint answered 2xx with a body that the contract does not allow"
    default_remedy = "Answer only with the JSON of the contract, at most 64 KiB: no PHP notice, no HTML page."
