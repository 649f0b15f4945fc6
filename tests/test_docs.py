"""The generated pages of docs/ are current and whole: every setting, every command with an example, every route."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tagger.cli.main import app
from tagger.cli.reference import PAGES
from tagger.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
PAGES_OF_COMMANDS = [DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
EVERY_PAGE = [DOCS.parent / "CHANGELOG.md", *PAGES_OF_COMMANDS]


@pytest.mark.parametrize(("name", "make"), PAGES.items())
def test_a_generated_page_is_current(name: str, make: Callable[[], str]) -> None:
    assert (DOCS / name).read_text("utf-8") == make(), f"docs/{name} is old: run `make docs`"


def test_every_setting_is_explained() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in page
        assert field.description, f"{name} has no description"


def commands(command: Any, path: tuple[str, ...] = ("tagger",)) -> Iterator[tuple[str, Any]]:
    """Every command and group, by its full name."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_every_command_has_an_example() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    sections = re.split(r"^## ", page, flags=re.M)[1:]
    assert len(sections) > 25
    for section in sections:
        command = section.splitlines()[0]
        if "Commands:" in section and command != "tagger":
            continue  # a group: its commands have the examples
        assert re.search(r"Examples?:", section), f"`{command} --help` has no example"
        assert command in section.split("```text", 1)[1]


def test_every_option_and_argument_says_what_it_is() -> None:
    for name, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            text = getattr(parameter, "help", None) or ""
            assert re.fullmatch(r"\S.*[.…]", text, flags=re.S), f"`{name}`: {parameter.name} has the help {text!r}"


def test_a_list_of_commands_says_what_each_does_on_a_terminal_of_80_columns() -> None:
    for name, command in commands(typer.main.get_command(app)):
        context = command.context_class(command, info_name=name, max_content_width=80, terminal_width=80)
        _, _, listed = command.get_help(context).partition("\nCommands:\n")
        for line in listed.partition("\n\n")[0].splitlines():
            assert re.fullmatch(r"  [\w-]+ +[A-Z].*[^.]\.", line), f"`{name} --help`: {line.strip()!r} is cut off"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES_OF_COMMANDS, ids=lambda p: p.name)
def test_every_file_of_the_repository_that_is_named_exists(page: Path) -> None:
    for named in re.findall(r"`((?:tagger|workers|tests|bench|docs)/[\w./-]+)", page.read_text("utf-8")):
        assert (DOCS.parent / named.rstrip(".")).exists(), named


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.name)
def test_every_link_to_a_section_leads_to_one(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
        text = (page.parent / target if target else page).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.M)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{target}#{anchor}"


def test_a_picture_of_a_page_is_small() -> None:
    for picture in (DOCS / "img").iterdir():
        assert picture.stat().st_size < 150_000, picture


def test_every_error_has_a_line() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    for code in ("image_unreadable", "unknown_profile", "address_forbidden", "delivery_exhausted"):
        assert page.count(f"| `{code}` |") == 1


def test_every_route_is_told() -> None:
    document = json.loads((DOCS / "openapi.json").read_text("utf-8"))
    for path in ("/v1/jobs", "/v1/jobs/{job_id}", "/v1/describe", "/v1/hooks/{site_id}", "/v1/dead-letters/replay", "/healthz"):
        assert path in document["paths"]


def _commands(command: Any, path: tuple[str, ...] = ("tagger",)) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*path, name))


@pytest.mark.parametrize("page", PAGES_OF_COMMANDS, ids=lambda p: p.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    known = set(_commands(typer.main.get_command(app)))
    groups = {path[:-1] for path in known if len(path) == 3}
    words = r"tagger ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?"
    text = page.read_text("utf-8")
    blocks = "".join(re.findall(r"^```.*?^```", text, flags=re.M | re.S))
    for named in re.findall(rf"(?:`|bin/){words}", text) + re.findall(rf"^{words}", blocks, flags=re.M):
        path = ("tagger", named[0])
        assert path in known, f"tagger {' '.join(named)}"
        if path in groups and named[1]:
            assert (*path, named[1]) in known, f"tagger {' '.join(named)}"


PROMISE = r"\b(?:[QW]\d\d?|[GIS]\d)\b"
RULE = r"\bA1?\d\b"
STORE = r"Amazon S3|S3(?:-compatible|'s)|S3 (?:bucket|gateway|server|store)"  # no promise, though S3 is the number of one


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.name)
def test_a_number_is_explained_or_the_page_that_explains_it_is_linked(page: Path) -> None:
    """Q1 or A13 tells a reader nothing."""
    text = re.sub(STORE, "", page.read_text("utf-8"))
    for numbers, home in ((PROMISE, "reliability.md"), (RULE, "alt-text-rules.md")):
        explained = set(re.findall(rf"^\| ({numbers})", (DOCS / home).read_text("utf-8"), flags=re.M))
        used = set(re.findall(numbers, text))
        assert used <= explained, f"{home} does not explain {used - explained}"
        assert not used or page.name == home or re.search(rf"\((docs/)?{home}", text), (
            f"{used} are explained in {home}, which is not linked"
        )
