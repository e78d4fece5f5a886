"""Thresholds looked around with: the same numbers as the chosen thresholds have, and the right example images."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import decisions, measures
from lib.metrics.checks import UndefinedMeasure

LABELS = np.array([0, 0, 0, 1, 0, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.2, 0.3, 0.6, 0.6, 0.8, 0.9])


def scored():
    names = [f"i{number}" for number in range(8)]
    return pd.DataFrame({"image_id": names, "y": LABELS, "score": SCORES}).sample(frac=1, random_state=1)


def test_thresholds_go_from_all_synthetic_to_all_real_image_by_image():
    tried = decisions.thresholds_to_try(SCORES, [0.5])
    assert tried[:7].tolist() == [0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9]
    assert len(tried) == 8 and 0.9 < tried[-1] < 0.9 + 1e-9


def test_many_scores_are_stepped_over_evenly_and_marks_are_kept():
    scores = np.random.default_rng(0).beta(2, 2, 5000)
    mark = float(np.sort(scores)[1234])
    tried = decisions.thresholds_to_try(scores, [mark, mark], most=100)
    assert mark in tried and len(tried) <= 101 and tried[0] == scores.min() and tried[-1] > scores.max()
    # Each step lets about as many images across.
    assert np.diff(np.searchsorted(np.sort(scores), tried)).max() <= 5000 / 99 + 1


def test_curve_has_the_counts_of_hand_and_the_intervals_of_the_bootstrap():
    groups = np.array([0, 1, 1, 2, 0, 3, 4, 5])
    tried = decisions.thresholds_to_try(SCORES)
    curve = decisions.recall_curve(LABELS, SCORES, groups, tried, resamples=300, seed=3)
    at = curve.set_index("threshold").loc[0.6]
    assert at[list(decisions.CELLS)].tolist() == [3, 1, 1, 3] and at["recall_real"] == at["recall_synthetic"] == 0.75
    assert curve.iloc[0][["recall_real", "recall_synthetic"]].tolist() == [0, 1]
    assert curve.iloc[-1][["recall_real", "recall_synthetic"]].tolist() == [1, 0]
    for threshold in tried:
        names = ("recall_real", "recall_synthetic")
        known = measures.bootstrap_intervals(LABELS, SCORES, groups, threshold, names, resamples=300, seed=3)
        row = curve[curve["threshold"] == threshold].iloc[0]
        for name in names:
            found = (row[name], row[f"{name}_low"], row[f"{name}_high"])
            assert found == pytest.approx((known[name].value, known[name].low, known[name].high), abs=1e-12)


def test_curve_of_one_class_is_refused():
    with pytest.raises(UndefinedMeasure):
        decisions.recall_curve(np.ones(4), np.arange(4), None, [0.5])


def names(rows):
    return rows["image_id"].tolist()


def test_examples_lie_on_their_side_nearest_first_and_errors_most_certain_first():
    found = decisions.RankedImages(scored()).examples(0.6, count=2)
    assert list(found) == list(decisions.EXAMPLES)
    assert names(found["just_below"]) == ["i3", "i2"]
    # The threshold itself is called synthetic; ties in the order of their names.
    assert names(found["just_above"]) == ["i4", "i5"]
    assert names(found["false_synthetic"]) == ["i4"] and names(found["false_real"]) == ["i3"]
    low = decisions.RankedImages(scored()).examples(0.15, count=9)
    assert names(low["false_synthetic"]) == ["i4", "i2", "i1"] and names(low["false_real"]) == []


def test_recalls_at_their_limits_have_intervals_with_width():
    low, high = decisions.recall_curve(LABELS, LABELS.astype(float), None, [-1, 2], resamples=20).to_dict("records")
    # All called synthetic, then all called real: of 4 images of each class.
    assert (low["recall_real"], low["recall_real_low"], low["recall_synthetic"]) == (0, 0, 1)
    assert low["recall_real_high"] == pytest.approx(1 - 0.025**0.25) == 1 - low["recall_synthetic_low"]
    assert high["recall_synthetic_high"] == pytest.approx(low["recall_real_high"])


@pytest.mark.parametrize(("threshold", "empty"), [(0.1, "just_below"), (0.95, "just_above")])
def test_beyond_all_scores_one_side_is_empty(threshold, empty):
    found = decisions.RankedImages(scored()).examples(threshold)
    assert found[empty].empty and len(found["just_above" if empty == "just_below" else "just_below"]) == 6


def test_examples_agree_with_the_counts_at_every_threshold():
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"image_id": np.arange(60), "y": random.integers(0, 2, 60), "score": random.integers(0, 9, 60)}
    )
    ranked = decisions.RankedImages(frame)
    for threshold in range(10):
        cells = measures.confusion(frame["y"], frame["score"], threshold)
        found = ranked.examples(threshold, count=60)
        assert (
            len(found["false_synthetic"]) == cells["false_synthetic"]
            and len(found["false_real"]) == cells["false_real"]
        )
        assert (found["false_synthetic"]["y"] == 0).all() and (found["false_real"]["y"] == 1).all()
        assert len(found["just_below"]) == (frame["score"] < threshold).sum()
