"""The callback's body, and what an answer means."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.cms.generic import callback
from tagger.delivery import DeliveryClaim, Endpoint, FieldOutcome

CAT = {"value": "Tabby cat on a red sofa", "source": "model", "model": "ofa-caption@1a2b", "score": 0.91}
CLAIM = DeliveryClaim(
    delivery_id="dlv_1",
    token="t",
    job_id="job_1",
    site_id="demo",
    asset_id="4711",
    sequence=7,
    failures=0,
    attempts=1,
    described_ms=1_795_253_401_000,
    fields={"alt_text": {"en": CAT}, "tags": {"add": [{"id": "cat", "label": "Katze", "score": 0.97}], "remove": []}},
    provenance={("alt_text", "en"): ("sha256:9f",)},
    provenance_tags=("dog",),
    metadata={},
    endpoint=Endpoint(id="end_1", site_id="demo", url="https://cms.example/cb", secrets=("whsec_x",)),
)


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read(answer: Any) -> dict[tuple[str, str], FieldOutcome]:
    outcomes = callback.read_answer(CLAIM, json.dumps(answer).encode()).outcomes
    return {(o.field, o.locale): o for o in outcomes}


@pytest.mark.parametrize("spelling", ["pt-BR", "pt_BR", "PT-br"])
def test_an_answer_may_spell_the_locale_in_its_own_way(spelling: str) -> None:
    claim = replace(CLAIM, fields={"alt_text": {"pt-BR": CAT}})
    answer = {"fields": {"alt_text": {spelling: {"outcome": "written", "value": "Gato"}}}}
    (outcome,) = callback.read_answer(claim, json.dumps(answer).encode()).outcomes
    assert (outcome.locale, outcome.outcome, outcome.value_sha256) == ("pt-BR", "written", sha("Gato"))


def test_the_body_is_that_of_the_documented_contract() -> None:
    assert json.loads(callback.body(CLAIM)) == {
        "type": "asset.described",
        "timestamp": "2026-11-21T09:30:01.000Z",
        "data": {
            "job": "job_1",
            "asset": {"id": "4711"},
            "sequence": 7,
            "fields": {
                "alt_text": {"en": {**CAT, "if_current": {"in": [None, "sha256:9f"]}}},
                "tags": {"add": [{"id": "cat", "label": "Katze", "score": 0.97}], "remove": ["dog"]},
            },
        },
    }


def test_a_field_never_written_before_is_offered_only_over_nothing() -> None:
    body = json.loads(callback.body(replace(CLAIM, provenance={})))
    assert body["data"]["fields"]["alt_text"]["en"]["if_current"] == {"in": [None]}


def test_a_tag_that_we_put_on_before_is_not_sent_again_since_a_person_may_have_taken_it_off() -> None:
    tags = json.loads(callback.body(replace(CLAIM, provenance_tags=("cat", "dog"))))["data"]["fields"]["tags"]
    assert tags == {"add": [], "remove": ["dog"]}


def test_a_tag_that_is_a_persons_matter_is_neither_offered_nor_removed() -> None:
    tags = json.loads(callback.body(replace(CLAIM, provenance_tags=(), editor_tags=("cat", "dog"))))["data"]["fields"]["tags"]
    assert tags == {"add": [], "remove": []}


@pytest.mark.parametrize(("said", "added"), [(["cat"], ("cat",)), ([], ()), (None, None), ("cat", None), ([1], None)])
def test_a_receiver_may_say_which_tags_it_put_on(said: object, added: tuple[str, ...] | None) -> None:
    told = read({"fields": {"tags": {"outcome": "written", "value": ["Katze"], "added": said, "removed": said}}})
    assert (told["tags", ""].added, told["tags", ""].removed) == (added, added)


def test_two_attempts_have_the_same_body() -> None:
    assert callback.body(CLAIM) == callback.body(replace(CLAIM, failures=3, attempts=4, token="other"))


def test_metadata_goes_back_to_the_cms() -> None:
    assert json.loads(callback.body(replace(CLAIM, metadata={"post": "88"})))["data"]["metadata"] == {"post": "88"}


def test_what_was_written_is_remembered_as_it_was_read_back() -> None:
    told = read({"fields": {"alt_text": {"en": {"outcome": "written", "value": "Tabby cat"}}, "tags": {"outcome": "written"}}})
    assert told["alt_text", "en"] == FieldOutcome(field="alt_text", locale="en", outcome="written", value_sha256=sha("Tabby cat"))
    assert told["tags", ""].value_sha256 == sha('["Katze"]')  # no value in the answer: what we sent


def test_a_tag_list_has_one_hash_in_any_order() -> None:
    first = read({"fields": {"tags": {"outcome": "written", "value": ["b", "a"]}}})
    second = read({"fields": {"tags": {"outcome": "unchanged", "value": ["a", "b"]}}})
    assert first["tags", ""].value_sha256 == second["tags", ""].value_sha256 == sha('["a","b"]')


@pytest.mark.parametrize("outcome", ["kept", "rejected", "gone", "unverified"])
def test_a_persons_words_are_never_remembered_as_ours(outcome: str) -> None:
    told = read({"fields": {"alt_text": {"en": {"outcome": outcome, "reason": "edited_by_person", "value": "Mine"}}}})
    assert told["alt_text", "en"].outcome == outcome
    assert told["alt_text", "en"].value_sha256 is None


def test_a_field_without_an_answer_is_unverified() -> None:
    told = read({"fields": {"alt_text": {"en": {"outcome": "written"}}}})
    assert (told["tags", ""].outcome, told["tags", ""].value_sha256) == ("unverified", None)


SILENT: dict[str, tuple[Any, str]] = {
    "no locale": ({"outcome": "written"}, "stands under its locale"),
    "another locale": ({"de": {"outcome": "written"}}, "no known outcome of alt_text in en."),
    "a text": ({"en": "written"}, "no known outcome of alt_text in en."),
    "an unknown outcome": ({"en": {"outcome": "Written"}}, "no known outcome of alt_text in en."),
    "nothing": (None, "no known outcome of alt_text in en."),
}


@pytest.mark.parametrize(("said", "why"), SILENT.values(), ids=SILENT)
def test_an_answer_that_leaves_a_field_out_is_told_to_the_operator(said: Any, why: str) -> None:
    """tagger could never update a text of which it does not know that it is its own."""
    tags = {"outcome": "written", "added": ["cat"], "removed": []}
    answer = callback.read_answer(CLAIM, json.dumps({"fields": {"alt_text": said, "tags": tags}}).encode())
    assert [outcome.outcome for outcome in answer.outcomes] == ["unverified", "written"]
    assert why in answer.complaint
    whole = callback.read_answer(
        CLAIM, json.dumps({"fields": {"alt_text": {"en": {"outcome": "written"}}, "tags": tags}}).encode()
    )
    assert whole.complaint == ""


@pytest.mark.parametrize("content", [b"", b"  \n", b"OK", b"{}", b"[]", b"null", b'{"fields": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_says_nothing_counts_as_unverified(content: bytes) -> None:
    answer = callback.read_answer(CLAIM, content)
    assert answer.outcomes == ()
    assert not answer.gone
    assert bool(answer.complaint) == bool(content.strip())


def test_an_asset_is_gone_when_every_answered_field_says_so() -> None:
    gone: dict[str, Any] = {"outcome": "gone"}
    assert callback.read_answer(CLAIM, json.dumps({"fields": {"alt_text": {"en": gone}, "tags": gone}}).encode()).gone
    mixed = {"fields": {"alt_text": {"en": gone}, "tags": {"outcome": "written"}}}
    assert not callback.read_answer(CLAIM, json.dumps(mixed).encode()).gone


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["fields", "alt_text", "en", "tags", "outcome", "value", "reason"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(answer=JSON)
def test_no_answer_breaks_the_reading(answer: Any) -> None:
    for outcome in callback.read_answer(CLAIM, json.dumps({"fields": answer}).encode()).outcomes:
        assert (outcome.value_sha256 is None) == (outcome.outcome not in ("written", "unchanged"))


@given(content=st.binary(max_size=60))
def test_no_bytes_break_the_reading(content: bytes) -> None:
    callback.read_answer(CLAIM, content)


def test_a_field_that_an_editor_changed_may_not_be_replaced_by_anything() -> None:
    sent = json.loads(callback.body(replace(CLAIM, editor_fields=frozenset({("alt_text", "en")}))))
    assert sent["data"]["fields"]["alt_text"]["en"]["if_current"] == {"in": []}


@pytest.mark.parametrize(
    ("outcome", "said", "previous"),
    [
        ("written", {"previous": "Old"}, ("Old", True)),
        ("written", {"previous": None}, (None, True)),
        ("unchanged", {"previous": "Old"}, ("Old", True)),
        ("written", {}, (None, False)),
        ("kept", {"previous": "A person's words"}, (None, False)),
        ("written", {"previous": 7}, (None, False)),
    ],
)
def test_what_a_write_replaced_is_read_from_the_answer(outcome: str, said: dict[str, Any], previous: tuple[Any, bool]) -> None:
    answer = json.dumps({"fields": {"alt_text": {"en": {"outcome": outcome, **said}}}}).encode()
    [found] = [o for o in callback.read_answer(CLAIM, answer).outcomes if o.field == "alt_text"]
    assert (found.previous, found.previous_said) == previous


STALE = {"outcome": "rejected", "reason": "stale_sequence", "sequence": 41}


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ({"fields": {}, **STALE}, 41),
        ({"fields": []} | STALE, 41),
        ({"fields": {}}, None),
        ({"fields": {}, **STALE, "reason": "too_long"}, None),
        ([STALE], None),
        ("stale_sequence", None),
    ],
    ids=["refused", "as PHP writes it", "taken", "another reason", "a list", "a text"],
)
def test_a_message_without_fields_is_refused_as_a_whole(answer: Any, number: int | None) -> None:
    claim = replace(CLAIM, fields={}, type="asset.failed")
    found = callback.read_answer(claim, json.dumps(answer).encode())
    assert (found.sequence, found.outcomes, found.complaint) == (number, (), "")


def test_of_a_message_with_fields_each_field_must_be_refused() -> None:
    assert callback.read_answer(CLAIM, json.dumps({"fields": {}, **STALE}).encode()).sequence is None


@pytest.mark.parametrize("content", [b"", b"{", b"<html>", b"\xff", b"[" * 5_000], ids=["none", "half", "page", "bytes", "deep"])
def test_no_answer_to_a_message_without_fields_breaks_it(content: bytes) -> None:
    assert callback.read_answer(replace(CLAIM, fields={}), content).sequence is None
