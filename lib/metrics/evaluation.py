"""From scores to a run's results: thresholds chosen on validation, all measures on test with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report

from lib.metrics import abstention, by_value, calibration, measures, thresholds
from lib.metrics.checks import decimals, share
from lib.metrics.measures import DECISION_MEASURES, RECALLS, Interval
from lib.metrics.resampling import independent_images, percentile_interval, sum_interval
from lib.metrics.thresholds import Costs


def evaluate(scored: pd.DataFrame, seed: int = 0, costs: Costs | None = None) -> tuple[dict, dict]:
    """Evaluate all stages of a run.

    Args:
        scored: columns stage, split (`validation`, `test`), y (0 real, 1 synthetic), score, group and, if known,
            generator.
        seed: of the bootstrap.
        costs: of wrong decisions; if given, there is a policy `cost`, and every policy's expected cost on test.

    Returns:
        Two dictionaries by stage, the content of metrics.json and thresholds.json (docs/schemas). The first holds, for
        each split, every score measure with its 95% interval, and for each policy the threshold (chosen on validation),
        with test confusion and every decision measure, and the same of the images that its band decides (`decided`). If
        the test images have several generators, it holds each one's results at the balanced threshold (`generators`,
        see `by_value.by_value`). The second holds the thresholds with their validation measures, the interval that
        shows how stable each one is, and the band of scores that is left undecided (`abstention`).
    """
    metrics, chosen = {}, {}
    for stage, rows in scored.groupby("stage", sort=False):
        validation, test = (rows[rows["split"] == split] for split in ("validation", "test"))
        chosen[stage] = choose_thresholds(validation, seed, costs)
        metrics[stage] = {
            "validation": _as_dicts(intervals(validation, seed)),
            "test": _as_dicts(intervals(test, seed)),
            "policies": {
                policy: {
                    **_read(test, found["threshold"], seed, costs),
                    "decided": _decided(test, found["band"]["low"], found["band"]["high"], seed),
                }
                for policy, found in chosen[stage].items()
            },
        }
        if by_value.is_several(test):
            threshold = chosen[stage]["balanced"]["threshold"]
            metrics[stage]["generators"] = by_value.by_value(test, threshold, seed=seed)
    return metrics, chosen


def choose_thresholds(validation: pd.DataFrame, seed: int = 0, costs: Costs | None = None) -> dict:
    """The thresholds of one stage with their intervals and bands, by policy, as in thresholds.json.

    Args:
        validation: columns y, score, group; never test images.
        seed, costs: as in `evaluate`.
    """
    known = (validation["y"], validation["score"])
    policies = thresholds.choose_all(*known, costs, validation["group"])
    settled = thresholds.stability(*known, validation["group"], costs, seed=seed)
    chosen = {}
    for policy, found in policies.items():
        band = abstention.choose(*known, found.threshold)
        chosen[policy] = {**found.as_dict(), "interval": settled[policy].as_dict(), "band": band.as_dict()}
    if costs is not None:
        chosen["cost"]["costs"] = costs.as_dict()
    return chosen


def read_decisions(rows: pd.DataFrame, called: np.ndarray, undecided: np.ndarray, seed: int = 0) -> dict:
    """The measures of decisions that several thresholds made, one for each fold: as a policy in metrics.json.

    Args:
        rows: columns y, group.
        called: bool (images,), whether an image is called synthetic.
        undecided: bool (images,), whether its score lies in the band.
        seed: of the bootstrap.
    """
    # Scores that stand for the decisions: below 0.5 is real, and 0.25 up to 0.75 is undecided.
    standing = rows.assign(score=np.where(called, 1.0, 0.0) + np.where(undecided, np.where(called, -0.4, 0.4), 0.0))
    return {**_read(standing, 0.5, seed, None), "decided": _decided(standing, 0.25, 0.75, seed)}


def calibrate(scored: pd.DataFrame, seed: int = 0) -> dict:
    """Calibrate all stages of a run: fitted on validation, evaluated on test.

    Args:
        scored: as in `evaluate`; scores are probabilities.
        seed: of the folds and of the bootstrap.

    Returns:
        By stage, the content of calibration.json (docs/schemas): every method's numbers, its cross-validated log loss
        on validation, and the method with the smallest loss (`recommended`). On test: each method's calibration
        measures with their 95% intervals and the changes against the uncalibrated scores.

    Raises:
        UndefinedMeasure: see `calibration.compare` and `calibration.cross_validated_losses`.
    """
    found = {}
    for stage, rows in scored.groupby("stage", sort=False):
        validation, test = (rows[rows["split"] == split] for split in ("validation", "test"))
        known = (validation["y"], validation["score"])
        losses = calibration.cross_validated_losses(*known, validation["group"], seed=seed)
        fitted = calibration.fit_all(*known)
        table = calibration.compare(test["y"], test["score"], fitted, test["group"], seed=seed)
        found[stage] = {
            "recommended": min(losses, key=losses.get),
            "validation_log_loss": losses,
            "methods": {name: method.to_dict() for name, method in fitted.items()},
            "test": {
                method: {
                    row.measure: {
                        **Interval(row.value, row.low, row.high).as_dict(),
                        "change": Interval.of(row._asdict(), "change").as_dict(),
                    }
                    for row in part.itertuples()
                }
                for method, part in table.groupby("method", sort=False)
            },
        }
    return found


def calibration_table(calibrations: dict, stage: str) -> pd.DataFrame:
    """Calibration of a stage as a table for reading: loss on validation, and each measure on test with its interval."""
    content = calibrations[stage]
    rows = {}
    for method, read in content["test"].items():
        row = {"validation log loss (cross-validated)": decimals(content["validation_log_loss"][method])}
        row |= {name: str(Interval.from_dict(numbers)) for name, numbers in read.items()}
        rows[method] = row | {"recommended": method == content["recommended"]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def calibration_errors(calibrations: dict, stage: str) -> dict[str, Interval]:
    """Expected calibration error on test of each method of a stage."""
    return {
        method: Interval.from_dict(read["expected_calibration_error"])
        for method, read in calibrations[stage]["test"].items()
    }


def at_chance(rows: pd.DataFrame, policies: Sequence[str], repeats: int = 100, seed: int = 0) -> pd.DataFrame:
    """Results of the policies for a detector that knows nothing: the same scores, randomly assigned to the same images.

    Args:
        rows: validation images of one stage, columns y and score.
        policies: names from `thresholds.POLICIES`.
        repeats: number of random assignments.
        seed: of the random assignment.

    Returns:
        One row per policy: medians of `recall_real`, `recall_synthetic` and `f1_synthetic` at the chosen threshold, and
            `all_synthetic`, the share of the repeats whose threshold calls (nearly) everything synthetic.
    """
    random = np.random.default_rng(seed)
    dealt = [random.permutation(rows["score"].to_numpy()) for _ in range(repeats)]
    read = []
    for policy in policies:
        chosen = pd.DataFrame([thresholds.choose(policy, rows["y"], scores).as_dict() for scores in dealt])
        medians = chosen[[*RECALLS, "f1_synthetic"]].median()
        one_class = chosen["degenerate"] & (chosen["recall_real"] < chosen["recall_synthetic"])
        read.append({"policy": policy, **medians, "all_synthetic": one_class.mean()})
    return pd.DataFrame(read).set_index("policy")


def threshold_intervals(chosen: dict) -> dict[str, dict[str, Interval]]:
    """Stage to policy to threshold with the interval that shows how stable it is."""
    return {
        stage: {policy: Interval.from_dict(content["interval"]) for policy, content in policies.items()}
        for stage, policies in chosen.items()
    }


def warnings(chosen: dict, names: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for every threshold that calls (nearly) everything one class.

    Args:
        chosen: as `evaluate` gives it.
        names: stage to its name; other stages are left out. Default: all, by their own names.
    """
    names = dict.fromkeys(chosen) if names is None else names
    return [
        f"{names[stage] or stage}, {policy}: {found['why']}"
        for stage in names
        for policy, found in chosen[stage].items()
        if found["degenerate"]
    ]


