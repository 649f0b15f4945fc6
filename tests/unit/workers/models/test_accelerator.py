"""The cores that torch takes, and pictures on their way to a device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from workers.models.accelerator import share_cores, staged  # noqa: E402


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("processes", "cores", "share"), [(0, 16, 1), (1, 16, 16), (3, 16, 5), (8, 2, 1), (0, 1, 1)])
def test_the_workers_of_a_lane_share_the_cores(threads: None, processes: int, cores: int, share: int) -> None:
    assert share_cores(processes, cores) == share
    assert torch.get_num_threads() == share


def test_on_a_cpu_a_picture_stays_where_it_is() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    assert staged(picture, torch.device("cpu")) is picture
