"""May texts be checked here? Asked before the first job, so that nobody learns it from a row of failed ones."""

from __future__ import annotations

from tagger.errors import NotChecked
from tagger.job import Lane
from tagger.ledger import Ledger
from tagger.settings import Settings


def require_checks(ledger: Ledger, settings: Settings, lane: Lane) -> None:
    """Refuses to check texts in this lane if no living tag worker of it offers that. Workers may have settings of their own.

    While no worker of the lane is alive, nobody can say; then a job waits for a worker, as any other does, if the setting
    `check` of this process names a model. Errors: NotChecked.
    """
    offered = ledger.checks_offered(lane)
    if offered is None:
        if settings.check == "none":
            raise NotChecked(f"No worker of the lane {lane} is alive, and `check` is none here.")
    elif not offered:
        raise NotChecked(f"No tag worker of the lane {lane} checks texts against images.")
