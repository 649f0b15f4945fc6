"""The metrics that judge tags, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tagger.evaluation import metrics

SCORES = np.array([[0.9, 0.6, 0.1], [0.2, 0.7, 0.8], [0.4, 0.3, 0.2]])
TRUTH = np.array([[True, False, False], [False, False, True], [False, False, False]])


def test_precision_and_recall_count_what_was_offered() -> None:
    made = metrics.report(SCORES, TRUTH, ("a", "b", "c"))
    assert (made.overall.offered, made.overall.true, made.overall.right) == (4, 2, 2)
    assert made.overall.precision == 0.5
    assert made.overall.recall == 1.0


def test_a_ratio_without_a_denominator_is_none() -> None:
    none = metrics.report(SCORES * 0, TRUTH & False, ("a", "b", "c"))
    assert none.overall.precision is None
    assert none.overall.recall is None
    assert none.top1 is None
    assert none.calibration_offered.error is None


def test_the_most_probable_are_offered_first() -> None:
    chosen = metrics.offered(SCORES, 0.5, most=1)
    assert chosen.tolist() == [[True, False, False], [False, False, True], [False, False, False]]


def test_a_threshold_of_its_own_for_each_term() -> None:
    chosen = metrics.offered(SCORES, np.array([0.95, 0.65, 0.1]))
    assert chosen.tolist() == [[False, False, True], [False, True, True], [False, False, True]]


def test_top_k_looks_only_at_images_where_a_term_applies() -> None:
    assert metrics.top_k(SCORES, TRUTH, 1) == 1.0
    swapped = SCORES[:, [1, 0, 2]]
    assert metrics.top_k(swapped, TRUTH, 1) == 0.5
    assert metrics.top_k(swapped, TRUTH, 2) == 1.0


def test_calibration_is_the_weighted_gap_of_the_bins() -> None:
    made = metrics.calibration(np.array([0.95, 0.95, 0.05, 0.05]), np.array([True, False, False, False]))
    assert made.error == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    assert [(b.count, b.share_true) for b in made.bins] == [(2, 0.0), (2, 0.5)]


def test_a_score_of_one_has_a_bin() -> None:
    assert metrics.calibration(np.array([1.0]), np.array([True])).error == 0.0


def test_every_term_is_reported() -> None:
    made = metrics.report(SCORES, TRUTH, ("a", "b", "c"))
    assert [(t.term, t.counts.offered, t.counts.right) for t in made.terms] == [("a", 1, 1), ("b", 2, 0), ("c", 1, 1)]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        metrics.report(SCORES, TRUTH, ("a", "b"))
