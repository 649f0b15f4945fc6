"""`tagger sites check`: asks the CMS what it can do, and proves the way to it with a test image."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagger.cli import attention, console, worker_rpc
from tagger.cli.commands import site_probe
from tagger.errors import ErrorInfo
from tagger.services.round_trip import round_trip


def check(
    site: Annotated[str, typer.Argument(help="Site whose CMS is asked.")],
    json: console.Json = False,
) -> None:
    """Prove that images reach a site's CMS.

    The CMS says what it can do. Then a test image is described and its message is sent; nothing of it stays. Workers must run.
    The exit status is 1 if a step fails.

    Example:  tagger sites check blog
    """
    steps = checked(site)
    if json:
        console.print_json({"site": site, "ok": all(step["ok"] for step in steps), "steps": steps})
    else:
        show(steps)
    if not all(step["ok"] for step in steps):
        raise typer.Exit(1)


def checked(site: str) -> list[dict[str, Any]]:
    """The steps with `name`, `ok`, `detail` and `remedy`; after one that fails, no other follows."""
    probed = _probe(site)
    return [probed, _round_trip(site)] if probed["ok"] else [probed]


def show(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        console.out.print(f"{'ok    ' if step['ok'] else 'failed'}  {step['name']}: {step['detail']}")
        if step["remedy"]:
            console.out.print(f"        {step['remedy']}")


def _probe(site: str) -> dict[str, Any]:
    from tagger.cms.registry import probe_of

    with console.ledger() as ledger:
        asked = probe_of(ledger.get_site(site).cms)
    try:
        [found] = worker_rpc.run(["workers.deliver.probe"], {"site": site, "type": asked.type}, console.settings())
    except worker_rpc.ModelsRefused as err:
        told: ErrorInfo = err.told
        return _step("probe", False, told.detail, told.remedy)
    can = asked.read_answer(found["answer"].encode()) if found["ok"] else None
    if can is None:
        detail = found["detail"] or f"It answered {found['status']}, and does not know site.probe."
        return _step("probe", False, detail, found["remedy"] or "Update the plugin of the CMS, and check the endpoint's path.")
    with console.ledger() as ledger:
        ledger.put_capabilities(site, can)
    return _step("probe", True, site_probe.named(can), "")


def _round_trip(site: str) -> dict[str, Any]:
    from tagger.blobs import open_blobs

    settings = console.settings()
    with console.ledger() as ledger:
        chosen = ledger.get_site(site)
        for trouble in (attention.no_worker(ledger.stats(), settings.home), attention.paused(ledger, site)):
            if trouble is not None:
                return _step("round trip", False, f"{trouble.detail}.", trouble.remedy)
        with console.err.status("Describing a test image…"):
            found = round_trip(ledger, open_blobs(settings), chosen)
    return _step("round trip", found.ok, found.detail, found.remedy)


def _step(name: str, ok: bool, detail: str, remedy: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail, "remedy": remedy}
