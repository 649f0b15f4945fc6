"""Writing back (stage deliver)."""

from __future__ import annotations

from tagger.errors.base import TaggerError


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
    default_remedy = (
        "Mend it with `tagger sites set SITE --endpoint URL`, and --allow-private for an address inside your network."
    )


class AnswerIncomplete(DeliveryError):
    """The message went out; whether the endpoint acted on it is unknown. The next attempt tells."""

    code = "answer_incomplete"
    title = "The endpoint gave no complete answer in time"
    default_remedy = "Answer the callback within `deliver_seconds`, and do long work afterwards."


class AnswerInvalid(DeliveryError):
    code = "answer_invalid"
    title = "The endpoint answered 2xx with a body that is not the contract's"
    default_remedy = "Answer with the contract's JSON and nothing else: no notice of PHP, no page, at most 64 KiB."
