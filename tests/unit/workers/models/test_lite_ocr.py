"""The decoding of the text models, on maps and probabilities that are made up: also on answers that no healthy model gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tagger.judge import in_picture
from tagger.prediction import Prediction, TextLine
from workers.models.lite.ocr import glance, lines, reader, regions

KEYS = tuple("abcdefghij")
SPACE = len(KEYS) + 1


def spoken(*steps: int, sure: float = 0.95) -> np.ndarray:
    """[t, keys + 2]: what the recogniser says at each step; 0 is the blank."""
    out = np.full((len(steps), len(KEYS) + 2), (1 - sure) / (len(KEYS) + 1), np.float32)
    out[np.arange(len(steps)), list(steps)] = sure
    return out


def test_a_repeated_character_is_one_and_a_blank_parts_two() -> None:
    assert lines.decode(spoken(1, 1, 0, 1, 2, 2), KEYS).text == "aab"
    assert lines.decode(spoken(1, SPACE, 2), KEYS).text == "a b"
    assert lines.decode(spoken(0, SPACE, 0), KEYS) == lines.NOTHING


def test_a_likely_space_between_two_characters_is_written() -> None:
    probabilities = spoken(1, 0, 2)
    probabilities[1, SPACE] = 0.3
    assert lines.decode(probabilities, KEYS).text == "a b"
    probabilities[1, SPACE] = 0.05
    assert lines.decode(probabilities, KEYS).text == "ab"


def test_the_score_is_the_mean_of_the_characters() -> None:
    assert lines.decode(spoken(1, 0, 2, sure=0.9), KEYS).score == pytest.approx(0.9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_no_numbers_say_nothing(value: float) -> None:
    assert lines.decode(np.full((4, len(KEYS) + 2), value, np.float32), KEYS) == lines.NOTHING
    assert regions.regions(np.full((32, 32), np.nan, np.float32)) == ()


def drawn(*boxes: tuple[int, int, int, int], size: int = 120) -> np.ndarray:
    out = np.zeros((size, size), np.float32)
    for left, top, right, bottom in boxes:
        out[top:bottom, left:right] = 0.9
    return out


def test_two_lines_are_two_regions_and_each_grows_beyond_its_kernel() -> None:
    first, second = regions.regions(drawn((20, 60, 100, 70), (20, 20, 100, 30)))
    assert first.corners[:, 1].max() < second.corners[:, 1].min() + 5, "from top to bottom"
    for region, top in ((first, 20), (second, 60)):
        assert region.score == pytest.approx(0.9)
        (left, upper), (right, lower) = region.corners.min(axis=0), region.corners.max(axis=0)
        assert 8 < left < 20 < 100 < right < 112
        assert top - 12 < upper < top < top + 10 < lower < top + 22


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    assert len(regions.regions(drawn((20, 20, 50, 30), (50, 30, 80, 40)))) == 1
    assert len(regions.regions(drawn((20, 20, 50, 30), (51, 31, 80, 41)))) == 2


@pytest.mark.parametrize("degrees", [-30, -10, 10, 30])
def test_a_tilted_line_has_a_tilted_box(degrees: int) -> None:
    image = Image.fromarray((drawn((20, 55, 100, 65)) * 255).astype(np.uint8))
    turned = np.asarray(image.rotate(-degrees, Image.Resampling.BILINEAR), np.float32) / 255
    (region,) = regions.regions(turned)
    along = region.corners[1] - region.corners[0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(degrees, abs=2)
    assert region.width > 3 * region.height


def test_a_line_that_stands_upright_is_read_along_its_length() -> None:
    (region,) = regions.regions(drawn((55, 20, 65, 100)))
    assert region.width > 3 * region.height
    assert region.corners[0][1] > region.corners[1][1], "from the bottom to the top"


def test_specks_are_no_text_and_the_number_of_regions_is_bounded() -> None:
    assert regions.regions(drawn((20, 20, 23, 22))) == ()
    many = np.zeros((400, 400), np.float32)
    many.reshape(100, 4, 100, 4)[::2, :, ::2, :] = 1.0
    assert len(regions.regions(many)) <= regions.MOST


@pytest.mark.parametrize("corners", [[(0, 0), (1, 0), (1, 1), (0, 1)], [(5, 5), (5, 5), (5, 5), (5, 5)]], ids=["pixel", "point"])
def test_a_line_of_no_size_is_not_read(corners: list[tuple[int, int]]) -> None:
    assert lines.cut(Image.new("RGB", (9, 9)), np.array(corners, np.float64)) is None


def test_the_width_of_a_line_is_bounded() -> None:
    image = Image.new("RGB", (4000, 20))
    tensor = lines.cut(image, np.array([(0, 0), (4000, 0), (4000, 20), (0, 20)], np.float64))
    assert tensor is not None
    assert tensor.shape == (1, 3, lines.HEIGHT, lines.WIDEST)


def test_corners_outside_the_picture_are_cut_to_it() -> None:
    image = Image.new("RGB", (100, 50), (255, 255, 255))
    tensor = lines.cut(image, np.array([(-40, -9), (160, -9), (160, 70), (-40, 70)], np.float64))
    assert tensor is not None
    assert tensor[0, :, :, :40].min() == 1.0


def test_text_holds_no_control_characters_and_is_bounded() -> None:
    assert reader.printable("a\u202eb\x00c\nd\u200be\u3000f") == "abcde f"
    assert len(reader.printable("ab " * 1_000)) <= reader.MOST_CHARACTERS


class Fixed:
    """A session that always answers the same."""

    def __init__(self, answer: np.ndarray) -> None:
        self.answer = answer
        self.asked = 0

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="x")]

    def run(self, _names: object, _inputs: object) -> list[np.ndarray]:
        self.asked += 1
        return [self.answer]


def read_of(probabilities: np.ndarray, said: np.ndarray) -> tuple[tuple[TextLine, ...], int]:
    """What is read of a picture in which the detector sees this map and the recogniser says this of every line; how often it is
    asked."""
    recogniser: Any = Fixed(said[None])
    detector: Any = Fixed(probabilities[None, None])
    noise = np.random.default_rng(1).integers(0, 255, (reader.LARGE, reader.LARGE, 3), dtype=np.uint8)
    return reader.Reader(detector, recogniser, KEYS).read(Image.fromarray(noise)), recogniser.asked


@pytest.mark.parametrize(
    ("said", "text"),
    [(spoken(1, 0, 2), "ab"), (spoken(1, 0, 2, sure=0.4), ""), (spoken(0, 0), ""), (np.full((3, len(KEYS) + 2), np.nan), "")],
    ids=["sure", "a guess", "nothing", "no numbers"],
)
def test_a_region_that_is_seen_is_told_also_if_it_cannot_be_read(said: np.ndarray, text: str) -> None:
    (line,), _ = read_of(drawn((20, 20, 100, 30)), said)
    assert line.text == text
    assert line.box[0] < line.box[2]
    seen = Prediction(width=8, height=8, lines=(line,))
    assert in_picture.contains_text(seen) is None, "not False: something stands there"


def test_regions_beyond_those_that_are_read_are_told() -> None:
    many = [(20 + 100 * (n % 6), 20 + 100 * (n // 6), 80 + 100 * (n % 6), 30 + 100 * (n // 6)) for n in range(30)]
    lines, asked = read_of(drawn(*many, size=reader.LARGE), spoken(*range(1, 9), sure=0.97))
    assert (len(lines), asked) == (30, reader.MOST_LINES)
    assert sum(line.text == "" for line in lines) == 30 - reader.MOST_LINES
    assert in_picture.quotable(Prediction(width=8, height=8, lines=lines)) == (), "a quotation with a gap misleads"


def line(text: str, left: float, top: float, height: float = 0.1) -> TextLine:
    return TextLine(text=text, score=0.9, box=(left, top, left + 0.2, top + height))


def test_lines_beside_each_other_are_read_from_left_to_right() -> None:
    mixed = (line("d", 0.6, 0.42), line("b", 0.5, 0.11), line("a", 0.1, 0.1), line("c", 0.1, 0.4))
    assert [read.text for read in reader.in_order(mixed)] == ["a", "b", "c", "d"]


def test_a_flat_picture_cannot_hold_text() -> None:
    assert not glance.may_hold_text(Image.new("RGB", (800, 600), (200, 30, 30)))
    ramp = np.tile(np.linspace(0, 255, 800, dtype=np.uint8), (600, 1))
    assert not glance.may_hold_text(Image.fromarray(ramp).convert("RGB"))
