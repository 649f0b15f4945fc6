"""The contract of a parser of hooks. To test one: subclass `HookContract` and define its fixtures."""

from __future__ import annotations

import pytest

from tagger.cms.base import Deletion, HookParser
from tagger.errors import BadRequest
from tagger.job import JobRequest
from tagger.site import Site

SITE = Site(id="demo", name="Demo", profile="news", locales=("en", "zh-Hans"))
NO_HOOKS = (b"", b"\xff", b"{", b"[]", b"null", b'"text"', b"[" * 100_000, b'{"type": {}}')


class HookContract:
    @pytest.fixture
    def parse(self) -> HookParser:
        raise NotImplementedError("the parser, as the registry gives it")

    @pytest.fixture
    def created(self) -> bytes:
        raise NotImplementedError("the hook of a new asset `4711` at https://cms.example/a.jpg")

    @pytest.fixture
    def changed(self) -> bytes:
        raise NotImplementedError("the hook of the same asset with another image")

    @pytest.fixture
    def deleted(self) -> bytes | None:
        raise NotImplementedError("the hook of the deletion of asset `4711`; None if the CMS sends none")

    @pytest.fixture
    def other(self) -> bytes:
        raise NotImplementedError("a hook that needs no work")

    def asked(self, parse: HookParser, body: bytes, event_id: str = "evt_1") -> JobRequest:
        request = parse(SITE, event_id, body)
        assert isinstance(request, JobRequest)
        return request

    def test_a_new_asset_is_a_job_of_its_site(self, parse: HookParser, created: bytes) -> None:
        request = self.asked(parse, created)
        assert (request.site_id, request.asset_id, request.event_id) == ("demo", "4711", "evt_1")
        assert (request.source.kind, request.source.location) == ("url", "https://cms.example/a.jpg")
        assert (request.profile, request.locales, request.lane) == ("news", ("en", "zh-Hans"), "upload")

    def test_a_hook_that_comes_twice_is_one_job_and_a_changed_image_is_another(
        self, parse: HookParser, created: bytes, changed: bytes
    ) -> None:
        first, again, second = (
            self.asked(parse, body, event) for body, event in ((created, "1"), (created, "1"), (changed, "2"))
        )
        assert first.identity() == again.identity() != second.identity()
        assert first.asset_id == second.asset_id

    def test_a_deletion_names_its_asset(self, parse: HookParser, deleted: bytes | None) -> None:
        if deleted is not None:
            assert parse(SITE, "evt_1", deleted) == Deletion(asset_id="4711")

    def test_an_event_that_needs_no_work_is_none(self, parse: HookParser, other: bytes) -> None:
        assert parse(SITE, "evt_1", other) is None

    @pytest.mark.parametrize(
        "body", [b"", b"\xff", b"{", b"[]", b"null", b'"text"', b"[" * 100_000, b'{"type": {}}'], ids=range(8)
    )
    def test_what_is_no_hook_is_refused_as_the_callers_fault(self, parse: HookParser, body: bytes) -> None:
        with pytest.raises(BadRequest):
            parse(SITE, "evt_1", body)

    def test_a_hook_that_is_cut_anywhere_is_refused(self, parse: HookParser, created: bytes) -> None:
        for length in range(len(created)):
            with pytest.raises(BadRequest):
                parse(SITE, "evt_1", created[:length])
