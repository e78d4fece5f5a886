"""DeLong: hand-worked, equal to all pairs written out, and intervals and tests that err as often as they say."""

import numpy as np
import pytest
from scipy.stats import norm

from lib.metrics import delong, measures
from lib.metrics.checks import Interval, UndefinedMeasure

LABELS = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([0.1, 0.4, 0.6, 0.35, 0.8, 0.9])
OTHER = np.array([0.1, 0.4, 0.6, 0.9, 0.3, 0.5])


def many(rng, count=60, shift=0.8, ties=1):
    labels = np.arange(count) % 2
    return labels, np.round(rng.normal(size=count) + shift * labels, ties)


def naive(labels, scorers):
    """AUCs and their covariance by DeLong's own formulas, all pairs written out."""
    placed = []
    for scores in scorers:
        fake, real = scores[labels == 1][:, None], scores[labels == 0][None]
        wins = (fake > real) + (fake == real) / 2
        placed.append((wins.mean(axis=1), wins.mean(axis=0)))
    parts = [np.cov([found[side] for found in placed]) / found.size for side, found in enumerate(placed[0])]
    return [found[0].mean() for found in placed], np.atleast_2d(sum(parts))


def obuchowski(labels, groups, scores):
    """The variance for clustered data by the sums of Obuchowski's paper, a group at a time."""
    (auc,), _ = naive(labels, [scores])
    fake, real = scores[labels == 1], scores[labels == 0]
    above = lambda score: np.mean((score > real) + (score == real) / 2)
    below = lambda score: np.mean((fake > score) + (fake == score) / 2)
    tens, ones = [], []
    for group in dict.fromkeys(groups):
        inside = [score for score, label, name in zip(scores, labels, groups) if label == 1 and name == group]
        tens.append(sum(above(score) - auc for score in inside))
        inside = [score for score, label, name in zip(scores, labels, groups) if label == 0 and name == group]
        ones.append(sum(below(score) - auc for score in inside))
    tens, ones, all_groups = np.array(tens), np.array(ones), len(tens)
    with_fake, with_real = (len({name for name, found in zip(groups, labels) if found == side}) for side in (1, 0))
    s10 = with_fake / ((with_fake - 1) * fake.size) * np.sum(tens**2)
    s01 = with_real / ((with_real - 1) * real.size) * np.sum(ones**2)
    s11 = all_groups / (all_groups - 1) * np.sum(tens * ones)
    return s10 / fake.size + s01 / real.size + 2 * s11 / (fake.size * real.size)


def error_of(interval):
    """The standard error behind a logit interval."""
    auc = interval.value
    logit = lambda share: np.log(share / (1 - share))
    return (logit(interval.high) - logit(interval.low)) / (2 * norm.ppf(0.975)) * auc * (1 - auc)


