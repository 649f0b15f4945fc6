"""Which of the deliveries that a caller names are not parked, and why, as the API and the command line both tell it."""

from __future__ import annotations

from tagger.errors import NotFound
from tagger.ledger import Ledger


def not_parked(ledger: Ledger, delivery_id: str, site_id: str | None) -> str:
    """Why a delivery that was named is not released; "" where it is."""
    try:
        found = ledger.delivery(delivery_id)
    except NotFound:
        return "there is no such delivery"
    if site_id not in (None, found.site_id):
        return "there is no such delivery"
    return "" if found.status == "parked" else f"it is not parked: it is {found.status}"
