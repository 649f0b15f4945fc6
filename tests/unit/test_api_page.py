"""docs/api.md by its word: its examples are accepted, and its receiver, run as it is printed, never writes over a person."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tagger import signing
from tagger.api.shapes import JobIn
from tagger.cms import callback, standard
from tagger.delivery import DeliveryClaim, Endpoint
from tagger.site import Site

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, flags=re.S)]
CAT, DOG = "Tabby cat on a red sofa", "Dog on a lawn"
PLACE = ("alt_text", "en")
ENDPOINT = Endpoint(id="end_1", site_id="blog", url="https://blog.example/tagger", secrets=(signing.new_secret(),))


def test_the_examples_are_accepted() -> None:
    job, hook, message, problem = EXAMPLES
    assert JobIn.model_validate(job).asset.id == "4711"
    wanted = standard.parse_hook(Site(id="blog", name="Blog"), "evt_1", json.dumps(hook).encode())
    assert wanted is not None
    assert wanted.asset_id == "4711"
    assert set(message["data"]) == {"job", "asset", "sequence", "fields"}
    assert f"`{problem['code']}`" in (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")


@pytest.fixture
def receiver() -> dict[str, Any]:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    found: dict[str, Any] = {}
    exec(compile(program, "docs/api.md", "exec"), found)
    return found


def claim(
    text: str, sequence: int, delivery: str, before: tuple[str, ...] = (), tags: tuple[str, ...] = ("cat",)
) -> DeliveryClaim:
    fields = {
        "alt_text": {"en": {"value": text, "source": "model", "model": "m@1", "score": 0.9}},
        "tags": {"add": [{"id": tag, "label": tag, "score": 0.9} for tag in tags]},
    }
    return DeliveryClaim(
        delivery_id=delivery, job_id="job_1", asset_id="4711", sequence=sequence, fields=fields, described_ms=1_790_000_000_000,
        provenance={PLACE: tuple(callback.text_hash(t) for t in before)}, provenance_tags=("cat",) if before else (),
        token="t", site_id="blog", attempts=0, tries=1, metadata={}, endpoint=ENDPOINT,
    )  # fmt: skip


class Cms:
    """A CMS behind the receiver, as its page says to keep it."""

    def __init__(self, receiver: dict[str, Any]) -> None:
        self.receiver, self.secret = receiver, signing.new_secret()
        self.asset: dict[str, Any] = {"sequence": 0, "delivery": "", "fields": {}, "tags": {}}
        self.db = {"4711": self.asset}

    def take(self, sent: DeliveryClaim) -> dict[str, str]:
        """Field → outcome, as tagger itself reads the answer."""
        body = callback.body(sent)
        headers = signing.sign([signing.new_secret(), self.secret], sent.delivery_id, int(time.time()), body)
        message = self.receiver["verified"](headers, body, self.secret)
        answer = callback.read_answer(sent, json.dumps(self.receiver["apply"](self.db, message, headers["webhook-id"])).encode())
        return {outcome.field: outcome.outcome for outcome in answer.outcomes}


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


def test_a_strangers_message_is_refused(receiver: dict[str, Any]) -> None:
    body = callback.body(claim(CAT, 1, "dlv_1"))
    headers = signing.sign([signing.new_secret()], "dlv_1", int(time.time()), body)
    with pytest.raises(PermissionError):
        receiver["verified"](headers, body, signing.new_secret())
