"""`tagger sites rotate`: a new secret beside the old one, and later the end of the old one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from tagger.cli import console
from tagger.errors import BadRequest, NotFound
from tagger.signing import new_secret


def rotate(
    site_id: str,
    hook: Annotated[bool, typer.Option("--hook", help="The secret that signs the CMS's hooks.")] = False,
    callback: Annotated[bool, typer.Option("--callback", help="The secret that signs our callbacks.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Drop the old secret; only the newest stays.")] = False,
    json: console.Json = False,
) -> None:
    """Add a new secret, printed this once; both are valid until --finish.

    Example:  tagger sites rotate blog --callback
    """
    if hook == callback:
        raise BadRequest("Say which secret: --hook or --callback.", "Give one of them.")
    with console.ledger() as ledger:
        site = ledger.get_site(site_id)
        endpoint = ledger.endpoint_of(site_id)
        if callback and endpoint is None:
            raise NotFound(f"{site_id} has no endpoint.")
        old = site.hook_secrets if hook or endpoint is None else endpoint.secrets
        if not finish and len(old) > 1:
            raise BadRequest("Two secrets are valid already.", "End that rotation first, with --finish.")
        fresh = None if finish else new_secret()
        secrets = old[:1] if fresh is None else (fresh, *old)
        if hook:
            ledger.put_site(replace(site, hook_secrets=secrets))
        elif endpoint is not None:
            ledger.put_endpoint(replace(endpoint, secrets=secrets))
    if json:
        console.print_json({"site": site_id, "secret": fresh, "valid": len(secrets)})
    elif fresh is None:
        console.out.print(f"Only the newest secret of {site_id} is valid now.")
    else:
        console.out.print(f"New secret, not shown again:  {fresh}")
        console.out.print("Give it to the CMS, then repeat the command with --finish.")