def test_hand_worked():
    # Synthetic 0.35, 0.8, 0.9 stand above 1, 3, 3 of 3 real: variance of (1/3, 1, 1) is 4/27, over 3: 4/81.
    # Real 0.1, 0.4, 0.6 stand below 3, 2, 2 of 3 synthetic: variance of (1, 2/3, 2/3) is 1/27, over 3: 1/81.
    found = delong.auc_interval(LABELS, SCORES)
    assert found.value == pytest.approx(7 / 9) and error_of(found) == pytest.approx(np.sqrt(5 / 81))
    # The second: 3, 1, 2 of 3 and 3, 2, 1 of 3. Differences: (2/3, -2/3, -1/3), variance 13/27; (0, 0, -1/3), 1/27.
    test = delong.paired_test(LABELS, SCORES, OTHER)
    assert (test.first, test.second) == pytest.approx((7 / 9, 6 / 9)) and test.images == test.groups == 6
    error = np.sqrt(14 / 81)
    assert test.z == pytest.approx(-1 / 9 / error) and test.p_value == pytest.approx(2 * norm.cdf(-1 / 9 / error))
    ends = (-1 / 9 - 1.959964 * error, -1 / 9 + 1.959964 * error)
    assert (test.difference.low, test.difference.high) == pytest.approx(ends, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_midranks_equal_all_pairs_and_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels, first = many(rng, ties=seed % 3)
    labels[:9] = 0  # unequal classes
    second = np.round(first + rng.normal(size=60), 1)
    aucs, covariance = naive(labels, [first, second])
    for scores, auc, variance in zip((first, second), aucs, np.diag(covariance)):
        found = delong.auc_interval(labels, scores)
        assert found.value == pytest.approx(auc) == pytest.approx(measures.roc_auc(labels, scores))
        assert error_of(found) == pytest.approx(np.sqrt(variance))
    test = delong.paired_test(labels, first, second)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert test.z == pytest.approx((aucs[1] - aucs[0]) / error)
    # Turned round, only the sign changes; the order of the images and any rising function of the scores change nothing.
    turned, order = delong.paired_test(labels, second, first), rng.permutation(60)
    assert (turned.z, turned.p_value) == pytest.approx((-test.z, test.p_value))
    same = delong.paired_test(labels[order], np.exp(first[order]), 3 * second[order] - 1)
    assert same.z == pytest.approx(test.z)


@pytest.mark.parametrize("seed", range(3))
def test_group_variance_is_obuchowskis(seed):
    rng = np.random.default_rng(seed)
    labels, scores = many(rng)
    # Groups of real images only, of synthetic only and of both.
    groups = [f"p{number // 6}" if number > 20 else f"{labels[number]}{number // 8}" for number in range(60)]
    found = delong.auc_interval(labels, scores, groups)
    assert error_of(found) == pytest.approx(np.sqrt(obuchowski(labels, groups, scores)))
    alone = delong.auc_interval(labels, scores)
    assert error_of(alone) == pytest.approx(np.sqrt(obuchowski(labels, range(60), scores)))
    assert alone == delong.auc_interval(labels, scores, np.arange(60)[::-1])


def test_copies_say_no_more_than_one():
    labels, scores = many(np.random.default_rng(0))
    copies = [np.repeat(values, 4) for values in (labels, scores, np.arange(60))]
    once, grouped, alone = (
        delong.auc_interval(labels, scores),
        delong.auc_interval(*copies),
        delong.auc_interval(*copies[:2]),
    )
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    assert error_of(once) / error_of(alone) == pytest.approx(2, rel=0.03)
    test = delong.paired_test(copies[0], copies[1], np.roll(copies[1], 8), copies[2])
    assert test.groups == 60 and test.images == 240
    assert test.z == pytest.approx(delong.paired_test(labels, scores, np.roll(scores, 2)).z)


def test_perfect_rankings_have_an_honest_width_and_stay_between_0_and_1():
    labels = np.repeat([0, 1], 30)
    perfect, worst = delong.auc_interval(labels, labels), delong.auc_interval(labels, -labels)
    assert perfect.value == perfect.high == 1 and 0.85 < perfect.low < 0.98
    assert (worst.value, worst.low, worst.high) == pytest.approx((0, 0, 1 - perfect.low))
    more = delong.auc_interval(np.repeat([0, 1], 300), np.repeat([0, 1], 300))
    assert 0.98 < more.low < 1
    # Thirty images of ten persons: the width of ten.
    few = delong.auc_interval(labels, labels, np.repeat(np.arange(20), 3))
    assert few.low == delong.auc_interval(np.repeat([0, 1], 10), np.repeat([0, 1], 10)).low < perfect.low
    assert delong.auc_interval(labels, np.full(60, 0.3)) == Interval(0.5, 0.5, 0.5)
    nearly = delong.auc_interval([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])
    assert 0 < nearly.low < 8 / 9 < nearly.high < 1


def test_scorers_that_rank_alike_do_not_differ():
    labels, scores = many(np.random.default_rng(3))
    test = delong.paired_test(labels, scores, np.exp(scores / 7))
    assert (test.z, test.p_value) == (0, 1) and test.difference == Interval(0, 0, 0)
    with pytest.raises(UndefinedMeasure, match="varies over no image"):
        delong.paired_test(labels, labels, -labels)


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([], [], "no images"),
        ([1, 1], [0.2, 0.3], "all 2 images are synthetic"),
        ([0, 1, 1], [0.2, 0.3, 0.4], "all real images come from 1 group"),
        ([0, 0, 1], [0.2, 0.3, 0.4], "all synthetic images come from 1 group"),
        ([0, 0, 1, 1], [0.2, 0.3, 0.4, np.nan], "not finite"),
    ],
)
def test_what_cannot_be_told_is_refused(labels, scores, said):
    with pytest.raises(UndefinedMeasure, match=said):
        delong.auc_interval(labels, scores)
    with pytest.raises(UndefinedMeasure, match=said):
        delong.paired_test(labels, scores, scores)


