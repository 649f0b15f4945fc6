"""`python -m workers.deliver.probe`: one signed message to a site's endpoint, by the deliverer's own way.

The question is JSON on standard input: {"site": id, "type": a type that changes nothing, "data": {…}}; without a type it is
`webhook.test`. The answer is one JSON line: {"ok", "status", "ms", "url", "answer", "code", "detail", "remedy"}, or {"error":
ErrorInfo}. Of a `webhook.test` the answer is cut. Nothing is written to the ledger, and a circuit does not learn of it.

Exit status: 0 answered · 1 the site or the settings are at fault.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from tagger.delivery import Endpoint
from tagger.errors import AnswerInvalid, BadRequest, DeliveryError, EndpointGone, NotFound, TaggerError
from tagger.ids import new_id
from tagger.instants import format_instant
from tagger.ledger import Ledger, open_ledger
from tagger.net.body import looks_like_html
from tagger.net.signed_message import headers
from tagger.settings import Settings, load
from tagger.telemetry import logs
from workers.deliver.attempt import refusal
from workers.deliver.transport import HttpTransport

MESSAGE_TYPE = "webhook.test"
ANSWER_CHARS = 200
READING = frozenset({MESSAGE_TYPE, "site.probe", "library.page"})  # types that change nothing in the CMS


def probe(
    endpoint: Endpoint, settings: Settings, now_s: float, kind: str = MESSAGE_TYPE, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Sends once. What came back, and what it means; never raises for what an endpoint does."""
    content = {"site": endpoint.site_id, **(data or {})}
    message = {"type": kind, "timestamp": format_instant(round(now_s * 1000)), "data": content}
    body = json.dumps(message, separators=(",", ":")).encode()
    transport = HttpTransport()
    started = time.monotonic()
    problem: TaggerError | None = None
    report: dict[str, Any] = {"ok": False, "status": None, "url": endpoint.url, "answer": ""}
    try:
        signed = headers(endpoint, new_id("tst", round(now_s * 1000)), int(now_s), body)
        reply = transport.post(endpoint, signed, body, settings.deliver_seconds)
        answer = reply.body[:ANSWER_CHARS] if kind == MESSAGE_TYPE else reply.body
        report |= {"status": reply.status, "answer": answer.decode("utf-8", "replace")}
        if not 200 <= reply.status < 300:
            problem = _problem(reply.status)
        elif looks_like_html(reply.body):
            problem = AnswerInvalid(f"The endpoint answered {reply.status} with a page: it is not a receiver.", "Check its path.")
    except TaggerError as err:
        problem = err
    finally:
        transport.close()
    error = None if problem is None else problem.info()
    cause = {"code": error and error.code, "detail": error and error.detail, "remedy": error and error.remedy}
    return {**report, "ok": error is None, "ms": round((time.monotonic() - started) * 1000), **cause}


def _problem(status: int) -> DeliveryError:
    if status == 404:
        return DeliveryError(
            "The endpoint answered 404. A delivery would read this as: the asset was deleted.", "Check its path."
        )
    if status == 410:
        return EndpointGone("The endpoint answered 410. A delivery would disable the endpoint.")
    return refusal(status)


def main() -> int:
    try:
        settings = load()
        logs.configure(settings, "probe")
        ledger = open_ledger(settings.ledger)
        try:
            question = json.load(sys.stdin)
            endpoint = _endpoint(ledger, str(question["site"]))
        finally:
            ledger.close()
        kind = str(question.get("type", MESSAGE_TYPE))
        if kind not in READING:
            raise BadRequest(f"{kind!r} is not sent in this way.", f"Use one of: {', '.join(sorted(READING))}.")
        answer = probe(endpoint, settings, time.time(), kind, question.get("data"))
    except TaggerError as err:
        answer = {"error": err.info().to_dict()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


def _endpoint(ledger: Ledger, site_id: str) -> Endpoint:
    ledger.get_site(site_id)
    endpoint = ledger.endpoint_of(site_id)
    if endpoint is None:
        raise NotFound(f"{site_id} has no endpoint.", "Add the site with --endpoint URL.")
    return endpoint


if __name__ == "__main__":
    sys.exit(main())
