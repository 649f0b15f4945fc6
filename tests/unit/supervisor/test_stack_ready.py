"""When a stack counts as started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagger.errors import Unavailable
from tagger.settings import Settings
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack


def stack_that_lacks(roles: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(Settings(home=home), ProcessPlan(upload=1, backfill=1))
    monkeypatch.setattr(stack, "_missing", lambda: roles)
    return stack


@pytest.mark.parametrize("roles", [["tag:backfill"], ["tag:upload", "tag:backfill"]])
def test_workers_that_still_load_their_models_end_nothing(
    roles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the workers of backfills, which step back, need minutes; the API accepts meanwhile."""
    assert stack_that_lacks(roles, tmp_path, monkeypatch).wait_ready(0) == roles


@pytest.mark.parametrize("roles", [["api"], ["tag:backfill", "deliver"]])
def test_a_part_that_loads_no_models_must_be_there(roles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=roles[-1]):
        stack_that_lacks(roles, tmp_path, monkeypatch).wait_ready(0)


def test_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack_that_lacks([], tmp_path, monkeypatch).wait_ready(0) == []
