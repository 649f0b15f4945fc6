"""Rules about the message as a whole: who signed it, when, and what it is."""

from __future__ import annotations

from tagger.cms.generic import probe as site_probe
from tagger.conformance.outcome import Failed, NotSupported, expect
from tagger.conformance.trial import Trial
from tagger.net.signing import new_secret

TOO_OLD_SECONDS = 900


def signature(trial: Trial) -> None:
    asset = trial.upload()
    data = asset.data("A text of a stranger")
    reply = trial.client.send("asset.described", data, secrets=[new_secret()])
    expect(reply.refused, f"A message with a wrong signature was answered {reply.status}.")
    body, headers = trial.client.signed("asset.described", data)
    unsigned = {name: value for name, value in headers.items() if not name.startswith("webhook-")}
    expect((reply := trial.client.post(body, unsigned)).refused, f"An unsigned message was answered {reply.status}.")
    forged = body.replace(b"stranger", b"neighbor")
    expect((reply := trial.client.post(forged, headers)).refused, f"A message that was changed was answered {reply.status}.")
    expect(not asset.text(), f"It was written all the same: {asset.text()!r}")


def age(trial: Trial) -> None:
    asset = trial.upload()
    for seconds in (TOO_OLD_SECONDS, -TOO_OLD_SECONDS):
        reply = trial.client.send("asset.described", asset.data("An old text"), age_s=seconds)
        expect(reply.refused, f"A message that is {seconds} s old was answered {reply.status}.")
    expect(not asset.text(), f"It was written all the same: {asset.text()!r}")


def rotation(trial: Trial) -> None:
    asset = trial.upload()
    for secrets in ([new_secret(), *trial.client.secrets], [*trial.client.secrets, new_secret()]):
        reply = trial.client.send("webhook.test", {}, secrets=secrets)
        expect(reply.taken or reply.status == 501, f"Two signatures, one of them good, were answered {reply.status}.")
    data = asset.data("A text of two secrets")
    answer = asset.answer(trial.client.send("asset.described", data, secrets=[new_secret(), *trial.client.secrets]))
    expect(answer.outcome == "written", f"The outcome is {answer.text}.")


def unknown(trial: Trial) -> None:
    for kind in ("conformance.unknown", "webhook.test"):
        reply = trial.client.send(kind, {"site": "conformance"})
        expect(reply.status in (200, 204, 501), f"{kind} was answered {reply.status}: {reply}")


def probe(trial: Trial) -> str:
    reply = trial.client.send(site_probe.TYPE, {"site": "conformance"})
    if reply.status in (204, 501):
        raise NotSupported("The CMS does not say what it can do.")
    expect(reply.taken, f"site.probe was answered {reply.status}: {reply}")
    told = site_probe.read_answer(reply.body)
    if told is None:
        raise Failed(f"The answer is not as agreed: {reply}")
    return f"{told['cms']} {told['cms_version'] or ''}".strip()
