"""Shapes that a device sees: few, aligned, and padded where it does not count."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from workers.models.ofa.batch import (  # noqa: E402
    canary_pixels,
    fill,
    fixed_batch,
    fixed_sizes,
    padded_length,
    source_padding,
    stack,
)


@pytest.mark.parametrize(("patches", "text", "padded"), [(900, 8, 12), (900, 12, 12), (900, 13, 28), (576, 8, 16), (16, 1, 16)])
def test_source_lengths_are_multiples_of_sixteen(patches: int, text: int, padded: int) -> None:
    assert padded_length(patches, text) == padded


def test_only_padded_text_is_masked() -> None:
    padding = source_padding(3, torch.tensor([[0, 5, 2, 1], [0, 5, 6, 2]]), pad=1)
    assert padding.shape == (2, 1, 1, 7)
    assert padding[0, 0, 0].tolist() == [0, 0, 0, 0, 0, 0, -torch.inf]
    assert not padding[1].any()


def test_fixed_batches_have_few_sizes() -> None:
    assert [fixed_batch(n) for n in (1, 2, 3, 9, 16, 65, 130)] == [1, 2, 4, 16, 16, 128, 192]
    assert fixed_sizes(12) == (1, 2, 4, 8, 16)


def test_rows_left_over_repeat_the_last_picture() -> None:
    pictures = [np.full((2, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    assert stack(pictures)[:, 0, 0, 0].tolist() == [1, 2, 3]
    buffer = torch.zeros((4, 2, 2, 3), dtype=torch.uint8)
    fill(buffer, pictures)
    assert buffer[:, 1, 1, 2].tolist() == [1, 2, 3, 3]
    fill(buffer, pictures[:1])
    assert buffer[:, 0, 0, 0].tolist() == [1, 1, 1, 1]


def test_the_canary_is_one_picture_everywhere() -> None:
    picture = canary_pixels(480)
    assert (picture.shape, picture.dtype, int(picture.astype(np.int64).sum())) == ((480, 480, 3), np.uint8, CANARY_SUM)
    assert picture[1:4, 1:4, 0].tolist() == [[7, 9, 11], [12, 14, 16], [17, 19, 21]]


CANARY_SUM = 87689309
