"""Measures: hand-worked cases, limits, agreement with scikit-learn, intervals that cover what they say."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from lib.metrics import measures
from lib.metrics.measures import UndefinedMeasure, bootstrap_intervals

LABELS = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([0.1, 0.4, 0.6, 0.35, 0.8, 0.9])


def test_hand_worked():
    # 9 pairs; synthetic 0.35 beats one real, 0.8 and 0.9 all three: 7 of 9.
    assert measures.roc_auc(LABELS, SCORES) == pytest.approx(7 / 9)
    assert measures.confusion(LABELS, SCORES, 0.5) == {
        "true_real": 2,
        "false_synthetic": 1,
        "false_real": 1,
        "true_synthetic": 2,
    }
    assert measures.accuracy(LABELS, SCORES, 0.5) == pytest.approx(4 / 6)
    assert measures.recall_real(LABELS, SCORES, 0.65) == 1
    assert measures.recall_synthetic(LABELS, SCORES, 0.65) == pytest.approx(2 / 3)
    assert measures.precision_synthetic(LABELS, SCORES, 0.5) == pytest.approx(2 / 3)
    assert measures.brier_score([0, 1], [0.0, 0.5]) == pytest.approx(0.125)


@pytest.mark.parametrize(("scores", "auc"), [([0, 0, 1, 1], 1.0), ([1, 1, 0, 0], 0.0), ([0.5] * 4, 0.5)])
def test_limits_and_ties(scores, auc):
    assert measures.roc_auc([0, 0, 1, 1], scores) == auc


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([], []),
        ([1, 1], [0.2, 0.3]),
        ([0, 1], [0.2, np.nan]),
        ([0, 2], [0.2, 0.3]),
        ([0, 1], [0.1]),
        ([0, 1], [0.1, np.inf]),
    ],
)
def test_undefined_cases_raise_and_say_so(labels, scores):
    with pytest.raises(UndefinedMeasure):
        measures.roc_auc(labels, scores)


def test_precision_without_a_positive_is_undefined_not_zero():
    with pytest.raises(UndefinedMeasure):
        measures.precision_synthetic(LABELS, SCORES, 0.99)
    assert measures.summarise(LABELS, SCORES, 0.99, ["precision_synthetic"]) == {"precision_synthetic": None}


def chance(rng, count=400):
    labels = np.arange(count) % 2
    return labels, np.round(1 / (1 + np.exp(-rng.normal(size=count) - 0.8 * labels)), 2)  # rounded: many ties


def test_agrees_with_scikit_learn():
    labels, scores = chance(np.random.default_rng(0))
    assert measures.average_precision(labels, scores) == sk.average_precision_score(labels, scores)
    assert measures.log_loss(labels, scores) == pytest.approx(sk.log_loss(labels, scores))
    assert measures.balanced_accuracy(labels, scores, 0.6) == sk.balanced_accuracy_score(labels, scores >= 0.6)


def test_bootstrap_agrees_with_a_plain_loop():
    rng = np.random.default_rng(1)
    labels, scores = chance(rng)
    names = ["roc_auc", "average_precision", "recall_synthetic", "balanced_accuracy"]
    fast = bootstrap_intervals(labels, scores, threshold=0.6, measures=names, resamples=2000)
    real, synthetic = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    slow = []
    for _ in range(600):
        rows = np.concatenate([rng.choice(real, real.size), rng.choice(synthetic, synthetic.size)])
        y, s = labels[rows], scores[rows]
        called = s >= 0.6
        slow.append(
            [
                sk.roc_auc_score(y, s),
                sk.average_precision_score(y, s),
                called[y == 1].mean(),
                sk.balanced_accuracy_score(y, called),
            ]
        )
    lows, highs = np.quantile(slow, (0.025, 0.975), axis=0)
    for name, low, high in zip(names, lows, highs):
        width = high - low
        assert abs(fast[name].low - low) < 0.15 * width and abs(fast[name].high - high) < 0.15 * width, name


def test_same_seed_same_interval_and_groups_of_copies_widen_it():
    labels, scores = chance(np.random.default_rng(2), 100)
    labels, scores = np.repeat(labels, 5), np.repeat(scores, 5)
    groups = np.repeat(np.arange(100), 5)
    alone = bootstrap_intervals(labels, scores, measures=["roc_auc"])["roc_auc"]
    assert alone == bootstrap_intervals(labels, scores, measures=["roc_auc"])["roc_auc"]
    grouped = bootstrap_intervals(labels, scores, groups, measures=["roc_auc"])["roc_auc"]
    # Five copies of each image: the honest interval is about the root of five wider.
    assert 1.7 < (grouped.high - grouped.low) / (alone.high - alone.low) < 2.8


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth = norm.cdf(0.8 / np.sqrt(2))  # AUC of two normal distributions 0.8 deviations apart
    labels = np.repeat([0, 1], 100)
    hits = 0
    for seed in range(300):
        scores = rng.normal(size=200) + 0.8 * labels
        hits += bootstrap_intervals(labels, scores, measures=["roc_auc"], resamples=400, seed=seed)["roc_auc"].contains(
            truth
        )
    # 300 draws of 95%: below 91% or above 98.7% would happen once in a thousand.
    assert 0.91 <= hits / 300 <= 0.987
