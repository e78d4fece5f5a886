"""Thresholds: hand-worked, finite, chosen on validation only, and honest where they decide nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.metrics import evaluation, measures, thresholds

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])


def test_hand_worked():
    found = thresholds.choose_all(LABELS, SCORES)
    assert list(found) == ["fixed", "best_f1", "balanced", "fpr_5", "fpr_1"]
    assert found["fixed"].threshold == 0.5
    # At 0.4 all synthetic images are found with one false alarm: F1 8/9, J 0.75, both the best there are.
    assert found["best_f1"].threshold == pytest.approx(0.4) and found["best_f1"].f1_synthetic == pytest.approx(8 / 9)
    assert found["balanced"].threshold == pytest.approx(0.4)
    assert found["fpr_5"].false_positive_rate == 0 and 0.7 < found["fpr_5"].threshold <= 0.8


@pytest.mark.parametrize("scores", [SCORES, 1 - SCORES, np.full(8, 0.5), np.round(SCORES)])
def test_thresholds_are_finite_and_their_numbers_are_those_of_the_data(scores):
    for found in thresholds.choose_all(LABELS, scores).values():
        assert np.isfinite(found.threshold)
        assert found.recall_real == measures.recall_real(LABELS, scores, found.threshold)
        assert found.recall_synthetic == measures.recall_synthetic(LABELS, scores, found.threshold)
        json.dumps(found.as_dict(), allow_nan=False)


def test_best_f1_of_a_scorer_that_knows_nothing_is_flagged():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    found = thresholds.choose("best_f1", labels, rng.random(400))
    assert found.degenerate and found.recall_synthetic > 0.9 and "synthetic" in found.why
    assert not thresholds.choose("best_f1", LABELS, SCORES).degenerate


def scored(seed=0, count=120):
    rng = np.random.default_rng(seed)
    split = np.repeat(["validation", "test"], count // 2)
    y = np.arange(count) % 2
    score = 1 / (1 + np.exp(-rng.normal(size=count) - y))
    group = [f"g{number // 2}" for number in range(count)]
    return pd.DataFrame({"stage": "phase1", "split": split, "y": y, "score": score, "group": group})


def test_thresholds_see_validation_only_and_test_is_only_read():
    frame = scored()
    metrics, chosen = evaluation.evaluate(frame)
    turned = frame.assign(score=frame["score"].where(frame["split"] == "validation", 1 - frame["score"]))
    other_metrics, other_chosen = evaluation.evaluate(turned)
    assert other_chosen == chosen
    assert other_metrics["phase1"]["validation"] == metrics["phase1"]["validation"]
    before, after = (found["phase1"]["test"]["roc_auc"]["value"] for found in (metrics, other_metrics))
    assert after == pytest.approx(1 - before)
    json.dumps([metrics, chosen], allow_nan=False)
    assert "synthetic" in evaluation.reports(frame, metrics)
