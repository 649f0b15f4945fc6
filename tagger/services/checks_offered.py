"""Asks before the first job whether texts can be checked, so that not every job fails."""

from __future__ import annotations

from tagger.errors import NotChecked
from tagger.job import Lane
from tagger.ledger import Ledger
from tagger.settings import Settings


def require_checks(ledger: Ledger, settings: Settings, lane: Lane) -> None:
    """Refuse to check texts in this lane if no living tag worker offers it. Workers may have other settings than this process.

    If no worker of the lane is alive, this is unknown. Then a job waits for a worker if the setting `check` of this process names
    a model, or if the upload workers offer it: `tagger up` starts backfill workers with the same settings when they have jobs.
    Errors: NotChecked.
    """
    offered = ledger.checks_offered(lane)
    if offered is None:
        if settings.check == "none" and not (lane == "backfill" and ledger.checks_offered("upload")):
            raise NotChecked(f"No worker of the lane {lane} is alive, and `check` is none here.")
    elif not offered:
        raise NotChecked(f"No tag worker of the lane {lane} checks texts against images.")
