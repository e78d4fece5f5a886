"""From scores to the numbers of a run: thresholds chosen on validation, everything read on test with intervals."""

from __future__ import annotations

import pandas as pd
from sklearn.metrics import classification_report

from lib.metrics import measures, thresholds
from lib.metrics.measures import Interval

RECALLS = ("recall_real", "recall_synthetic")


def evaluate(scored: pd.DataFrame, seed: int = 0) -> tuple[dict, dict]:
    """All stages of a run.

    Args:
        scored: columns stage, split (`validation`, `test`), y (0 real, 1 synthetic), score, group.
        seed: of the bootstrap.

    Returns:
        Two dictionaries by stage, as metrics.json and thresholds.json hold them: for each split every score measure with
        its 95% interval, and for each policy the threshold (chosen on validation), with test confusion, recalls,
        accuracy and balanced accuracy; and the thresholds with the validation numbers they were chosen on.
    """
    metrics, chosen = {}, {}
    for stage, rows in scored.groupby("stage", sort=False):
        validation, test = (rows[rows["split"] == split] for split in ("validation", "test"))
        policies = thresholds.choose_all(validation["y"], validation["score"])
        chosen[stage] = {policy: threshold.as_dict() for policy, threshold in policies.items()}
        metrics[stage] = {
            "validation": _as_dicts(intervals(validation, seed)),
            "test": _as_dicts(intervals(test, seed)),
            "policies": {policy: _read(test, found.threshold, seed) for policy, found in policies.items()},
        }
    return metrics, chosen


def intervals(rows: pd.DataFrame, seed: int = 0) -> dict[str, Interval]:
    """Every score measure of some rows (columns y, score, group) with its 95% interval."""
    return measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], seed=seed)


def _read(rows: pd.DataFrame, threshold: float, seed: int) -> dict:
    names = (*RECALLS, "accuracy", "balanced_accuracy", "f1_synthetic")
    found = measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], threshold, names, seed=seed)
    confusion = measures.confusion(rows["y"], rows["score"], threshold)
    return {"threshold": threshold, "confusion": confusion, **_as_dicts(found)}


def _as_dicts(found: dict[str, Interval]) -> dict:
    return {name: interval.as_dict() for name, interval in found.items()}


def stage_intervals(metrics: dict, split: str, measure: str = "roc_auc") -> dict[str, Interval]:
    """One measure of each stage out of metrics.json."""
    return {stage: Interval(**content[split][measure]) for stage, content in metrics.items()}


def policy_table(metrics: dict, stage: str) -> pd.DataFrame:
    """Thresholds of a stage as a table for reading: threshold, and on test both recalls and balanced accuracy."""
    rows = [
        {
            "policy": policy,
            "threshold": round(content["threshold"], 4),
            **{name: str(Interval(**content[name])) for name in (*RECALLS, "balanced_accuracy")},
        }
        for policy, content in metrics[stage]["policies"].items()
    ]
    return pd.DataFrame(rows).set_index("policy")


def reports(scored: pd.DataFrame, metrics: dict, policy: str = "balanced") -> str:
    """scikit-learn's classification report of the test split, for each stage at the threshold of one policy."""
    parts = []
    for stage, rows in scored[scored["split"] == "test"].groupby("stage", sort=False):
        threshold = metrics[stage]["policies"][policy]["threshold"]
        called = thresholds.apply(threshold, rows["score"])
        text = classification_report(rows["y"], called, target_names=["real", "synthetic"], digits=3, zero_division=0)
        parts.append(f"{stage}, threshold {threshold:.4f} ({policy}, chosen on validation), test split\n\n{text}")
    return "\n".join(parts)
