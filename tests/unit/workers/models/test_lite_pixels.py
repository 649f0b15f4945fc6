"""Colours, light, letterboxing and boxes of the lite models: pure functions over pixels and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tagger.prediction import DetectedObject, Pixels
from workers.models.lite import classify, detect
from workers.models.lite.look import look


def filled(colour: tuple[int, int, int], height: int = 40, width: int = 60) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((220, 20, 20), "red"),
        ((240, 140, 20), "orange"),
        ((240, 230, 40), "yellow"),
        ((30, 160, 40), "green"),
        ((30, 70, 220), "blue"),
        ((250, 250, 250), "white"),
        ((5, 5, 5), "black"),
        ((128, 128, 128), "grey"),
        ((110, 65, 25), "brown"),
    ],
)
def test_plain_colours_have_their_names(colour: tuple[int, int, int], name: str) -> None:
    seen = look(filled(colour))
    assert seen.dominant == ((name, 1.0),)
    assert seen.uniform


def test_shares_and_order_of_colours() -> None:
    pixels = filled((30, 70, 220))
    pixels[:, :15] = (220, 20, 20)
    (first, most), (second, rest) = look(pixels).dominant
    assert (first, second) == ("blue", "red")
    assert most == pytest.approx(0.75, abs=0.03)
    assert rest == pytest.approx(0.25, abs=0.03)


def test_light() -> None:
    assert look(filled((20, 20, 40))).dark
    assert look(filled((235, 235, 210))).bright
    assert look(filled((230, 120, 30))).warm
    assert look(filled((40, 90, 220))).cold
    grey = np.repeat(np.random.default_rng(0).integers(0, 255, (50, 50, 1), dtype=np.uint8), 3, axis=2)
    assert look(grey).black_and_white
    assert not look(grey).uniform
    assert not look(filled((40, 90, 220))).black_and_white


def test_a_picture_of_two_pixels_is_uniform() -> None:
    assert look(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).uniform


def test_a_blue_top_hints_at_sky_and_green_below_at_grass() -> None:
    pixels = filled((80, 130, 230))
    pixels[20:] = (60, 140, 50)
    hints = dict(look(pixels).cues)
    assert hints["blue_sky"] > 0.9
    assert hints["green_bottom"] > 0.9
    assert "no_sky" not in hints


def test_letterbox_keeps_the_shape_of_the_picture() -> None:
    boxed = detect.letterbox(Image.new("RGB", (800, 400), "white"))
    assert boxed.tensor.shape == (1, 3, 224, 416)
    assert (boxed.width, boxed.height) == (1.0, 208 / 224)
    assert boxed.tensor[0, :, :208].min() == 1.0
    assert boxed.tensor[0, :, 208:].max() < 0.5


@pytest.mark.parametrize("size", [(1, 1), (5_000, 1), (1, 5_000), (417, 416), (416, 31)])
def test_the_sides_of_the_letterbox_are_multiples_of_its_largest_cell(size: tuple[int, int]) -> None:
    boxed = detect.letterbox(Image.new("RGB", size, "white"))
    height, width = boxed.tensor.shape[2:]
    assert max(height, width) == 416
    assert height % 32 == width % 32 == 0
    assert 0 < boxed.width <= 1
    assert 0 < boxed.height <= 1


def test_boxes_come_back_as_shares_of_the_picture() -> None:
    scores = np.zeros((1, 80), np.float32)
    scores[0, 2] = 0.9
    (thing,) = detect.objects(scores, np.array([[0.25, 0.125, 0.75, 0.375]], np.float32), (1.0, 0.5), [str(i) for i in range(80)])
    assert thing.label == "2"
    assert thing.box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_one_box_per_object() -> None:
    scores = np.zeros((4, 80), np.float32)
    scores[[0, 1, 2], 0] = (0.9, 0.8, 0.7)
    scores[3, 1] = 0.6
    boxes = np.array([[0, 0, 0.5, 0.5], [0.01, 0, 0.5, 0.5], [0.6, 0.6, 1, 1], [0, 0, 0.5, 0.5]], np.float32)
    found = detect.objects(scores, boxes, (1.0, 1.0), ["person", "dog", *map(str, range(78))])
    assert [(o.label, round(o.score, 1)) for o in found] == [("person", 0.9), ("person", 0.7), ("dog", 0.6)]


def test_decoding_reads_distances_in_cells() -> None:
    outputs = {}
    for cells in (52 * 36, 26 * 18, 13 * 9):
        outputs[cells, 80] = np.zeros((1, cells, 80), np.float32)
        outputs[cells, 44] = np.zeros((1, cells, 44), np.float32)
    middle = 4 * 13 + 6
    outputs[117, 80][0, middle, 5] = 0.9
    sides = np.full((4, 11), -50.0, np.float32)
    sides[:, 2] = 50.0  # two cells each way
    outputs[117, 44][0, middle] = sides.ravel()
    scores, boxes = detect.decode(outputs, (288, 416))
    assert scores.shape == (1, 80)
    assert boxes[0] == pytest.approx([4.5 / 13, 2.5 / 9, 8.5 / 13, 6.5 / 9])


def test_the_detector_is_believed_smoothly() -> None:
    def sure(label: str, score: float) -> float:
        return detect.sure(DetectedObject(label=label, score=score, box=(0, 0, 1, 1)))

    assert sure("person", 0.45) > sure("dog", 0.45)
    assert sure("dog", 0.31) < 0.1
    assert sure("dog", 0.8) > 0.95


def test_crops_and_probabilities() -> None:
    tensor = classify.crops(Image.new("RGB", (300, 100), (127, 127, 127)))
    assert tensor.shape == (2, 3, 224, 224)
    assert np.abs(tensor).max() == 0.0
    probs = classify.probabilities(np.array([[2.0, 0.0], [0.0, 2.0]], np.float32))
    assert probs == pytest.approx([0.5, 0.5])
    assert [c.label for c in classify.top(np.array([0.2, 0.8], np.float32), ("a", "b"), 1)] == ["b"]
