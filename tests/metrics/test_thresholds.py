"""Thresholds: hand-worked, finite, with the numbers of the data, and honest where they decide nothing."""

import json

import numpy as np
import pytest
from scipy import stats

from lib.metrics import measures, resampling, thresholds
from lib.metrics.measures import UndefinedMeasure

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])
SETS = {
    "good": SCORES,
    "perfect": LABELS.astype(float),
    "worst": 1 - LABELS.astype(float),
    "reversed": 1 - SCORES,
    "constant": np.full(8, 0.5),
    "tied": np.round(SCORES),
    "logits": 20 * SCORES - 10,
    "nearly one": 1 - 1e-16 * SCORES,
}


def test_hand_worked():
    found = thresholds.choose_all(LABELS, SCORES)
    assert list(found) == ["fixed", "best_f1", "balanced", "fpr_5", "fpr_1"] == list(thresholds.POLICIES)[:5]
    assert all(name == threshold.policy for name, threshold in found.items())
    assert found["fixed"].threshold == 0.5
    assert (found["fixed"].recall_real, found["fixed"].recall_synthetic) == (0.75, 0.75)
    # At 0.4 all synthetic images are found with one false alarm: F1 8/9, J 0.75, both the best there are.
    assert found["best_f1"].threshold == 0.4 and found["best_f1"].f1_synthetic == pytest.approx(8 / 9)
    assert found["balanced"].threshold == 0.4 and found["balanced"].false_positive_rate == 0.25
    # No real image may be called synthetic: the smallest score above 0.7.
    assert found["fpr_5"].threshold == found["fpr_1"].threshold == 0.8
    assert found["fpr_5"].false_positive_rate == 0 and found["fpr_5"].recall_synthetic == 0.5
    assert {threshold.images for threshold in found.values()} == {8}


def test_equally_good_thresholds():
    # F1 at 0.2 (2 hits, 2 alarms: 4/6) equals F1 at 0.4 (1 hit, 0 alarms: 2/3).
    labels, scores = [1, 0, 0, 1, 0, 0], [0.4, 0.3, 0.3, 0.2, 0.1, 0.1]
    assert thresholds.choose("best_f1", labels, scores).threshold == 0.2
    # J is 1/2 at 0.4 (1/2 - 0) and at 0.2 (1 - 1/2).
    assert thresholds.choose("balanced", labels, scores).threshold == 0.4


def test_false_positive_rate_limits_are_kept_and_used():
    labels = np.repeat([0, 1], 200)
    scores = np.concatenate([np.arange(200) / 200, np.linspace(0, 1, 200)])
    for policy, alarms in (("fpr_5", 10), ("fpr_1", 2)):
        found = thresholds.choose(policy, labels, scores)
        assert found.false_positive_rate == pytest.approx(alarms / 200)
        # The next smaller score would be one alarm too many.
        below = scores[scores < found.threshold].max()
        assert 1 - measures.recall_real(labels, scores, below) == pytest.approx((alarms + 1) / 200)


def test_no_score_low_enough_in_alarms_gives_a_threshold_just_above_the_largest():
    found = thresholds.choose("fpr_1", [0, 1, 0, 1], [0.9, 0.2, 0.1, 0.3])
    assert found.threshold == np.nextafter(0.9, 1)
    assert found.recall_real == 1 and found.recall_synthetic == 0 and found.degenerate


@pytest.mark.parametrize("name", SETS)
def test_thresholds_are_finite_and_their_numbers_are_those_of_the_data(name):
    scores = SETS[name]
    for found in thresholds.choose_all(LABELS, scores).values():
        assert np.isfinite(found.threshold)
        assert found.recall_real == measures.recall_real(LABELS, scores, found.threshold)
        assert found.recall_synthetic == measures.recall_synthetic(LABELS, scores, found.threshold)
        assert found.f1_synthetic == measures.f1_synthetic(LABELS, scores, found.threshold)
        called = thresholds.apply(found.threshold, scores)
        assert found.false_positive_rate == called[LABELS == 0].mean()
        assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["threshold"] == found.threshold


