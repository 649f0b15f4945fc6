"""Whether texts may be checked in the lane of backfills, whose workers `tagger up` runs only while there are jobs."""

from __future__ import annotations

from typing import Any

import pytest

from tagger.errors import NotChecked
from tagger.services.checks_offered import require_checks
from tagger.settings import load


class Alive:
    """A ledger that says what the living workers of each lane offer; None: no worker is alive."""

    def __init__(self, **offered: bool | None) -> None:
        self._offered = offered

    def checks_offered(self, lane: str) -> bool | None:
        return self._offered[lane]


def test_upload_workers_speak_for_backfill_workers_that_are_not_there_yet() -> None:
    ledger: Any = Alive(upload=True, backfill=None)
    require_checks(ledger, load({}, check="none"), "backfill")


@pytest.mark.parametrize("offered", [{"upload": False, "backfill": None}, {"upload": True, "backfill": False}])
def test_nobody_else_speaks_for_them(offered: dict[str, bool | None]) -> None:
    ledger: Any = Alive(**offered)
    with pytest.raises(NotChecked):
        require_checks(ledger, load({}, check="none"), "backfill")
