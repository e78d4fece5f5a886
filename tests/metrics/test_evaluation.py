"""Evaluation: thresholds come from validation alone, test is only read, and everything can be written as JSON."""

import copy
import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from support import PROJECT

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
        assert list(policies) == list(metrics[stage]["policies"]) == list(thresholds.POLICIES)[:5]
        settled = thresholds.stability(validation["y"], validation["score"], validation["group"])
        for policy, found in policies.items():
            chosen_there = thresholds.choose(policy, validation["y"], validation["score"]).as_dict()
            assert found == chosen_there | {"interval": settled[policy].as_dict()}
            read = metrics[stage]["policies"][policy]
            assert read["threshold"] == found["threshold"]
            assert read["confusion"] == measures.confusion(test["y"], test["score"], found["threshold"])
            for name in measures.DECISION_MEASURES:
                expected = measures.summarise(test["y"], test["score"], found["threshold"], [name])[name]
                assert read[name]["value"] == expected


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
    assert list(table.index) == list(thresholds.POLICIES)[:5]
    assert list(table.columns) == ["threshold", "recall_real", "recall_synthetic", "balanced_accuracy"]
    assert table.loc["balanced", "threshold"] == round(chosen["full"]["balanced"]["threshold"], 4)
    expected = Interval(**metrics["full"]["policies"]["balanced"]["recall_real"])
    assert table.loc["balanced", "recall_real"] == str(expected)


def test_threshold_table(evaluated):
    _, chosen = evaluated
    table = evaluation.threshold_table(chosen, "full")
    found = chosen["full"]["balanced"]
    assert table.loc["balanced", "threshold"] == str(Interval(**found["interval"]))
    assert table.loc["balanced", "recall_real"] == round(found["recall_real"], 4)
    assert table.loc["fixed", "threshold"] == "0.500 [0.500, 0.500]" and len(table) == 5


@pytest.fixture(scope="module")
def with_costs():
    return evaluation.evaluate(FRAME, costs=COSTS)


COSTS = thresholds.Costs(false_alarm=2, miss=1, prevalence=0.1)


def test_costs_add_a_policy_and_what_every_policy_costs_on_test(evaluated, with_costs):
    metrics, chosen = with_costs
    for stage in metrics:
        assert list(chosen[stage]) == list(metrics[stage]["policies"]) == list(thresholds.POLICIES)
        assert chosen[stage]["cost"]["costs"] == {"false_alarm": 2, "miss": 1, "prevalence": 0.1}
        for policy, read in metrics[stage]["policies"].items():
            recalls = [read[name]["value"] for name in evaluation.RECALLS]
            cost = read.pop("expected_cost")
            assert cost["value"] == pytest.approx(2 * 0.9 * (1 - recalls[0]) + 0.1 * (1 - recalls[1]))
            assert cost["low"] <= cost["value"] <= cost["high"]
            # A threshold that calls everything real costs the same in every resample.
            assert cost["low"] < cost["high"] or 0 in recalls
            if policy != "cost":
                # Nothing else has changed.
                assert read == evaluated[0][stage]["policies"][policy]
                assert chosen[stage][policy] == evaluated[1][stage][policy]
            read["expected_cost"] = cost
    assert list(evaluation.policy_table(metrics, "full").columns)[-1] == "expected_cost"


def schema(name):
    content = json.loads((PROJECT / "docs" / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return content


def complaints(name, stages):
    file = {"schema": 1, "source": "stand-in images", "stages": stages}
    return [error.json_path for error in jsonschema.Draft202012Validator(schema(name)).iter_errors(file)]


@pytest.mark.parametrize("name", ["metrics", "thresholds"])
def test_what_is_written_is_what_the_schema_says(name, evaluated, with_costs):
    number = ("metrics", "thresholds").index(name)
    logits = evaluation.evaluate(scored().assign(score=lambda frame: 20 * frame["score"] - 10))
    for found in (evaluated, with_costs, logits):
        assert complaints(name, found[number]) == []


def test_the_schemas_notice_what_is_amiss(with_costs):
    metrics, chosen = (copy.deepcopy(content) for content in with_costs)
    metrics["full"]["test"]["roc_auc"]["value"] = 1.2
    del metrics["full"]["policies"]["fixed"]["recall_real"]
    metrics["phase1"]["validation"]["new"] = {}
    chosen["full"]["balanced"]["threshold"] = None
    del chosen["full"]["cost"]["costs"], chosen["phase1"]["fpr_1"]["interval"]
    # That what is missing is reported at the place where it is missing from.
    assert sorted(complaints("metrics", metrics)) == [
        "$.stages.full.policies.fixed",
        "$.stages.full.test.roc_auc.value",
        "$.stages.phase1.validation",
    ]
    assert sorted(complaints("thresholds", chosen)) == [
        "$.stages.full.balanced.threshold",
        "$.stages.full.cost",
        "$.stages.phase1.fpr_1",
    ]


@pytest.mark.parametrize("name", ["metrics", "thresholds"])
def test_every_field_of_the_schemas_is_described(name):
    def undescribed(part, path):
        for key, field in part.get("properties", {}).items():
            if "description" not in field:
                yield f"{path}.{key}"
            yield from undescribed(field, f"{path}.{key}")
        for key, field in part.get("$defs", {}).items():
            yield from undescribed(field, f"{path}.{key}")
        if isinstance(part.get("additionalProperties"), dict):
            yield from undescribed(part["additionalProperties"], path)

    assert schema(name)["description"] and list(undescribed(schema(name), name)) == []


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
