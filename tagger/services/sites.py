"""Adding a site and its endpoint, as the API and the command line both do it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tagger.delivery import Endpoint
from tagger.errors import BadRequest, Pointer
from tagger.ids import new_id
from tagger.ledger import Ledger
from tagger.net.addresses import PRIVATE, unreachable
from tagger.net.signing import new_secret
from tagger.site import Site

if TYPE_CHECKING:  # reading it takes time that most commands do not need
    from tagger.catalog.load import Catalog


@dataclass(frozen=True, kw_only=True)
class AddedSite:
    site: Site
    hook_secret: str
    callback_secret: str | None  # None: the site has no endpoint


def add_site(
    ledger: Ledger,
    catalog: Catalog,
    site: Site,
    url: str | None,
    *,
    allow_private: bool,
    hook_secret: str | None = None,
    callback_secret: str | None = None,
) -> AddedSite:
    """Creates the site and, if `url` is given, its endpoint. Secrets that are not given are made; they cannot be shown again.

    What would fail only later, with each job or delivery, is refused here. Errors: BadRequest; Conflict if the site exists.
    """
    check_cms(site.cms)
    check_vocabulary(catalog, site.vocabulary)
    check_address(url, allow_private)
    hook_secret = hook_secret or new_secret()
    made = replace(site, profile=catalog.require(site.profile).name, hook_secrets=(hook_secret,))
    ledger.add_site(made)
    used = None if url is None else add_endpoint(ledger, site.id, url, allow_private=allow_private, secret=callback_secret)
    return AddedSite(site=made, hook_secret=hook_secret, callback_secret=used)


def add_endpoint(ledger: Ledger, site_id: str, url: str, *, allow_private: bool, secret: str | None = None) -> str:
    """Registers where the site takes its callbacks; returns their secret."""
    secret = secret or new_secret()
    ledger.put_endpoint(Endpoint(id=new_id("end"), site_id=site_id, url=url, secrets=(secret,), allow_private=allow_private))
    return secret


def check_cms(kind: str) -> None:
    """Errors: BadRequest for a CMS that tagger does not know, or that cannot receive texts."""
    from tagger.cms.registry import writer

    try:
        writer(kind)
    except BadRequest as err:
        raise BadRequest(err.detail, err.remedy, errors=(Pointer(pointer="/cms"),)) from None


def check_vocabulary(catalog: Catalog, name: str | None) -> None:
    """Errors: BadRequest for a name that no vocabulary has."""
    if name is not None and name not in catalog.vocabularies:
        known = f"Choose one of: {', '.join(sorted(catalog.vocabularies))}."
        raise BadRequest(f"There is no vocabulary {name!r}.", known, errors=(Pointer(pointer="/vocabulary"),))


def is_private(url: str) -> bool:
    """Whether the address of the endpoint is private or loopback, so that it must be allowed."""
    return unreachable(url, False) in PRIVATE


def check_address(url: str | None, allow_private: bool) -> None:
    """Errors: BadRequest for an endpoint that no delivery could reach."""
    kind = unreachable(url, allow_private) if url else None
    if kind is None:
        return
    allow = "If that is intended, allow it: `--allow-private`, or `allow_private` in the API."
    remedy = allow if kind in PRIVATE else "Choose another address; this one is never allowed."
    raise BadRequest(f"The endpoint {url} has a {kind} address.", remedy, errors=(Pointer(pointer="/endpoint/url"),))
