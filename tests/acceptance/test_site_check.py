"""A new site proves the way to its CMS with a test image, of which nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sample_library import SampleLibrary

from acceptance.house import House
from tagger.net.signing import new_secret


@pytest.fixture
def library(house: House, tmp_path: Path) -> Iterator[SampleLibrary]:
    opened = SampleLibrary(tmp_path / "library")
    opened.fill(1, {}, {})
    opened.start(house.ledger, "unused")
    yield opened
    opened.close()


def add(house: House, library: SampleLibrary, name: str, secret: str, folder: Path) -> tuple[int, str]:
    file = folder / f"{name}.secret"
    file.write_text(secret, "ascii")
    url = f"{library.url}/tagger/callback"
    options = ("--endpoint", url, "--allow-private", "--callback-secret-file", str(file), "--check")
    done = house.tagger("sites", "add", name, *options)
    return done.returncode, done.stdout


def test_a_right_secret_is_proved_and_nothing_stays(house: House, library: SampleLibrary, tmp_path: Path) -> None:
    before = library.content()
    code, said = add(house, library, "checked", library.secret, tmp_path)
    assert code == 0, said
    assert "ok      probe: Sample media library 1" in said
    assert "ok      round trip: The test image was described" in said
    assert house.ledger.jobs(site_id="checked").data == []
    assert house.ledger.deliveries(site_id="checked").data == []
    assert library.content() == before
    assert house.told("sites", "check", "checked")["ok"] is True


def test_a_wrong_secret_is_told_and_the_site_stays(house: House, library: SampleLibrary, tmp_path: Path) -> None:
    code, said = add(house, library, "mistyped", new_secret(), tmp_path)
    assert code == 1
    assert "failed  probe: The endpoint answered 401." in said
    assert "Check that both sides have the same secret." in said
    assert house.told("sites", "show", "mistyped")["id"] == "mistyped"
