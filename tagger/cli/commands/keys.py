"""`tagger keys create | list | revoke`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagger import serializers
from tagger.cli import console
from tagger.keys import hash_key, new_key
from tagger.site import ApiKey

app = typer.Typer(help="Bearer keys of a site; only their hashes are kept.", no_args_is_help=True)

SiteOption = Annotated[str, typer.Option("--site", help="The site that the key speaks for.")]


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
    site: SiteOption, name: Annotated[str, typer.Option(help="What it is for.")] = "key", json: console.Json = False
) -> None:
    """Make a key and print it, this once.

    Example:  tagger keys create --site blog --name wordpress
    """
    key = new_key()
    with console.ledger() as ledger:
        ledger.get_site(site)
        made = ledger.add_key(site, name, hash_key(key))
    if json:
        console.print_json({**_row(made), "key": key})
    else:
        console.out.print(f"{key}\nKeep it; it is not shown again. Send it as `Authorization: Bearer {key[:8]}…`.")


@app.command("list")
def list_keys(site: SiteOption, json: console.Json = False) -> None:
    """The keys of a site, without the keys themselves.

    Example:  tagger keys list --site blog
    """
    with console.ledger(reading=True) as ledger:
        ledger.get_site(site)
        rows = [_row(key) for key in ledger.keys(site)]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        console.print_table(rows, ["id", "created_at", "revoked_at", "name"], "No keys.", drop=["created_at"])


@app.command("revoke")
def revoke(key_id: str) -> None:
    """Make a key worthless, at once.

    Example:  tagger keys revoke key_01J9Z3…
    """
    with console.ledger() as ledger:
        ledger.revoke_key(key_id)
    console.out.print(f"{key_id} is revoked.")
