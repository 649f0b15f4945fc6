"""A term's probability, fitted on labelled images: right after the fit, near where it was for want of images, never reordered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import VocabularyInvalid
from tagger.evaluation.calibration import Calibration, Platt, fit, logit

TERMS = ("loud", "shy", "rare")
SHIFTS = np.array([2.0, -2.0, 0.0])  # how far each term's raw logits lie from the truth


def world(images: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """[images, terms] raw scores, each term's shifted by its own amount; and the truth, drawn by the right probabilities."""
    rng = np.random.default_rng(seed)
    right = rng.normal(-0.5, 1.5, (images, len(TERMS)))
    truth = rng.random(right.shape) < 1 / (1 + np.exp(-right))
    return 1 / (1 + np.exp(-(right + SHIFTS))), truth


def error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Largest difference, over the terms, of the mean probability and the share that is true."""
    return float(np.abs(probabilities.mean(axis=0) - truth.mean(axis=0)).max())


def test_each_term_gets_its_own_map_and_it_holds_on_other_images() -> None:
    raw, truth = world(400)
    fitted = Calibration.fitted("gme-tags@1", raw, truth, TERMS, None)
    unseen, really = world(400, seed=4)
    mapped = np.stack([fitted.apply(row, TERMS) for row in unseen])
    assert error(unseen, really) > 0.25
    assert error(mapped, really) < 0.08
    assert fitted.of("loud").shift < -1 < 1 < fitted.of("shy").shift


def test_few_images_move_little_and_a_term_without_any_keeps_what_all_share() -> None:
    raw, truth = world(2)
    fitted = Calibration.fitted("gme-tags@1", raw, truth, TERMS, None)
    assert all(abs(fitted.of(term).shift - fitted.shared.shift) < 1 for term in TERMS)
    assert fitted.of("never seen") == fitted.shared


def test_a_second_fit_stands_for_both() -> None:
    raw, truth = world(400)
    first = Calibration.fitted("gme-tags@1", raw, truth, TERMS, None)
    seen = np.stack([first.apply(row, TERMS) for row in raw])
    again = Calibration.fitted("gme-tags@1", seen[:, :2], truth[:, :2], TERMS[:2], first)
    both = np.stack([again.apply(row, TERMS) for row in raw])
    assert error(both, truth) < 0.05
    assert set(again.terms) == set(TERMS)  # what the second fit did not see is kept
    other = Calibration.fitted("gme-tags@2", raw, truth, TERMS, first)
    assert other.terms == Calibration.fitted("gme-tags@2", raw, truth, TERMS, None).terms  # that of other weights plays no part


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0.1, 5), st.floats(-5, 5))
def test_a_map_keeps_the_order_and_stays_a_probability(raw: list[float], slope: float, shift: float) -> None:
    out = Platt(slope=slope, shift=shift).apply(np.array(sorted(raw)))
    assert (np.diff(out) >= 0).all()
    assert ((out >= 0) & (out <= 1)).all()


def test_maps_follow_one_another() -> None:
    raw = np.array([0.1, 0.4, 0.8])
    first, second = Platt(slope=1.2, shift=0.3), Platt(slope=0.7, shift=-0.4)
    np.testing.assert_allclose(second.after(first).apply(raw), second.apply(first.apply(raw)), atol=1e-9)
    np.testing.assert_allclose(logit(Platt().apply(raw)), logit(raw))
    assert fit(np.array([]), np.array([], bool)) == Platt()


def test_what_is_written_is_read_and_what_is_broken_is_named(tmp_path: Path) -> None:
    file = tmp_path / "models" / "calibration.json"
    assert Calibration.read(file) is None
    made = Calibration(model="gme-tags@1", shared=Platt(shift=0.5), terms={"猫": Platt(slope=1.25)}, images=9)
    made.write(file)
    assert Calibration.read(file) == made
    assert [path.name for path in file.parent.iterdir()] == ["calibration.json"]
    for broken in ("{", "[]", '{"model": "a", "images": 1, "terms": {}, "shared": {"slope": -1, "shift": 0}}'):
        file.write_text(broken)
        with pytest.raises(VocabularyInvalid, match=r"calibration\.json") as caught:
            Calibration.read(file)
        assert "--calibrate" in caught.value.info().remedy
