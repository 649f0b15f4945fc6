"""`tagger sites rotate`: adds a new secret beside the old one, and later removes the old one."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.errors import BadRequest
from tagger.ledger.sites import SecretOf
from tagger.net.signing import new_secret


def rotate(
    site_id: filters.SiteId,
    hook: Annotated[bool, typer.Option("--hook", help="Rotate the secret with which the CMS signs its hooks.")] = False,
    callback: Annotated[
        bool, typer.Option("--callback", help="Rotate the secret with which tagger signs its callbacks.")
    ] = False,
    finish: Annotated[bool, typer.Option("--finish", help="End the rotation: only the newest secret stays valid.")] = False,
    json: console.Json = False,
) -> None:
    """Add a new secret to a site and print it, once.

    The old and the new secret are both valid until --finish.

    Example:  tagger sites rotate blog --callback
    """
    if hook == callback:
        raise BadRequest("No secret is selected, or both are.", "Give either --hook or --callback.")
    fresh = None if finish else new_secret()
    which: SecretOf = "hook" if hook else "callback"
    with console.ledger() as ledger, audited(ledger, "secret.rotated", site_id, secret=which, finished=finish or None):
        valid = ledger.rotate_secret(site_id, which, fresh)
    if json:
        console.print_json({"site": site_id, "secret": fresh, "valid": valid})
    elif fresh is None:
        console.out.print(f"Only the newest secret of {site_id} is valid now.")
    else:
        console.out.print(f"New secret, not shown again:  {fresh}")
        console.out.print("Give it to the CMS, then repeat the command with --finish.")
