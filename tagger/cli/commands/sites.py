"""`tagger sites add | set | list | show | pause | resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.cli.commands import rotation, site_add, site_check, site_probe, site_sweep
from tagger.cli.site_options import TELL_FAILED, TELL_UNWRITTEN, checked, site_row
from tagger.errors import BadRequest
from tagger.services import sites as services

if TYPE_CHECKING:
    pass

app = typer.Typer(help="Manage sites: the CMS instances that tagger serves.", no_args_is_help=True)

app.command("add")(site_add.add)

DROP = ("name", "locales", "profile")  # columns that a narrow list leaves out, in this order


@app.command("set")
def change(
    site_id: filters.SiteId,
    name: Annotated[str | None, typer.Option(help="Full name of the site.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="URL that receives the signed callbacks.")] = None,
    allow_private: Annotated[
        bool | None,
        typer.Option("--allow-private/--no-allow-private", help="The endpoint may be at a private or loopback address."),
    ] = None,
    cms: Annotated[str | None, typer.Option(help="Whose hooks the site sends and whose answers it gives.")] = None,
    profile: Annotated[str | None, typer.Option(help="Kind of business: general, news, ecommerce, …")] = None,
    locale: Annotated[
        list[str] | None, typer.Option(help="Language of the texts, e.g. de. Replaces all earlier ones. Repeat for several.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Private host from which images may be fetched. Replaces all earlier ones. Repeat for several; '' removes all."
        ),
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="Vocabulary, instead of the profile's; '' returns to the profile's.")
    ] = None,
    tell_unwritten: Annotated[bool | None, typer.Option("--tell-unwritten/--no-tell-unwritten", help=TELL_UNWRITTEN)] = None,
    tell_failed: Annotated[bool | None, typer.Option("--tell-failed/--no-tell-failed", help=TELL_FAILED)] = None,
    max_open_jobs: Annotated[int | None, typer.Option(min=0, help="Quota of open jobs; 0 removes it.")] = None,
    max_bytes_a_day: Annotated[int | None, typer.Option(min=0, help="Quota of uploaded bytes a day; 0 removes it.")] = None,
    json: console.Json = False,
) -> None:
    """Change a site.

    Only the named options change; the secrets stay. After a change of the endpoint, deliveries parked for the old one are sent to
    the new one at once.

    Example:  tagger sites set blog --endpoint http://127.0.0.1:8401/ --allow-private
    """
    with console.ledger() as ledger:
        site, old = ledger.get_site(site_id), ledger.endpoint_of(site_id)
        hosts = None if allow_host is None else [host for host in allow_host if host]
        url = endpoint or (old.url if old else None)
        private = allow_private if allow_private is not None else bool(old and old.allow_private)
        wanted = checked(site_id, name or site.name, url, private, profile or site.profile, locale or list(site.locales), hosts)
        if endpoint or allow_private is not None:
            services.check_address(url, private)
        changes: dict[str, Any] = {"name": wanted.name, "locales": wanted.locales}
        message_options = {"tell_unwritten": tell_unwritten, "tell_failed": tell_failed}
        changes |= {option: value for option, value in message_options.items() if value is not None}
        quotas = {"max_open_jobs": max_open_jobs, "max_bytes_a_day": max_bytes_a_day}
        changes |= {name: most or None for name, most in quotas.items() if most is not None}
        if cms is not None:
            services.check_cms(cms)
            changes["cms"] = cms
        if profile is not None:
            changes["profile"] = console.catalog().require(profile).name
        if hosts is not None:
            changes["allowed_hosts"] = wanted.allowed_hosts
        if vocabulary is not None:
            services.check_vocabulary(console.catalog(), vocabulary or None)
            changes["vocabulary"] = vocabulary or None
        if old is None and endpoint is None and allow_private is not None:
            raise BadRequest(f"{site_id} has no endpoint.", "Add one with --endpoint URL.")
        with audited(ledger, "site.changed", site_id, fields=sorted(changes), endpoint=endpoint, allow_private=allow_private):
            ledger.change_site(site_id, changes)
        secret: str | None = None
        if endpoint and old is None:
            secret = services.add_endpoint(ledger, site_id, endpoint, allow_private=private)
        elif endpoint or allow_private is not None:
            ledger.change_endpoint(site_id, url=endpoint, allow_private=allow_private)
        body = {**site_row(ledger, ledger.get_site(site_id)), **({"callback_secret": secret} if secret else {})}
    if json:
        console.print_json(body)
        return
    console.out.print(f"{site_id} was changed; `tagger sites show {site_id}` prints it.")
    if secret:
        console.out.print(f"  callback secret  {secret}   (the CMS verifies tagger's callbacks with it; not shown again)")


@app.command("list")
def list_sites(json: console.Json = False) -> None:
    """List all sites.

    Example:  tagger sites list --json
    """
    with console.ledger() as ledger:
        rows = [site_row(ledger, site) for site in ledger.sites()]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        console.print_table(
            rows,
            ["id", "name", "profile", "locales", "writes_paused", "endpoint"],
            "No sites. Add one with `tagger sites add`.",
            drop=DROP,
        )


@app.command("show")
def show(site_id: filters.SiteId, _json: console.AlwaysJson = True) -> None:
    """Print one site as JSON, without its secrets.

    Example:  tagger sites show blog
    """
    with console.ledger() as ledger:
        console.print_json(site_row(ledger, ledger.get_site(site_id)))


@app.command("pause")
def pause(
    site_id: filters.SiteId,
    writes: Annotated[bool, typer.Option("--writes", help="Pause the writes to the site. Required.")] = False,
) -> None:
    """Pause the writes to a site.

    Images are still described. Their deliveries wait until `tagger sites resume`.

    Example:  tagger sites pause blog --writes
    """
    if not writes:
        raise BadRequest("The option --writes is missing.", "Use `tagger sites pause SITE --writes`.")
    with console.ledger() as ledger:
        ledger.get_site(site_id)
        with audited(ledger, "site.paused", site_id):
            ledger.pause_writes(site_id, True)
    console.out.print(f"Nothing is written to {site_id} until `tagger sites resume {site_id}`.")


@app.command("resume")
def resume(site_id: filters.SiteId) -> None:
    """Resume the writes to a site.

    If the endpoint was disabled, it is enabled. Deliveries that waited are sent.

    Example:  tagger sites resume blog
    """
    with console.ledger() as ledger:
        ledger.get_site(site_id)
        with audited(ledger, "site.resumed", site_id):
            released = ledger.resume_site(site_id)
    waited = "1 waiting delivery is sent now" if released == 1 else f"{released} waiting deliveries are sent now"
    console.out.print(f"Writes to {site_id} are resumed; {waited}.")


app.command("rotate")(rotation.rotate)
app.command("probe")(site_probe.probe)
app.command("check")(site_check.check)
app.command("sweep")(site_sweep.sweep)