def unset(policies: dict) -> list[str]:
    """A sentence for every policy of a stage that has too few real validation images."""
    # A file of an earlier version does not record it.
    return [f"{policy}: {found['too_few']}" for policy, found in policies.items() if found.get("too_few")]


def intervals(rows: pd.DataFrame, seed: int = 0) -> dict[str, Interval]:
    """Every score measure of some rows (columns y, score, group) with its 95% interval."""
    return measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], seed=seed)


def _read(rows: pd.DataFrame, threshold: float, seed: int, costs: Costs | None) -> dict:
    data = (rows["y"], rows["score"], rows["group"], threshold)
    found = measures.bootstrap_intervals(*data, DECISION_MEASURES, seed=seed)
    if costs is not None:
        drawn = measures.bootstrap_values(*data, RECALLS, seed=seed)
        point = costs.expected(*(found[name].value for name in RECALLS))
        plain = percentile_interval(point, costs.expected(*drawn.values()))
        weights = (-costs.expected(0, 1), -costs.expected(1, 0))
        recalls = [found[name].value for name in RECALLS]
        found["expected_cost"] = sum_interval(plain, weights, recalls, independent_images(rows["y"], rows["group"]))
    confusion = measures.confusion(rows["y"], rows["score"], threshold)
    return {"threshold": threshold, "confusion": confusion, **_as_dicts(found)}