@pytest.mark.parametrize("seed", range(3))
def test_choices_are_the_best_of_all_scores(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(100) % 2
    scores = np.round(rng.normal(size=100) + labels, 1)
    f1 = max(measures.f1_synthetic(labels, scores, score) for score in scores)
    found = thresholds.choose_all(labels, scores)
    assert found["best_f1"].f1_synthetic == pytest.approx(f1)
    recalls = [
        (measures.recall_real(labels, scores, at), measures.recall_synthetic(labels, scores, at)) for at in scores
    ]
    best = max(recalls, key=sum)
    error = np.sqrt(sum(recall * (1 - recall) / 50 for recall in best))
    near = [abs(real - synthetic) for real, synthetic in recalls if real + synthetic >= sum(best) - error - 1e-12]
    balanced = found["balanced"]
    assert balanced.recall_real + balanced.recall_synthetic >= sum(best) - error - 1e-12
    assert abs(balanced.recall_real - balanced.recall_synthetic) == pytest.approx(min(near))


def test_the_balanced_threshold_is_settled_where_one_class_is_rare():
    """Recalls on many images of thresholds that were chosen on 165 real and 18 synthetic ones."""
    rng, found = np.random.default_rng(0), {"balanced": [], "cost": []}
    labels = np.repeat([0, 1], [165, 18])
    for _ in range(60):
        scores = rng.normal(size=183) + 1.8 * labels
        for policy, recalls in found.items():
            threshold = thresholds.choose(policy, labels, scores).threshold
            recalls.append((stats.norm.cdf(threshold), stats.norm.sf(threshold - 1.8)))
    # `cost`, both errors alike, is the largest Youden's J itself.
    balanced, largest = (np.array(found[policy]) for policy in ("balanced", "cost"))
    assert balanced.mean() > largest.mean() and (balanced.std(axis=0) < 0.8 * largest.std(axis=0)).all()
    assert np.abs(balanced.mean(axis=0) - stats.norm.cdf(0.9)).max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_best_f1_of_a_scorer_that_knows_nothing_is_flagged(seed):
    labels = np.arange(400) % 2
    found = thresholds.choose("best_f1", labels, np.random.default_rng(seed).random(400))
    assert found.degenerate and found.recall_synthetic > 0.75 and found.recall_real < 0.25
    assert found.why.startswith("calls") and "synthetic" in found.why


@pytest.mark.parametrize("count", [200, 1000])
def test_best_f1_at_chance_is_flagged_nearly_always_and_a_detector_never(count):
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 2
    flagged = [thresholds.choose("best_f1", labels, rng.random(count)).degenerate for _ in range(40)]
    # Measured over 300 repetitions: 98.3% of 200 images, 100% of 1,000.
    assert sum(flagged) >= 37
    detector = [thresholds.choose("best_f1", labels, rng.normal(size=count) + 2 * labels).degenerate for _ in range(10)]
    assert not any(detector)


def test_degenerate_says_which_side():
    found = thresholds.choose_all(LABELS, np.full(8, 0.5))
    assert found["best_f1"].degenerate and "calls nearly everything synthetic" in found["best_f1"].why
    assert found["fpr_1"].degenerate and "calls nearly everything real" in found["fpr_1"].why


def test_a_good_detector_is_not_degenerate():
    for found in thresholds.choose_all(LABELS, SCORES).values():
        assert found.degenerate is False and found.why == ""


def test_lopsided_but_telling_apart_is_not_degenerate():
    # About one synthetic image in six is found at 1% false alarms, by a ranking far better than chance.
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    found = thresholds.choose("fpr_1", labels, rng.normal(size=600) + 1.1 * labels)
    assert thresholds.NEARLY_NONE < found.recall_synthetic < 0.25 and not found.degenerate


COSTS = thresholds.Costs(false_alarm=3, miss=1, prevalence=0.2)


def test_least_cost_hand_worked():
    # A false alarm of 3 at 80% real: 2.4 for all; a miss of 1 at 20% synthetic: 0.2 for all.
    # At 0.8 half are missed and none alarms: 0.1. At 0.4 one of four alarms: 0.6.
    found = thresholds.choose("cost", LABELS, SCORES, COSTS)
    assert (found.policy, found.threshold) == ("cost", 0.8)
    curve = thresholds.cost_curve(LABELS, SCORES, COSTS).set_index("threshold")["expected_cost"]
    assert (curve[0.8], curve[0.4], curve[0.1]) == pytest.approx((0.1, 0.6, 2.4))
    assert curve.index[0] == np.nextafter(0.9, 1) and curve.iloc[0] == pytest.approx(0.2)
    # Misses a hundred times as dear: find all.
    assert thresholds.choose("cost", LABELS, SCORES, thresholds.Costs(1, 100)).threshold == 0.4
    # Alarms so dear that it is cheapest to call nothing synthetic, which is said.
    nothing = thresholds.choose("cost", LABELS, 1 - SCORES, thresholds.Costs(100, 1))
    assert nothing.recall_synthetic == 0 and nothing.degenerate and np.isfinite(nothing.threshold)


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_costs_less_and_equal_costs_are_youdens(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(80) < 0.3).astype(int)
    scores = np.round(rng.normal(size=80) + labels, 1)
    costs = thresholds.Costs(*rng.uniform(0.1, 5, 2), rng.uniform(0.05, 0.95))
    found = thresholds.choose("cost", labels, scores, costs)
    each = {
        score: costs.false_alarm * (1 - costs.prevalence) * np.mean(scores[labels == 0] >= score)
        + costs.miss * costs.prevalence * np.mean(scores[labels == 1] < score)
        for score in [*scores, np.inf]
    }
    assert costs.expected(found.recall_real, found.recall_synthetic) == pytest.approx(min(each.values()))
    plain = thresholds.choose("cost", labels, scores)
    youden = max(2 * measures.balanced_accuracy(labels, scores, score) - 1 for score in scores)
    assert plain.recall_synthetic - plain.false_positive_rate == pytest.approx(youden)


def test_cost_is_among_all_only_when_asked_for():
    assert list(thresholds.choose_all(LABELS, SCORES, COSTS)) == list(thresholds.POLICIES)
    assert thresholds.choose_all(LABELS, SCORES, COSTS)["cost"] == thresholds.choose("cost", LABELS, SCORES, COSTS)
    assert "cost" not in thresholds.choose_all(LABELS, SCORES)
    assert COSTS.as_dict() == {"false_alarm": 3.0, "miss": 1.0, "prevalence": 0.2}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"false_alarm": 0}, "cost of a false alarm is 0"),
        ({"miss": -1}, "cost of a miss is -1"),
        ({"miss": np.nan}, "cost of a miss is nan"),
        ({"prevalence": 0}, "prevalence of synthetic images is 0"),
        ({"prevalence": 1}, "above 0 and below 1"),
    ],
)
def test_costs_must_be_costs(values, said):
    with pytest.raises(ValueError, match=said):
        thresholds.Costs(**values)


