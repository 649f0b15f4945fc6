"""The audit log: a row for each action that was committed, and for no other."""

from __future__ import annotations

import pytest

from support.ledger_cases.world import World
from tagger.audit_entry import AuditEntry
from tagger.errors import NotFound


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

    def test_a_refused_action_leaves_no_row(self, world: World) -> None:
        with pytest.raises(NotFound), world.ledger.audited(AuditEntry(action="site.paused", actor="a", site_id="none")):
            world.ledger.pause_writes("none", True)
        assert world.ledger.audit_entries() == []

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
