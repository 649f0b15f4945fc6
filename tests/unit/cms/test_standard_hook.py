"""The generic hook: a valid hook makes a job; any other gives an error that names the fault."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.asset import Context, ImageSource
from tagger.cms.base import Deletion, Edit, EditedText, ImageFollows
from tagger.cms.generic.hook import parse_hook
from tagger.errors import BadRequest
from tagger.site import Site

SITE = Site(id="demo", name="Demo", profile="news", locales=("en", "zh-Hans"))


def hook(**changes: Any) -> dict[str, Any]:
    asset = {"id": "4711", "revision": "3", "image": {"url": "https://cms.example/a.jpg"}}
    return {"type": "asset.created", "data": {"asset": {**asset, **changes}}}


def parse(message: Any) -> Any:
    return parse_hook(SITE, "evt_1", json.dumps(message).encode())


def test_a_hook_becomes_a_job_in_the_sites_profile_and_languages() -> None:
    message = hook()
    message["data"]["context"] = {"role": "informative", "title": "Cats", "caption": "", "contains_text": None}
    message["data"]["metadata"] = {"post": "88"}
    request = parse(message)
    assert request.source == ImageSource(kind="url", location="https://cms.example/a.jpg")
    assert (request.site_id, request.asset_id, request.asset_revision, request.event_id) == ("demo", "4711", "3", "evt_1")
    assert (request.profile, request.locales, request.lane) == ("news", ("en", "zh-Hans"), "upload")
    assert request.context == Context(role="informative", title="Cats")
    assert request.metadata == {"post": "88"}


def test_the_same_event_is_the_same_job_and_another_revision_is_not() -> None:
    again = parse_hook(SITE, "evt_1", json.dumps(hook()).encode())
    other = parse_hook(SITE, "evt_2", json.dumps(hook(revision="4")).encode())
    assert again is not None
    assert other is not None
    assert parse(hook()).identity() == again.identity() != other.identity()


def test_ids_may_be_numbers() -> None:
    assert parse(hook(id=4711, revision=3)) == parse(hook())


def test_a_hook_may_name_what_an_api_job_may_name_and_more_than_we_know() -> None:
    message = hook(size=9, image={"url": "https://cms.example/a.jpg", "alt": "x"})
    message["data"] |= {"locales": ["pt_BR"], "profile": "travel", "lane": "backfill", "author": {"name": "A"}}
    request = parse(message)
    assert (request.locales, request.profile, request.lane) == (("pt-BR",), "travel", "backfill")


def test_an_event_that_needs_no_work_is_none() -> None:
    assert parse({"type": "asset.viewed", "data": {"asset": {"id": "4711"}}}) is None


def test_a_deletion_names_its_asset() -> None:
    assert parse({"type": "asset.deleted", "data": {"asset": {"id": 4711}}}) == Deletion(asset_id="4711")
    with pytest.raises(BadRequest):
        parse({"type": "asset.deleted", "data": {"asset": {}}})


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ([], "/type"),
        ({"type": "asset.created"}, "/data"),
        ({"type": "asset.created", "data": {}}, "/data/asset"),
        (hook(id=""), "/data/asset/id"),
        (hook(id=True), "/data/asset/id"),
        (hook(id="x" * 513), "/data/asset/id"),
        (hook(id="a\x00b"), "/data/asset/id"),
        (hook(id="\ud800"), "/data/asset/id"),
        (hook(revision={}), "/data/asset/revision"),
        (hook(image={}), "/data/asset/image/url"),
        (hook(image={"url": "file:///etc/passwd"}), "/data/asset/image/url"),
        (hook(image={"url": "/a.jpg"}), "/data/asset/image/url"),
        (hook(image={"url": "http://[::1/a.jpg"}), "/data/asset/image/url"),
        (hook(image={"base64": "eA=="}), "/data/asset/image/url"),
    ],
)
def test_a_fault_is_pointed_at(message: Any, pointer: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(message)
    assert [p.pointer for p in caught.value.errors] == [pointer]


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse_hook(SITE, "evt_1", content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("asset", "context", "metadata", "fields"), JSON)))
def test_no_data_raises_anything_else(data: dict[str, Any]) -> None:
    for whole in (data, {**hook()["data"], **{k: v for k, v in data.items() if k != "asset"}}):
        with contextlib.suppress(BadRequest):
            parse({"type": "asset.updated", "data": whole})


def test_an_edit_names_the_fields_and_the_tags_that_a_person_changed() -> None:
    fields = {
        "alt_text": {"pt_BR": {"value": "Gato", "was": "sha256:9f"}, "en": {"value": None}},
        "tags": {"added": ["Tibby"], "removed": ["cat"]},
    }
    found = parse({"type": "asset.edited", "data": {"asset": {"id": 4711}, "by": "person", "fields": fields}})
    texts = (EditedText(field="alt_text", locale="pt-BR"), EditedText(field="alt_text", locale="en"))
    assert found == Edit(asset_id="4711", texts=texts, tags_added=("Tibby",), tags_removed=("cat",))


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"fields": {}}, "/data/by"),
        ({"by": "tagger", "fields": {}}, "/data/by"),
        ({"by": "person"}, "/data/fields"),
        ({"by": "person", "fields": {"alt_text": {"added": ["cat"]}}}, "/data/fields/alt_text"),
        ({"by": "person", "fields": {"tags": {"added": "cat"}}}, "/data/fields/tags/added"),
        ({"by": "person", "fields": {"alt_text": None}}, "/data/fields/alt_text"),
        ({"by": "person", "fields": {"alt_text": {"en": None}}}, "/data/fields/alt_text/en"),
        ({"by": "person", "fields": {"mood": {"en": {"value": "x"}}}}, "/data/fields/mood"),
    ],
    ids=["nobody", "by-tagger", "no-fields", "tags-of-a-text", "tags-as-text", "null-field", "null-text", "no-such-field"],
)
def test_an_edit_that_is_not_as_agreed_is_refused_with_its_place(data: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadRequest) as err:
        parse({"type": "asset.edited", "data": {"asset": {"id": "a"}, **data}})
    assert any(place.pointer.startswith(pointer) for place in err.value.info().errors), err.value.info()


def test_tags_that_are_null_do_not_cost_the_edit_beside_them() -> None:
    fields = {"alt_text": {"en": {"value": "Tibby"}}, "tags": {"added": ["Tibby"], "removed": None}}
    found = parse({"type": "asset.edited", "data": {"asset": {"id": "a"}, "by": "person", "fields": fields}})
    assert found == Edit(asset_id="a", texts=(EditedText(field="alt_text", locale="en"),), tags_added=("Tibby",), tags_removed=())


def test_a_picture_that_cannot_be_fetched_follows_by_itself() -> None:
    found = parse({"type": "asset.created", "data": {"asset": {"id": "a", "image": {"send": True}}}})
    assert found == ImageFollows(asset_id="a")


def test_what_a_hook_says_of_a_picture_whose_bytes_follow_is_read_like_any_body() -> None:
    said = {
        "context": {"role": "decorative", "title": "t" * 2_000, "caption": None, "hue": 3},
        "locales": ["pt_BR"],
        "metadata": {"post": "88"},
        "profile": None,
        "colour": "red",
    }
    data = {"asset": {"id": 4711, "revision": 3, "image": {"send": True}}, **said}
    words = {"context": {"role": "decorative", "title": "t" * 1_000}, "locales": ["pt-BR"], "metadata": {"post": "88"}}
    found = parse({"type": "asset.updated", "data": data})
    assert found == ImageFollows(asset_id="4711", revision="3", words=words)


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"context": {"role": "hero"}}, "/data/context/role"),
        ({"locales": ["english"]}, "/data/locales/0"),
        ({"metadata": {"post": 88}}, "/data/metadata/post"),
        ({"lane": "solo"}, "/data/lane"),
    ],
    ids=["role", "locale", "metadata", "lane"],
)
def test_a_hook_whose_bytes_follow_is_refused_for_what_every_hook_is_refused_for(said: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadRequest) as err:
        parse({"type": "asset.created", "data": {"asset": {"id": "a", "image": {"send": True}}, **said}})
    assert [place.pointer for place in err.value.info().errors] == [pointer]
