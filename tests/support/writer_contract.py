"""The contract of a writer. To test one: subclass `WriterContract` and define its fixtures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.cms.base import Writer
from tagger.delivery import DeliveryClaim, Endpoint, field_keys
from tagger.message import FAILED

OFFER = {"value": "Tabby cat on a red sofa", "source": "model", "model": "ofa-caption@1a2b", "score": 0.91}
TAGS = {"add": [{"id": "cat", "label": "Katze", "score": 0.97}], "remove": []}
CLAIM = DeliveryClaim(
    delivery_id="dlv_1", token="t", job_id="job_1", site_id="demo", asset_id="4711", sequence=7, failures=0, attempts=1,
    described_ms=1_795_253_401_000, fields={"alt_text": {"en": OFFER, "pt-BR": OFFER}, "tags": TAGS},
    provenance={("alt_text", "en"): ("sha256:9f",)}, provenance_tags=("dog",), metadata={},
    endpoint=Endpoint(id="end_1", site_id="demo", url="https://cms.example/cb", secrets=("whsec_secret",)),
)  # fmt: skip


class WriterContract:
    @pytest.fixture
    def writer(self) -> Writer:
        raise NotImplementedError("the writer, as the registry gives it")

    @pytest.fixture
    def accepted(self) -> bytes:
        raise NotImplementedError("the answer of a CMS that wrote every field of `CLAIM`")

    def test_a_body_holds_each_text_and_the_id_of_the_asset(self, writer: Writer) -> None:
        body = writer.body(CLAIM).decode()
        assert all(text in body for text in ("Tabby cat on a red sofa", "Katze", "4711"))

    def test_every_attempt_sends_the_same_body(self, writer: Writer) -> None:
        assert writer.body(CLAIM) == writer.body(replace(CLAIM, failures=3, attempts=4, token="other"))

    def test_no_body_holds_a_secret(self, writer: Writer) -> None:
        assert b"whsec_secret" not in writer.body(CLAIM)

    def test_a_failure_has_a_body_too(self, writer: Writer) -> None:
        assert writer.body(replace(CLAIM, type=FAILED, fields={}, notice={"error": {"code": "image_unreadable"}}))

    def test_one_outcome_for_each_field_that_was_sent(self, writer: Writer, accepted: bytes) -> None:
        outcomes = writer.read_answer(CLAIM, accepted).outcomes
        assert sorted((o.field, o.locale) for o in outcomes) == sorted(field_keys(CLAIM.fields))
        assert {o.outcome for o in outcomes} <= {"written", "unchanged"}
        assert all(o.value_sha256 for o in outcomes), "what was written is known, so that it can be replaced later"

    def test_nothing_is_expected_where_nothing_was_to_be_written(self, writer: Writer) -> None:
        answer = writer.read_answer(replace(CLAIM, fields={}), b"<p>thanks</p>")
        assert (answer.outcomes, answer.complaint, answer.gone) == ((), "", False)

    @given(content=st.binary(max_size=200))
    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
    )
    def test_no_answer_of_a_2xx_raises(self, writer: Writer, content: bytes) -> None:
        outcomes = writer.read_answer(CLAIM, content).outcomes
        assert not {o.outcome for o in outcomes} - {"unverified"}
