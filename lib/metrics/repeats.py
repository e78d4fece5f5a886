"""Experiments that repeat a training with several seeds or variants: means over seeds, differences, both recalls.

Every seed has its own validation images; the test images are the same for all. A resample draws people within each
seed's images and averages over the seeds. Variants of one seed are scored on the same images and share the draws, so
their differences are paired. Seeds with the same images share the draws too.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lib.metrics import measures, resampling, thresholds
from lib.metrics.checks import Interval, decimals
from lib.metrics.stages import STAGE_NAMES


def mean_over_seeds(
    rows: pd.DataFrame, measure: str = "roc_auc", chosen: dict[int, float] | None = None
) -> tuple[float, NDArray[np.float64]]:
    """A measure's mean over the seeds, and the same mean in every resample.

    Args:
        rows: columns seed, image_id, y, group, score.
        chosen: threshold of each seed, for measures of decisions.

    Returns:
        The mean, and an array (resamples,).

    Raises:
        UndefinedMeasure: see `measures.bootstrap_intervals`.
    """
    points, draws = [], []
    for seed, part in rows.groupby("seed"):
        part = part.sort_values("image_id")
        threshold = chosen[seed] if chosen else None
        given = (part["y"], part["score"])
        points.append(measures.summarise(*given, threshold, [measure])[measure])
        draws.append(measures.bootstrap_values(*given, part["group"], threshold, [measure])[measure])
    return float(np.mean(points)), np.mean(draws, axis=0)


def _interval(rows: pd.DataFrame, measure: str, value: float, draws: NDArray[np.float64]) -> Interval:
    """The interval of a mean over seeds; near 0 and 1 that of one seed's images, because seeds can share people."""
    trials = np.min(
        [resampling.independent_images(part["y"], part["group"]) for _, part in rows.groupby("seed")], axis=0
    )
    if measure in measures.RECALLS:
        return resampling.share_interval(value, trials[measures.RECALLS.index(measure)], draws)
    return resampling.share_interval(value, trials.min(), draws, few=0)


def ablation_table(scored: pd.DataFrame) -> pd.DataFrame:
    """Validation AUC of every variant with its 95% interval, and its difference from the first variant of its stage.

    Args:
        scored: validation scores, columns variant, choice, setting, stage, seed, image_id, y, group, score, degraded
            (score of the same image after a random degradation), total (seconds); variants in the order of the table.

    Returns:
        One row per variant: choice, setting, stage, seeds, roc_auc, difference (to the first variant of the stage, paired)
        and degraded (AUC of the degraded images), each with `_low` and `_high`; lowest and highest (AUC of any seed);
        seconds (mean over the seeds).
    """
    rows, references = [], {}
    for (_, stage), part in scored.groupby(["variant", "stage"], sort=False):
        value, draws = mean_over_seeds(part)
        reference, drawn = references.setdefault(stage, (value, draws))
        each = [measures.roc_auc(one["y"], one["score"]) for _, one in part.groupby("seed")]
        row = {**part.iloc[0][["choice", "setting", "stage"]].to_dict(), "seeds": len(each)}
        row |= _interval(part, "roc_auc", value, draws).columns("roc_auc")
        row |= resampling.percentile_interval(value - reference, draws - drawn).columns("difference")
        row |= _degraded(part).columns("degraded")
        row |= {"lowest": min(each), "highest": max(each)}
        rows.append({**row, "seconds": part.groupby("seed")["total"].first().mean()})
    return pd.DataFrame(rows)


def _degraded(rows: pd.DataFrame) -> Interval:
    if rows["degraded"].isna().all():  # a stage in the middle of a training: only the last one's model was kept to ask
        return Interval(np.nan, np.nan, np.nan)
    return _interval(rows, "roc_auc", *mean_over_seeds(rows.assign(score=rows["degraded"])))


