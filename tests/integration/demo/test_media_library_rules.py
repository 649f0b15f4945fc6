"""The callback's builder and the receiver's rules against a model: whatever happens in whatever order, a person's words win."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tagger.cms.base import Answer
from tagger.cms.generic import callback
from tagger.delivery import DeliveryClaim, Endpoint
from tagger.demo import receiver
from tagger.demo.media_store import MediaStore, NoSuchAsset
from tagger.message import REVERTED

ENDPOINT = Endpoint(id="end_1", site_id="demo", url="http://cms.example/", secrets=("whsec_x",))
FIELDS = ("alt_text", "caption")
TEXTS = st.sampled_from(["", "A cat", "A  cat ", "A dog", "Tibby", "Two\nlines"])
TAGS = st.sets(st.sampled_from(["cat", "dog", "sofa"]), max_size=3)


def claim_of(number: int, fields: dict[str, Any]) -> DeliveryClaim:
    return DeliveryClaim(
        delivery_id=f"dlv_{number}",
        token="t",
        job_id=f"job_{number}",
        site_id="demo",
        asset_id="a",
        sequence=number,
        failures=0,
        attempts=1,
        described_ms=0,
        fields=fields,
        provenance={},
        provenance_tags=(),
        metadata={},
        endpoint=ENDPOINT,
    )


def add_asset(store: MediaStore) -> None:
    asset = {"id": "a", "filename": "a.jpg", "media_type": "image/jpeg", "role": "unknown", "created_ms": 1}
    store.add(asset, {"title": ("a.jpg", "import")}, "evt_a_1", b"{}")


def send(store: MediaStore, claim: DeliveryClaim) -> Answer:
    message = receiver.Message.model_validate_json(callback.body(claim))
    return callback.read_answer(claim, json.dumps(receiver.apply(store, message.data, claim.delivery_id)).encode())


class Library(RuleBasedStateMachine):
    """One asset, a person, and a tagger whose answers get lost, whose deliveries come late, whose ledger is restored."""

    claims = Bundle("claims")

    @initialize(target=claims)
    def open(self) -> Any:
        self.store = MediaStore(Path(":memory:"), ["en"])
        add_asset(self.store)
        self.typed: dict[str, str] = {}  # what a person left in a field
        self.put_on: set[str] = set()  # tags of a person
        self.taken_off: set[str] = set()
        self.deleted = False
        self.sequence = 0
        self.provenance: dict[tuple[str, str], tuple[str, ...]] = {}
        self.our_tags: tuple[str, ...] = ()
        self.backup: tuple[int, dict[tuple[str, str], tuple[str, ...]], tuple[str, ...]] = (0, {}, ())
        self.uploads = 0  # deliveries ever made, over all lives of the ledger
        return multiple()

    def teardown(self) -> None:
        if hasattr(self, "shelf"):
            self.store.close()

    @rule(field=st.sampled_from(FIELDS), text=TEXTS)
    def a_person_types(self, field: str, text: str) -> None:
        self.type(field, text)

    def type(self, field: str, text: str) -> None:
        if not self.deleted:
            self.store.edit("a", {(field, "en"): text})
            self.typed[field] = text

    @rule(field=st.sampled_from(FIELDS))
    def a_person_saves_what_stands_there(self, field: str) -> None:
        """From then on those are the person's words, although tagger chose them."""
        shown = None if self.deleted else self.store.asset("a")["fields"][field].get("en")
        if shown is not None:
            self.type(field, shown["value"])

    @rule(on=TAGS, off=TAGS)
    def a_person_tags(self, on: set[str], off: set[str]) -> None:
        if not self.deleted:
            self.store.edit("a", {}, sorted(on), sorted(off - on))
            self.put_on = (self.put_on | on) - (off - on)
            self.taken_off = (self.taken_off | (off - on)) - on

    @rule(target=claims, text=TEXTS, tags=TAGS, fields=st.sets(st.sampled_from(FIELDS)))
    def tagger_describes(self, text: str, tags: set[str], fields: set[str]) -> DeliveryClaim:
        return self.describe(text, tags, fields)

    def describe(self, text: str, tags: set[str], fields: set[str]) -> DeliveryClaim:
        self.sequence += 1
        self.uploads += 1
        offers: dict[str, Any] = {name: {"en": {"value": text, "model": "m@1", "score": 0.9}} for name in sorted(fields)}
        offers["tags"] = {"add": [{"id": f"t:{tag}", "label": tag, "score": 0.9} for tag in sorted(tags)], "remove": []}
        return replace(claim_of(self.sequence, offers), delivery_id=f"dlv_{self.uploads}")

    @rule(claim=claims, lost=st.booleans())
    def tagger_delivers(self, claim: DeliveryClaim, lost: bool) -> None:
        """Any delivery of the past, any number of times, with what the ledger knows now."""
        self.deliver(claim, lost)

    def deliver(self, claim: DeliveryClaim, lost: bool) -> None:
        before = self.store.writes()["effective"]
        now = replace(claim, provenance=self.provenance, provenance_tags=self.our_tags)
        answer = send(self.store, now)
        assert answer.gone == self.deleted
        written = sum(o.outcome == "written" for o in answer.outcomes)
        assert self.store.writes()["effective"] - before == written  # the answer is the truth
        again = send(self.store, now)  # at once, as after a lost answer
        assert all(o.outcome != "written" for o in again.outcomes)
        if lost:
            return
        for o in answer.outcomes:
            if o.field == "tags" and o.outcome in ("written", "unchanged"):
                self.our_tags = tuple(tag["id"] for tag in claim.fields["tags"]["add"])
            elif o.value_sha256 is not None:
                self.provenance = {**self.provenance, (o.field, o.locale): (o.value_sha256,)}

    @rule(text=TEXTS)
    def tagger_describes_and_delivers(self, text: str) -> None:
        self.deliver(self.describe(text, set(), set(FIELDS)), lost=False)

    @rule()
    def the_ledger_is_backed_up(self) -> None:
        self.backup = (self.sequence, self.provenance, self.our_tags)

    @rule()
    def the_ledger_is_restored(self) -> None:
        self.sequence, self.provenance, self.our_tags = self.backup

    @rule(sure=st.sampled_from([False, False, False, True]))
    def a_person_deletes(self, sure: bool) -> None:
        if sure and not self.deleted:
            self.store.delete("a")
            self.deleted = True

    @invariant()
    def a_persons_words_stand(self) -> None:
        if not hasattr(self, "shelf"):
            return
        if self.deleted:
            with pytest.raises(NoSuchAsset):
                self.store.asset("a")
            return
        asset = self.store.asset("a")
        for field in FIELDS:
            shown = asset["fields"][field].get("en")
            if field in self.typed:
                assert (shown["value"], shown["writer"]) == (self.typed[field], "person")
            else:
                assert shown is None or shown["writer"] == "tagger"
        labels = {tag["label"] for tag in asset["tags"]}
        assert self.put_on <= labels
        assert not self.taken_off & labels
        assert {tag["label"] for tag in asset["tags"] if tag["writer"] == "person"} == self.put_on


