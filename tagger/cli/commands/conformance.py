"""`tagger conformance`: does an implementation of docs/protocol.md keep every rule?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from tagger.cli import console
from tagger.cli.callback_secret import SecretFile, callback_secret
from tagger.conformance.client import Client
from tagger.conformance.editor import Editor
from tagger.conformance.outcome import Result
from tagger.conformance.run import chosen, locale_of, run
from tagger.conformance.trial import Trial
from tagger.errors import BadRequest

STYLES = {"passed": "green", "failed": "red", "not supported": "yellow"}


def conformance(
    endpoint: Annotated[str, typer.Option(help="URL that takes the signed messages.")],
    editor: Annotated[str, typer.Option(help="Command of the program that acts as a person in the CMS (docs/protocol.md).")],
    secret_file: SecretFile = None,
    locale: Annotated[str | None, typer.Option(help="Locale of the texts; otherwise the first that the CMS names.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Only this rule; repeat for several.")] = None,
    races: Annotated[int, typer.Option(min=1, help="Races of twelve messages, two thirds with an editor.")] = 6,
    json: console.Json = False,
) -> None:
    """Run every rule of the CMS protocol against a test site.

    It uploads, changes and deletes pictures there. The exit status is 1 if a rule fails.

    Example:  tagger conformance --endpoint http://127.0.0.1:8080/tagger --editor ./editor --secret-file secret.txt
    """
    rules = chosen(rule or ())
    secret = callback_secret(secret_file)
    if not endpoint.startswith(("http://", "https://")):
        raise BadRequest(f"{endpoint!r} is no URL.", "Give the URL of the endpoint, https://…")
    with Client(endpoint, [secret]) as client, Editor(editor) as person:
        trial = Trial(client=client, editor=person, locale=locale or locale_of(client), races=races)
        results = list(run(trial, rules))
    failed = sum(result.state == "failed" for result in results)
    if json:
        console.print_json({"data": [result.to_dict() for result in results], "next_cursor": None})
    else:
        _show(results, failed)
    if failed:
        raise typer.Exit(1)


def _show(results: Sequence[Result], failed: int) -> None:
    for result in results:
        console.out.print(f"{result.state:14}", end="", style=STYLES[result.state])
        console.out.print(f"{result.rule:12} {result.title}", markup=False)
        if result.detail:
            console.out.print(f"{'':26} {result.detail}", markup=False)
    passed = sum(result.state == "passed" for result in results)
    console.out.print(f"{passed} rules passed, {failed} failed, {len(results) - passed - failed} not supported.")
