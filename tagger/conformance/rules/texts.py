"""Rules about one text of one asset."""

from __future__ import annotations

from typing import Any

from tagger.conformance.outcome import NotSupported, expect
from tagger.conformance.trial import FIELD, Asset, Trial
from tagger.ids import new_id

FIRST, SECOND, THEIRS = "Tabby cat on a red sofa", "Dog on a lawn", "Our press photo of Tibby"
NASTY = "Sign <script>alert(1)</script> at 100%41 \\ of the <b>shop</b>\nwith 5 < 7 & “quotes”"
ERROR = {
    "type": "about:blank", "title": "Image cannot be decoded", "status": 422, "code": "image_unreadable",
    "detail": "The URL returned HTML, not an image.", "stage": "decode", "retryable": False, "remedy": "Send an image.",
    "errors": [],
}  # fmt: skip


def _write(asset: Asset, value: str = FIRST) -> str:
    """The value as it is stored."""
    answer = asset.describe(value)
    expect(answer.outcome == "written", f"The first text was answered {answer.text}, not written.")
    return answer.value or value


def _stands(asset: Asset, value: str, why: str) -> None:
    found = asset.text()
    expect(found == value, f"{why}: the field holds {found!r}, not {value!r}.")


def written(trial: Trial) -> None:
    asset = trial.upload()
    answer = asset.describe(FIRST)
    expect(answer.outcome == "written", f"The outcome is {answer.text}.")
    _stands(asset, answer.value or FIRST, "After the write")
    expect("previous" in answer.text, "The answer has no `previous`, so tagger cannot undo this write.")
    expect(answer.text["previous"] is None, f"`previous` is {answer.text['previous']!r}; the field was never set.")


def replay(trial: Trial) -> None:
    asset, delivery = trial.upload(), new_id("dlv")
    data = asset.data(FIRST)
    first = asset.answer(trial.client.send("asset.described", data, delivery=delivery))
    again = asset.answer(trial.client.send("asset.described", data, delivery=delivery))
    expect((first.outcome, again.outcome) == ("written", "unchanged"), f"The outcomes are {first.outcome}, then {again.text}.")
    expect("previous" in again.text and again.text["previous"] is None, f"The second answer lacks `previous`: {again.text}")
    _stands(asset, first.value or FIRST, "After the repetition")


def answer_lost(trial: Trial) -> None:
    asset, delivery = trial.upload(), new_id("dlv")
    data = asset.data(FIRST)
    trial.client.lose_answer(*trial.client.signed("asset.described", data, delivery=delivery))
    outcomes = [asset.answer(trial.client.send("asset.described", data, delivery=delivery)).outcome for _ in range(3)]
    expect(set(outcomes) <= {"written", "unchanged"}, f"The outcomes are {outcomes}.")
    expect(outcomes.count("written") <= 1 and outcomes[-1] == "unchanged", f"It was written more than once: {outcomes}")


def sequence(trial: Trial) -> None:
    asset, number = trial.upload(), trial.client.sequence()
    first = asset.describe(FIRST, sequence=number)
    stored = first.value or FIRST
    for late in (number - 1, number):
        answer = asset.describe(SECOND, ours=[stored], sequence=late)
        expect(answer.outcome == "rejected", f"A message with sequence {late} after {number} was answered {answer.text}.")
    _stands(asset, stored, "After older messages")


def unchanged(trial: Trial) -> None:
    asset = trial.upload()
    stored = _write(asset)
    answer = asset.describe(FIRST, ours=[stored])
    expect(answer.outcome == "unchanged", f"The outcome is {answer.text}.")


def replaced(trial: Trial) -> None:
    asset = trial.upload()
    stored = _write(asset)
    answer = asset.describe(SECOND, ours=[stored])
    expect(answer.outcome == "written", f"The outcome is {answer.text}.")
    expect(answer.text.get("previous") == stored, f"`previous` is {answer.text.get('previous')!r}, not {stored!r}.")
    _stands(asset, answer.value or SECOND, "After the second write")


