"""Resamples: drawn as chance says, in strata and whole groups, with counts that are those of the images drawn."""

import numpy as np
import pytest

from lib.metrics import resampling
from lib.metrics.resampling import Resamples

LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_an_image_is_drawn_as_often_as_chance_says():
    labels = np.repeat([0, 1], [300, 100])
    (counts,) = resampling.draws(labels, None, np.arange(400), 500, 0)
    # How often one of n is drawn is binomial(n, 1/n): mean 1, variance 1 - 1/n.
    assert counts[:, :300].var() == pytest.approx(1 - 1 / 300, abs=0.02)
    assert counts.mean(axis=0) == pytest.approx(np.ones(400), abs=0.2)  # five standard errors


def test_resamples_keep_classes_and_groups():
    labels, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1]), np.array(list("aabbccddeeff"))
    (counts,) = resampling.draws(labels, groups, np.arange(12), 200, 0)
    assert set(counts[:, labels == 0].sum(axis=1)) == {6} and set(counts[:, labels == 1].sum(axis=1)) == {6}
    assert (counts[:, ::2] == counts[:, 1::2]).all()
    assert set(np.unique(counts)) == {0, 1, 2}


def test_blocks_of_resamples_are_all_used(monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK_CELLS", 6 * 7)
    rows = [len(block) for block in resampling.draws(LABELS, None, np.arange(6), 20, 0)]
    assert rows == [7, 7, 6]


def test_positives_before_a_column_and_the_first_column_where_a_condition_holds():
    # Two rows; columns by falling score: synthetic, real, synthetic, real.
    counts = np.array([[1, 1, 1, 1], [0, 2, 1, 0]], dtype=np.int32)
    found = Resamples(counts, np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6]))
    for column, true, false in ((0, [0, 0], [0, 0]), (1, [1, 0], [0, 0]), (3, [2, 1], [1, 2]), (4, [2, 1], [2, 2])):
        assert [part.tolist() for part in found.before(np.full(2, column))] == [true, false]
    assert found.first(lambda true, false: false >= 1).tolist() == [1, 1]
    assert found.first(lambda true, false: false >= 2).tolist() == [3, 1]
    assert found.first(lambda true, false: true >= 2).tolist() == [2, 4]
    assert found.first(lambda true, false: true >= 0).tolist() == [0, 0]


def test_confusion_counts_ties_together_and_thresholds_beyond_the_scores():
    found = Resamples.of_all(np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert found.distinct.tolist() == [0.9, 0.5, 0.1]
    for threshold, expected in ((0.5, (1, 1, 0, 2)), (0.51, (2, 0, 1, 1)), (2, (2, 0, 2, 0)), (-1, (0, 2, 0, 2))):
        assert tuple(int(part[0]) for part in found.confusion(threshold)) == expected


def test_means_are_of_the_images_drawn_by_stretches():
    counts = np.array([[1, 1, 1, 1], [0, 2, 1, 1]], dtype=np.int32)
    found = Resamples(counts, np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6]))
    numbers = np.array([[1.0, 10], [2, 20], [4, 40], [8, 80]])
    (first, second), tens = found.means(numbers, np.array([2]))
    assert first.tolist() == [3 / 4, 4 / 4] and second.tolist() == [12 / 4, 12 / 4]
    assert tens.sum(axis=0).tolist() == [150 / 4, 160 / 4]


def test_percentile_interval_leaves_undefined_resamples_out():
    found = resampling.percentile_interval(0.3, [np.nan, *np.arange(101) / 100], 0.9)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.05, 0.95))
