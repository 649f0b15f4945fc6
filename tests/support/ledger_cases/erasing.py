"""What is erased is gone from every table and stays so; what is old goes in batches; an image that is as it was is done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import NullPool, create_engine, select, text

from support.ledger_cases.world import FIELDS, World, description, said
from tagger.asset import Context, ImageSource
from tagger.backfill import Backfill
from tagger.cms.base import ImageFollows
from tagger.errors import BadRequest, Conflict, NotFound
from tagger.ledger import Ledger, Listing, PageNotes, sweeping
from tagger.ledger.db.writer import Tx
from tagger.ledger.deletion.erasure import Erased
from tagger.ledger.intake.accept import accept
from tagger.ledger.tables import metadata

DAY_SECONDS = 86_400
CAT = "asset-4711"  # a name that stands in no other text
WORDS = "Striped tomcat"


def tables_with(world: World, *needles: str) -> list[str]:
    """Tables, other than the count of writes and the memory of what was erased, with a row that names one of these."""
    engine = create_engine(world.ledger._url, poolclass=NullPool)
    with engine.connect() as conn:
        return [
            name
            for name, table in metadata.tables.items()
            if name not in ("assets", "erased_jobs")
            and any(needle in str(value) for row in conn.execute(select(table)) for value in row for needle in needles)
        ]


def met(world: World, name: str, asset: str = CAT, site: str = "s") -> None:
    """A dry run met this asset and one that it left alone."""
    world.ledger.start_backfill(Backfill(id=name, site_id=site, kind="generic", spec={}, started_ms=world.now))
    listed = (
        Listing(asset_id=asset, present={"fields": {"alt_text": WORDS}}),
        Listing(asset_id=f"{asset}.2", skipped="has_text", present={"fields": {"alt_text": WORDS}}),
    )
    request = world.request(asset, site=site, backfill_id=name, deliver=False)
    world.ledger.feed_backfill(name, [request], "1", False, after=None, notes=PageNotes(listed=listed))


def written_and_open(world: World) -> tuple[str, str]:
    """An asset with one job written, and a newer one whose delivery is on its way."""
    first = world.accept(CAT, "v1", metadata={"post": "of the cat"})
    assert world.ledger.complete(world.claimed(first), description(WORDS, ("m@1", b"\x00" * 8)), FIELDS)
    [sent] = world.deliverable()
    world.finish(sent, "delivered", said("written", "sha256:cat"))
    world.cache("ab" * 32 + "c" * 64, b"of the image")
    world.ledger.keep_hook_words("s", ImageFollows(asset_id=CAT, words={"context": {"title": WORDS}}))
    return first, world.described(CAT, "v2")


class ErasureCases:
    def test_a_deleted_asset_takes_all_with_it_and_the_same_hooks_do_not_bring_it_back(self, world: World) -> None:
        assert world.ledger.complete(world.claimed(world.accept("dog")), replace(description("A dog"), sha256="cd" * 32), None)
        first, second = written_and_open(world)
        [sending] = world.deliverable()
        assert world.ledger.erase_asset("s", CAT, deleted=True).jobs == 2
        assert tables_with(world, CAT, WORDS, first, second) == []
        assert world.ledger.cached("ab" * 32 + "c" * 64) is None
        assert not world.ledger.confirm_delivery(sending)
        assert world.finish(sending, "delivered", said("written", "sha256:x")) is None
        again = world.ledger.accept([world.request(CAT, "v1"), world.request("dog"), world.request(CAT, "v2")])
        assert [(a.created, a.status, a.job_id) for a in again if a.status == "cancelled"] == [
            (False, "cancelled", first),
            (False, "cancelled", second),
        ]
        assert tables_with(world, CAT, WORDS, first, second) == []
        stats = world.ledger.stats()
        assert {k: v for k, v in stats.jobs.items() if v} == {"done": 1}
        assert {k: v for k, v in stats.deliveries.items() if v} == {}
        [fresh] = world.ledger.accept([world.request(CAT, "v3")])  # put back, or another image
        assert fresh.created
        world.ledger.complete(world.claimed(fresh.job_id), description(), FIELDS)
        [claim] = world.deliverable()
        assert (claim.sequence, claim.provenance) == (3, {})

    @pytest.mark.parametrize("claimed_first", [True, False])
    def test_a_job_in_flight_does_not_resurrect_a_deleted_asset(self, world: World, claimed_first: bool) -> None:
        job_id = world.accept(CAT, "v1")
        claim = world.claimed(job_id) if claimed_first else None
        with world.second_process() as other:
            other.erase_asset("s", CAT, deleted=True)
        claim = claim or world.claim(job_id)
        if claim is not None:
            prediction = ("ab" * 32 + "c" * 64, b"late")
            found = description(WORDS, ("m@1", b"\x00" * 8))
            assert world.ledger.complete(claim, found, FIELDS, prediction=prediction) is False
            assert world.ledger.release(claim) is False
            assert world.ledger.cached(prediction[0]) is None
        assert (claim is not None) == claimed_first
        assert tables_with(world, CAT, WORDS, job_id) == []

    def test_a_result_and_a_deletion_at_once_leave_nothing_whichever_is_first(self, world: World) -> None:
        with world.second_process() as other, ThreadPoolExecutor(2) as pool:
            for n in range(10):
                claim = world.claimed(world.accept(f"{CAT}.{n}", "v1"))
                done = pool.submit(world.ledger.complete, claim, description(WORDS, ("m@1", b"\x00" * 8)), FIELDS)
                gone = pool.submit(other.erase_asset, "s", f"{CAT}.{n}", deleted=True)
                done.result()
                gone.result()
        assert tables_with(world, CAT) == []
        assert {k: v for k, v in world.ledger.stats().jobs.items() if v} == {}

    def test_an_answer_that_the_asset_is_gone_erases_it(self, world: World) -> None:
        first, second = written_and_open(world)
        [sending] = world.deliverable()
        assert world.finish(sending, "gone", said("gone")) == "delivered"
        assert tables_with(world, CAT, WORDS, first, second) == []
        assert {k: v for k, v in world.ledger.stats().deliveries.items() if v} == {}

    def test_a_purged_asset_may_be_described_again_at_once(self, world: World) -> None:
        world.described(CAT, "v1")
        world.ledger.erase_asset("s", CAT)
        assert world.ledger.accept([world.request(CAT, "v1")])[0].created

    def test_a_site_is_erased_in_batches_and_its_neighbour_stays(self, world: World) -> None:
        world.site("t")
        world.ledger.accept([world.request(f"{CAT}.{n}") for n in range(450)])
        world.described(CAT, "v1")
        world.described("dog", site="t")
        for site in ("s", "t"):
            world.ledger.keep_hook_words(site, ImageFollows(asset_id="dog", words={"profile": f"of {site}"}))
        batches: list[int] = []
        assert world.ledger.erase_site("s", lambda batch: batches.append(batch.jobs)).jobs == 451
        assert batches == [200, 200, 51]
        assert tables_with(world, CAT) == []
        assert [job.asset_id for job in world.ledger.jobs().data] == ["dog"]
        assert [world.ledger.hook_words(site, "dog", None) for site in ("s", "t")] == [{}, {"profile": "of t"}]
        assert world.ledger.get_site("s").id == "s"

    def test_what_the_backfills_of_a_site_met_goes_with_it(self, world: World) -> None:
        world.site("t")
        for site in ("s", "t"):
            met(world, f"bkf_{site}", site=site)
        world.ledger.erase_site("s")
        left = [len(world.ledger.backfill_results(f"bkf_{site}").data) for site in ("s", "t")]
        assert (left, tables_with(world, WORDS)) == ([0, 2], ["backfill_items"])

    def test_what_an_old_backfill_met_goes_once_it_ended(self, world: World) -> None:
        for name in ("bkf_ended", "bkf_open", "bkf_busy"):
            met(world, name, CAT if name == "bkf_ended" else name)
        world.ledger.set_backfill_status("bkf_ended", "cancelled")
        world.later(91 * DAY_SECONDS)
        met(world, "bkf_young", "young")
        young = [world.request("later", backfill_id="bkf_busy")]
        world.ledger.feed_backfill("bkf_busy", young, "2", True, after="1")
        for name in ("bkf_young", "bkf_busy"):
            world.ledger.set_backfill_status(name, "cancelled")
        before_ms = world.now - 90 * DAY_SECONDS * 1000
        assert world.ledger.expire_rest(before_ms) == 2
        names = ("bkf_ended", "bkf_open", "bkf_busy", "bkf_young")
        assert [len(world.ledger.backfill_results(name).data) for name in names] == [0, 2, 3, 2]

    def test_what_is_old_goes_and_what_is_young_or_open_stays(self, world: World) -> None:
        old, still_open = world.described(CAT), world.accept("dog")
        world.finish(world.deliverable()[0], "delivered")
        world.cache("old", b"x")
        for n in range(5):
            world.worker(f"old{n}")
            world.ledger.retire_worker(f"old{n}")
            world.ledger.begin_idempotent("s", f"key{n}", "ab")
        world.ledger.erase_asset("s", "nobody", deleted=True)
        world.later(91 * DAY_SECONDS)
        young = world.accept("hen")
        world.ledger.begin_idempotent("t", "key1", "ab")
        before_ms = world.now - 90 * DAY_SECONDS * 1000
        assert world.ledger.expire_jobs(before_ms).jobs == 1
        assert world.ledger.expire_rest(before_ms) == 1 + 5 + 5
        with pytest.raises(NotFound):
            world.ledger.job(old)
        assert {job.id for job in world.ledger.jobs().data} == {young, still_open}
        assert tables_with(world, "key1") == ["idempotency"]

    def test_the_words_of_a_hook_wait_a_week_for_the_bytes(self, world: World) -> None:
        said = ImageFollows(asset_id=CAT, words={"context": {"role": "decorative"}})
        world.ledger.keep_hook_words("s", said)
        world.later(6 * DAY_SECONDS)
        assert world.ledger.expire_rest(0) == 0
        assert world.ledger.hook_words("s", CAT, "7") == said.words
        world.ledger.keep_hook_words("s", said)
        world.later(6 * DAY_SECONDS)
        assert world.ledger.expire_rest(0) == 0, "a hook that comes again begins the week anew"
        world.later(2 * DAY_SECONDS)
        assert world.ledger.expire_rest(0) == 1
        assert world.ledger.hook_words("s", CAT, None) == {}

    def test_retention_finds_what_is_old_by_an_index(self, world: World) -> None:
        engine = create_engine(world.ledger._url, poolclass=NullPool)
        with engine.connect() as conn:
            postgres = conn.dialect.name == "postgresql"
            if postgres:
                conn.execute(text("SET enable_seqscan = off"))  # on a table this small it would be right
            for table, column in (
                ("workers", "ended_ms"),
                ("idempotency", "at_ms"),
                ("attempts", "at_ms"),
                ("erased_jobs", "at_ms"),
                ("erased_assets", "at_ms"),
            ):
                query = text(
                    f"{'EXPLAIN' if postgres else 'EXPLAIN QUERY PLAN'} SELECT 1 FROM {table} WHERE {column} < 5 LIMIT 9"
                )
                assert f"ix_{table}_{column}" in str(conn.execute(query).all())

    def test_an_image_that_is_again_as_it_was_is_described_again_once(self, world: World) -> None:
        first, other = world.accept(CAT, "v1"), world.accept(CAT, "v2")
        with world.second_process() as elsewhere, ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(ledger.accept, [world.request(CAT, "v1")]) for ledger in (world.ledger, elsewhere) * 3]
            answers = [call.result()[0] for call in calls]
        [again] = {answer.job_id for answer in answers}
        assert again not in (first, other)
        assert sum(answer.created for answer in answers) == 1
        assert [world.status(job) for job in (first, other, again)] == ["superseded", "superseded", "accepted"]
        assert world.accept(CAT, "v2") not in (first, other, again)
        assert world.accept(CAT, "v1") not in (first, other, again)

    def test_a_late_copy_of_a_hook_is_no_new_version(self, world: World) -> None:
        old, new = world.accept(CAT, "3"), world.accept(CAT, "4")
        assert world.accept(CAT, "3") == old
        events = [world.accept("dog", revision, event_id=event) for revision, event in (("a", "e1"), ("b", "e2"))]
        assert world.accept("dog", "a", event_id="e1") == events[0]
        assert [world.status(job) for job in (new, events[1])] == ["accepted", "accepted"]

    def test_a_campaign_takes_what_another_one_did_and_does_what_it_did_not(self, world: World) -> None:
        for name in ("1", "2", "3"):
            world.ledger.start_backfill(Backfill(id=f"bkf_{name}", site_id="s", kind="folder", spec={}, started_ms=world.now))
        one = {"lane": "backfill", "backfill_id": "bkf_1"}
        read, cancelled, done = (
            world.accept(a, "v1", **more) for a, more in (("a", {**one, "deliver": False}), ("b", one), ("c", one))
        )
        world.ledger.cancel(cancelled)
        two = [world.request(asset, "v1", lane="backfill", backfill_id="bkf_2") for asset in ("a", "b", "c")]
        made = world.ledger.feed_backfill("bkf_2", two, "c", True, after=None)
        assert [a.created for a in made] == [True, True, False]
        assert made[2].job_id == done
        assert read not in {a.job_id for a in made}
        three = [replace(request, backfill_id="bkf_3", locales=("en", "de")) for request in two]
        assert [a.created for a in world.ledger.feed_backfill("bkf_3", three, "c", True, after=None)] == [True, True, True]

    def test_two_feeders_at_once_feed_each_page_once(self, world: World) -> None:
        world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="folder", spec={}, started_ms=world.now))

        def feed(ledger: Ledger, page: int) -> int:
            after = None if page == 0 else str(page)
            wanted = [world.request(f"a{page}.{n}", lane="backfill", backfill_id="bkf_1") for n in range(3)]
            try:
                return len(ledger.feed_backfill("bkf_1", wanted, str(page + 1), page == 3, after=after))
            except Conflict:
                return 0

        with world.second_process() as other, ThreadPoolExecutor(4) as pool:
            for page in range(4):
                assert sum(pool.map(feed, [world.ledger, other] * 2, [page] * 4)) == 3
        fed = world.ledger.backfill("bkf_1")
        assert (fed.cursor, fed.counts["fed"], fed.exhausted) == ("4", 12, True)
        with pytest.raises(Conflict):
            world.ledger.feed_backfill("bkf_1", [], "5", False, after="4")

    def test_a_nul_character_is_refused_with_a_word_for_it(self, world: World) -> None:
        bad = world.request(CAT)
        source = ImageSource(kind="url", location="https://cms.example/a\x00.jpg")
        for request in (
            replace(bad, asset_id="c\x00t"),
            replace(bad, source=source),
            replace(bad, metadata={"post\x00": "1"}),
            replace(bad, context=Context(title="a\x00b")),
        ):
            with pytest.raises(BadRequest, match="NUL"):
                world.ledger.accept([world.request("dog"), request])
        assert world.ledger.jobs().data == []

    def test_a_missing_asset_is_erased_only_if_the_cms_named_it_and_nothing_is_open_or_newer(self, world: World) -> None:
        for asset, event in (("gone", "e1"), ("newer", "e2"), ("of the api", None)):
            world.ledger.cancel(world.accept(asset, event_id=event))
        world.accept("open", event_id="e3")
        world.ledger.cancel(world.accept("dry", event_id="e4", deliver=False))
        world.later(1)
        began_ms = world.now
        world.ledger.cancel(world.accept("newer", "2", event_id="e5"))
        expected = {
            "gone": None, "newer": "newer_job", "open": "open_job", "of the api": "not_of_library", "dry": "not_of_library",
        }  # fmt: skip
        for decide in (world.ledger.why_kept, world.ledger.erase_missing):
            assert {asset: decide("s", asset, began_ms=began_ms) for asset in expected} == expected
        assert world.ledger.jobs(asset_id="gone").data == []
        assert len(world.ledger.jobs().data) == 5
        assert world.ledger.unknown_assets("s", ["gone", "dry", "open"]) == {"gone", "dry"}
        assert [known.asset_id for known in world.ledger.known_assets("s")] == ["newer", "of the api", "open"]

    def test_an_upload_that_comes_while_a_missing_asset_is_erased_takes_the_erasure_back(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.ledger.cancel(world.accept("a", event_id="e1"))
        world.later(1)
        real = sweeping.erase_asset

        def late(tx: Tx, site_id: str, asset_id: str, *, deleted: bool) -> Erased:
            accept(tx, [world.request("a", "2", event_id="e2")])  # as if another process had committed it just now
            return real(tx, site_id, asset_id, deleted=deleted)

        monkeypatch.setattr(sweeping, "erase_asset", late)
        assert world.ledger.erase_missing("s", "a", began_ms=world.now) == "newer_job"
        assert [job.status for job in world.ledger.jobs(asset_id="a").data] == ["cancelled"]
