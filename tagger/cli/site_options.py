"""What the commands on sites share: the checks of their options, and a site as a row."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tagger import serializers
from tagger.errors import BadRequest
from tagger.ledger import Ledger
from tagger.site import Site
from tagger.validation_text import fault_text

if TYPE_CHECKING:
    from tagger.api.shapes import SiteIn

TELL_UNWRITTEN = "Send asset.described also if there is nothing to write: texts for review, or no text."
TELL_FAILED = "Send asset.failed for an image that could not be described."


def site_row(ledger: Ledger, site: Site) -> dict[str, Any]:
    endpoint = ledger.endpoint_of(site.id)
    shown = None if endpoint is None else {"id": endpoint.url, "enabled": endpoint.enabled}
    return {**serializers.site(site, shown, *ledger.capabilities_of(site.id)), **asdict(ledger.usage(site.id))}


def checked(
    site_id: str,
    name: str,
    endpoint: str | None,
    allow_private: bool,
    profile: str,
    locales: list[str] | None,
    hosts: list[str] | None,
) -> SiteIn:
    """The same checks as in the API. Errors: BadRequest."""
    from pydantic import ValidationError

    from tagger.api.shapes import EndpointIn, SiteIn  # only a new site needs them

    try:
        return SiteIn(
            id=site_id,
            name=name or site_id,
            profile=profile,
            locales=locales or ["en"],
            allowed_hosts=hosts or [],
            endpoint=None if endpoint is None else EndpointIn(url=endpoint, allow_private=allow_private),
        )
    except ValidationError as err:
        problems = [f"{'.'.join(map(str, e['loc']))}: {fault_text(e)}" for e in err.errors()]
        raise BadRequest("; ".join(problems), "Correct it; `tagger sites add --help` has an example.") from None
