"""Evaluation: thresholds come from validation alone, test is only read, and everything can be written as JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.metrics import evaluation, measures, thresholds
from lib.metrics.measures import Interval, UndefinedMeasure


def scored(stage="phase1", seed=0, count=120):
    rng = np.random.default_rng(seed)
    split = np.repeat(["validation", "test"], count // 2)
    y = np.arange(count) % 2
    score = 1 / (1 + np.exp(-rng.normal(size=count) - y))
    group = [f"g{number // 2}" for number in range(count)]
    return pd.DataFrame({"stage": stage, "split": split, "y": y, "score": score, "group": group})


FRAME = pd.concat([scored(), scored("full", 1)], ignore_index=True)


def turned(split):
    """The frame with the scores of one split reversed."""
    return FRAME.assign(score=FRAME["score"].where(FRAME["split"] != split, 1 - FRAME["score"]))


@pytest.fixture(scope="module")
def evaluated():
    return evaluation.evaluate(FRAME)


def part(stage, split):
    return FRAME[(FRAME["stage"] == stage) & (FRAME["split"] == split)]


def test_test_scores_do_not_reach_the_thresholds(evaluated):
    metrics, chosen = evaluated
    other_metrics, other_chosen = evaluation.evaluate(turned("test"))
    assert other_chosen == chosen
    for stage in ("phase1", "full"):
        assert other_metrics[stage]["validation"] == metrics[stage]["validation"]
        before, after = (found[stage]["test"]["roc_auc"]["value"] for found in (metrics, other_metrics))
        assert after == pytest.approx(1 - before) and abs(after - before) > 0.1


def test_validation_scores_do_not_reach_the_test_numbers(evaluated):
    metrics, chosen = evaluated
    other_metrics, other_chosen = evaluation.evaluate(turned("validation"))
    for stage in ("phase1", "full"):
        assert other_metrics[stage]["test"] == metrics[stage]["test"]
        assert other_chosen[stage]["balanced"]["threshold"] != chosen[stage]["balanced"]["threshold"]


def test_thresholds_are_those_of_validation_and_read_on_test(evaluated):
    metrics, chosen = evaluated
    assert list(metrics) == list(chosen) == ["phase1", "full"]
    for stage, policies in chosen.items():
        validation, test = part(stage, "validation"), part(stage, "test")
        assert list(policies) == list(metrics[stage]["policies"]) == list(thresholds.POLICIES)
        for policy, found in policies.items():
            assert found == thresholds.choose(policy, validation["y"], validation["score"]).as_dict()
            read = metrics[stage]["policies"][policy]
            assert read["threshold"] == found["threshold"]
            assert read["confusion"] == measures.confusion(test["y"], test["score"], found["threshold"])
            for name in (*evaluation.RECALLS, "accuracy", "balanced_accuracy", "f1_synthetic"):
                assert read[name]["value"] == getattr(measures, name)(test["y"], test["score"], found["threshold"])


def test_every_score_measure_has_its_grouped_interval(evaluated):
    metrics, _ = evaluated
    for split in ("validation", "test"):
        rows = part("full", split)
        found = metrics["full"][split]
        assert tuple(found) == measures.SCORE_MEASURES
        auc = measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], measures=["roc_auc"])["roc_auc"]
        assert found["roc_auc"] == auc.as_dict()
        assert all(numbers["low"] < numbers["high"] for numbers in found.values())
    assert evaluation.stage_intervals(metrics, "test")["full"] == auc
    assert list(evaluation.stage_intervals(metrics, "validation", "brier_score")) == ["phase1", "full"]


def test_everything_survives_json(evaluated):
    for found in evaluated:
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_scores_that_are_no_probabilities_still_survive_json():
    metrics, chosen = evaluation.evaluate(scored().assign(score=lambda frame: 20 * frame["score"] - 10))
    json.dumps([metrics, chosen], allow_nan=False)
    assert metrics["phase1"]["test"]["brier_score"] == {"value": None, "low": None, "high": None}


def test_the_seed_moves_the_limits_only():
    frame = scored()
    first, again, other = (evaluation.intervals(frame, seed)["roc_auc"] for seed in (1, 1, 2))
    assert first == again and first.value == other.value and first != other


def test_policy_table(evaluated):
    metrics, chosen = evaluated
    table = evaluation.policy_table(metrics, "full")
    assert list(table.index) == list(thresholds.POLICIES)
    assert list(table.columns) == ["threshold", "recall_real", "recall_synthetic", "balanced_accuracy"]
    assert table.loc["balanced", "threshold"] == round(chosen["full"]["balanced"]["threshold"], 4)
    expected = Interval(**metrics["full"]["policies"]["balanced"]["recall_real"])
    assert table.loc["balanced", "recall_real"] == str(expected)


def test_reports_are_of_the_test_split_at_the_threshold_of_the_policy(evaluated):
    metrics, _ = evaluated
    text = evaluation.reports(FRAME, metrics, "fpr_5")
    for stage in ("phase1", "full"):
        read = metrics[stage]["policies"]["fpr_5"]
        assert f"{stage}, threshold {read['threshold']:.4f} (fpr_5, chosen on validation), test split" in text
    rows = [line.split() for line in text.splitlines() if line.strip().startswith(("real", "synthetic"))]
    assert [row[0] for row in rows] == ["real", "synthetic"] * 2 and {row[4] for row in rows} == {"30"}
    # Columns: precision, recall, f1-score, support.
    for row, stage in zip(rows, ("phase1", "phase1", "full", "full")):
        assert row[2] == f"{metrics[stage]['policies']['fpr_5'][f'recall_{row[0]}']['value']:.3f}"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_without_images_or_of_one_class_is_refused(split):
    frame = scored()
    with pytest.raises(UndefinedMeasure, match="no images"):
        evaluation.evaluate(frame[frame["split"] != split])
    with pytest.raises(UndefinedMeasure, match="all 60 images are real"):
        evaluation.evaluate(frame.assign(y=frame["y"].where(frame["split"] != split, 0)))
