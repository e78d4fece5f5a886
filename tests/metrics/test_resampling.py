"""Resamples: drawn as chance says, in strata and whole groups, with counts that are those of the images drawn."""

import numpy as np
import pytest
from scipy.stats import binomtest

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


def test_independent_images_are_the_groups_where_all_are_equally_large():
    assert resampling.independent(np.array([0, 0, 1, 1, 2, 2])) == 3
    assert resampling.independent(np.array([0, 1, 2, 3])) == 4
    # (3 + 1)^2 / (9 + 1)
    assert resampling.independent(np.array([0, 0, 0, 1])) == pytest.approx(1.6)
    assert resampling.independent(np.array([], dtype=int)) == 0


def test_limits_of_a_share_near_an_end_by_hand():
    # Of 20 trials none: 1 - 0.025^(1/20) = 0.1684, the textbook's value.
    assert resampling.exact_limits(0, 20) == (0, pytest.approx(0.1684, abs=1e-4))
    # Of 20 trials one: P(X >= 1 | low) = P(X <= 1 | high) = 0.025.
    low, high = resampling.exact_limits(1 / 20, 20)
    assert 1 - (1 - low) ** 20 == pytest.approx(0.025)
    assert (1 - high) ** 20 + 20 * high * (1 - high) ** 19 == pytest.approx(0.025)
    # Whole numbers are those of the library.
    expected = binomtest(3, 50).proportion_ci(0.9, method="exact")
    assert resampling.exact_limits(3 / 50, 50, 0.9) == pytest.approx((expected.low, expected.high))


def test_a_share_without_spread_gets_width_and_one_in_the_middle_keeps_its_percentiles():
    drawn = np.linspace(0.4, 0.6, 101)
    assert resampling.share_interval(0.5, 100, drawn) == resampling.percentile_interval(0.5, drawn)
    whole = resampling.share_interval(1.0, 60, np.ones(100))
    assert (whole.value, whole.high) == (1, 1) and whole.low == pytest.approx(0.025 ** (1 / 60))
    # 5 failures are enough, 4 are not.
    drawn = np.linspace(0.94, 0.96, 101)
    assert resampling.share_interval(0.95, 100, drawn).low == pytest.approx(0.9405)
    assert resampling.share_interval(0.96, 100, drawn).low < 0.91


def test_intervals_of_a_share_near_1_hold_the_truth_often_enough():
    """2% errors, 120 images of 60 people: the percentile interval alone holds the truth in far fewer than 95%."""
    random, held = np.random.default_rng(0), {"percentiles": 0, "widened": 0}
    person = np.arange(120) // 2
    for _ in range(300):
        # All images of a person are right, or all wrong.
        right = np.repeat(random.random(60) >= 0.02, 2)
        wrong = (~right).reshape(60, 2).sum(axis=1)
        drawn = 1 - wrong[random.integers(0, 60, (400, 60))].sum(axis=1) / 120
        found = resampling.share_interval(right.mean(), resampling.independent(person), drawn)
        plain = resampling.percentile_interval(right.mean(), drawn)
        held["widened"] += found.low <= 0.98 <= found.high
        held["percentiles"] += plain.low <= 0.98 <= plain.high
    assert held["percentiles"] < 0.8 * 300 and held["widened"] >= 0.95 * 300
