"""Standard Webhooks: ours and the reference package agree, and whatever comes in, there is one error."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tagger.errors import BadRequest, SignatureInvalid
from tagger.net import signing

NOW = 1_795_000_000
OLD, NEW = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))  # fixed: they name tests
BODY = b'{"type":"asset.described"}'


def test_what_we_sign_the_reference_verifies() -> None:
    now = int(datetime.now(UTC).timestamp())  # the reference reads the clock itself
    headers = signing.sign([NEW], "dlv_1", now, BODY)
    assert Webhook(NEW).verify(BODY, headers) == {"type": "asset.described"}


@given(body=st.text(), seconds=st.integers(1, 2**33))
def test_what_the_reference_signs_we_verify(body: str, seconds: int) -> None:
    signature = Webhook(NEW).sign("dlv_1", datetime.fromtimestamp(seconds, UTC), body)
    headers = {"Webhook-Id": "dlv_1", "Webhook-Timestamp": str(seconds), "Webhook-Signature": signature}
    content = body.encode("utf-8", "surrogatepass")
    assert signing.verify([NEW], headers, content, seconds) == "dlv_1"


def test_two_secrets_are_valid_during_a_rotation() -> None:
    headers = signing.sign([NEW, OLD], "dlv_1", NOW, BODY)
    for held in ([NEW], [OLD], [OLD, NEW], [signing.new_secret(), OLD]):
        assert signing.verify(held, headers, BODY, NOW) == "dlv_1"
    with pytest.raises(SignatureInvalid):
        signing.verify([signing.new_secret()], headers, BODY, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "dlv_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-id": ""},
        {"webhook-timestamp": "1795000000.0"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "١٧٩٥٠٠٠٠٠٠"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,a"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,,,"},
        {"webhook-signature": ","},
        {"webhook-signature": "\x00"},
    ],
)
def test_altered_or_malformed_headers_are_refused(change: dict[str, str]) -> None:
    headers = {**signing.sign([NEW], "dlv_1", NOW, BODY), **change}
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW], headers, BODY, NOW)


def test_an_altered_body_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW], signing.sign([NEW], "dlv_1", NOW, BODY), BODY + b" ", NOW)


def test_another_version_of_the_signature_is_not_taken_for_ours() -> None:
    headers = signing.sign([NEW], "dlv_1", NOW, BODY)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW], headers, BODY, NOW)
    headers["webhook-signature"] += " " + signing.sign([NEW], "dlv_1", NOW, BODY)["webhook-signature"]
    assert signing.verify([NEW], headers, BODY, NOW) == "dlv_1"


@pytest.mark.parametrize(("age", "good"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_message_is_good_for_five_minutes(age: int, good: bool) -> None:
    headers = signing.sign([NEW], "dlv_1", NOW - age, BODY)
    if good:
        signing.verify([NEW], headers, BODY, NOW)
    else:
        with pytest.raises(SignatureInvalid, match="too old, or in the future"):
            signing.verify([NEW], headers, BODY, NOW)


def test_a_dot_in_the_id_cannot_move_the_border_to_the_time() -> None:
    """ "a" at time 1 with body "2.x", and "a.1" at time 2 with body "x", join to the same signed text."""
    honest = signing.sign([NEW], "a", 1, b"2.x")
    forged = {**honest, "webhook-id": "a.1", "webhook-timestamp": "2"}
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW], forged, b"x", 2)


@given(
    headers=st.dictionaries(st.sampled_from(["webhook-id", "WEBHOOK-ID", "webhook-timestamp", "webhook-signature"]), st.text()),
    body=st.binary(),
)
def test_whatever_comes_there_is_one_error(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW], headers, body, NOW)


@given(signature=st.text(max_size=80), body=st.binary(max_size=20))
def test_whatever_the_signature_there_is_one_error(signature: str, body: bytes) -> None:
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": str(NOW), "webhook-signature": "v1," + signature}
    with pytest.raises(SignatureInvalid):
        signing.verify([NEW, OLD], headers, body, NOW)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "hunter2", "whsec_short", "whsec_!!!!", "whsec_é", NEW.removeprefix("whsec_")],
    ids=["empty", "prefix", "word", "short", "no-base64", "not-ascii", "no-prefix"],  # the last secret is another in each run
)
def test_a_malformed_secret_is_named_as_such_and_not_shown(secret: str) -> None:
    with pytest.raises(BadRequest) as caught:
        signing.sign([secret], "dlv_1", NOW, BODY)
    assert secret in ("", "whsec_") or secret not in str(caught.value)
    with pytest.raises(SignatureInvalid):
        signing.verify([secret], signing.sign([NEW], "dlv_1", NOW, BODY), BODY, NOW)


def test_without_secrets_nothing_is_signed_and_nothing_verified() -> None:
    with pytest.raises(BadRequest):
        signing.sign([], "dlv_1", NOW, BODY)
    with pytest.raises(SignatureInvalid):
        signing.verify([], signing.sign([NEW], "dlv_1", NOW, BODY), BODY, NOW)


def test_new_secrets_differ_and_hold_32_bytes() -> None:
    assert signing.new_secret() != signing.new_secret()
    assert len(base64.b64decode(signing.new_secret().removeprefix("whsec_"))) == 32
