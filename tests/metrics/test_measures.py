"""Measures: hand-worked cases, limits, agreement with scikit-learn, intervals that cover what they say."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from lib.metrics import measures, resampling
from lib.metrics.checks import decimals
from lib.metrics.measures import Interval, UndefinedMeasure, bootstrap_intervals

LABELS = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([0.1, 0.4, 0.6, 0.35, 0.8, 0.9])
ALL = measures.SCORE_MEASURES + measures.DECISION_MEASURES
PLAIN = {
    "roc_auc": measures.roc_auc,
    "average_precision": measures.average_precision,
    "equal_error_rate": measures.equal_error_rate,
    "brier_score": measures.brier_score,
    "log_loss": measures.log_loss,
    "expected_calibration_error": measures.expected_calibration_error,
}


def noisy(rng, count=400):
    labels = np.arange(count) % 2
    return labels, np.round(1 / (1 + np.exp(-rng.normal(size=count) - 0.8 * labels)), 2)  # rounded: many ties


def width(interval):
    return interval.high - interval.low


# --- Measures of the scores -------------------------------------------------------------------------------------------


def test_hand_worked_scores():
    # 9 pairs; synthetic 0.35 beats one real, 0.8 and 0.9 all three: 7 of 9.
    assert measures.roc_auc(LABELS, SCORES) == pytest.approx(7 / 9)
    # Precision where recall steps: 1 of 1, 2 of 2, 3 of 5.
    assert measures.average_precision(LABELS, SCORES) == pytest.approx((1 + 1 + 3 / 5) / 3)
    # At 0.6 one of three real is called synthetic and one of three synthetic is missed.
    assert measures.equal_error_rate(LABELS, SCORES) == pytest.approx(1 / 3)
    assert measures.brier_score([0, 1], [0.0, 0.5]) == pytest.approx(0.125)
    assert measures.log_loss([0, 1], [0.5, 0.25]) == pytest.approx(np.log(8) / 2)


def test_equal_error_rate_is_interpolated():
    # Points (0, 0), (0, 1/2), (1, 1): the line fpr + tpr = 1 is met a third of the way along the last step.
    assert measures.equal_error_rate([1, 0, 0, 1], [0.9, 0.5, 0.5, 0.5]) == pytest.approx(1 / 3)


def test_equal_error_rate_is_the_crossing_of_scikit_learns_curve():
    for seed in range(5):
        labels, scores = noisy(np.random.default_rng(seed), 90)
        fpr, tpr, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
        at = np.linspace(0, len(fpr) - 1, 200_001)
        false, true = (np.interp(at, np.arange(len(fpr)), rate) for rate in (fpr, tpr))
        expected = false[np.argmin(np.abs(false - (1 - true)))]
        assert measures.equal_error_rate(labels, scores) == pytest.approx(expected, abs=1e-4)


def test_recall_at_fpr_is_reached_and_not_interpolated():
    labels = np.repeat([0, 1], [20, 4])
    scores = np.concatenate([np.arange(20) / 20, [0.1, 0.92, 0.94, 0.99]])
    # At 0.95, one real of 20 (5%) lies above: 0.92 and 0.94 come with it, 0.1 does not.
    assert measures.recall_at_fpr(labels, scores, 0.05) == 0.75
    assert measures.recall_at_fpr(labels, scores, 0.049) == 0.25
    assert measures.recall_at_fpr(labels, scores, 0) == 0.25
    assert measures.recall_at_fpr(labels, scores, 1) == 1
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            measures.recall_at_fpr(labels, scores, wrong)


def test_calibration_error_by_hand():
    # Bins of 1/15: 0.5 twice in one (share 1/2, no gap), 0.9 twice in another (share 1/2, gap 0.4 for half the images).
    assert measures.expected_calibration_error([0, 1, 0, 1], [0.5, 0.5, 0.9, 0.9]) == pytest.approx(0.2)
    # 1.0 belongs to the last bin together with 0.95: one gap of |1 - 0.975|, not two.
    assert measures.expected_calibration_error([0, 1, 1], [0.0, 0.95, 1.0]) == pytest.approx(0.05 / 3)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0, 0, 1, 1], {"roc_auc": 1, "average_precision": 1, "equal_error_rate": 0, "brier_score": 0}),
        ([1, 1, 0, 0], {"roc_auc": 0, "equal_error_rate": 1, "brier_score": 1, "expected_calibration_error": 1}),
        (
            [0.5] * 4,
            {
                "roc_auc": 0.5,
                "average_precision": 0.5,
                "equal_error_rate": 0.5,
                "brier_score": 0.25,
                "log_loss": np.log(2),
                "expected_calibration_error": 0,
            },
        ),
        # Pairs: won, tied (one half), won, won.
        ([0.1, 0.4, 0.4, 0.9], {"roc_auc": 3.5 / 4}),
    ],
    ids=["perfect", "worst", "constant", "tie"],
)
def test_limits_and_ties(scores, expected):
    found = {name: PLAIN[name]([0, 0, 1, 1], scores) for name in expected}
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("scores", "found"), [([0, 0, 1, 1], 1), ([1, 1, 0, 0], 0), ([0.5] * 4, 0)])
def test_recall_at_fpr_at_its_limits(scores, found):
    assert measures.recall_at_fpr([0, 0, 1, 1], scores, 0.05) == found


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([], [], "no images"),
        ([1, 1], [0.2, 0.3], "all 2 images are synthetic"),
        ([0, 0, 0], [0.2, 0.3, 0.4], "all 3 images are real"),
        ([0, 1], [0.2, np.nan], "not finite"),
        ([0, 1], [0.1, np.inf], "not finite"),
        ([0, 2], [0.2, 0.3], "found label 2"),
        ([-1, 1], [0.2, 0.3], "found label -1"),
        ([0, np.nan], [0.2, 0.3], "found label nan"),
        ([0, 1], [0.1], "expected one label and one score"),
        ([[0, 1]], [[0.1, 0.2]], "expected one label and one score"),
        (["real", "synthetic"], [0.1, 0.2], "must be numbers"),
    ],
)
def test_undefined_cases_raise_and_say_so(labels, scores, said):
    for measure in (*PLAIN.values(), measures.summarise, bootstrap_intervals):
        with pytest.raises(UndefinedMeasure, match=said):
            measure(labels, scores)
    with pytest.raises(UndefinedMeasure, match=said):
        measures.recall_synthetic(labels, scores, 0.5)


@pytest.mark.parametrize("name", ["brier_score", "log_loss", "expected_calibration_error"])
@pytest.mark.parametrize("scores", [[-0.1, 0.5], [0.5, 1.1]])
def test_measures_of_probabilities_refuse_other_scores(name, scores):
    with pytest.raises(UndefinedMeasure, match="between 0 and 1"):
        PLAIN[name]([0, 1], scores)
    assert measures.summarise([0, 1], scores)[name] is None
    assert measures.summarise([0, 1], scores)["roc_auc"] == 1


def test_ranking_measures_take_any_finite_score_and_only_its_order():
    labels, scores = noisy(np.random.default_rng(4))
    for name in ("roc_auc", "average_precision", "equal_error_rate"):
        assert PLAIN[name](labels, 100 * scores**3 - 7) == pytest.approx(PLAIN[name](labels, scores))


def test_agrees_with_scikit_learn():
    labels, scores = noisy(np.random.default_rng(0))
    called = scores >= 0.6
    expected = {
        "roc_auc": sk.roc_auc_score(labels, scores),
        "average_precision": sk.average_precision_score(labels, scores),
        "brier_score": sk.brier_score_loss(labels, scores),
        "log_loss": sk.log_loss(labels, scores),
        "accuracy": sk.accuracy_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
        "precision_real": sk.precision_score(1 - labels, ~called),
        "recall_real": sk.recall_score(1 - labels, ~called),
        "f1_real": sk.f1_score(1 - labels, ~called),
        "precision_synthetic": sk.precision_score(labels, called),
        "recall_synthetic": sk.recall_score(labels, called),
        "f1_synthetic": sk.f1_score(labels, called),
    }
    assert measures.summarise(labels, scores, 0.6, list(expected)) == pytest.approx(expected)


# --- Measures of the decision -----------------------------------------------------------------------------------------


def test_hand_worked_decisions():
    counts = {"true_real": 2, "false_synthetic": 1, "false_real": 1, "true_synthetic": 2}
    assert measures.confusion(LABELS, SCORES, 0.5) == counts
    assert measures.accuracy(LABELS, SCORES, 0.5) == pytest.approx(4 / 6)
    # At 0.65 real: 3 of 3 right; synthetic: 2 of 3.
    expected = {
        "accuracy": 5 / 6,
        "balanced_accuracy": 5 / 6,
        "precision_real": 3 / 4,
        "recall_real": 1,
        "f1_real": 6 / 7,
        "precision_synthetic": 1,
        "recall_synthetic": 2 / 3,
        "f1_synthetic": 4 / 5,
    }
    assert measures.summarise(LABELS, SCORES, 0.65, measures.DECISION_MEASURES) == pytest.approx(expected)


def test_a_score_at_the_threshold_is_called_synthetic():
    assert measures.recall_synthetic(LABELS, SCORES, 0.8) == pytest.approx(2 / 3)
    assert measures.recall_synthetic(LABELS, SCORES, np.nextafter(0.8, 1)) == pytest.approx(1 / 3)


def test_precision_without_a_positive_is_undefined_not_zero():
    with pytest.raises(UndefinedMeasure, match="no image of 6 is called synthetic"):
        measures.precision_synthetic(LABELS, SCORES, 0.99)
    with pytest.raises(UndefinedMeasure, match="no image of 6 is called real"):
        measures.precision_real(LABELS, SCORES, 0.05)
    assert measures.summarise(LABELS, SCORES, 0.99, ["precision_synthetic"]) == {"precision_synthetic": None}
    assert measures.f1_synthetic(LABELS, SCORES, 0.99) == 0
    assert measures.f1_synthetic(LABELS, SCORES, 0.05) == pytest.approx(2 / 3)


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold_must_be_finite(threshold):
    with pytest.raises(UndefinedMeasure, match="threshold is"):
        measures.confusion(LABELS, SCORES, threshold)
    with pytest.raises(ValueError, match="threshold is"):
        measures.summarise(LABELS, SCORES, threshold)


def test_summarise_names():
    assert tuple(measures.summarise(LABELS, SCORES)) == measures.SCORE_MEASURES
    assert tuple(measures.summarise(LABELS, SCORES, 0.5)) == ALL
    with pytest.raises(ValueError, match="unknown measures"):
        measures.summarise(LABELS, SCORES, measures=["auc"])
    with pytest.raises(ValueError, match="need a threshold"):
        measures.summarise(LABELS, SCORES, measures=["accuracy"])


# --- Curves -----------------------------------------------------------------------------------------------------------


def test_curves_hold_the_points_of_the_thresholds():
    roc = measures.roc_points(LABELS, SCORES)
    assert roc.iloc[0].tolist() == [0, 0, np.inf] and roc.iloc[-1, :2].tolist() == [1, 1]
    for fpr, tpr, threshold in roc.iloc[1:].to_numpy():
        assert tpr == pytest.approx(measures.recall_synthetic(LABELS, SCORES, threshold))
        assert fpr == pytest.approx(1 - measures.recall_real(LABELS, SCORES, threshold))
    curve = measures.precision_recall_points(LABELS, SCORES)
    assert curve.iloc[-1].tolist() == [0, 1, np.inf] and len(curve) == 7
    for recall, precision, threshold in curve.iloc[:-1].to_numpy():
        assert recall == pytest.approx(measures.recall_synthetic(LABELS, SCORES, threshold))
        assert precision == pytest.approx(measures.precision_synthetic(LABELS, SCORES, threshold))


# --- Intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0.000"), (1, "1.000"), (0.5, "0.500"), (0.12345, "0.123"), (-0.0166, "-0.017"), (12.3456, "12.346")),
        # Not 0, not 1: a threshold there decides otherwise.
        *((0.0004, "0.0004"), (0.99997, "0.99997"), (1 - 6e-8, "0.99999994"), (-0.0001, "-0.0001")),
        *((np.nextafter(1, 2), "1.000"), (np.nan, "undefined"), (np.float32(0.9996), "0.9996")),
    ],
)
def test_one_rule_for_decimals(value, text):
    assert decimals(value) == text


def test_interval_says_what_it_holds():
    interval = Interval(0.6, 0.5, 0.7)
    assert str(interval) == "0.600 [0.500, 0.700]"
    assert interval.contains(0.5) and interval.contains(0.7) and not interval.contains(0.71)
    assert interval.as_dict() == {"value": 0.6, "low": 0.5, "high": 0.7}
    undefined = Interval(np.nan, np.nan, np.nan)
    assert str(undefined) == "undefined" and not undefined.contains(0.5)
    assert undefined.as_dict() == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("grouped", "threshold", "names", "resamples"),
    [
        (False, 0.6, ALL, 20),
        (True, 0.6, ALL, 20),
        (False, 0.0, ("precision_synthetic", "f1_real"), 50),
        # Precision is undefined in some of the resamples, which are left out.
        (True, 0.92, ("precision_synthetic", "f1_synthetic"), 50),
    ],
)
def test_bootstrap_equals_repeated_rows(grouped, threshold, names, resamples):
    """The same multiplicities, with each image written out as often as it was drawn, by the plain measures."""
    labels, scores = noisy(np.random.default_rng(5), 60)
    # Groups real only, synthetic only and mixed.
    groups = np.where(np.arange(60) < 20, np.arange(60), np.arange(60) // 5 + 100) if grouped else None
    fast = measures.bootstrap_values(labels, scores, groups, threshold, names, resamples=resamples, seed=9)
    (counts,) = resampling.draws(labels, groups, np.arange(60), resamples, 9)
    assert counts.shape == (resamples, 60) and len(np.unique(counts, axis=0)) == resamples
    slow = [measures.summarise(np.repeat(labels, row), np.repeat(scores, row), threshold, names) for row in counts]
    undefined = sum(values[names[0]] is None for values in slow)
    assert (0 < undefined < resamples) if threshold == 0.92 else undefined == 0
    plain = measures.summarise(labels, scores, threshold, names)
    assert tuple(fast) == names
    intervals = bootstrap_intervals(labels, scores, groups, threshold, names, resamples=resamples, seed=9)
    for name, drawn in fast.items():
        expected = [np.nan if values[name] is None else values[name] for values in slow]
        assert drawn == pytest.approx(expected, abs=1e-9, nan_ok=True), name
        low, high = np.nanquantile(expected, (0.025, 0.975))
        found = intervals[name]
        assert found.value == plain[name] and found.low <= low + 1e-9 and found.high >= high - 1e-9, name
        if name in ("roc_auc", "brier_score"):
            assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_bootstrap_agrees_with_a_plain_loop():
    rng = np.random.default_rng(1)
    labels, scores = noisy(rng, 200)
    names = ["roc_auc", "recall_synthetic", "precision_synthetic"]
    fast = bootstrap_intervals(labels, scores, threshold=0.6, measures=names, resamples=3000)
    slow = []
    for _ in range(3000):
        real, fake = (rng.choice(scores[labels == label], 100) for label in (0, 1))
        wins = (fake[:, None] > real).mean() + (fake[:, None] == real).mean() / 2
        hits, alarms = (fake >= 0.6).sum(), (real >= 0.6).sum()
        slow.append([wins, hits / 100, hits / (hits + alarms)])
    lows, highs = np.quantile(slow, (0.025, 0.975), axis=0)
    for name, low, high in zip(names, lows, highs):
        # A limit's own error with 3000 resamples is some 2% of the width.
        assert abs(fast[name].low - low) < 0.1 * (high - low), name
        assert abs(fast[name].high - high) < 0.1 * (high - low), name


def test_many_ties_do_not_overflow():
    labels, scores = np.arange(200_000) % 2, np.full(200_000, 0.5)
    assert (measures.bootstrap_values(labels, scores, measures=["roc_auc"], resamples=3)["roc_auc"] == 0.5).all()


def test_values_of_two_scorers_are_of_the_same_resamples():
    labels, scores = noisy(np.random.default_rng(2), 100)
    names = ["roc_auc", "brier_score", "recall_real"]
    first = measures.bootstrap_values(labels, scores, threshold=0.6, measures=names, resamples=200)
    second = measures.bootstrap_values(labels, 1 - (1 - scores), threshold=0.6, measures=names, resamples=200)
    assert list(first) == names and all(values.shape == (200,) for values in first.values())
    assert all(np.allclose(first[name], second[name]) for name in names)
    with pytest.raises(UndefinedMeasure, match="between 0 and 1"):
        measures.bootstrap_values(labels, 5 * scores, measures=["brier_score"])


def test_same_seed_same_interval():
    labels, scores = noisy(np.random.default_rng(2), 100)
    first = bootstrap_intervals(labels, scores, threshold=0.6, resamples=200, seed=3)
    assert first == bootstrap_intervals(labels, scores, threshold=0.6, resamples=200, seed=3)
    other = bootstrap_intervals(labels, scores, threshold=0.6, resamples=200, seed=4)
    assert first["roc_auc"] != other["roc_auc"] and first["roc_auc"].value == other["roc_auc"].value


def test_a_higher_level_is_wider():
    labels, scores = noisy(np.random.default_rng(2), 100)
    low, high = (bootstrap_intervals(labels, scores, measures=["roc_auc"], level=p)["roc_auc"] for p in (0.5, 0.99))
    # Normal quantiles: 2.58 to 0.67.
    assert 3 < width(high) / width(low) < 4.6


def test_groups_of_copies_widen_the_interval():
    labels, scores = noisy(np.random.default_rng(2), 100)
    labels, scores = np.repeat(labels, 5), np.repeat(scores, 5)
    groups = np.repeat([f"person {number}" for number in range(100)], 5)
    alone = bootstrap_intervals(labels, scores, measures=["roc_auc"])["roc_auc"]
    grouped = bootstrap_intervals(labels, scores, groups, measures=["roc_auc"])["roc_auc"]
    # Five copies of each image: the honest interval is about the root of five (2.24) wider.
    assert 1.9 < width(grouped) / width(alone) < 2.6
    once = bootstrap_intervals(labels[::5], scores[::5], measures=["roc_auc"])["roc_auc"]
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))


def test_groups_of_one_are_no_groups():
    labels, scores = noisy(np.random.default_rng(6), 80)
    alone = bootstrap_intervals(labels, scores, resamples=100)
    assert alone == bootstrap_intervals(labels, scores, np.arange(80)[::-1], resamples=100)


def test_a_perfect_detector_has_an_interval_with_width():
    """Worked by hand: of n trials without a failure the lower limit is 0.025^(1/n)."""
    labels, scores = np.repeat([0, 1], [20, 40]), np.repeat([0.1, 0.9], [20, 40])
    groups = np.append(np.arange(20), 20 + np.arange(40) // 4)
    found = bootstrap_intervals(labels, scores, groups, 0.5, resamples=50)
    # 20 independent real images; 40 synthetic ones in 10 groups of 4; all: 60^2 / (20 + 10 * 16) = 20.
    trials = {"recall_real": 20, "recall_synthetic": 10, "precision_synthetic": 10, "recall_at_fpr_1": 10}
    trials |= {"accuracy": 20, "roc_auc": 10, "average_precision": 10}
    for name, number in trials.items():
        assert (found[name].value, found[name].high) == (1, 1), name
        assert found[name].low == pytest.approx(0.025 ** (1 / number)), name
    assert found["equal_error_rate"].low == found["equal_error_rate"].value == 0
    assert found["equal_error_rate"].high == pytest.approx(1 - 0.025**0.1)
    limit = 0.025 ** (1 / 10)
    assert found["f1_synthetic"].low == pytest.approx(2 * limit / (1 + limit))
    apart = [1 - 0.025 ** (1 / number) for number in (20, 10)]
    assert found["balanced_accuracy"].low == pytest.approx(1 - np.hypot(*apart) / 2)
    nothing = bootstrap_intervals(labels, 1 - scores, groups, 0.5, ["roc_auc", "recall_real", "accuracy"], resamples=50)
    assert {name: interval.low for name, interval in nothing.items()} == dict.fromkeys(nothing, 0)
    assert min(interval.high for interval in nothing.values()) > 0.1


def test_undefined_measures_have_undefined_intervals_beside_defined_ones():
    found = bootstrap_intervals(
        LABELS, 5 * SCORES, threshold=9, measures=["precision_synthetic", "log_loss", "roc_auc"]
    )
    assert str(found["precision_synthetic"]) == str(found["log_loss"]) == "undefined"
    assert found["roc_auc"].value == pytest.approx(7 / 9)
    only = bootstrap_intervals(LABELS, SCORES, threshold=9, measures=["precision_synthetic"])
    assert str(only["precision_synthetic"]) == "undefined"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("aaabcd", "all real images come from 1 group"),
        ("abcddd", "all synthetic images come from 1 group"),
        ("aaaaaa", "all real images come from 1 group"),
        # Two groups hold real images, yet neither can be drawn in place of the other: they are of different strata.
        ("aabbcc", "real images come from one group of that class and one of both"),
        ("abccdd", "synthetic images come from one group of that class and one of both"),
    ],
)
def test_too_few_groups_for_an_interval(groups, said):
    with pytest.raises(UndefinedMeasure, match=said):
        bootstrap_intervals(LABELS, SCORES, list(groups))


def test_groups_must_fit_the_images():
    with pytest.raises(ValueError, match="one per image"):
        bootstrap_intervals(LABELS, SCORES, ["a", "b"])
    with pytest.raises(ValueError, match="1 images have no group"):
        bootstrap_intervals(LABELS, SCORES, np.array(["a", "b", None, "d", "e", "f"], dtype=object))


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth = norm.cdf(0.8 / np.sqrt(2))  # AUC of two normal distributions 0.8 deviations apart
    labels = np.repeat([0, 1], 80)
    hits = 0
    for seed in range(700):
        scores = rng.normal(size=160) + 0.8 * labels
        found = bootstrap_intervals(labels, scores, measures=["roc_auc"], resamples=300, seed=seed)["roc_auc"]
        hits += found.contains(truth)
    # 700 draws of 95%: two standard errors are 1.6%.
    assert 0.93 <= hits / 700 <= 0.97


def test_group_intervals_cover_correlated_images_where_image_intervals_do_not():
    rng = np.random.default_rng(7)
    truth = norm.cdf(0.8 / np.sqrt(2))
    groups = np.repeat(np.arange(60), 8)
    labels = (groups >= 30).astype(int)
    grouped = alone = 0
    for seed in range(100):
        # Nine tenths of the variance belong to the person.
        person, picture = rng.normal(size=60)[groups], rng.normal(size=480)
        scores = np.sqrt(0.9) * person + np.sqrt(0.1) * picture + 0.8 * labels
        options = {"measures": ["roc_auc"], "resamples": 150, "seed": seed}
        grouped += bootstrap_intervals(labels, scores, groups, **options)["roc_auc"].contains(truth)
        alone += bootstrap_intervals(labels, scores, **options)["roc_auc"].contains(truth)
    assert grouped >= 86 and alone <= 70
