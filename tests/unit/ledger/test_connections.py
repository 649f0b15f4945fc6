"""What a stack needs of a database server."""

from __future__ import annotations

from pathlib import Path

from tagger.ledger.connections import PER_PROCESS, READERS, needed
from tagger.supervisor.plan import ProcessPlan

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")


def test_the_page_states_the_numbers_that_the_program_keeps_to() -> None:
    stack = ProcessPlan(upload=2, backfill=2)
    assert f"{PER_PROCESS} connections: one writer and up to {READERS} readers" in PAGE
    assert f"{stack.processes} processes and {needed(stack.processes)} connections on two processors" in PAGE
    assert len(stack.children()) + 1 == stack.processes, "the supervisor opens the ledger, too"
