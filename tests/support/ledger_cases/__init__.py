"""What every ledger must do, whatever database is beneath it. The tests of each database inherit all of it."""

import pytest

pytest.register_assert_rewrite(
    "ledger_cases.away",
    "ledger_cases.erasing",
    "ledger_cases.circuits",
    "ledger_cases.clocks",
    "ledger_cases.jobs",
    "ledger_cases.jumping",
    "ledger_cases.crashes",
    "ledger_cases.writing",
    "ledger_cases.sharing",
    "ledger_cases.telling",
    "ledger_cases.turns",
    "ledger_cases.unconfirmed",
    "ledger_cases.undoing",
    "ledger_cases.auditing",
    "ledger_cases.pausing",
    "ledger_cases.registering",
)

from support.ledger_cases.auditing import AuditCases  # noqa: E402
from support.ledger_cases.away import AwayCases  # noqa: E402 - the rewriting comes first
from support.ledger_cases.circuits import CircuitCases  # noqa: E402
from support.ledger_cases.clocks import ClockCases  # noqa: E402
from support.ledger_cases.crashes import CrashCases  # noqa: E402
from support.ledger_cases.editing import EditCases  # noqa: E402
from support.ledger_cases.erasing import ErasureCases  # noqa: E402
from support.ledger_cases.jobs import JobCases  # noqa: E402
from support.ledger_cases.jumping import JumpCases  # noqa: E402
from support.ledger_cases.pausing import PauseCases  # noqa: E402
from support.ledger_cases.registering import SiteCases  # noqa: E402
from support.ledger_cases.sharing import SharingCases  # noqa: E402
from support.ledger_cases.telling import TellingCases  # noqa: E402
from support.ledger_cases.turns import TurnCases  # noqa: E402
from support.ledger_cases.unconfirmed import UnconfirmedCases  # noqa: E402
from support.ledger_cases.undoing import ItemCases, UndoingCases  # noqa: E402
from support.ledger_cases.world import World  # noqa: E402
from support.ledger_cases.writing import DeliveryCases  # noqa: E402


class LedgerCases(
    JobCases,
    CrashCases,
    ClockCases,
    DeliveryCases,
    EditCases,
    JumpCases,
    TellingCases,
    CircuitCases,
    AwayCases,
    ErasureCases,
    SharingCases,
    TurnCases,
    UnconfirmedCases,
    UndoingCases,
    ItemCases,
    PauseCases,
    AuditCases,
    SiteCases,
):
    """Needs a fixture `world` from the class that inherits."""


__all__ = ["LedgerCases", "World"]
