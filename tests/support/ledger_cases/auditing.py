"""The audit log: a row for each action that was committed, and for no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.ledger_cases.world import World
from tagger.audit_entry import Action, AuditEntry
from tagger.errors import Conflict, NotFound
from tagger.ledger import Ledger
from tagger.site import Site

REFUSED: dict[str, Callable[[Ledger], object]] = {
    "a site that exists": lambda ledger: ledger.add_site(Site(id="s", name="again")),
    "no such site": lambda ledger: ledger.change_site("none", {"name": "x"}),
    "no such site to pause": lambda ledger: ledger.pause_writes("none", True),
    "no such site to resume": lambda ledger: ledger.resume_site("none"),
    "no such site to probe": lambda ledger: ledger.put_capabilities("none", {}),
    "no such site for a key": lambda ledger: ledger.add_key("none", "", "0" * 64),
    "no such key": lambda ledger: ledger.revoke_key("key_none"),
    "a site without an endpoint": lambda ledger: ledger.change_endpoint("bare", url="https://s.example/new"),
    "a site without a callback secret": lambda ledger: ledger.rotate_secret("bare", "callback", "whsec_x"),
    "no such endpoint": lambda ledger: ledger.enable_endpoint("end_none", True),
    "no such endpoint to unpark": lambda ledger: ledger.unpark("end_none"),
    "no such backfill": lambda ledger: ledger.set_backfill_status("bkf_none", "paused"),
}
NOTHING_TO_DO: dict[str, Callable[[Ledger], object]] = {
    "no such dead letter": lambda ledger: ledger.replay(["job_none", "dlv_none"]) or ledger.discard(["job_none"]),
    "nothing parked": lambda ledger: sum(ledger.replay_parked(site_id="s").values()),
    "nothing unconfirmed": lambda ledger: ledger.replay_unconfirmed("s"),
}


def actions(world: World) -> list[str]:
    return [entry.action for entry in world.ledger.audit_entries()]


class AuditCases:
    def test_an_action_and_its_row_are_committed_together(self, world: World) -> None:
        entry = AuditEntry(action="site.paused", actor="cli:alice@host", site_id="s", detail={"why": "a test"})
        with world.ledger.audited(entry):
            world.ledger.pause_writes("s", True)
            world.ledger.pause_writes("s", True)  # the second write of one action
        world.ledger.pause_writes("s", False)  # not an operator's
        (row,) = world.ledger.audit_entries()
        assert (row.action, row.actor, row.site_id, row.detail) == ("site.paused", "cli:alice@host", "s", {"why": "a test"})
        assert row.at_ms == world.now

    @pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in REFUSED.items()])
    def test_a_refused_action_leaves_no_row(self, world: World, act: Callable[[Ledger], object]) -> None:
        world.ledger.add_site(Site(id="bare", name="No endpoint"))
        with pytest.raises((NotFound, Conflict)), world.ledger.audited(AuditEntry(action="site.changed", actor="a")):
            act(world.ledger)
        assert world.ledger.audit_entries() == []

    @pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in NOTHING_TO_DO.items()])
    def test_an_action_that_finds_nothing_to_do_leaves_no_row(self, world: World, act: Callable[[Ledger], object]) -> None:
        with world.ledger.audited(AuditEntry(action="delivery.replayed", actor="a")):
            assert not act(world.ledger)
        assert world.ledger.audit_entries() == []

    def test_a_site_that_is_resumed_has_a_row_although_no_delivery_waited(self, world: World) -> None:
        world.ledger.pause_writes("s", True)
        with world.ledger.audited(AuditEntry(action="site.resumed", actor="a", site_id="s")):
            assert world.ledger.resume_site("s") == 0
        assert actions(world) == ["site.resumed"]

    def test_an_endpoint_that_is_enabled_has_a_row_although_no_delivery_is_sent(self, world: World) -> None:
        world.ledger.enable_endpoint("end_s", False)
        with world.ledger.audited(AuditEntry(action="site.changed", actor="a", site_id="s")):
            assert world.ledger.unpark("end_s") == 0
        assert actions(world) == ["site.changed"]

    @pytest.mark.parametrize("action", ["dead_letter.replayed", "dead_letter.discarded"])
    def test_a_dead_letter_that_is_removed_has_a_row_whatever_the_count(self, world: World, action: Action) -> None:
        """A replay removes the dead letter of a delivery whose job was cancelled, and counts 0."""
        job_id = world.described("a")
        [claim] = world.deliverable()
        world.ledger.cancel(job_id)
        assert world.finish(claim, "reject") == "dead"
        act = world.ledger.replay if action == "dead_letter.replayed" else world.ledger.discard
        with world.ledger.audited(AuditEntry(action=action, actor="a", site_id="s")):
            assert act([claim.delivery_id]) == (action == "dead_letter.discarded")
        assert world.ledger.dead_letters().data == []
        assert actions(world) == [action]

    def test_the_row_of_a_long_list_is_written_with_the_first_letter_that_is_there(self, world: World) -> None:
        world.described("a")
        [claim] = world.deliverable()
        world.finish(claim, "reject")
        unknown = [f"dlv_0{number:04}" for number in range(250)]  # more than one transaction
        with world.ledger.audited(AuditEntry(action="dead_letter.replayed", actor="a")):
            assert world.ledger.replay([*unknown, claim.delivery_id]) == 1
        assert actions(world) == ["dead_letter.replayed"]

    def test_a_list_is_filtered_and_begins_with_the_newest(self, world: World) -> None:
        for site, who in (("s", "a"), ("s", "b"), (None, "c")):
            with world.ledger.audited(AuditEntry(action="jobs.purged", actor=who, site_id=site)):
                world.ledger.pause_writes("s", True)
            world.now += 1_000
        assert [entry.actor for entry in world.ledger.audit_entries()] == ["c", "b", "a"]
        assert [entry.actor for entry in world.ledger.audit_entries(site_id="s", limit=1)] == ["b"]
        assert [entry.actor for entry in world.ledger.audit_entries(since_ms=world.now - 1_500)] == ["c"]

    def test_old_rows_go_and_young_ones_stay(self, world: World) -> None:
        with world.ledger.audited(AuditEntry(action="jobs.purged", actor="old")):
            world.ledger.pause_writes("s", True)
        world.now += 1_000
        with world.ledger.audited(AuditEntry(action="jobs.purged", actor="young")):
            world.ledger.pause_writes("s", True)
        assert world.ledger.expire_audit_log(world.now) == 1
        assert [entry.actor for entry in world.ledger.audit_entries()] == ["young"]
