"""docs/api.md and docs/protocol.md by their word: the examples are accepted; the receiver, as printed, keeps a person's text."""

from __future__ import annotations

import copy
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagger.annotation import Action, Annotation, Verdict
from tagger.cms.base import Answer
from tagger.cms.generic import callback
from tagger.cms.generic.hook import parse_hook
from tagger.cms.job_body import JobIn
from tagger.conformance.rules import RULES
from tagger.delivery import DeliveryClaim, Endpoint, FieldOutcome
from tagger.errors import DecodeError
from tagger.job import Description
from tagger.message import of_description, of_failure
from tagger.net import signing
from tagger.site import Site

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, flags=re.S)]
CAT, DOG = "Tabby cat on a red sofa", "Dog on a lawn"
PLACE = ("alt_text", "en")
ENDPOINT = Endpoint(id="end_1", site_id="blog", url="https://blog.example/tagger", secrets=(signing.new_secret(),))


def test_the_examples_are_accepted() -> None:
    job, hook, written, review, nothing, failed, problem = EXAMPLES
    assert JobIn.model_validate(job).asset.id == "4711"
    wanted = parse_hook(Site(id="blog", name="Blog"), "evt_1", json.dumps(hook).encode())
    assert wanted is not None
    assert wanted.asset_id == "4711"
    described = {"job", "asset", "sequence", "fields", "verdict", "reasons", "proposals"}
    assert [set(message["data"]) for message in (written, review, nothing)] == [described] * 3
    assert set(failed["data"]) == {"job", "asset", "sequence", "fields", "error"}
    assert f"`{problem['code']}`" in (Path(__file__).parents[3] / "docs" / "errors.md").read_text("utf-8")


@pytest.fixture
def receiver() -> dict[str, Any]:
    [program] = re.findall(r"```python\n(.*?)```", PROTOCOL, flags=re.S)
    found: dict[str, Any] = {}
    exec(compile(program, "docs/protocol.md", "exec"), found)
    return found


def claim(
    text: str, sequence: int, delivery: str, before: tuple[str, ...] = (), tags: tuple[str, ...] = ("cat",)
) -> DeliveryClaim:
    fields = {
        "alt_text": {"en": {"value": text, "source": "model", "model": "m@1", "score": 0.9}},
        "tags": {"add": [{"id": tag, "label": tag, "score": 0.9} for tag in tags]},
    }
    return message(
        sequence, delivery, fields=fields, notice=of_description(described("publish")),
        provenance={PLACE: tuple(callback.text_hash(t) for t in before)}, provenance_tags=("cat",) if before else (),
    )  # fmt: skip


def message(sequence: int, delivery: str, **more: Any) -> DeliveryClaim:
    known: dict[str, Any] = {"fields": {}, "provenance": {}, "provenance_tags": (), **more}
    return DeliveryClaim(
        delivery_id=delivery, job_id="job_1", asset_id="4711", sequence=sequence, described_ms=1_790_000_000_000,
        token="t", site_id="blog", failures=0, attempts=1, metadata={}, endpoint=ENDPOINT, **known,
    )  # fmt: skip


def described(action: Action, value: str | None = CAT) -> Description:
    verdict = Verdict(action=action, reasons=() if action == "publish" else ("low_score",))
    alt = Annotation(field="alt_text", locale="en", value=value, score=0.4, model="m@1", rules=(), verdict=verdict)
    return Description(annotations=(alt,), verdict=verdict, sha256="", width=8, height=8, timings_ms={})


OLD = (Path(__file__).parents[2] / "data" / "receivers" / "only_fields.txt").read_text("utf-8")


class Cms:
    """A CMS behind the receiver, as its page says to keep it."""

    def __init__(self, receiver: dict[str, Any]) -> None:
        self.receiver, self.secret = receiver, signing.new_secret()
        self.asset: dict[str, Any] = {"sequence": 0, "delivery": "", "fields": {}, "tags": {}, "offered": set(), "replaced": {}}
        self.db = {"4711": self.asset}

    def take(self, sent: DeliveryClaim) -> dict[str, str]:
        """Field → outcome, as tagger itself reads the answer."""
        return {field: outcome.outcome for field, outcome in self.answers(sent).items()}

    def answers(self, sent: DeliveryClaim) -> dict[str, FieldOutcome]:
        return {outcome.field: outcome for outcome in self.answer(sent).outcomes}

    def answer(self, sent: DeliveryClaim) -> Answer:
        body = callback.body(sent)
        headers = signing.sign([signing.new_secret(), self.secret], sent.delivery_id, int(time.time()), body)
        status, said = self.receiver["receive"](self.db, headers, body, [self.secret])
        assert status == 200
        return callback.read_answer(sent, json.dumps(said).encode())


