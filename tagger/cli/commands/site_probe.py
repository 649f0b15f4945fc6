"""`tagger sites probe`: asks a site's CMS what it can do, and remembers the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tagger.cli import console, worker_rpc
from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.site import Site

UNKNOWN_TYPE = 501


def probe(
    site: Annotated[str, typer.Argument(help="Site whose CMS is asked.")],
    json: console.Json = False,
) -> None:
    """Ask a site's CMS what it can do, and store the answer.

    The answer names the CMS, its fields and locales, and whether its writes are strict. The exit status is 1 without an answer.

    Example:  tagger sites probe blog
    """
    from tagger.cms.registry import probe_of  # here: `tagger sites list` imports this module too

    with console.ledger() as ledger:
        asked = probe_of(ledger.get_site(site).cms)
    [found] = worker_rpc.run(["workers.deliver.probe"], {"site": site, "type": asked.type}, console.settings())
    told = asked.read_answer(found["answer"].encode()) if found["ok"] else None
    unknown = told is None and (found["ok"] or found["status"] == UNKNOWN_TYPE)
    if told is not None or unknown:
        with console.ledger() as ledger:
            ledger.put_capabilities(site, told)
    if json:
        console.print_json({**found, "capabilities": told})
    elif told is not None:
        for line in lines(told):
            console.out.print(line, markup=False)
    elif unknown:
        console.out.print(f"{found['url']} answered {found['status']}: it does not know site.probe.", markup=False)
    else:
        console.out.print(f"{found['url']}: {found['detail']} {found['remedy']}", markup=False)
    if told is None and not unknown:
        raise typer.Exit(1)


def lines(told: Mapping[str, Any]) -> list[str]:
    """The answer, for people."""
    written = (
        "compared and written in one step" if told["strict"] else "best effort: an editor's save at the same moment may be lost"
    )
    longest = ", ".join(f"{field} {most:,}" for field, most in told["longest"].items())
    return [
        f"CMS      {named(told)}",
        f"Fields   {', '.join(told['fields']) or 'not said'}{f' (longest: {longest})' if longest else ''}",
        f"Locales  {', '.join(told['locales']) or 'not said'}",
        f"Writes   {written}",
        f"Types    {', '.join(told['types']) or 'not said'}",
    ]


def named(told: Mapping[str, Any]) -> str:
    version = f" {told['cms_version']}" if told.get("cms_version") else ""
    plugin = f", plugin {told['plugin']}" if told.get("plugin") else ""
    return f"{told['cms']}{version}{plugin}"


def findings(settings: Settings) -> list[tuple[str, str, str]]:
    """(site, what its CMS can do, remedy or "") of each site that was asked. For `tagger doctor`."""
    if console.missing_ledger(settings) is not None:
        return []
    ledger = open_ledger(settings.ledger)
    try:
        asked = [(site, ledger.capabilities_of(site.id)[0]) for site in ledger.sites()]
    finally:
        ledger.close()
    return [_finding(site, told) for site, told in asked if told is not None]


def _finding(site: Site, told: Mapping[str, Any]) -> tuple[str, str, str]:
    detail = f"{named(told)}, {'strict' if told['strict'] else 'best effort'}"
    known = {locale.partition("-")[0].lower() for locale in told["locales"]}
    missing = [locale for locale in site.locales if known and locale.partition("-")[0].lower() not in known]
    if not missing:
        return site.id, detail, ""
    cure = f"Set a locale that it has: `tagger sites set {site.id} --locale {told['locales'][0]}`."
    return site.id, f"{detail}; it has no field for {', '.join(missing)}", cure
