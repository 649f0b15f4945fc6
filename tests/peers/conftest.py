"""A tagger with its small models, and real CMSes beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.postgres import cluster

from peers.joined import Joined, Tagger, join
from peers.wagtail_site import PYTHON, Wagtail
from peers.wagtail_site import booted as wagtail_booted
from peers.wordpress_site import SUITES, booted, missing

VERSIONS = os.environ.get("PEERS_WORDPRESS", "6.1,6.8").split(",")
ZIP = Path(__file__).parents[2] / "build" / "tagger-wordpress.zip"


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tagger]:
    with Tagger.running(tmp_path_factory.mktemp("tagger") / "home") as tagger:
        yield tagger


def checked() -> None:
    """Skips where PHP or MariaDB is missing; with CI=true it fails, because a skipped test looks like a passed one."""
    if lacking := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not on this machine: {', '.join(lacking)}")


@pytest.fixture(scope="session", params=VERSIONS)
def wordpress(request: pytest.FixtureRequest, tagger: Tagger) -> Iterator[Joined]:
    version = str(request.param)
    assert version in SUITES, f"PEERS_WORDPRESS knows {', '.join(SUITES)}"
    checked()
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database runs as a user of its own, who may not enter pytest's folders
        with booted(version, folder, ZIP) as site:
            yield join(tagger, site)
            assert [line for line in site.log().splitlines() if "plugins/tagger" in line] == [], (
                "PHP complains of nothing of ours"
            )


DATABASES = os.environ.get("PEERS_WAGTAIL", "sqlite,postgresql").split(",")
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"}}
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"}


@pytest.fixture(scope="module", params=DATABASES)
def wagtail(request: pytest.FixtureRequest, tagger: Tagger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wagtail]:
    if not PYTHON.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("there is no .venv-wagtail: use `make peers-wagtail`")
    folder, name = tmp_path_factory.mktemp("wagtail"), f"{request.module.__name__.rpartition('.')[2]}-{request.param}"
    name = name.removeprefix("test_").replace("_", "-")
    with ExitStack() as stack:
        own = {**SQLITE, "NAME": str(folder / "db.sqlite")}
        if request.param == "postgresql":
            own = {**POSTGRES, "HOST": str(stack.enter_context(cluster()).folder)}
        site = stack.enter_context(wagtail_booted(tagger, name, own, folder))
        assert "no issues" in site.manage("check")
        assert "No changes" in site.manage("makemigrations", "--check", "--dry-run", "wagtail_tagger")
        yield site
