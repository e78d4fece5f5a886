"""Calibration: known distortions undone, fitted on validation alone, stored as plain numbers, refused where senseless."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from lib.metrics import calibration, measures
from lib.metrics.calibration import Isotonic, Platt, Temperature
from lib.metrics.checks import UndefinedMeasure

KINDS = (Temperature, Platt, Isotonic)


def drawn(count, seed=0):
    """Labels drawn from probabilities that are right by construction."""
    rng = np.random.default_rng(seed)
    right = expit(rng.normal(0, 1.5, count))
    return (rng.random(count) < right).astype(int), right


LABELS, RIGHT = drawn(4000)
BOLD = expit(3 * logit(RIGHT))
SHIFTED = expit(2 * logit(RIGHT) + 1)


def test_temperature_finds_how_much_too_bold_scores_are():
    assert Temperature.fit(LABELS, BOLD).temperature == pytest.approx(3, rel=0.1)
    assert Temperature.fit(LABELS, RIGHT).temperature == pytest.approx(1, rel=0.1)
    inside = (BOLD > 1e-6) & (BOLD < 1 - 1e-6)  # where no logit is cut
    assert Temperature(3)(BOLD)[inside] == pytest.approx(RIGHT[inside], abs=1e-6)
    # No other temperature of a fine grid has a smaller log loss.
    best = Temperature.fit(LABELS[:300], BOLD[:300])
    losses = [sk.log_loss(LABELS[:300], Temperature(value)(BOLD[:300])) for value in np.geomspace(0.3, 30, 400)]
    assert sk.log_loss(LABELS[:300], best(BOLD[:300])) <= min(losses) + 1e-9


def test_platt_undoes_slope_and_shift_and_is_logistic_regression():
    found = Platt.fit(LABELS, SHIFTED)
    assert (found.slope, found.intercept) == pytest.approx((0.5, -0.5), abs=0.06)
    # Against scikit-learn's, each image given to both classes by Platt's targets as weights.
    labels, scores = LABELS[:200], SHIFTED[:200]
    synthetic = labels.sum()
    target = np.where(labels == 1, (synthetic + 1) / (synthetic + 2), 1 / (200 - synthetic + 2))
    twice, weights = np.repeat([1, 0], 200), np.concatenate([target, 1 - target])
    peer = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000)
    peer.fit(logit(np.tile(scores, 2))[:, None], twice, sample_weight=weights)
    found = Platt.fit(labels, scores)
    assert (found.slope, found.intercept) == pytest.approx((peer.coef_[0, 0], peer.intercept_[0]), abs=1e-4)


def test_isotonic_hand_worked():
    # 0.4 and 0.6 are out of order: both take their mean, one half. Ends are kept 1/8 off certainty.
    found = Isotonic.fit([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
    assert found([0.1, 0.2, 0.4, 0.5, 0.6, 0.8]) == pytest.approx([1 / 8, 1 / 8, 0.5, 0.5, 0.5, 7 / 8])
    assert found([0, 0.3, 1]) == pytest.approx([1 / 8, (1 / 8 + 0.5) / 2, 7 / 8])
    assert np.isfinite(measures.log_loss([1, 0], found([0.0, 1.0])))


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_lowers_the_error_on_other_images_and_keeps_the_ranking(kind):
    found = kind.fit(LABELS, SHIFTED)
    labels, right = drawn(4000, seed=1)
    scores = expit(2 * logit(right) + 1)
    mapped = found(scores)
    assert mapped.min() >= 0 and mapped.max() <= 1
    assert measures.roc_auc(labels, mapped) == pytest.approx(measures.roc_auc(labels, scores), abs=0.003)
    assert measures.log_loss(labels, mapped) < measures.log_loss(labels, scores) - 0.05
    if kind is not Temperature:  # which cannot undo a shift
        assert measures.expected_calibration_error(labels, mapped) < 0.03


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "scores",
    [[0, 0, 1, 1], [1, 1, 0, 0], [0.5] * 4, [0.2, 0.8, 0.2, 0.8]],
    ids=["perfect", "worst", "constant", "chance"],
)
def test_fits_stay_finite_at_the_limits(kind, scores):
    found = kind.fit([0, 0, 1, 1], scores)
    mapped = found(np.array(scores, dtype=float))
    assert np.isfinite(mapped).all() and mapped.min() >= 0 and mapped.max() <= 1
    assert calibration.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


def test_methods_are_stored_as_json_numbers_and_come_back():
    for name, found in calibration.fit_all(LABELS[:200], BOLD[:200]).items():
        text = json.dumps(found.to_dict(), allow_nan=False)
        again = calibration.from_dict(json.loads(text))
        assert again == found and found.to_dict()["method"] == name == found.method
        assert (again(BOLD) == found(BOLD)).all()
    assert Temperature(2.0).to_dict() == {"method": "temperature", "temperature": 2.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "method is None"),
        ({"method": "beta"}, "expected one of"),
        ({"method": "temperature"}, "expected \\['temperature'\\]"),
        ({"method": "temperature", "temperature": 1.0, "more": 2}, "has \\['more', 'temperature'\\]"),
        ({"method": "temperature", "temperature": 0}, "above 0"),
        ({"method": "temperature", "temperature": "1"}, "finite number"),
        ({"method": "temperature", "temperature": True}, "finite number"),
        ({"method": "platt", "slope": float("nan"), "intercept": 0}, "slope is nan"),
        ({"method": "platt", "slope": 1, "intercept": None}, "intercept is None"),
        ({"method": "isotonic", "scores": [], "probabilities": []}, "at least one"),
        ({"method": "isotonic", "scores": [0.1], "probabilities": [0.1, 0.2]}, "1 scores and 2 probabilities"),
        ({"method": "isotonic", "scores": [0.2, 0.1], "probabilities": [0.1, 0.2]}, "expected them rising"),
        ({"method": "isotonic", "scores": [0.1, 0.1], "probabilities": [0.1, 0.2]}, "expected them rising"),
        ({"method": "isotonic", "scores": [0.1, 0.2], "probabilities": [0.2, 0.1]}, "never falling"),
        ({"method": "isotonic", "scores": [0.1, 0.2], "probabilities": [0.2, 1.1]}, "from 0 to 1"),
    ],
)
def test_stored_numbers_are_checked(content, said):
    with pytest.raises(ValueError, match=said):
        calibration.from_dict(content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_calibrated_is_refused(kind):
    for labels, scores, said in (
        ([], [], "no images"),
        ([1, 1], [0.1, 0.2], "all 2 images are synthetic"),
        ([0, 1], [0.1, np.nan], "not finite"),
        ([0, 1], [0.1, 1.2], "between 0 and 1"),
    ):
        with pytest.raises(UndefinedMeasure, match=said):
            kind.fit(labels, scores)
    found = kind.fit([0, 1], [0.2, 0.8])
    for scores in ([-0.1], [1.1], [np.nan]):
        with pytest.raises(UndefinedMeasure, match="expected 0 to 1"):
            found(scores)


def test_comparison_holds_measures_before_and_after_with_the_change_on_the_same_resamples():
    labels, scores = LABELS[:400], SHIFTED[:400]
    same, better = Temperature(1.0), Platt(0.5, -0.5)
    table = calibration.compare(labels, scores, {"same": same, "better": better}, np.arange(400) // 2, resamples=200)
    assert list(dict.fromkeys(table["method"])) == [calibration.UNCALIBRATED, "same", "better"]
    rows = table.set_index(["method", "measure"])
    groups = np.arange(400) // 2
    before = measures.bootstrap_intervals(labels, scores, groups, measures=["brier_score"], resamples=200)
    found = rows.loc[(calibration.UNCALIBRATED, "brier_score")]
    assert tuple(found[["value", "low", "high"]]) == tuple(before["brier_score"].as_dict().values())
    assert (rows.loc["same"][["change", "change_low", "change_high"]].abs() < 1e-6).all(axis=None)
    for name in measures.PROBABILITY_MEASURES:
        value = getattr(measures, name)(labels, better(scores))
        found = rows.loc[("better", name)]
        assert found["value"] == pytest.approx(value)
        assert found["change"] == pytest.approx(value - rows.loc[("same", name), "value"], abs=1e-6)
        assert found["change_high"] < 0
    drawn = [
        measures.bootstrap_values(labels, values, groups, measures=["log_loss"], resamples=200)["log_loss"]
        for values in (scores, better(scores))
    ]
    ends = np.quantile(drawn[1] - drawn[0], (0.025, 0.975))
    assert tuple(rows.loc[("better", "log_loss")][["change_low", "change_high"]]) == pytest.approx(tuple(ends))


def test_reliability_hand_worked():
    labels, scores = [0, 1, 1, 0, 1], [0.05, 0.1, 0.9, 0.95, 1.0]
    table = calibration.reliability(labels, scores, bins=2)
    assert table["images"].tolist() == [2, 3]
    assert table["mean_predicted"].tolist() == pytest.approx([0.075, 0.95])
    assert table["observed"].tolist() == pytest.approx([0.5, 2 / 3])
    assert table[["bin_low", "bin_high"]].to_numpy().ravel().tolist() == pytest.approx([0.05, 0.1, 0.9, 1])
    # Wilson's formula for 1 of 2.
    z = 1.959964
    middle, reach = (0.5 + z**2 / 4) / (1 + z**2 / 2), z / (1 + z**2 / 2) * np.sqrt(0.25 / 2 + z**2 / 16)
    assert tuple(table.loc[0, ["low", "high"]]) == pytest.approx((middle - reach, middle + reach), abs=1e-5)
    assert table.loc[1, "high"] == pytest.approx(binomtest(2, 3).proportion_ci(method="wilson").high)
    with pytest.raises(ValueError, match="at least 1"):
        calibration.reliability(labels, scores, bins=0)
    with pytest.raises(UndefinedMeasure, match="between 0 and 1"):
        calibration.reliability(labels, [0.1, 0.2, 0.3, 0.4, 1.2])


@pytest.mark.parametrize(("images", "bins"), [(6, 5), (160, 5), (240, 6), (10_000, 8)])
def test_reliability_has_bins_of_equal_count_more_of_more_images(images, bins):
    scores = np.linspace(0, 1, images) ** 4
    table = calibration.reliability(np.arange(images) % 2, scores)
    assert len(table) == bins and table["images"].sum() == images
    assert table["images"].max() - table["images"].min() <= 1
    assert (table["bin_low"] <= table["mean_predicted"]).all() and (table["mean_predicted"] <= table["bin_high"]).all()
    assert (table["bin_high"][:-1].to_numpy() < table["bin_low"][1:].to_numpy()).all()


def test_reliability_keeps_equal_probabilities_in_one_bin():
    table = calibration.reliability([0, 1] * 50, [0.3] * 100)
    assert table[["bin_low", "bin_high", "images", "observed"]].to_numpy().tolist() == [[0.3, 0.3, 100, 0.5]]
    # As isotonic regression gives them: steps.
    table = calibration.reliability([0] * 90 + [1] * 30, [0.1] * 90 + [0.9] * 30)
    assert table["images"].tolist() == [90, 30] and table["observed"].tolist() == [0, 1]


def test_cross_validated_losses_recommend_what_holds_on_other_images():
    losses = calibration.cross_validated_losses(LABELS, BOLD)
    assert list(losses) == [calibration.UNCALIBRATED, *calibration.METHODS]
    assert losses[calibration.UNCALIBRATED] == pytest.approx(measures.log_loss(LABELS, BOLD))
    assert losses["temperature"] < losses[calibration.UNCALIBRATED] - 0.01
    # Each image judged by a fit without it: worse than the fit on all images judged on the same.
    for name, found in calibration.fit_all(LABELS, BOLD).items():
        assert losses[name] > measures.log_loss(LABELS, found(BOLD))
    assert losses == calibration.cross_validated_losses(LABELS, BOLD)


def test_cross_validation_keeps_groups_together():
    labels, scores = np.tile(LABELS[:200], 4), np.tile(BOLD[:200], 4)
    apart = calibration.cross_validated_losses(labels, scores)
    together = calibration.cross_validated_losses(labels, scores, np.tile(np.arange(200), 4))
    # With copies of the asked images among those it is fitted on, isotonic regression seems better than it is.
    assert together["isotonic"] > apart["isotonic"]
    with pytest.raises(UndefinedMeasure, match="at least 2 groups of each class"):
        calibration.cross_validated_losses([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], ["a", "a", "b", "c"])