def _decided(rows: pd.DataFrame, low: float, high: float, seed: int) -> dict:
    """What a band does on test: its ends, and the measures of `abstention.READ` with their intervals."""
    read = abstention.read(rows["y"], rows["score"], rows["group"], low, high, seed=seed)
    return {"low": low, "high": high, **_as_dicts(read)}


def _as_dicts(found: dict[str, Interval]) -> dict:
    return {name: interval.as_dict() for name, interval in found.items()}


def stage_intervals(metrics: dict, split: str, measure: str = "roc_auc") -> dict[str, Interval]:
    """One measure of each stage out of metrics.json."""
    return {stage: Interval.from_dict(content[split][measure]) for stage, content in metrics.items()}


def policy_table(metrics: dict, stage: str) -> pd.DataFrame:
    """Thresholds of a stage as a table for reading: threshold, and on test both recalls and balanced accuracy.

    With the expected cost too, if costs were given.
    """
    shown = (*RECALLS, "balanced_accuracy", "expected_cost")
    rows = []
    for policy, content in metrics[stage]["policies"].items():
        row = {"policy": policy, "threshold": decimals(content["threshold"])}
        rows.append(row | {name: str(Interval.from_dict(content[name])) for name in shown if name in content})
    return pd.DataFrame(rows).set_index("policy")


def threshold_table(chosen: dict, stage: str) -> pd.DataFrame:
    """Thresholds of a stage as a table for reading, with their intervals and validation results."""
    rows = [
        {
            "policy": policy,
            "threshold": str(Interval.from_dict(content["interval"])),
            "recall_real": decimals(content["recall_real"]),
            "recall_synthetic": decimals(content["recall_synthetic"]),
            "f1_synthetic": decimals(content["f1_synthetic"]),
            "false_positive_rate": decimals(content["false_positive_rate"]),
            "images": content["images"],
            "degenerate": content["degenerate"],
        }
        for policy, content in chosen[stage].items()
    ]
    return pd.DataFrame(rows).set_index("policy")


def band_table(chosen: dict, metrics: dict, stage: str) -> pd.DataFrame:
    """The bands of a stage as a table for reading: how they were chosen on validation, and what test says."""
    rows = []
    for policy, content in chosen[stage].items():
        band, read = content["band"], metrics[stage]["policies"][policy]["decided"]
        empty = band["low"] == band["high"]
        rows.append(
            {
                "policy": policy,
                "undecided scores": "none" if empty else f"{decimals(band['low'])} to {decimals(band['high'])}",
                "validation: decided": share((band["coverage_real"] + band["coverage_synthetic"]) / 2),
                "validation: error": decimals(band["error"]),
                "test: decided": str(Interval.from_dict(read["coverage"])),
                "test: recall real": str(Interval.from_dict(read["recall_real"])),
                "test: recall synthetic": str(Interval.from_dict(read["recall_synthetic"])),
            }
        )
    return pd.DataFrame(rows).set_index("policy")


def reports(
    scored: pd.DataFrame, metrics: dict, policy: str = "balanced", names: Mapping[str, str] | None = None
) -> str:
    """scikit-learn's classification report of the test split, for each stage at the threshold of one policy.

    Args:
        scored: as in `evaluate`.
        metrics: as `evaluate` gives it.
        policy: of the threshold.
        names: as in `warnings`.
    """
    parts = []
    for stage, rows in scored[scored["split"] == "test"].groupby("stage", sort=False):
        if names is not None and stage not in names:
            continue
        threshold = metrics[stage]["policies"][policy]["threshold"]
        called = thresholds.apply(threshold, rows["score"])
        text = classification_report(rows["y"], called, target_names=["real", "synthetic"], digits=3, zero_division=0)
        name = names[stage] if names else stage
        parts.append(f"{name}, threshold {decimals(threshold)} ({policy}, chosen on validation), test split\n\n{text}")
    return "\n".join(parts)


def marks(
    rows: Mapping[str, pd.DataFrame], limits: Mapping[str, float]
) -> dict[str, tuple[float | None, float | None]]:
    """Recall and precision of synthetic images of each stage at its threshold, as `figures.precision_recall_curves` takes them.

    Args:
        rows: stage to its rows, columns y and score.
        limits: stage to threshold.
    """
    found = {}
    for stage, part in rows.items():
        names = ["recall_synthetic", "precision_synthetic"]
        found[stage] = tuple(measures.summarise(part["y"], part["score"], limits[stage], names).values())
    return found
