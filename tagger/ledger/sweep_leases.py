"""One sweep of a site at a time: its lease, and how far it has come, so that the next one continues a sweep that was killed."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from sqlalchemy import null, select, update

from tagger.errors import Conflict, NotFound
from tagger.instants import format_instant
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import sites


class SweepLeases(Store):
    def begin_sweep(self, site_id: str, *, lease_ms: int) -> tuple[str, Mapping[str, Any] | None]:
        """Returns the token of this sweep, and the last state of one that did not end.

        Errors: NotFound; Conflict while another sweep of the site runs.
        """

        def work(tx: Tx) -> tuple[str, Mapping[str, Any] | None]:
            row = tx.conn.execute(select(sites).where(sites.c.id == site_id).with_for_update()).one_or_none()
            if row is None:
                raise NotFound(f"No site {site_id!r}.")
            # further ahead than a lease lasts: the clock was set back
            if row.sweep_token is not None and tx.now_ms < row.sweep_lease_ms <= tx.now_ms + lease_ms:
                until = format_instant(row.sweep_lease_ms)
                raise Conflict(
                    f"A sweep of {site_id} runs.", f"Wait until it ends. If its process was killed, try again after {until}."
                )
            token = token_hex(16)
            lease = {"sweep_token": token, "sweep_lease_ms": tx.now_ms + lease_ms}
            tx.conn.execute(update(sites).where(sites.c.id == site_id).values(lease))
            return token, row.sweep_state

        return self._write(work)

    def note_sweep(self, site_id: str, token: str, state: Mapping[str, Any] | None, *, lease_ms: int) -> None:
        """Prolong the lease, and store how far the sweep has come. `state` None: what is stored stays.

        Errors: Conflict if another one has taken over.
        """

        def work(tx: Tx) -> int:
            values: dict[str, Any] = {"sweep_lease_ms": tx.now_ms + lease_ms}
            values |= {} if state is None else {"sweep_state": dict(state)}
            return tx.conn.execute(_mine(site_id, token).values(values)).rowcount

        if not self._write(work):
            raise Conflict(f"Another sweep of {site_id} has taken over.", "Look at the log of the reconciler.")

    def end_sweep(self, site_id: str, token: str, *, swept_ms: int | None) -> None:
        """Give the lease back. `swept_ms`: when the sweep began, if it is complete; None: the next one continues it."""
        values: dict[str, Any] = {"sweep_token": None, "sweep_lease_ms": None}
        if swept_ms is not None:
            values |= {"swept_ms": swept_ms, "sweep_state": null()}
        self._write(lambda tx: tx.conn.execute(_mine(site_id, token).values(values)))


def _mine(site_id: str, token: str) -> Any:
    return update(sites).where(sites.c.id == site_id, sites.c.sweep_token == token)
