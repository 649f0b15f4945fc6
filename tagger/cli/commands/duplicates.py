"""`tagger duplicates`."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.cli import console


def duplicates(
    site: Annotated[str, typer.Option(help="Among the images of this site.")],
    propose: Annotated[bool, typer.Option("--propose", help="Ask the CMS for alt texts of people, and propose them.")] = False,
    json: console.Json = False,
) -> None:
    """List images that look alike.

    Example:  tagger duplicates --site blog --propose
    """
    from tagger.services import duplicates as service

    with console.ledger() as ledger:
        ledger.get_site(site)
        body = service.duplicates(ledger, site, propose=propose)
    if json:
        console.print_json(body)
        return
    rows = [
        {
            "group": n,
            "asset": asset["id"],
            "same_file": "yes" if asset["same_file"] else "no",
            "proposal": _proposal(group, asset["id"]),
        }
        for n, group in enumerate(body["data"], 1)
        for asset in group["assets"]
    ]
    console.print_table(rows, ("group", "asset", "same_file", "proposal"), "No two images look alike.", prose="proposal")
    console.err.print(f"{body['compared']} images were compared.")


def _proposal(group: dict[str, list[dict[str, object]]], asset: str) -> str:
    return "; ".join(f"{p['locale']}: {p['value']}" for p in group["proposals"] if p["asset"] == {"id": asset})
