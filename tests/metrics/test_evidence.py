"""Strength of evidence: values worked by hand, limits, and numbers of another implementation."""

import numpy as np
import pandas as pd
import pytest
from support import complaints

from lib.metrics import calibration, evidence, figures
from lib.metrics.checks import Interval, UndefinedMeasure
from lib.metrics.words import evidence as evidence_words

TWO = np.array([0, 0, 1, 1])


def sample():
    """200 real and 150 synthetic log10 LRs that overlap and claim too much."""
    random = np.random.default_rng(7)
    labels = np.repeat([0, 1], [200, 150])
    return labels, np.where(labels == 1, random.normal(1.0, 1.2, 350), random.normal(-1.0, 1.2, 350))


def scored(count=60, seed=1, groups=True):
    """Scores of `count` images of each class, two of each group."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], count)
    scores = 1 / (1 + np.exp(-random.normal(2 * labels - 1, 1.2)))
    group = [f"g{number // 2}" for number in range(2 * count)] if groups else range(2 * count)
    return pd.DataFrame({"y": labels, "score": scores, "group": group})


def value(found):
    return [interval.value for interval in found]


# ------------------------------------------------------------------------------------------------------- by hand


def test_the_prior_of_validation_is_taken_out():
    # 90 real and 10 synthetic images: prior odds 1/9. Probability 0.5 is posterior odds 1, so LR = 9.
    strength = evidence.Strength("uncalibrated", np.log10(10 / 90), Interval(-2, -2, -2), Interval(2, 2, 2), 90, 10)
    np.testing.assert_allclose(10 ** strength.of_probabilities([0.5, 0.1]), [9, 1])
    # Posterior odds 999 would be LR 8,991; the bound is 100.
    assert strength.of_probabilities([0.999])[0] == 2 and strength.unbounded([0.999])[0] == pytest.approx(
        np.log10(8991)
    )


def test_cllr_by_hand():
    # LR 3 and 1/3, one real and one synthetic each: log2(1 + 1/3) = 0.415 where right, log2(1 + 3) = 2 where wrong.
    lrs = np.log10([1 / 3, 3, 1 / 3, 3])
    assert evidence.cllr(TWO, lrs) == pytest.approx((np.log2(4 / 3) + 2) / 2)
    # The best that this ranking allows: half of each LR is of each class, so LR = 1 for all, cost 1.
    assert evidence.cllr_min(TWO, lrs) == pytest.approx(1)
    # A real and a synthetic image tie at 0, the others are told apart: LR = 1 costs 1 bit for half of each class.
    assert evidence.cllr_min(TWO, [-1, 0, 0, 1]) == pytest.approx(0.5)


def test_bounds_by_hand():
    # Four of each class, told apart. Up to the synthetic LRs nothing is missed but the added image: 1/5 of 5, and the
    # added alarm is 1/5. Cost 1/5 + t/5 reaches 1 at t = 4.
    labels, lrs = np.repeat([0, 1], 4), np.repeat([-3.0, 3.0], 4)
    np.testing.assert_allclose(value(evidence.bounds(labels, lrs, resamples=20)), [-np.log10(4), np.log10(4)])
    # LRs below that are their own bound.
    np.testing.assert_allclose(value(evidence.bounds(labels, lrs / 10, resamples=20)), [-0.3, 0.3])
    # Two images a group: two independent ones of each class. Cost 1/3 + t/3 reaches 1 at t = 2.
    groups = np.repeat(range(4), 2)
    np.testing.assert_allclose(value(evidence.bounds(labels, lrs, groups, 20)), [-np.log10(2), np.log10(2)])
    # One of four real images at LR 1000: alarms (1 + 1)/5, so 1/5 + t 2/5 reaches 1 at t = 2.
    lrs[0] = 3
    assert evidence.bounds(labels, lrs, resamples=20)[1].value == pytest.approx(np.log10(2))


def test_tippett_by_hand():
    points = evidence.tippett(TWO, [-1, 0, 0, 2])
    assert points.to_numpy().tolist() == [[-1, 1, 1], [0, 0.5, 1], [2, 0, 0.5]]


def test_shares_of_misleading_evidence_by_hand():
    labels = np.repeat([0, 1], 4)
    # LR = 1 misleads nobody.
    found = evidence.costs(labels, [-1, -1, 0, 1, -1, 0, 1, 1], resamples=50)
    assert (found["misleading_real"].value, found["misleading_synthetic"].value) == (0.25, 0.25)


def test_threshold_of_an_apcer_by_hand():
    labels, scores = np.repeat([0, 1], 10), np.concatenate([np.zeros(10), np.arange(1, 11) / 10])
    # One of ten may be called real: 0.1 is, 0.2 is not.
    assert evidence.attack_threshold(0.10, labels, scores) == 0.2
    assert evidence.attack_threshold(0.05, labels, scores) == 0.1
    # Of five images of each generator none may be lost to 10%: the lowest synthetic score of either.
    makers = np.array([""] * 10 + ["a", "b"] * 5)
    assert evidence.attack_threshold(0.10, labels, scores, makers) == 0.1
    with pytest.raises(ValueError, match="limit is 1"):
        evidence.attack_threshold(1, labels, scores)


def test_apcer_is_that_of_the_worst_generator():
    makers = ["", "", "a", "b"] * 10
    rows = pd.DataFrame({"y": [0, 0, 1, 1] * 10, "score": 0.0, "group": range(40), "generator": makers})
    rows.loc[rows["generator"] == "a", "score"] = 0.9
    rows.loc[rows["generator"] == "b", "score"] = np.linspace(0.0, 0.9, 10)
    rates = evidence.attack_rates(rows, rows)["BPCER10"]
    # One of ten images of b scores below 0.1, which the threshold is.
    assert (rates["generator"], rates["apcer"]["value"], rates["bpcer"]["value"]) == ("b", pytest.approx(0.1), 0)
    alone = evidence.attack_rates(rows.drop(columns="generator"), rows.drop(columns="generator"))["BPCER10"]
    assert alone["generator"] == "" and alone["apcer"]["value"] == pytest.approx(0.1)
    assert not alone["too_few"] and evidence.attack_rates(rows, rows)["BPCER100"]["too_few"]


# -------------------------------------------------------------------------------------------------------- limits


def test_scores_without_information_have_lr_1_and_cost_1():
    labels, nothing = np.repeat([0, 1], 20), np.zeros(40)
    assert value(evidence.bounds(labels, nothing, resamples=20)) == [0, 0]
    found = evidence.costs(labels, nothing, resamples=50)
    assert [found[name].value for name in ("cllr", "cllr_min", "cllr_cal")] == pytest.approx([1, 1, 0])
    points = evidence.cross_entropy(labels, nothing, resamples=20)
    np.testing.assert_allclose(points["cross_entropy"], points["neutral"])
    np.testing.assert_allclose(points["calibrated"], points["neutral"])


def test_scores_dealt_at_random_give_lrs_near_1():
    rows = scored(200, groups=False)
    rows["score"] = np.random.default_rng(0).permutation(rows["score"])
    strength = evidence.settle(rows["y"], rows["score"], rows["group"], resamples=50)
    assert np.abs(strength.log10_lr(rows["score"])).max() < 0.5


def test_perfect_separation_is_bounded_by_the_number_of_images():
    labels = np.repeat([0, 1], 50)
    scores = np.repeat([0.0, 1.0], 50)
    for method in (*calibration.METHODS, calibration.UNCALIBRATED):
        strength = evidence.settle(labels, scores, method=method, resamples=20)
        assert strength.high.value <= np.log10(50) + 1e-9 and strength.low.value >= -np.log10(50) - 1e-9
        lrs = strength.log10_lr(scores)
        assert np.isfinite(lrs).all() and lrs.max() == strength.high.value > 1
        assert evidence.cllr_min(labels, lrs) == 0 < evidence.cllr(labels, lrs) < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_perfect_calibration_never_costs_more(seed):
    random = np.random.default_rng(seed)
    labels, lrs = np.arange(60) % 2, random.normal(0, 2, 60).round(1)
    assert evidence.cllr_min(labels, lrs) <= min(evidence.cllr(labels, lrs), 1) + 1e-12
    points = evidence.cross_entropy(labels, lrs, resamples=20)
    assert (points["calibrated"] <= points["cross_entropy"] + 1e-12).all()
    assert (points["calibrated"] <= points["neutral"] + 1e-12).all()


def test_exchanging_the_classes_changes_signs_alone():
    labels, lrs = sample()
    low, high = value(evidence.bounds(labels, lrs, resamples=20))
    assert value(evidence.bounds(1 - labels, -lrs, resamples=20)) == pytest.approx([-high, -low])
    assert evidence.cllr(1 - labels, -lrs) == pytest.approx(evidence.cllr(labels, lrs))
    assert evidence.cllr_min(1 - labels, -lrs) == pytest.approx(evidence.cllr_min(labels, lrs))


def test_at_even_prior_the_cross_entropy_is_cllr():
    labels, lrs = sample()
    middle = evidence.cross_entropy(labels, lrs, resamples=20).set_index("prior").loc[0.0]
    assert middle["neutral"] == pytest.approx(1)
    assert middle["cross_entropy"] == pytest.approx(evidence.cllr(labels, lrs))
    assert middle["calibrated"] == pytest.approx(evidence.cllr_min(labels, lrs))


def test_intervals_hold_their_values_and_depend_on_groups():
    labels, lrs = sample()
    plain = evidence.costs(labels, lrs, resamples=400)
    assert plain["cllr"].contains(plain["cllr"].value) and plain["cllr_cal"].low >= 0
    pairs = evidence.costs(labels, lrs, np.arange(350) // 10, resamples=400)
    assert pairs["cllr"].value == plain["cllr"].value and pairs["cllr"] != plain["cllr"]


def test_one_class_alone_has_no_evidence():
    with pytest.raises(UndefinedMeasure, match="all 3 images are synthetic"):
        evidence.cllr([1, 1, 1], [0, 1, 2])


# ------------------------------------------------------------------------------------ another implementation


def test_numbers_agree_with_the_library_lir():
    """lir 1.3.1 of the Netherlands Forensic Institute (Apache-2.0; `pip install lir==1.3.1`), on `sample`:

    elub(lrs, labels, step_size=1e-5) of lir.algorithms.bayeserror, which searches a grid, gave -1.08758 and 1.07846;
    cllr, cllr_min and cllr_cal of lir.metrics gave the three numbers below.
    """
    labels, lrs = sample()
    np.testing.assert_allclose(value(evidence.bounds(labels, lrs, resamples=20)), [-1.08758, 1.07846], atol=2e-5)
    found = evidence.costs(labels, lrs, resamples=20)
    expected = [0.5963360636937332, 0.5065094283548235, 0.08982663533890967]
    assert [found[name].value for name in ("cllr", "cllr_min", "cllr_cal")] == pytest.approx(expected, abs=1e-12)


# ------------------------------------------------------------------------------------------- kept and said


def test_a_strength_is_kept_as_json_without_its_calibrator():
    rows = scored()
    strength = evidence.settle(rows["y"], rows["score"], rows["group"], resamples=50)
    again = evidence.Strength.from_dict(strength.as_dict())
    probabilities = calibration.calibrated(rows["score"], {"it": strength.calibrator})["it"]
    np.testing.assert_array_equal(again.of_probabilities(probabilities), strength.log10_lr(rows["score"]))
    with pytest.raises(KeyError):
        evidence.Strength.from_dict({"method": "platt"})
    with pytest.raises(ValueError, match="both sides of 0"):
        evidence.Strength("platt", 0.0, Interval(1, 1, 1), Interval(2, 2, 2), 1, 1)


def test_what_is_kept_is_as_its_schema_says():
    rows = scored()
    strength = evidence.settle(rows["y"], rows["score"], rows["group"], resamples=20)
    costs = evidence.costs(rows["y"], strength.log10_lr(rows["score"]), rows["group"], resamples=20)
    rates = evidence.attack_rates(rows, rows)
    content = evidence.record("full", strength, costs, rates, evidence_words.PROPOSITIONS, "")
    assert complaints("evidence", {"schema": 1, "source": "noise", **content}) == []
    assert complaints("evidence", {"schema": 2, "source": "noise", **content}) != []


def test_figures_hold_their_curves_and_bounds():
    labels, lrs = sample()
    drawn = figures.tippett_plot(evidence.tippett(labels, lrs), -1.0, 2.0, "title").axes[0]
    assert [line.get_xdata()[0] for line in drawn.lines[2:]] == [0, -1, 2]
    assert drawn.lines[0].get_ydata()[[0, -1]].tolist() == [1, 0]
    drawn = figures.cross_entropy_plot(evidence.cross_entropy(labels, lrs, resamples=20), "title").axes[0]
    assert len(drawn.lines) == 3 and drawn.lines[0].get_ydata().max() == pytest.approx(1)
    one = (Interval(0.0, 0.0, 0.1), Interval(0.2, 0.1, 0.3))
    figure = figures.det_curve(evidence.det_points(labels, lrs), {"balanced": one}, "title")
    assert all(np.isfinite(line.get_xdata()).all() for line in figure.axes[0].lines)
    assert figure.legends and "balanced, set on validation" in [text.get_text() for text in figure.legends[0].texts]


def test_only_validation_decides():
    rows = scored()
    losses = calibration.cross_validated_losses(rows["y"], rows["score"], rows["group"])
    assert evidence.settle(rows["y"], rows["score"], rows["group"], resamples=20).method == min(losses, key=losses.get)


@pytest.mark.parametrize(
    "lr, number, word",
    [
        (20, "20", "moderate support for H1"),
        (1 / 20, "20", "moderate support for H2"),
        (5, "5", "weak support for H1"),
        (10, "10", "moderate support"),
        (100, "100", "moderately strong support"),
        (1530, "1,500", "strong support"),
        (12_345, "12,000", "very strong support"),
        (2_000_000, "2,000,000", "extremely strong support"),
        (1.4, "1.4", "too weak for a word"),
    ],
)
def test_an_lr_in_words(lr, number, word):
    said = evidence_words.meaning(np.log10(lr))
    assert f"about {number} times more probable" in said and word in said and "ENFSI" in said
    first, second = ("synthetic", "real") if lr > 1 else ("real", "synthetic")
    assert f"if the picture is {first} than if it is {second}" in said


def test_an_lr_of_1_says_nothing():
    assert "says nothing" in evidence_words.meaning(0.0) and "says nothing" in evidence_words.meaning(0.01)


def test_refusals_say_why():
    good, chance = Interval(0.9, 0.8, 0.95), Interval(0.6, 0.5, 0.7)
    assert evidence_words.refusal(good, stand_in=False, quick=False) == ""
    assert "not shown to be better than chance" in evidence_words.refusal(chance, stand_in=False, quick=False)
    assert "stand-ins" in evidence_words.refusal(good, stand_in=True, quick=False)
    assert "quick run" in evidence_words.refusal(good, stand_in=False, quick=True)
    unknown = Interval(np.nan, np.nan, np.nan)
    assert evidence_words.refusal(unknown, stand_in=False, quick=False)


def test_conclusions_follow_the_numbers():
    labels, lrs = sample()
    assert "better than none" in evidence_words.costs_seen(evidence.costs(labels, lrs, resamples=200))
    assert "worse off" in evidence_words.costs_seen(evidence.costs(labels, -lrs, resamples=200))
    assert "do not help" in evidence_words.cross_entropy_seen(evidence.cross_entropy(labels, -lrs, resamples=200))
    assert "there the LRs help" in evidence_words.cross_entropy_seen(evidence.cross_entropy(labels, lrs, resamples=200))
    apart = evidence.costs(np.repeat([0, 1], 9), np.repeat([-1, 1], 9), resamples=50)
    assert "No test image has an LR that points" in evidence_words.tippett_seen(apart)
    rows = scored()
    rates = evidence.attack_rates(rows, rows.assign(score=1 - rows["score"]))
    assert "more attacks pass" in evidence_words.det_seen(rates)
