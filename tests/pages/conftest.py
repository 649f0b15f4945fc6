"""One API and one browser for all tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.chromium import Page, opened
from support.ledger_cases import World

from pages.site import served


@dataclass(frozen=True)
class Site:
    url: str
    world: World


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("home")) as (url, world):
        yield Site(url, world)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    profile: Path = tmp_path_factory.mktemp("browser") / "profile"
    with opened(profile) as made:
        yield made
