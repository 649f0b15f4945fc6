"""Shapes that a device sees: few, aligned, and padded where it does not count."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from workers.models.ofa.batch import canary_pixels, fixed_batch, padded_length, source_padding, stack  # noqa: E402


@pytest.mark.parametrize(("patches", "text", "padded"), [(900, 8, 12), (900, 12, 12), (900, 13, 28), (576, 8, 16), (16, 1, 16)])
def test_source_lengths_are_multiples_of_sixteen(patches: int, text: int, padded: int) -> None:
    assert padded_length(patches, text) == padded


def test_only_padded_text_is_masked() -> None:
    padding = source_padding(3, torch.tensor([[0, 5, 2, 1], [0, 5, 6, 2]]), pad=1)
    assert padding.shape == (2, 1, 1, 7)
    assert padding[0, 0, 0].tolist() == [0, 0, 0, 0, 0, 0, -torch.inf]
    assert not padding[1].any()


def test_a_device_sees_few_batch_sizes_and_a_cpu_no_padding() -> None:
    picture = canary_pixels(4)
    assert [fixed_batch(n) for n in (1, 2, 3, 9, 16, 65)] == [1, 2, 4, 16, 16, 65]
    assert stack([picture] * 3, torch.device("cpu")).shape == (3, 4, 4, 3)
    assert stack([picture] * 3, torch.device("meta")).shape == (4, 4, 4, 3)


def test_the_canary_is_one_picture_everywhere() -> None:
    picture = canary_pixels(480)
    assert (picture.shape, picture.dtype, int(picture.astype(np.int64).sum())) == ((480, 480, 3), np.uint8, CANARY_SUM)
    assert picture[1:4, 1:4, 0].tolist() == [[7, 9, 11], [12, 14, 16], [17, 19, 21]]


CANARY_SUM = 87689309