def test_it_writes_once_and_replaces_only_its_own(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    assert cms.take(claim(CAT, 1, "dlv_1")) == {"alt_text": "written", "tags": "written"}
    assert cms.take(claim(CAT, 1, "dlv_1")) == {"alt_text": "unchanged", "tags": "unchanged"}
    cms.asset["tags"]["Tibby"] = (None, "person")
    assert cms.take(claim(DOG, 2, "dlv_2", before=(CAT,), tags=("dog",))) == {"alt_text": "written", "tags": "written"}
    assert cms.asset["fields"] == {PLACE: (DOG, "tagger")}
    assert sorted(cms.asset["tags"]) == ["Tibby", "dog"]
    assert cms.take(claim(CAT, 1, "dlv_1")) == {"alt_text": "rejected", "tags": "rejected"}
    assert cms.take(claim(CAT, 2, "dlv_other")) == {"alt_text": "rejected", "tags": "rejected"}
    assert cms.asset["fields"] == {PLACE: (DOG, "tagger")}


def test_a_late_message_without_fields_is_refused_with_the_number(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.take(claim(CAT, 5, "dlv_5"))
    shown = dict(cms.asset)
    assert cms.answer(message(4, "dlv_4")).sequence == 5
    assert cms.asset == shown
    assert cms.answer(message(6, "dlv_6")).sequence is None


@pytest.mark.parametrize("words", ["Our press photo", "", None, CAT])
def test_a_persons_words_stay_also_where_they_cleared_the_field(receiver: dict[str, Any], words: str | None) -> None:
    cms = Cms(receiver)
    cms.take(claim(CAT, 1, "dlv_1"))
    cms.asset["fields"][PLACE] = (words, "person")
    assert cms.take(claim(DOG, 2, "dlv_2", before=(CAT,)))["alt_text"] == "kept"
    assert cms.asset["fields"][PLACE] == (words, "person")


def test_what_another_program_wrote_stays(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.asset["fields"][PLACE] = ("By the importer", "importer")
    assert cms.take(claim(CAT, 1, "dlv_1"))["alt_text"] == "kept"


def test_a_deleted_asset_is_gone(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.db.clear()
    assert cms.take(claim(CAT, 1, "dlv_1")) == {"alt_text": "gone", "tags": "gone"}


def test_a_tag_that_an_editor_took_off_between_a_lost_answer_and_its_retry_stays_off(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.take(claim(CAT, 1, "dlv_1", tags=("cat", "sofa")))  # the answer is lost
    del cms.asset["tags"]["cat"]
    tags = cms.answers(claim(CAT, 1, "dlv_1", tags=("cat", "sofa")))["tags"]
    assert sorted(cms.asset["tags"]) == ["sofa"]
    assert (tags.outcome, tags.added) == ("unchanged", ("sofa",)), "so that tagger does not offer it again either"
    cms.take(claim(CAT, 2, "dlv_2", tags=("cat", "sofa")))  # tagger never learnt of any answer
    assert sorted(cms.asset["tags"]) == ["sofa"]


def test_a_tag_that_an_editor_typed_and_took_off_before_the_retry_stays_off(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.asset["tags"]["cat"] = (None, "person")
    assert cms.answers(claim(CAT, 1, "dlv_1"))["tags"].added == ()
    del cms.asset["tags"]["cat"]
    assert cms.answers(claim(CAT, 1, "dlv_1"))["tags"].added == ()
    assert cms.asset["tags"] == {}


def test_a_tag_that_tagger_took_off_may_come_back(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.take(claim(CAT, 1, "dlv_1"))
    cms.take(claim(DOG, 2, "dlv_2", before=(CAT,), tags=("dog",)))
    assert sorted(cms.asset["tags"]) == ["dog"]
    cms.take(replace(claim(CAT, 3, "dlv_3", before=(CAT, DOG)), provenance_tags=("dog",)))
    assert sorted(cms.asset["tags"]) == ["cat"]


def test_an_older_message_changes_nothing_whatever_it_says(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    cms.take(claim(CAT, 5, "dlv_5"))
    before = copy.deepcopy(cms.asset)
    late = {"fields": {}, "notice": of_description(described("review"))}
    failed: dict[str, Any] = {"type": "asset.failed", "notice": of_failure(DecodeError("Not an image.").info())}
    assert cms.take(claim(DOG, 4, "dlv_4", before=(CAT,), tags=("dog",))) == {"alt_text": "rejected", "tags": "rejected"}
    assert cms.take(message(4, "dlv_4", **late)) == {}
    assert cms.take(message(5, "dlv_other", **late)) == {}
    assert cms.take(message(3, "dlv_3", **failed)) == {}
    assert cms.asset == before
    assert cms.take(message(6, "dlv_6", **failed)) == {}
    assert cms.asset["sequence"] == 6
    assert cms.take(claim(DOG, 5, "dlv_5", before=(CAT,))) == {"alt_text": "rejected", "tags": "rejected"}


def test_the_four_states_are_shown_and_a_proposal_is_not_written(receiver: dict[str, Any]) -> None:
    cms = Cms(receiver)
    seen = []
    for sequence, more in enumerate(
        [
            {"notice": of_description(described("review"))},
            {"notice": of_description(described("suppress", None))},
            {"type": "asset.failed", "notice": of_failure(DecodeError("Not an image.").info())},
        ],
        start=1,
    ):
        assert cms.take(message(sequence, f"dlv_{sequence}", **more)) == {}
        seen.append((cms.asset["state"], cms.asset["reasons"][0], list(cms.asset["proposals"])))
        assert (cms.asset["fields"], cms.asset["tags"]) == ({}, {})
    cms.take(claim(CAT, 4, "dlv_4"))
    seen.append((cms.asset["state"], *cms.asset["reasons"], list(cms.asset["proposals"])))
    assert seen == [
        ("for review", "low_score", ["alt_text"]), ("nothing to say", "low_score", []), ("failed", "Not an image.", []),
        ("written", []),
    ]  # fmt: skip


def test_a_receiver_that_knows_only_fields_goes_on_working() -> None:
    """As docs/api.md printed it before there were messages without a write, copied into somebody's CMS."""
    found: dict[str, Any] = {}
    exec(compile(OLD, "only_fields", "exec"), found)
    asset: dict[str, Any] = {"sequence": 0, "delivery": "", "fields": {}, "tags": {}}
    failed: dict[str, Any] = {"type": "asset.failed", "notice": of_failure(DecodeError("Not an image.").info())}
    for sequence, more in enumerate([failed, {"notice": of_description(described("review"))}], start=1):
        body = json.loads(callback.body(message(sequence, f"dlv_{sequence}", **more)))
        assert found["apply"]({"4711": asset}, body, f"dlv_{sequence}") == {"fields": {}}
    written = found["apply"]({"4711": asset}, json.loads(callback.body(claim(CAT, 3, "dlv_3"))), "dlv_3")
    assert written["fields"]["alt_text"]["en"] == {"outcome": "written"}
    assert asset["fields"] == {PLACE: (CAT, "tagger")}


def test_another_type_is_left_alone(receiver: dict[str, Any]) -> None:
    secret = signing.new_secret()
    body = b'{"type":"webhook.test"}'
    assert receiver["receive"]({}, signing.sign([secret], "msg_1", int(time.time()), body), body, [secret]) == (204, None)


def test_a_strangers_message_is_refused(receiver: dict[str, Any]) -> None:
    body = callback.body(claim(CAT, 1, "dlv_1"))
    headers = signing.sign([signing.new_secret()], "dlv_1", int(time.time()), body)
    with pytest.raises(PermissionError):
        receiver["verified"](headers, body, [signing.new_secret()])


@pytest.mark.parametrize(("theirs", "ours"), [("Coffee", "coffee"), ("CAF\u00c9", "cafe\u0301")], ids=["case", "NFC"])
def test_it_puts_no_tag_beside_the_same_one_of_an_editor(receiver: dict[str, Any], theirs: str, ours: str) -> None:
    cms = Cms(receiver)
    cms.asset["tags"][theirs] = (None, "person")
    tags = cms.answers(claim(CAT, 1, "dlv_1", tags=(ours, "sofa")))["tags"]
    assert sorted(cms.asset["tags"]) == sorted([theirs, "sofa"])
    assert tags.added == ("sofa",)


def test_the_page_has_every_rule_of_the_conformance_run() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", PROTOCOL, flags=re.M)[-len(RULES) :] == [(r.name, r.title) for r in RULES]