TestLibrary = Library.TestCase
TestLibrary.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def offer(text: str) -> dict[str, Any]:
    return {"alt_text": {"en": {"value": text, "model": "m@1", "score": 0.9}}}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = MediaStore(tmp_path / "library.sqlite", ["en"])
    add_asset(store)
    yield store
    store.close()


def outcome(answer: Answer) -> tuple[str, str]:
    return answer.outcomes[0].outcome, answer.outcomes[0].reason


def test_a_redescription_replaces_only_what_tagger_wrote(store: MediaStore) -> None:
    first = send(store, claim_of(1, offer("A cat")))
    hashes = {("alt_text", "en"): (str(first.outcomes[0].value_sha256),)}
    assert outcome(send(store, replace(claim_of(2, offer("A tabby cat")), provenance=hashes))) == ("written", "")
    store.edit("a", {("alt_text", "en"): "A tabby cat"})  # the very same words, but now a person's
    assert outcome(send(store, replace(claim_of(3, offer("A lion")), provenance=hashes))) == ("kept", "edited_by_person")
    assert store.asset("a")["fields"]["alt_text"]["en"]["value"] == "A tabby cat"


def test_a_cleared_field_is_not_a_field_that_was_never_set(store: MediaStore) -> None:
    store.edit("a", {("alt_text", "en"): ""})
    assert outcome(send(store, claim_of(1, offer("A cat")))) == ("kept", "edited_by_person")


def test_a_prefilled_title_is_nobodys_words_and_yet_not_ours(store: MediaStore) -> None:
    fields = {"title": offer("A cat")["alt_text"]}
    assert outcome(send(store, claim_of(1, fields))) == ("kept", "not_what_tagger_wrote")


def test_a_lower_sequence_is_refused_and_so_is_the_same_one_of_another_delivery(store: MediaStore) -> None:
    send(store, claim_of(5, offer("A cat")))
    assert outcome(send(store, claim_of(4, offer("A dog")))) == ("rejected", "stale_sequence")
    other = replace(claim_of(5, offer("A dog")), delivery_id="dlv_other")
    assert outcome(send(store, other)) == ("rejected", "stale_sequence")
    assert outcome(send(store, claim_of(5, offer("A cat")))) == ("unchanged", "")
    assert store.writes()["effective"] == 1


