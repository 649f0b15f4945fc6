"""One running stack that all tests share which do not damage it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acceptance.house import House


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = House(tmp_path_factory.mktemp("acceptance") / "home")
    yield built
    built.close()