def kept(trial: Trial) -> None:
    asset = trial.upload()
    stored = _write(asset)
    asset.edit(THEIRS)
    answer = asset.describe(SECOND, ours=[stored])
    expect(answer.outcome == "kept", f"The outcome is {answer.text}.")
    _stands(asset, THEIRS, "An editor's text")
    asset.edit(stored)  # the words that tagger wrote, but now a person chose them
    answer = asset.describe(SECOND, ours=[stored])
    expect(answer.outcome == "kept", f"An editor restored tagger's words, and the outcome is {answer.text}.")


def kept_first(trial: Trial) -> None:
    asset = trial.upload()
    asset.edit(THEIRS)
    answer = asset.describe(FIRST)
    expect(answer.outcome == "kept", f"The outcome is {answer.text}.")
    _stands(asset, THEIRS, "An editor's text")


def cleared(trial: Trial) -> None:
    asset = trial.upload()
    stored = _write(asset)
    asset.clear()
    answer = asset.describe(SECOND, ours=[stored])
    expect(answer.outcome == "kept", f"The outcome is {answer.text}.")
    _stands(asset, "", "A field that an editor cleared")


def gone(trial: Trial) -> None:
    asset = trial.upload()
    trial.editor.delete(asset.id)
    answer = asset.describe(FIRST)
    expect(answer.outcome == "gone", f"The outcome is {answer.text}.")


def sanitised(trial: Trial) -> str:
    asset = trial.upload()
    answer = asset.describe(NASTY)
    if answer.outcome == "rejected":
        expect(not asset.text(), "The text was rejected, and written all the same.")
        return "rejected"
    expect(answer.outcome == "written", f"The outcome is {answer.text}.")
    _stands(asset, answer.value or NASTY, "The answer's `value` is not what is stored")
    expect("<script" not in asset.text() and "<b>" not in asset.text(), f"Markup was stored: {asset.text()!r}")
    second = asset.describe(SECOND, ours=[answer.value])
    expect(second.outcome == "written", f"tagger's own text, as it was stored, was not replaced: {second.text}")
    return f"stored as {answer.value!r}"


def proposals(trial: Trial) -> None:
    asset = trial.upload()
    offer = {"value": FIRST, "reasons": ["low_score"], "source": "model", "model": "conformance@1", "score": 0.4}
    more: dict[str, Any] = {"verdict": "review", "reasons": ["low_score"], "proposals": {FIELD: {trial.locale: offer}}}
    asset.describe(None, **more)
    _stands(asset, "", "A proposal was written")


def failed(trial: Trial) -> None:
    asset = trial.upload()
    data = {"job": new_id("job"), "asset": {"id": asset.id}, "sequence": trial.client.sequence(), "fields": {}, "error": ERROR}
    reply = trial.client.send("asset.failed", data)
    expect(reply.taken or reply.status == 501, f"It was answered {reply.status}: {reply}")
    _stands(asset, "", "A failure changed the text")


def reverted(trial: Trial) -> None:
    asset = trial.upload()
    first = _write(asset)
    answer = asset.describe(SECOND, ours=[first])
    second = answer.value or SECOND
    undone = asset.revert(first, [second])
    expect(undone.outcome == "written", f"The outcome is {undone.text}.")
    _stands(asset, first, "After the undo")
    other = trial.upload()
    stored = _write(other)
    expect((undone := other.revert(None, [stored])).outcome == "written", f"The outcome is {undone.text}.")
    _stands(other, "", "After the undo of a first write")
    again = other.describe(SECOND)
    expect(again.outcome == "written", f"After the undo the field is not as if it was never set: {again.text}")


def revert_kept(trial: Trial) -> None:
    asset = trial.upload()
    stored = _write(asset)
    try:
        asset.edit(THEIRS)
    except NotSupported:
        return
    undone = asset.revert(None, [stored])
    expect(undone.outcome == "kept", f"The outcome is {undone.text}.")
    _stands(asset, THEIRS, "An editor's text")