def test_groups_and_second_scores_must_fit():
    with pytest.raises(UndefinedMeasure, match="expected one label and one score"):
        delong.paired_test(LABELS, SCORES, SCORES[:5])
    with pytest.raises(ValueError, match="one per image"):
        delong.auc_interval(LABELS, SCORES, ["a"])
    with pytest.raises(UndefinedMeasure, match="all real images come from 1 group"):
        delong.auc_interval(LABELS, SCORES, list("aaabcd"))


def test_holm_hand_worked():
    # Sorted 0.01, 0.02, 0.03, 0.5 by 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.5, none below the one before.
    assert delong.holm([0.03, 0.01, 0.5, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert delong.holm([0.9, 0.8]).tolist() == [1, 1] and delong.holm([0.3]).tolist() == [0.3]
    assert delong.holm([]).tolist() == []
    for wrong in ([0.1, np.nan], [1.1], [-0.1]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            delong.holm(wrong)


@pytest.mark.parametrize("shift", [0, 0.8, 2.0])
def test_intervals_cover_the_truth_as_often_as_they_say(shift):
    rng = np.random.default_rng(1)
    labels, truth = np.repeat([0, 1], 60), norm.cdf(shift / np.sqrt(2))
    found = [delong.auc_interval(labels, rng.normal(size=120) + shift * labels) for _ in range(1200)]
    # 1,200 draws of 95%: three standard errors are 1.9%.
    assert 0.93 <= np.mean([interval.contains(truth) for interval in found]) <= 0.97


def test_group_intervals_cover_correlated_images_where_image_intervals_do_not():
    rng = np.random.default_rng(2)
    persons, truth = np.repeat(np.arange(80), 4), norm.cdf(0.8 / np.sqrt(2))
    # Half of the persons have images of both classes.
    labels = np.where(persons < 40, np.arange(320) % 2, persons % 2)
    grouped, alone = [], []
    for _ in range(800):
        person, picture = rng.normal(size=80)[persons], rng.normal(size=320)
        scores = np.sqrt(0.8) * person + np.sqrt(0.2) * picture + 0.8 * labels
        # The truth for pairs of different persons; a tenth of a percent of all pairs are of one.
        grouped.append(delong.auc_interval(labels, scores, persons).contains(truth))
        alone.append(delong.auc_interval(labels, scores).contains(truth))
    assert 0.93 <= np.mean(grouped) <= 0.97 and np.mean(alone) < 0.9


def test_the_paired_test_calls_equal_scorers_different_as_rarely_as_it_says():
    rng = np.random.default_rng(4)
    labels, found = np.repeat([0, 1], 60), []
    for _ in range(1200):
        shared = rng.normal(size=120) + labels
        found.append(delong.paired_test(labels, *(shared + rng.normal(size=(2, 120)))).p_value)
    assert 0.03 <= np.mean(np.array(found) < 0.05) <= 0.07
    assert 0.44 <= np.mean(np.array(found) < 0.5) <= 0.56
    # And does tell a better one.
    better = [
        delong.paired_test(labels, rng.normal(size=120), rng.normal(size=120) + 1.5 * labels).p_value for _ in range(50)
    ]
    assert np.mean(np.array(better) < 0.05) > 0.9
