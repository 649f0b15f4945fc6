"""What routes depend on: the state of the API process, the caller, and the caller's site."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tagger.api.queries import check_single
from tagger.api.waiting import Waiter
from tagger.audit_entry import Action, AuditEntry
from tagger.catalog.load import Catalog
from tagger.errors import BadRequest, Forbidden, NotFound, Pointer, Unauthorized
from tagger.keys import hash_key
from tagger.ledger import Ledger
from tagger.services.ingest import Ingest
from tagger.services.search.search import Searcher
from tagger.settings import Settings
from tagger.site import Site


@dataclass(frozen=True, kw_only=True)
class AppState:
    """What one API process holds while it runs; made once in `create_app`."""

    settings: Settings
    ledger: Ledger
    ingest: Ingest
    catalog: Catalog
    waiter: Waiter
    searcher: Searcher
    loaded: Callable[[], bool]  # whether a worker with loaded models is alive
    broker_answers: Callable[[], bool]


def app_state(request: Request) -> AppState:
    state: AppState = request.app.state.tagger
    return state


StateDep = Annotated[AppState, Depends(app_state)]
Cursor = Annotated[str | None, Query(pattern=r"^(job|dlv)_[0-9A-Z]{26}$", description="`next_cursor` of the previous page.")]
bearer = HTTPBearer(auto_error=False, description="A key made by `tagger keys create --site SITE`.")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The holder of the key: one site, or the operator (`site_id` is None)."""

    site_id: str | None
    key_id: str = ""

    def acts(self, action: Action, site_id: str | None = None, **detail: Any) -> AuditEntry:
        """The entry of the audit log for what this caller does."""
        asked = {name: value for name, value in detail.items() if value not in (None, [], "")}
        return AuditEntry(action=action, actor=f"api:{self.key_id or 'operator'}", site_id=site_id, detail=asked)

    def may_see(self, site_id: str, missing: str) -> None:
        """Another site's things do not exist for this caller. `missing`: what is said of a thing that truly is not there."""
        if self.site_id not in (None, site_id):
            raise NotFound(missing)

    def narrowed(self, site: str | None) -> str | None:
        """The site that a list is about; None: all, which only the operator gets. Errors: NotFound."""
        if site is not None:
            self.may_see(site, f"No site {site!r}.")
        return site if self.site_id is None else self.site_id


def caller(
    request: Request, state: StateDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    if credentials is None:
        raise Unauthorized("No key was sent.")
    admin = state.settings.admin_key
    if admin is not None and hmac.compare_digest(admin.get_secret_value().encode(), credentials.credentials.encode()):
        return Caller(site_id=None)
    key = state.ledger.find_key(hash_key(credentials.credentials))
    if key is None or key.revoked_ms is not None:
        raise Unauthorized("The key is unknown or revoked.")
    request.scope["tagger.ids"]["site"] = key.site_id  # for the request's line of log
    return Caller(site_id=key.site_id, key_id=key.id)


CallerDep = Annotated[Caller, Depends(caller)]


def calling_site(
    state: StateDep,
    caller: CallerDep,
    site: Annotated[str | None, Query(description="The site of the request; only with the operator's key.")] = None,
) -> Site:
    """The site in whose name the caller acts."""
    if caller.site_id is None:
        if site is None:
            raise Forbidden("The operator's key belongs to no site. Name a site with ?site=.")
        return state.ledger.get_site(site)
    if site not in (None, caller.site_id):
        raise NotFound(f"No site {site!r}.")
    return state.ledger.get_site(caller.site_id)


def operator(caller: CallerDep) -> Caller:
    if caller.site_id is not None:
        raise Forbidden("Only the operator's key allows this request.")
    return caller


SiteDep = Annotated[Site, Depends(calling_site)]
OperatorDep = Annotated[Caller, Depends(operator)]


def known_query(*names: str) -> Any:
    """A dependency that refuses any other parameter, as an unknown key of a body is refused. `site` is known to all."""
    allowed = (*names, "site")

    def check(request: Request) -> None:
        strange = [name for name in request.query_params if name not in allowed]
        if strange:
            errors = tuple(Pointer(pointer=f"/{name[:100]}", detail="no such parameter") for name in strange[:3])
            raise BadRequest(f"The query has an unknown parameter. Known are: {', '.join(allowed)}.", errors=errors)
        check_single(request)

    return Depends(check)
