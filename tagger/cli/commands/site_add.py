"""`tagger sites add`: from options, or question by question."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tagger.cli import console
from tagger.cli.acting import audited
from tagger.cli.commands import site_check
from tagger.cli.site_options import TELL_FAILED, TELL_UNWRITTEN, checked, site_row
from tagger.errors import BadRequest
from tagger.net.signing import key_of
from tagger.services import sites as services
from tagger.site import Site


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the questions ask for; each is an option, too."""

    site_id: str
    endpoint: str | None
    allow_private: bool
    cms: str
    profile: str
    locales: tuple[str, ...]


def add(
    site_id: Annotated[
        str | None, typer.Argument(help="Short name of the site, e.g. blog. Without it, questions are asked.")
    ] = None,
    name: Annotated[str, typer.Option(help="Full name of the site.")] = "",
    endpoint: Annotated[str | None, typer.Option(help="URL that receives the signed callbacks.")] = None,
    allow_private: Annotated[bool, typer.Option(help="The endpoint may be at a private or loopback address.")] = False,
    cms: Annotated[str, typer.Option(help="Whose hooks the site sends and whose answers it gives.")] = "generic",
    profile: Annotated[str, typer.Option(help="Kind of business: general, news, ecommerce, …")] = "general",
    locale: Annotated[list[str] | None, typer.Option(help="Language of the texts, e.g. de. Repeat for several.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Private host from which images may be fetched, e.g. cms.lan:8080. Repeat for several."),
    ] = None,
    tell_unwritten: Annotated[bool, typer.Option("--tell-unwritten/--no-tell-unwritten", help=TELL_UNWRITTEN)] = True,
    tell_failed: Annotated[bool, typer.Option("--tell-failed/--no-tell-failed", help=TELL_FAILED)] = True,
    hook_secret_file: Annotated[
        Path | None, typer.Option(**console.PATH, help="File with the hook secret that the CMS has; else one is made.")
    ] = None,
    callback_secret_file: Annotated[
        Path | None,
        typer.Option(**console.PATH, help="File with the callback secret that the CMS has; else one is made."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Then prove the way to the CMS, which has the secrets, as `sites check`."),
    ] = False,
    json: console.Json = False,
) -> None:
    """Add a site and print its secrets, once.

    Without a name and on a terminal, it asks for everything, waits until you have put the secrets into the CMS, and then proves
    the way to it with a test image. The exit status is 1 if that fails; the site stays.

    \b
    Examples:
      tagger sites add
      tagger sites add blog --endpoint https://blog.example/tagger --locale en
    """
    given = Answers(
        site_id=site_id or "",
        endpoint=endpoint,
        allow_private=allow_private,
        cms=cms,
        profile=profile,
        locales=tuple(locale or ()),
    )
    walks = site_id is None
    if walks and (json or not _on_terminal()):
        raise BadRequest(
            "The name of the site is missing.", "Name it: `tagger sites add SITE`. On a terminal, questions are asked."
        )
    answers = _asked(given) if walks else given
    body = _added(answers, name, allow_host, tell_unwritten, tell_failed, hook_secret_file, callback_secret_file)
    if not json:
        _show(body, keyed=not walks and not check)
    if walks and answers.endpoint:
        check = typer.confirm("Put the secrets into the CMS now. Prove the way to it with a test image?", default=True)
    steps = site_check.checked(answers.site_id) if check else []
    if json:
        console.print_json({**body, **({"check": steps} if check else {})})
    else:
        site_check.show(steps)
        if check or walks:
            console.out.print(f"Next:  tagger keys create --site {answers.site_id}")
    if not all(step["ok"] for step in steps):
        raise typer.Exit(1)


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(given: Answers) -> Answers:
    """One question for each answer; the values of the options are proposed."""
    from tagger.cms.registry import kinds

    profiles = [profile.name for profile in console.catalog().profiles]
    site_id = typer.prompt("Short name of the site, e.g. blog")
    cms = _one_of("Protocol of the CMS; the WordPress plugin speaks generic", kinds("writer"), given.cms)
    url = typer.prompt("URL that receives tagger's messages (empty: none yet)", default=given.endpoint or "", show_default=False)
    private = given.allow_private or (
        bool(url)
        and services.is_private(url)
        and typer.confirm("This is an address of your own network. Allow it?", default=True)
    )
    profile = _one_of("Kind of business", profiles, given.profile)
    languages = typer.prompt("Languages of the texts, with commas", default=", ".join(given.locales) or "en")
    locales = console.locales([part.strip() for part in languages.split(",") if part.strip()])
    return replace(given, site_id=site_id, endpoint=url or None, allow_private=private, cms=cms, profile=profile, locales=locales)


def _one_of(question: str, choices: list[str], default: str) -> str:
    while (answer := typer.prompt(f"{question} ({', '.join(choices)})", default=default)) not in choices:
        console.err.print(f"There is no {answer!r}.")
    return str(answer)


def _added(
    answers: Answers,
    name: str,
    hosts: list[str] | None,
    tell_unwritten: bool,
    tell_failed: bool,
    hook_file: Path | None,
    callback_file: Path | None,
) -> dict[str, Any]:
    wanted = checked(
        answers.site_id, name, answers.endpoint, answers.allow_private, answers.profile, list(answers.locales) or None, hosts
    )
    site = Site(
        id=wanted.id, name=wanted.name, cms=answers.cms, profile=wanted.profile, locales=tuple(wanted.locales),
        allowed_hosts=tuple(wanted.allowed_hosts), tell_unwritten=tell_unwritten, tell_failed=tell_failed,
    )  # fmt: skip
    hook, callback = _secret(hook_file), _secret(callback_file)
    with console.ledger(making=True) as ledger, audited(ledger, "site.added", wanted.id, endpoint=answers.endpoint):
        added = services.add_site(
            ledger, console.catalog(), site, answers.endpoint or None, allow_private=answers.allow_private,
            hook_secret=hook, callback_secret=callback,
        )  # fmt: skip
        secrets = {"hook_secret": added.hook_secret, "callback_secret": added.callback_secret}
        return {**site_row(ledger, added.site), **secrets}


def _secret(file: Path | None) -> str | None:
    """Errors: BadRequest for a file that holds no secret."""
    if file is None:
        return None
    try:
        secret = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise BadRequest(f"{file} cannot be read.", "Name a file that holds the secret, whsec_….") from err
    key_of(secret)
    return secret


def _show(body: dict[str, Any], *, keyed: bool) -> None:
    console.out.print(f"Added {body['id']}. Store these secrets; they are not shown again:")
    console.out.print(f"  hook secret      {body['hook_secret']}   (the CMS signs its hooks with it)")
    if body["callback_secret"]:
        console.out.print(f"  callback secret  {body['callback_secret']}   (the CMS verifies tagger's callbacks with it)")
    if keyed:
        console.out.print(f"Next:  tagger keys create --site {body['id']}")
