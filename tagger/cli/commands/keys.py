"""`tagger keys create | list | revoke`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagger import serializers
from tagger.cli import console
from tagger.cli.acting import audited
from tagger.keys import hash_key, new_key
from tagger.site import ApiKey

app = typer.Typer(help="Manage the API keys of a site.", no_args_is_help=True)

SiteOption = Annotated[str, typer.Option("--site", help="Site that the key belongs to.")]


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "site": key.site_id,
        "name": key.name,
        "created_at": serializers.instant(key.created_ms),
        "revoked_at": serializers.instant(key.revoked_ms),
    }


@app.command("create")
def create(
    site: SiteOption,
    name: Annotated[str, typer.Option(help="Note for yourself: what uses the key.")] = "key",
    json: console.Json = False,
) -> None:
    """Create an API key and print it, once. Only its hash is stored.

    Example:  tagger keys create --site blog --name wordpress
    """
    key = new_key()
    with console.ledger() as ledger:
        ledger.get_site(site)
        with audited(ledger, "key.created", site, name=name):
            made = ledger.add_key(site, name, hash_key(key))
    if json:
        console.print_json({**_row(made), "key": key})
    else:
        console.out.print(f"{key}\nStore the key; it is not shown again. Send it as `Authorization: Bearer {key[:8]}…`.")


@app.command("list")
def list_keys(site: SiteOption, json: console.Json = False) -> None:
    """List the keys of a site by id; a key itself is not stored.

    Example:  tagger keys list --site blog
    """
    with console.ledger() as ledger:
        ledger.get_site(site)
        rows = [_row(key) for key in ledger.keys(site)]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        console.print_table(rows, ["id", "created_at", "revoked_at", "name"], "No keys.", drop=["created_at"])


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Id of the key; `tagger keys list` shows it.")]) -> None:
    """Revoke a key. The API refuses it from now on.

    Example:  tagger keys revoke key_01J9Z3…
    """
    with console.ledger() as ledger, audited(ledger, "key.revoked", key=key_id):
        ledger.revoke_key(key_id)
    console.out.print(f"{key_id} is revoked.")
