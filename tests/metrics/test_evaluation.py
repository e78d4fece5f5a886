"""Evaluation: thresholds come from validation alone, test is only read, and everything can be written as JSON."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import support
from support import schema

from lib.metrics import abstention, calibration, evaluation, measures, thresholds
from lib.metrics.checks import decimals
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
            band = abstention.choose(validation["y"], validation["score"], found["threshold"]).as_dict()
            assert found == chosen_there | {"interval": settled[policy].as_dict(), "band": band}
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
    assert table.loc["balanced", "threshold"] == decimals(chosen["full"]["balanced"]["threshold"])
    expected = Interval(**metrics["full"]["policies"]["balanced"]["recall_real"])
    assert table.loc["balanced", "recall_real"] == str(expected)


def test_threshold_table(evaluated):
    _, chosen = evaluated
    table = evaluation.threshold_table(chosen, "full")
    found = chosen["full"]["balanced"]
    assert table.loc["balanced", "threshold"] == str(Interval(**found["interval"]))
    assert table.loc["balanced", "recall_real"] == decimals(found["recall_real"])
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


def complaints(name, stages):
    return support.complaints(name, {"schema": 1, "source": "stand-in images", "stages": stages})


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


@pytest.mark.parametrize("name", ["metrics", "thresholds", "calibration", "audit"])
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
        assert f"{stage}, threshold {decimals(read['threshold'])} (fpr_5, chosen on validation), test split" in text
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


@pytest.fixture(scope="module")
def calibrated():
    return evaluation.calibrate(FRAME)


def test_calibration_is_fitted_on_validation_and_read_on_test(calibrated):
    assert list(calibrated) == ["phase1", "full"]
    validation, test = part("full", "validation"), part("full", "test")
    found, methods = calibrated["full"], [calibration.UNCALIBRATED, *calibration.METHODS]
    fitted = calibration.fit_all(validation["y"], validation["score"])
    assert {name: calibration.from_dict(numbers) for name, numbers in found["methods"].items()} == fitted
    losses = calibration.cross_validated_losses(validation["y"], validation["score"], validation["group"])
    assert found["validation_log_loss"] == losses and found["recommended"] == min(losses, key=losses.get)
    assert list(found["test"]) == list(losses) == methods
    for name, mapped in calibration.calibrated(test["score"], fitted).items():
        read = found["test"][name]["brier_score"]
        assert read["value"] == pytest.approx(measures.brier_score(test["y"], mapped))
        before = found["test"][calibration.UNCALIBRATED]["brier_score"]["value"]
        assert read["change"]["value"] == pytest.approx(read["value"] - before)
    other = evaluation.calibrate(turned("test"))
    for name in ("methods", "validation_log_loss", "recommended"):
        assert other["full"][name] == found[name]
    assert other["full"]["test"] != found["test"]


def test_calibration_is_written_as_its_schema_says(calibrated):
    assert complaints("calibration", calibrated) == []
    wrong = copy.deepcopy(calibrated)
    wrong["full"]["methods"]["temperature"]["temperature"] = 0
    wrong["full"]["recommended"] = "best"
    del wrong["phase1"]["test"]["platt"]["log_loss"]["change"]
    assert sorted(complaints("calibration", wrong)) == [
        "$.stages.full.methods.temperature.temperature",
        "$.stages.full.recommended",
        "$.stages.phase1.test.platt.log_loss",
    ]


def test_calibration_table_and_errors(calibrated):
    table = evaluation.calibration_table(calibrated, "full")
    assert list(table.index) == [calibration.UNCALIBRATED, *calibration.METHODS]
    assert table.index[table["recommended"]].tolist() == [calibrated["full"]["recommended"]]
    errors = evaluation.calibration_errors(calibrated, "full")
    assert table.loc["platt", "expected_calibration_error"] == str(errors["platt"])


def test_best_f1_calls_everything_synthetic_at_chance_and_balanced_does_not():
    rows = scored(count=800)
    found = evaluation.at_chance(rows, ["best_f1", "balanced"], repeats=30)
    assert found.loc["best_f1", "recall_synthetic"] > 0.95 and found.loc["best_f1", "recall_real"] < 0.1
    # What saying "synthetic" to all of a half-synthetic set gives.
    assert found.loc["best_f1", "f1_synthetic"] == pytest.approx(2 / 3, abs=0.02)
    assert found.loc["best_f1", "all_synthetic"] > 0.7 > found.loc["balanced", "all_synthetic"] + 0.2
    assert 0.2 < found.loc["balanced", "recall_real"] < 0.8
    assert found.equals(evaluation.at_chance(rows, ["best_f1", "balanced"], repeats=30))


def test_warnings_name_the_thresholds_that_call_everything_one_class(evaluated):
    _, chosen = evaluated
    useless = scored().assign(score=lambda frame: frame["score"] / 1000)
    _, other = evaluation.evaluate(useless)
    assert "phase1, fixed: calls nearly everything real" in evaluation.warnings(other)[0]
    expected = sum(found["degenerate"] for policies in chosen.values() for found in policies.values())
    assert len(evaluation.warnings(chosen)) == expected
    assert evaluation.threshold_intervals(other)["phase1"]["fixed"] == Interval(0.5, 0.5, 0.5)


def test_decisions_of_one_threshold_read_as_that_threshold(evaluated):
    rows = part("full", "test")
    for policy, read in evaluated[0]["full"]["policies"].items():
        band = read["decided"]
        scores = rows["score"].to_numpy()
        undecided = abstention.is_undecided(band["low"], band["high"], scores)
        found = evaluation.read_decisions(rows, scores >= read["threshold"], undecided)
        for name in ("confusion", "recall_real", "recall_synthetic"):
            assert found[name] == read[name], (policy, name)
        assert {name: found["decided"][name] for name in abstention.READ} == {
            name: band[name] for name in abstention.READ
        }
