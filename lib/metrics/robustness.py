"""Robustness of a detector to degraded pictures: ranking, and both recalls at the threshold chosen on clean images."""

from collections.abc import Mapping

import pandas as pd

from lib.metrics import measures
from lib.metrics.checks import Interval
from lib.metrics.resampling import percentile_interval

MEASURES = measures.TABLE_MEASURES
# The measures whose change is told: the ranking, and how many photographs are still called real.
CHANGES = ("roc_auc", "recall_real")
NONE = "none"


def robustness_table(
    scored: pd.DataFrame, thresholds: Mapping[str, float], policy: str = "balanced", seed: int = 0
) -> pd.DataFrame:
    """ROC AUC, and both recalls at the threshold from clean images, for each degradation.

    Args:
        scored: columns degradation, level, image_id, y (0 real, 1 synthetic), group, score; the unchanged images have
            the degradation `none`.
        thresholds: policy to threshold, chosen on clean validation images: in use, the history of a picture is not
            known.
        policy: of the threshold.
        seed: of the bootstrap.

    Returns:
        One row per degradation and level, in their order: degradation, level, images, then roc_auc, recall_real and
            recall_synthetic with `_low` and `_high` (95%, `measures.bootstrap_intervals`), and `roc_auc_change` and
            `recall_real_change` with the same. A change is against the unchanged images, paired: the same images, the
            same resamples.

    Raises:
        UndefinedMeasure: see `measures.bootstrap_intervals`.
        ValueError: the unchanged images are missing.
    """
    order = scored.loc[scored["degradation"] == NONE, "image_id"]
    if order.empty:
        raise ValueError(f"no rows of degradation {NONE!r}: changes are from the images as they are")
    read = {}
    for key, part in scored.groupby(["degradation", "level"], sort=False, dropna=False):
        # Resamples are drawn by position, so one order gives the same images. The given order is kept, so that the
        # unchanged images get the same intervals as elsewhere.
        part = part.set_index("image_id").loc[order]
        given = (part["y"], part["score"])
        points = measures.summarise(*given, thresholds[policy], MEASURES)
        draws = measures.bootstrap_values(*given, part["group"], thresholds[policy], MEASURES, seed=seed)
        found = measures.widened(draws, points, *given, part["group"], thresholds[policy])
        read[key] = len(part), found, draws
    (_, clean, clean_draws) = next(found for (kind, _), found in read.items() if kind == NONE)
    rows = []
    for (kind, level), (images, found, draws) in read.items():
        row = {"degradation": kind, "level": level, "images": images}
        for name in MEASURES:
            row |= found[name].columns(name)
        for name in CHANGES:
            change = found[name].value - clean[name].value
            row |= percentile_interval(change, draws[name] - clean_draws[name]).columns(f"{name}_change")
        rows.append(row)
    return pd.DataFrame(rows)


def curves(table: pd.DataFrame, labels: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, float]]:
    """A robustness table in the form that `figures.robustness_curves` takes.

    Args:
        table: of `robustness_table`.
        labels: kind of degradation to the axis' label, with the unit of its level.

    Returns:
        Columns degradation (label), level, measure, value, low, high; and measure to its value on the unchanged images.
    """
    degraded = table[table["degradation"] != NONE]
    axes = degraded[["level"]].assign(degradation=degraded["degradation"].map(labels))
    rows = []
    for name in MEASURES:
        ends = dict(zip(Interval.names(name), ("value", "low", "high")))
        rows.append(axes.assign(measure=name).join(degraded[[*ends]].rename(columns=ends)))
    clean = table[table["degradation"] == NONE].iloc[0]
    return pd.concat(rows, ignore_index=True), {name: float(clean[name]) for name in MEASURES}
