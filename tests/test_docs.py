"""The generated pages of docs/ are current and whole: every setting, every command with an example, every route."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.cli.reference import PAGES
from tagger.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize(("name", "make"), PAGES.items())
def test_a_generated_page_is_current(name: str, make: Callable[[], str]) -> None:
    assert (DOCS / name).read_text("utf-8") == make(), f"docs/{name} is old: run `make docs`"


def test_every_setting_is_explained() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in page
        assert field.description, f"{name} has no description"


def test_every_command_has_an_example() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    sections = re.split(r"^## ", page, flags=re.M)[1:]
    assert len(sections) > 25
    for section in sections:
        command = section.splitlines()[0]
        if "Commands:" in section and command != "tagger":
            continue  # a group: its commands have the examples
        assert re.search(r"Examples?:|Try it:", section), f"`{command} --help` has no example"
        assert command in section.split("```text", 1)[1]


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_error_has_a_line() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    for code in ("image_unreadable", "unknown_profile", "address_forbidden", "delivery_exhausted"):
        assert page.count(f"| `{code}` |") == 1


def test_every_route_is_told() -> None:
    document = json.loads((DOCS / "openapi.json").read_text("utf-8"))
    for path in ("/v1/jobs", "/v1/jobs/{job_id}", "/v1/describe", "/v1/hooks/{site_id}", "/v1/dead-letters/replay", "/healthz"):
        assert path in document["paths"]