@pytest.mark.parametrize("grouped", [False, True])
def test_stability_equals_choosing_anew_on_repeated_rows(grouped):
    rng = np.random.default_rng(5)
    labels = np.arange(60) % 2
    scores = np.round(rng.normal(size=60) + labels, 1)  # rounded: ties
    groups = np.arange(60) // 4 if grouped else None
    found = thresholds.stability(labels, scores, groups, COSTS, resamples=25, seed=3)
    (counts,) = resampling.draws(labels, groups, np.arange(60), 25, 3)
    slow = [thresholds.choose_all(np.repeat(labels, row), np.repeat(scores, row), COSTS) for row in counts]
    assert list(found) == list(thresholds.POLICIES)
    for policy, interval in found.items():
        drawn = [chosen[policy].threshold for chosen in slow]
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975)))), policy
        assert interval.value == thresholds.choose(policy, labels, scores, COSTS).threshold
    assert (found["fixed"].low, found["fixed"].high) == (0.5, 0.5)


def test_more_images_settle_a_threshold():
    def width(count):
        rng = np.random.default_rng(0)
        labels = np.arange(count) % 2
        found = thresholds.stability(labels, rng.normal(size=count) + labels, resamples=200)
        return {policy: interval.high - interval.low for policy, interval in found.items() if policy != "fixed"}

    few, many = width(100), width(5000)
    assert all(many[policy] < 0.6 * few[policy] for policy in few)


def test_stability_of_some_policies_and_its_errors():
    found = thresholds.stability(LABELS, SCORES, policies=["fpr_5", "cost"], resamples=20)
    assert list(found) == ["fpr_5", "cost"]
    assert found == thresholds.stability(LABELS, SCORES, policies=["fpr_5", "cost"], resamples=20)
    with pytest.raises(ValueError, match="unknown policy 'best'"):
        thresholds.stability(LABELS, SCORES, policies=["best"])
    with pytest.raises(UndefinedMeasure, match="1 group"):
        thresholds.stability(LABELS, SCORES, ["a"] * 8)


def test_apply():
    assert thresholds.apply(0.5, [0.4, 0.5, 0.6]).tolist() == [0, 1, 1]
    assert thresholds.apply(0.5, []).tolist() == []
    for threshold, scores in ((np.nan, [0.1]), (np.inf, [0.1]), (0.5, [0.1, np.nan])):
        with pytest.raises(UndefinedMeasure, match="expected finite"):
            thresholds.apply(threshold, scores)


def test_errors():
    with pytest.raises(ValueError, match="unknown policy 'best'"):
        thresholds.choose("best", LABELS, SCORES)
    for labels, scores in (([], []), ([1, 1], [0.1, 0.2]), ([0, 1], [0.1, np.nan]), ([0, 3], [0.1, 0.2])):
        with pytest.raises(UndefinedMeasure):
            thresholds.choose_all(labels, scores)


@pytest.mark.parametrize(
    ("real", "each", "unset"),
    [(100, 1, []), (99, 1, ["fpr_1"]), (20, 1, ["fpr_1"]), (19, 1, ["fpr_5", "fpr_1"]), (100, 2, ["fpr_1"])],
)
def test_policies_say_when_real_images_are_too_few_to_set_them(real, each, unset):
    labels = np.repeat([0, 1], [real, 40])
    scores = np.append(np.linspace(0, 0.6, real), np.linspace(0.4, 1, 40))
    groups = np.append(np.arange(real) // each, 1000 + np.arange(40))
    found = thresholds.choose_all(labels, scores, groups=groups)
    assert [policy for policy, chosen in found.items() if chosen.too_few] == unset
    assert found["fpr_1"].threshold == thresholds.choose("fpr_1", labels, scores).threshold


def test_what_too_few_real_images_leave_open_is_said():
    labels, scores = np.repeat([0, 1], 24), np.append(np.linspace(0, 0.5, 24), np.linspace(0.4, 1, 24))
    said = thresholds.choose("fpr_1", labels, scores).too_few
    # None of 24: at most 1 - 0.025^(1/24) = 14%.
    assert "1% cannot be set on 24 independent real validation images (at least 100" in said
    assert "0.0% of them are called synthetic, of others up to 14% may be" in said