def test_the_refusal_names_the_number_that_the_library_is_at(store: MediaStore) -> None:
    send(store, claim_of(5, offer("A cat")))
    assert send(store, claim_of(4, offer("A dog"))).sequence == 5
    assert send(store, claim_of(6, offer("A dog"))).sequence is None


def test_a_late_message_without_fields_is_refused_and_shows_nothing(store: MediaStore) -> None:
    send(store, claim_of(5, offer("A cat")))
    before = store.asset("a")
    assert send(store, claim_of(4, {})).sequence == 5
    assert store.asset("a") == before
    assert send(store, claim_of(6, {})).sequence is None


def test_a_text_is_read_back_as_it_is_stored(store: MediaStore) -> None:
    answer = send(store, claim_of(1, offer("  A \n cat ")))
    assert answer.outcomes[0].value_sha256 == callback.text_hash("A cat")


def test_what_the_library_does_not_have_is_rejected(store: MediaStore) -> None:
    text = offer("A cat")["alt_text"]["en"]
    answer = send(
        store, claim_of(1, {"alt_text": {"fr": text}, "mood": {"en": text}, "caption": {"en": {**text, "value": "x" * 3000}}})
    )
    assert [o.reason for o in answer.outcomes] == ["unknown_locale", "unknown_field", "too_long"]
    assert store.writes()["effective"] == 0


def test_taggers_tags_go_and_a_persons_stay(store: MediaStore) -> None:
    def tags(*labels: str) -> dict[str, Any]:
        return {"tags": {"add": [{"id": f"t:{label}", "label": label, "score": 0.9} for label in labels], "remove": []}}

    store.edit("a", {}, ["cat", "Tibby"])
    send(store, claim_of(1, tags("cat", "sofa", "lamp")))
    store.edit("a", {}, [], ["lamp"])
    send(store, replace(claim_of(2, tags("lamp", "dog")), provenance_tags=("t:cat", "t:sofa", "t:lamp")))
    shown = {tag["label"]: tag["writer"] for tag in store.asset("a")["tags"]}
    assert shown == {"cat": "person", "Tibby": "person", "dog": "tagger"}


@pytest.mark.parametrize("by_editor", [True, False], ids=["an editor's removal", "tagger's removal"])
def test_after_an_undo_only_a_tag_that_an_editor_took_off_stays_off(store: MediaStore, by_editor: bool) -> None:
    cat = {"tags": {"add": [{"id": "t:cat", "label": "cat", "score": 0.9}], "remove": []}}
    send(store, claim_of(1, cat))
    if by_editor:
        store.edit("a", {}, [], ["cat"])
    undo = replace(claim_of(2, {"tags": {"add": [], "remove": ["t:cat"]}}), type=REVERTED)
    assert [outcome.removed for outcome in send(store, undo).outcomes] == [() if by_editor else ("t:cat",)]
    send(store, claim_of(3, cat))
    assert [tag["label"] for tag in store.asset("a")["tags"]] == ([] if by_editor else ["cat"])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("Coffee", "coffee"), ("CAF\u00c9", "cafe\u0301"), ("Stra\u00dfe", "STRASSE")],
    ids=["case", "NFC", "folded"],
)
def test_a_tag_that_an_editor_typed_is_not_put_on_again_in_another_spelling(store: MediaStore, theirs: str, ours: str) -> None:
    offer = {"tags": {"add": [{"id": "t:1", "label": ours, "score": 0.9}], "remove": []}}
    store.edit("a", {}, [theirs])
    answer = send(store, claim_of(1, offer))
    assert [tag["label"] for tag in store.asset("a")["tags"]] == [theirs]
    assert [outcome.added for outcome in answer.outcomes] == [()], "so that tagger neither adds nor removes it again"
    store.edit("a", {}, [], [theirs])
    send(store, claim_of(2, offer))
    assert store.asset("a")["tags"] == [], "taken off in one spelling, it stays off in the other"


def test_a_tag_that_an_editor_types_replaces_taggers_own_spelling(store: MediaStore) -> None:
    send(store, claim_of(1, {"tags": {"add": [{"id": "t:1", "label": "coffee", "score": 0.9}], "remove": []}}))
    store.edit("a", {}, ["Coffee"])
    assert [(tag["label"], tag["writer"]) for tag in store.asset("a")["tags"]] == [("Coffee", "person")]
    send(store, replace(claim_of(2, {"tags": {"add": [], "remove": ["t:1"]}}), provenance_tags=("t:1",)))
    assert [tag["label"] for tag in store.asset("a")["tags"]] == ["Coffee"]
