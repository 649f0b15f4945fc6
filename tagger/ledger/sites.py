"""Sites, their keys and their endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy import Connection, Update, bindparam, null, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger import circuit
from tagger.delivery import Endpoint
from tagger.errors import Conflict, NotFound, TaggerError
from tagger.ids import new_id
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import api_keys, endpoints, sites
from tagger.ledger.tables.rows import EndpointRow, KeyRow, SiteRow
from tagger.site import ApiKey, Site

SecretOf = Literal["hook", "callback"]  # of the CMS's hooks, of our callbacks

ENDPOINT = select(endpoints).where(endpoints.c.site_id == bindparam("site"))
NEW_CIRCUIT: dict[str, Any] = {
    "circuit": "closed",
    "window": [],
    "pause_ms": circuit.FIRST_PAUSE_MS,
    "probe_ms": 0,
    "probe_id": None,
    "not_before_ms": 0,
    "unsettled": True,
    "told_ms": 0,
    "unconfirmed": 0,
    "unconfirmed_since_ms": 0,
}


class Sites(Store):
    def add_site(self, site: Site) -> None:
        """Create the site. Errors: Conflict if a site with this id exists."""
        row = insert(sites).values(to_row(site)).on_conflict_do_nothing(index_elements=["id"])

        def work(tx: Tx) -> None:
            # not `rowcount`: on PostgreSQL that of an INSERT is -1
            if tx.conn.execute(row.returning(sites.c.id)).first() is None:
                raise Conflict(f"The site {site.id!r} already exists.", "Choose another id.")

        self._write(work)

    def put_site(self, site: Site) -> None:
        """Create the site or replace it."""
        row = to_row(site)
        stmt = insert(sites).values(row)
        stmt = stmt.on_conflict_do_update(
            index_elements=["id"], set_={"body": row["body"], "writes_paused": row["writes_paused"]}
        )
        self._write(lambda tx: tx.conn.execute(stmt) and None)

    def change_site(self, site_id: str, changes: Mapping[str, Any]) -> None:
        """Set some fields of the site. The secrets and the pause do not change. Errors: NotFound."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}

        def work(tx: Tx) -> None:
            site = tx.conn.execute(select(sites).where(sites.c.id == site_id).with_for_update()).one_or_none()
            if site is None:
                raise NotFound(f"No site {site_id!r}.")
            tx.conn.execute(update(sites).where(sites.c.id == site_id).values(body={**site.body, **values}))

        self._write(work)

    def change_endpoint(self, site_id: str, *, url: str | None = None, allow_private: bool | None = None) -> None:
        """Set another URL, or allow or forbid private addresses; the secrets stay. The circuit closes and parked deliveries are
        sent. A new URL also enables the endpoint. Errors: NotFound if there is no endpoint."""
        changes: dict[str, Any] = dict(NEW_CIRCUIT)
        if url is not None:
            changes |= {"url": url, "enabled": True}
        if allow_private is not None:
            changes["allow_private"] = allow_private

        def work(tx: Tx) -> None:
            tx.memo.clear()
            change = update(endpoints).where(endpoints.c.site_id == site_id).values(changes)
            _change_one(tx, change, NotFound(f"{site_id} has no endpoint."))

        self._write(work)

    def get_site(self, site_id: str) -> Site:
        row = self._read(lambda conn: conn.execute(select(sites).where(sites.c.id == site_id)).one_or_none())
        if row is None:
            raise NotFound(f"No site {site_id!r}.")
        return to_site(row)

    def sites(self) -> list[Site]:
        return self._read(lambda conn: [to_site(row) for row in conn.execute(select(sites).order_by(sites.c.id))])

    def put_capabilities(self, site_id: str, capabilities: Mapping[str, Any] | None) -> None:
        """What the site's CMS answered to `site.probe`; None: it knows no such message. Errors: NotFound."""

        def work(tx: Tx) -> None:
            stored = null() if capabilities is None else dict(capabilities)
            change = update(sites).where(sites.c.id == site_id).values(capabilities=stored, probed_ms=tx.now_ms)
            _change_one(tx, change, NotFound(f"No site {site_id!r}."))

        self._write(work)

    def capabilities_of(self, site_id: str) -> tuple[Mapping[str, Any] | None, int | None]:
        """The last answer to `site.probe`, and when it came (ms); (None, None): the CMS was never asked."""
        stmt = select(sites.c.capabilities, sites.c.probed_ms).where(sites.c.id == site_id)
        row = self._read(lambda conn: conn.execute(stmt).one_or_none())
        return (None, None) if row is None else (row.capabilities, row.probed_ms)

    def pause_writes(self, site_id: str, paused: bool) -> None:
        """Pause or resume all writes to the site. While it is paused, its deliveries stay pending. Errors: NotFound."""
        change = update(sites).where(sites.c.id == site_id).values(writes_paused=paused)
        self._write(lambda tx: _change_one(tx, change, NotFound(f"No site {site_id!r}.")))

    def add_key(self, site_id: str, name: str, key_sha256: str) -> ApiKey:
        def work(tx: Tx) -> ApiKey:
            if tx.conn.execute(select(sites.c.id).where(sites.c.id == site_id)).first() is None:
                raise NotFound(f"No site {site_id!r}.")
            key = ApiKey(id=new_id("key", tx.now_ms), site_id=site_id, name=name, created_ms=tx.now_ms)
            tx.conn.execute(api_keys.insert().values(**asdict(key), key_sha256=key_sha256))
            return key

        return self._write(work)

    def find_key(self, key_sha256: str) -> ApiKey | None:
        """The key with this hash, unless it was revoked."""
        stmt = select(api_keys).where(api_keys.c.key_sha256 == key_sha256, api_keys.c.revoked_ms.is_(None))
        row = self._read(lambda conn: conn.execute(stmt).one_or_none())
        return None if row is None else to_key(row)

    def keys(self, site_id: str) -> list[ApiKey]:
        stmt = select(api_keys).where(api_keys.c.site_id == site_id).order_by(api_keys.c.id)
        return self._read(lambda conn: [to_key(row) for row in conn.execute(stmt)])

    def revoke_key(self, key_id: str) -> None:
        """Errors: NotFound if there is no such key, or if it was revoked before."""

        def work(tx: Tx) -> None:
            valid = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_ms.is_(None))
            _change_one(tx, valid.values(revoked_ms=tx.now_ms), NotFound(f"There is no valid key {key_id!r}."))

        self._write(work)

    def rotate_secret(self, site_id: str, which: SecretOf, fresh: str | None) -> int:
        """Add `fresh` before the present secret; both are valid. None: only the newest stays. Returns how many are valid now.

        Only the secrets change. Errors: NotFound if the site or the endpoint does not exist. Conflict if two secrets are already
        valid.
        """

        def work(tx: Tx) -> int:
            site = tx.conn.execute(select(sites).where(sites.c.id == site_id).with_for_update()).one_or_none()
            if site is None:
                raise NotFound(f"No site {site_id!r}.")
            if which == "hook":
                secrets = _rotated(site.body["hook_secrets"], fresh)
                change = update(sites).where(sites.c.id == site_id).values(body={**site.body, "hook_secrets": secrets})
            else:
                mine = endpoints.c.site_id == site_id
                endpoint = tx.conn.execute(select(endpoints).where(mine).with_for_update()).one_or_none()
                if endpoint is None:
                    raise NotFound(f"{site_id} has no endpoint.")
                secrets = _rotated(endpoint.secrets, fresh)
                change = update(endpoints).where(mine).values(secrets=secrets)
            tx.conn.execute(change)
            return len(secrets)

        return self._write(work)

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Register the endpoint of a site; it replaces an older one. The circuit starts closed."""
        row = {**asdict(endpoint), "secrets": list(endpoint.secrets), **NEW_CIRCUIT}
        changes = {name: value for name, value in row.items() if name != "site_id"}
        stmt = insert(endpoints).values(row).on_conflict_do_update(index_elements=["site_id"], set_=changes)

        def work(tx: Tx) -> None:
            tx.conn.execute(stmt)
            tx.memo.clear()

        self._write(work)

    def endpoint_of(self, site_id: str) -> Endpoint | None:
        row = self._read(lambda conn: find_endpoint(conn, site_id))
        return None if row is None else to_endpoint(row)

    def endpoints_up(self) -> dict[str, bool]:
        """Site → whether deliveries to its endpoint are sent: it is enabled, and its circuit is closed."""
        stmt = select(endpoints.c.site_id, endpoints.c.enabled, endpoints.c.circuit).order_by(endpoints.c.site_id)
        return self._read(lambda conn: {site: enabled and circuit == "closed" for site, enabled, circuit in conn.execute(stmt)})

    def enable_endpoint(self, endpoint_id: str, enabled: bool) -> None:
        """Enable or disable the endpoint. Enabling closes the circuit and unparks deliveries. Disabling parks them.

        Errors: NotFound.
        """
        changes = {**NEW_CIRCUIT, "enabled": enabled}

        def work(tx: Tx) -> None:
            tx.memo.clear()
            change = update(endpoints).where(endpoints.c.id == endpoint_id).values(changes)
            _change_one(tx, change, NotFound(f"There is no endpoint {endpoint_id!r}."))

        self._write(work)


def _change_one(tx: Tx, change: Update, refusal: TaggerError) -> None:
    """Errors: `refusal` if the statement changes no row."""
    if not tx.conn.execute(change).rowcount:
        raise refusal


def _rotated(old: Sequence[str], fresh: str | None) -> list[str]:
    if fresh is None:
        return list(old[:1])
    if len(old) > 1:
        raise Conflict("Two secrets are already valid.", "Finish that rotation first, with --finish.")
    return [fresh, *old]


def find_endpoint(conn: Connection, site_id: str) -> Any:
    return conn.execute(ENDPOINT, {"site": site_id}).one_or_none()


def to_endpoint(row: EndpointRow) -> Endpoint:
    return Endpoint(
        id=row.id,
        site_id=row.site_id,
        url=row.url,
        secrets=tuple(row.secrets),
        enabled=row.enabled,
        allow_private=row.allow_private,
    )


def to_row(site: Site) -> dict[str, Any]:
    body = asdict(site)
    return {"id": body.pop("id"), "writes_paused": body.pop("writes_paused"), "body": body}


def to_site(row: SiteRow) -> Site:
    known = Site.__dataclass_fields__  # another version of tagger may have stored a value that this one does not know
    items = ((name, value) for name, value in row.body.items() if name in known)
    body: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in items}
    return Site(id=row.id, writes_paused=row.writes_paused, **body)


def to_key(row: KeyRow) -> ApiKey:
    return ApiKey(id=row.id, site_id=row.site_id, name=row.name, created_ms=row.created_ms, revoked_ms=row.revoked_ms)
