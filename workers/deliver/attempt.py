"""One attempt: prepare → call → handle, with a typed outcome. Never raises for what an endpoint does.

| what came | result | why |
| --- | --- | --- |
| 2xx | delivered | the body tells the outcome per field; without one that we understand: `unverified` |
| 2xx whose fields are all `gone`, 404 | gone | the asset was deleted |
| 410 | disable | the endpoint asks never to be called again |
| 501 to an `asset.failed` or `asset.reverted` | delivered | the CMS need not know these types |
| 413 | reject | this body will never be taken: a dead letter at once, for a person to see |
| any other 3xx, 4xx, 5xx, a broken or late answer | retry | see below |
| no connection, a forbidden address, an unusable secret | park | the endpoint's fault, not the delivery's: no attempt is spent |

400, 401, 403 and 422 are retried by the schedule, as Svix does, although they look final: they mostly mean a wrong secret, a
plugin that was just updated, a firewall. An operator mends those within the schedule's four days, and then nothing was lost.
An answer that breaks off or comes too late spends an attempt, unlike a refused connection: otherwise one asset that always
hangs its receiver would open the circuit for all the others, for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tagger.cms import registry
from tagger.cms.base import Answer, Writer
from tagger.delivery import AttemptReport, AttemptResult, DeliveryClaim, FieldOutcome, field_keys
from tagger.errors import (
    AnswerInvalid,
    BadRequest,
    DeliveryError,
    EndpointGone,
    EndpointMisconfigured,
    EndpointUnreachable,
    SequenceStale,
)
from tagger.message import FAILED, REVERTED
from tagger.net.client import Reply
from tagger.net.retry_after import retry_after_ms
from tagger.net.signed_message import headers
from tagger.telemetry import tracing
from workers.deliver.transport import Transport

WallClock = Callable[[], float]  # seconds since 1970

PARKING = (EndpointUnreachable, EndpointMisconfigured)
ANSWERS_RETRY_AFTER = frozenset({429, 503})


def attempt(claim: DeliveryClaim, transport: Transport, seconds: float, wall: WallClock = time.time) -> AttemptReport:
    """Sends once and says what came of it. `seconds`: the deadline of all of it, the answer's body included."""
    started = time.monotonic()
    try:
        writer = _writer(claim)
        body = writer.body(claim)
        signed = headers(claim.endpoint, claim.delivery_id, int(wall()), body)
        reply = transport.post(claim.endpoint, {**signed, **tracing.headers()}, body, seconds)
    except DeliveryError as err:
        result: AttemptResult = "park" if isinstance(err, PARKING) else "retry"
        return AttemptReport(result=result, status=None, duration_ms=_since(started), error=err.info().to_dict())
    return handle(claim, writer, reply, now_s=wall(), duration_ms=_since(started))


def _writer(claim: DeliveryClaim) -> Writer:
    """Errors: EndpointMisconfigured for a CMS that this version does not know."""
    try:
        return registry.writer(claim.cms)
    except BadRequest as err:
        raise EndpointMisconfigured(str(err), err.remedy) from err


def handle(claim: DeliveryClaim, writer: Writer, reply: Reply, *, now_s: float, duration_ms: int) -> AttemptReport:
    """What an answer means, by the table above."""
    if 200 <= reply.status < 300:
        unreadable = "The answer is too long." if reply.cut else reply.unreadable
        answer = Answer(complaint=unreadable) if unreadable else writer.read_answer(claim, reply.body)
        # Delivered all the same: to send it again would not make the answer better. The operator sees the complaint.
        error = _problem(answer)
        return AttemptReport(
            result="gone" if answer.gone else "delivered",
            status=reply.status,
            duration_ms=duration_ms,
            error=None if error is None else error.info().to_dict(),
            outcomes=answer.outcomes,
            receiver_sequence=answer.sequence,
        )
    if reply.status == 404:  # of one asset it is true; of all assets, tagger/confirmation.py tells the operator
        return AttemptReport(result="gone", status=404, duration_ms=duration_ms, outcomes=_all_gone(claim))
    if reply.status == 501 and claim.type in (FAILED, REVERTED):
        return AttemptReport(result="delivered", status=501, duration_ms=duration_ms)
    result: AttemptResult = {410: "disable", 413: "reject"}.get(reply.status, "retry")  # type: ignore[assignment]
    return AttemptReport(
        result=result,
        status=reply.status,
        duration_ms=duration_ms,
        error=refusal(reply.status).info().to_dict(),
        retry_after_ms=patience_ms(reply, now_s),
    )


def _problem(answer: Answer) -> DeliveryError | None:
    if answer.sequence is not None:
        return SequenceStale(f"The receiver took number {answer.sequence} before.")
    return AnswerInvalid(answer.complaint) if answer.complaint else None


def refusal(status: int) -> DeliveryError:
    if status == 410:
        return EndpointGone("The endpoint answered 410.")
    if 300 <= status < 400:
        return DeliveryError(f"The endpoint answered {status}; redirects are not followed.", "Set the endpoint to the final URL.")
    if status in (401, 403):
        return DeliveryError(f"The endpoint answered {status}.", "Check that both sides have the same secret.")
    return DeliveryError(f"The endpoint answered {status}.")


def _all_gone(claim: DeliveryClaim) -> tuple[FieldOutcome, ...]:
    return tuple(FieldOutcome(field=name, locale=locale, outcome="gone") for name, locale in sorted(field_keys(claim.fields)))


def patience_ms(reply: Reply, now_s: float) -> int | None:
    """For how long an endpoint asks to be left alone, where its status may ask for that."""
    return retry_after_ms(reply.headers.get("retry-after", ""), now_s) if reply.status in ANSWERS_RETRY_AFTER else None


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def failed_inside(err: Exception, duration_ms: int) -> AttemptReport:
    """The report of a fault of ours, which must not leave the delivery in the air."""
    info: dict[str, Any] = DeliveryError(f"An error inside tagger: {type(err).__name__}.").info().to_dict()
    return AttemptReport(result="retry", status=None, duration_ms=duration_ms, error=info)