def recall_table(scored: pd.DataFrame, by: str, policy: str = "balanced") -> pd.DataFrame:
    """Test AUC and both recalls of every case, thresholds chosen by a policy on each seed's validation images.

    Args:
        scored: columns `by`, seed, split, image_id, y, group, score.
        by: column that names the case.

    Returns:
        One row per case: `by`, roc_auc, recall_real and recall_synthetic with `_low` and `_high`, means over the seeds.
    """
    rows = []
    for case, part in scored.groupby(by, sort=False):
        validation, test = (part[part["split"] == split] for split in ("validation", "test"))
        chosen = {
            seed: thresholds.choose(policy, one["y"], one["score"]).threshold
            for seed, one in validation.groupby("seed")
        }
        row = {by: case}
        for name in measures.TABLE_MEASURES:
            found = mean_over_seeds(test, name, chosen if name in measures.DECISION_MEASURES else None)
            row |= _interval(test, name, *found).columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def turns_table(scored: pd.DataFrame, policy: str = "best_f1") -> pd.DataFrame:
    """The effect of each common mistake on test AUC and on both recalls at the threshold of its policy.

    Args:
        scored: columns turn, what, chosen_on (`validation` or `test`), stage, split, y, group, score, score_change,
            weight_change.

    Returns:
        One row per turn: turn, what, stage, roc_auc, recall_real and recall_synthetic with `_low` and `_high`,
            threshold, degenerate (whether the threshold calls nearly everything one class), f1_synthetic on test,
            score_change and weight_change.
    """
    rows = []
    for _, part in scored.groupby("turn", sort=False):
        first, test = part.iloc[0], part[part["split"] == "test"]
        source = part[part["split"] == first["chosen_on"]]
        chosen = thresholds.choose(policy, source["y"], source["score"])
        names = (*measures.TABLE_MEASURES, "f1_synthetic")
        read = measures.bootstrap_intervals(test["y"], test["score"], test["group"], chosen.threshold, names)
        row = first[["turn", "what", "stage"]].to_dict()
        for name in names:
            row |= read[name].columns(name)
        row |= {"threshold": chosen.threshold, "degenerate": chosen.degenerate}
        rows.append(row | first[["score_change", "weight_change"]].to_dict())
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame, names: dict[str, str], text: Callable[[float], str] = decimals) -> pd.DataFrame:
    """A table for reading: every `name`, `name_low`, `name_high` as one column `value [low, high]`.

    Args:
        names: column to its heading, in order; columns without `_low` are shown unchanged, stages by their names.
    """
    columns = {}
    for name, heading in names.items():
        if f"{name}_low" in table:
            columns[heading] = [
                "" if np.isnan(found.value) else f"{text(found.value)} [{text(found.low)}, {text(found.high)}]"
                for found in Interval.all_of(table, name)
            ]
        else:
            numbers = pd.api.types.is_float_dtype(table[name])
            words = table[name].replace(STAGE_NAMES if name == "stage" else {})
            columns[heading] = (words.map(decimals) if numbers else words).to_numpy()
    return pd.DataFrame(columns)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """The variants of one stage as `figures.ablation_plot` takes them, without the first one, which they are compared with.

    Args:
        rows: of `ablation_table`, of one stage.

    Returns:
        Columns choice, value (AUC), difference, low, high.
    """
    others = rows.iloc[1:]
    columns = {"roc_auc": "value", "difference": "difference", "difference_low": "low", "difference_high": "high"}
    named = others[list(columns)].rename(columns=columns)
    named.insert(0, "choice", others["choice"] + ": " + others["setting"])
    return named


def deal_intervals(dealt: pd.DataFrame) -> dict[str, Interval]:
    """Mean AUC of each kind of split over all deals of the labels, with the range that holds 95% of them.

    Args:
        dealt: columns split, deal, roc_auc.
    """
    found = dealt.groupby("split", sort=False)["roc_auc"]
    return {name: resampling.percentile_interval(aucs.mean(), aucs) for name, aucs in found}
