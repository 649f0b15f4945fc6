"""The decoding of the face model, also of answers that no healthy model gives, and what faces mean for tags."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tagger.prediction import ClassScore, DetectedObject, Face, Look, Prediction
from workers.models.lite import cues
from workers.models.lite.faces import GRID, MOST, SIDE, decode, letterboxed
from workers.models.lite.lexicon import lexicon

ANCHORS = GRID * GRID
WHOLE = (0.0, 0.0, float(SIDE), float(SIDE))


def answer(*faces: tuple[int, float, tuple[float, float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Anchor, logit and box of each face."""
    logits, boxes = np.full(ANCHORS, -9.0, np.float32), np.zeros((ANCHORS, 4), np.float32)
    for anchor, logit, box in faces:
        logits[anchor], boxes[anchor] = logit, box
    return logits, boxes


def test_a_face_is_where_its_anchor_is() -> None:
    (face,) = decode(*answer((24 * GRID + 12, 4.0, (0.0, 0.0, 48.0, 48.0))), WHOLE)
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    assert (x, y) == (pytest.approx(12.5 / GRID, abs=0.001), pytest.approx(24.5 / GRID, abs=0.001))
    assert face.box[2] - face.box[0] == pytest.approx(0.25, abs=0.001)
    assert face.score == pytest.approx(0.982, abs=0.001)


def test_two_answers_for_one_face_are_one() -> None:
    same = (24 * GRID + 12, 4.0, (0.0, 0.0, 48.0, 48.0)), (24 * GRID + 13, 3.0, (-4.0, 0.0, 48.0, 48.0))
    assert len(decode(*answer(*same), WHOLE)) == 1
    apart = same[0], (4 * GRID + 40, 3.0, (0.0, 0.0, 20.0, 20.0))
    assert [face.score for face in decode(*answer(*apart), WHOLE)] == [pytest.approx(0.982, abs=0.001), pytest.approx(0.9526)]


def test_an_unsure_face_is_none() -> None:
    assert decode(*answer((500, -0.1, (0.0, 0.0, 48.0, 48.0))), WHOLE) == ()


def test_answers_that_are_no_numbers_or_far_outside_give_no_face() -> None:
    logits, boxes = answer(
        (1, np.nan, (0.0, 0.0, 9.0, 9.0)),
        (2, np.inf, (0.0, 0.0, 9.0, 9.0)),
        (3, 5.0, (np.nan, 0.0, 9.0, 9.0)),
        (4, 5.0, (9e9, 9e9, 9.0, 9.0)),
        (5, 5.0, (0.0, 0.0, -9.0, -9.0)),
    )
    assert decode(logits, boxes, WHOLE) == ()


def test_the_number_of_faces_is_bounded_and_boxes_stay_in_the_picture() -> None:
    faces = decode(np.full(ANCHORS, 9.0, np.float32), np.full((ANCHORS, 4), 3.0, np.float32), WHOLE)
    assert 0 < len(faces) <= MOST
    assert all(0.0 <= side <= 1.0 for face in faces for side in face.box)


@pytest.mark.parametrize("size", [(1, 1), (9, 4_000), (4_000, 9), (192, 192)])
def test_a_picture_of_any_shape_fits_into_the_square(size: tuple[int, int]) -> None:
    tensor, (left, top, width, height) = letterboxed(Image.new("RGB", size, (255, 255, 255)))
    assert tensor.shape == (1, 3, SIDE, SIDE)
    assert tensor.max() == 1.0
    assert min(left, top) >= 0
    assert max(left + width, top + height) <= SIDE


def person_with(*faces: Face) -> Prediction:
    return Prediction(
        width=600,
        height=800,
        classes=(ClassScore(label="sweatshirt", score=0.2),),
        objects=(DetectedObject(label="person", score=0.8, box=(0.3, 0.2, 0.6, 0.8)),),
        look=Look(dominant=(), warm=False, cold=False, bright=False, dark=False, black_and_white=False, uniform=False),
        faces=faces,
    )


def face(height: float, left: float = 0.3) -> Face:
    return Face(score=0.95, box=(left, 0.2, left + height / 2, 0.2 + height))


def portrait(prediction: Prediction) -> float:
    words = lexicon()
    return float(cues.adjust(np.full(len(words.concepts), 0.01), prediction)[words.concept_index["portrait"]])


def test_a_large_face_makes_a_portrait_a_small_one_does_not() -> None:
    assert portrait(person_with(face(0.4))) > 0.8
    assert portrait(person_with(face(0.05))) < 0.1
    assert portrait(person_with()) < 0.1


def test_three_faces_make_a_group_and_no_portrait() -> None:
    assert portrait(person_with(face(0.3), face(0.3, 0.5))) > 0.8
    assert portrait(person_with(face(0.3), face(0.3, 0.5), face(0.3, 0.1))) < 0.1
