"""When to give no decision: the band is worked out by hand, chosen on validation, and read with intervals."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import abstention, evaluation, figures, thresholds
from lib.metrics.checks import Interval, UndefinedMeasure
from lib.metrics.words import thresholds as words

# Ten images of each class. At 0.5 the real one at 0.6 and the synthetic one at 0.4 are called wrongly.
REAL = [0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6]
SYNTHETIC = [0.4, 0.55, 0.7, 0.8, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95]
LABELS, SCORES = np.repeat([0, 1], 10), np.array([*REAL, *SYNTHETIC])


@pytest.mark.parametrize(
    "stated, low, high, error, coverage",
    [
        # Below the stated error already: no band.
        (0.1, 0.5, 0.5, 0.1, 1.0),
        # Without 0.4 and 0.45 nothing synthetic is wrong: (1 / 9 + 0) / 2. Without 0.55 and 0.6 it would be as much.
        (0.06, 0.4, 0.5, 1 / 18, 0.9),
        # Both wrong ones are left out, and what lies between.
        (0.05, 0.4, 0.7, 0.0, 0.8),
    ],
)
def test_the_band_leaves_out_the_fewest_images_for_the_stated_error(stated, low, high, error, coverage):
    band = abstention.choose(LABELS, SCORES, 0.5, stated)
    assert (band.low, band.high, band.coverage_real, band.coverage_synthetic) == (low, high, coverage, coverage)
    assert band.error == pytest.approx(error) and band.reached and band.why == "" and band.stated_error == stated


def test_five_per_cent_is_asked_for_where_nothing_is_said():
    assert abstention.STATED_ERROR == 0.05
    assert abstention.choose(LABELS, SCORES, 0.5) == abstention.choose(LABELS, SCORES, 0.5, 0.05)


def test_a_band_holds_its_lower_end_and_not_its_upper_one():
    assert abstention.is_undecided(0.4, 0.7, [0.39, 0.4, 0.69, 0.7]).tolist() == [False, True, True, False]
    assert not abstention.is_undecided(0.5, 0.5, SCORES).any() and not abstention.is_undecided(0.5, 0.5, 0.5)


def test_a_detector_that_knows_nothing_says_that_the_error_is_not_reached():
    labels = np.arange(200) % 2
    band = abstention.choose(labels, np.random.default_rng(0).uniform(size=200), 0.5)
    assert not band.reached and band.error > 0.05 and min(band.coverage_real, band.coverage_synthetic) >= 0.5
    assert "at most 5%" in band.why and "at least 50%" in band.why and f"{band.error:.3f}" in band.why


def test_thresholds_that_call_everything_one_class_have_a_band_too():
    for threshold in (-1.0, 2.0):
        band = abstention.choose(LABELS, SCORES, threshold)
        assert band.low <= threshold <= band.high and not band.reached and band.error == 0.5


def test_one_class_alone_is_refused():
    with pytest.raises(UndefinedMeasure, match="all 3 images are real"):
        abstention.choose([0, 0, 0], [0.1, 0.2, 0.3], 0.5)


def test_no_band_of_all_pairs_of_scores_is_smaller():
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 2
    scores = rng.normal(labels * 2.5)
    threshold = 1.25
    band = abstention.choose(labels, scores, threshold)
    ends = np.unique([*scores, threshold])
    best = 0.0
    for low in ends[ends <= threshold]:
        for high in ends[ends >= threshold]:
            kept = ~abstention.is_undecided(low, high, scores)
            covered = [kept[labels == label].mean() for label in (0, 1)]
            if min(covered) >= 0.5:
                wrong = [((scores[kept & (labels == y)] >= threshold) != y).mean() for y in (0, 1)]
                best = max(best, np.mean(covered)) if np.mean(wrong) <= 0.05 else best
    assert band.reached and (band.coverage_real + band.coverage_synthetic) / 2 == pytest.approx(best)


def test_the_curve_begins_with_everything_decided_and_never_rises_as_less_is_decided():
    curve = abstention.risk_coverage(LABELS, SCORES, 0.5)
    assert curve.iloc[0].tolist() == pytest.approx([1.0, 0.1])
    assert curve["coverage"].is_monotonic_decreasing and curve["error"].is_monotonic_decreasing
    at = curve.set_index(curve["coverage"].round(6))["error"]
    assert at[0.9] == pytest.approx(1 / 18) and at[0.8] == 0


def test_what_a_band_does_is_read_with_intervals_of_whole_groups():
    found = abstention.read(LABELS, SCORES, None, 0.4, 0.5)
    assert set(found) == set(abstention.READ)
    values = {name: interval.value for name, interval in found.items()}
    assert values == pytest.approx(
        {
            "coverage": 0.9,
            "coverage_real": 0.9,
            "coverage_synthetic": 0.9,
            "recall_real": 8 / 9,
            "recall_synthetic": 1.0,
            "error": 1 / 18,
        }
    )
    assert all(0 <= interval.low <= interval.value <= interval.high <= 1 for interval in found.values())
    # A recall of 1 on nine images is no certainty.
    assert found["recall_synthetic"].low < 0.8
    pairs = abstention.read(LABELS, SCORES, np.arange(20) // 2, 0.4, 0.5)["coverage"]
    assert pairs.high - pairs.low != found["coverage"].high - found["coverage"].low


def test_without_a_band_the_recalls_are_those_of_the_threshold():
    found = abstention.read(LABELS, SCORES, None, 0.5, 0.5)
    assert (found["coverage"].value, found["recall_real"].value, found["recall_synthetic"].value) == (1, 0.9, 0.9)


def test_a_band_that_leaves_nothing_to_decide_has_undefined_recalls():
    found = abstention.read(LABELS, SCORES, None, 0.0, 1.0)
    assert found["coverage"].value == 0
    assert np.isnan([found[name].value for name in ("recall_real", "recall_synthetic", "error")]).all()
    read = {name: interval.as_dict() for name, interval in found.items()}
    assert "nothing can be said" in words.decided_seen(read, {}, 0.05)


def test_the_curve_is_drawn_with_the_chosen_point():
    curve = abstention.risk_coverage(LABELS, SCORES, 0.5)
    axes = figures.risk_coverage(curve, (0.8, 0.0), 0.05, "title").axes[0]
    assert [list(line.get_xdata()) for line in axes.lines[1:]][-1] == [0.8]
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == ["least error", "stated error: 5%", "chosen: 80% decided, error 0.000"]


def test_the_band_in_words():
    chosen = {stated: abstention.choose(LABELS, SCORES, 0.5, stated).as_dict() for stated in (0.1, 0.05)}
    assert "No band is needed" in words.band_seen(chosen[0.1], 0.5)
    said = words.band_seen(chosen[0.05], 0.5)
    assert "from 0.400 to 0.700 stay undecided" in said and "20% of the real and 20% of the synthetic" in said
    assert "not reached" in words.band_seen(chosen[0.05] | {"why": "too hard"}, 0.5)


@pytest.mark.parametrize(
    "error, said",
    [
        (Interval(0.2, 0.1, 0.3), "does not hold on test"),
        (Interval(0.01, 0.0, 0.04), "the promise of validation holds on test"),
        (Interval(0.06, 0.01, 0.1), "neither confirm nor refute"),
    ],
)
def test_what_test_says_of_the_promise(error, said):
    whole = Interval(0.9, 0.8, 1.0).as_dict()
    read = {**dict.fromkeys(("coverage", "recall_real", "recall_synthetic"), whole), "error": error.as_dict()}
    assert said in words.decided_seen(read, {"balanced_accuracy": {"value": 0.9}}, 0.05)


def test_bands_of_a_run_are_chosen_on_validation_and_read_on_test():
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    frame = pd.DataFrame({"stage": "full", "split": np.repeat(["validation", "test"], 120), "y": y})
    frame = frame.assign(score=1 / (1 + np.exp(-rng.normal(3 * y - 1.5))), group=[f"g{n // 2}" for n in range(240)])
    metrics, chosen = evaluation.evaluate(frame)
    changed = frame.assign(score=frame["score"].where(frame["split"] == "validation", 1 - frame["score"]))
    other_metrics, other = evaluation.evaluate(changed)
    assert other == chosen and other_metrics != metrics
    validation, test = (frame[frame["split"] == split] for split in ("validation", "test"))
    for policy, found in chosen["full"].items():
        band = abstention.choose(validation["y"], validation["score"], found["threshold"])
        assert found["band"] == band.as_dict() and band.low <= found["threshold"] <= band.high
        read = abstention.read(test["y"], test["score"], test["group"], band.low, band.high)
        expected = {name: interval.as_dict() for name, interval in read.items()}
        expected |= {"low": band.low, "high": band.high}
        assert metrics["full"]["policies"][policy]["decided"] == expected
    table = evaluation.band_table(chosen, metrics, "full")
    assert list(table.index) == list(thresholds.POLICIES)[:5]
