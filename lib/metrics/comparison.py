"""Comparison of models across datasets: how ranking and thresholds chosen at home hold abroad."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics import measures
from lib.metrics.measures import Interval, UndefinedMeasure

# The columns of results/comparison.csv, one row per model, tested dataset and threshold policy.
COLUMNS = (
    "trained_on",
    "recipe",
    "stage",
    "tested_on",
    "images",
    "overlap_removed",
    "roc_auc",
    "roc_auc_low",
    "roc_auc_high",
    "policy",
    "recall_real",
    "recall_synthetic",
)
AT_CHANCE = "at chance"
BETTER = "better than chance"
WORSE = "worse than chance"

_AUC = ["roc_auc", "roc_auc_low", "roc_auc_high"]


def transfer_rows(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    thresholds: Mapping[str, float],
    *,
    trained_on: str,
    recipe: str,
    stage: str,
    tested_on: str,
    overlap_removed: int,
    resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, str | int | float]]:
    """Reads a model's test scores on one dataset at each threshold chosen at home.

    Args:
        labels: 0 real, 1 synthetic, of the tested dataset's test images, those shared with the training data removed.
        scores: The model's score of each.
        groups: One name per image (see `measures.bootstrap_intervals`); None when images are independent.
        thresholds: Policy to threshold, chosen on validation images of ``trained_on``.
        trained_on: Dataset the model was trained on.
        recipe: Its recipe.
        stage: Its stage.
        tested_on: Dataset the images are from.
        overlap_removed: Number of images removed beforehand because the training data hold them too.
        resamples: Bootstrap resamples of the AUC's interval.
        seed: Their seed.

    Returns:
        One row per policy with the keys `COLUMNS`; the AUC with its 95% interval is the same in each.

    Raises:
        UndefinedMeasure: See `measures.checked` and `measures.bootstrap_intervals`.
        ValueError: No thresholds.
    """
    if not thresholds:
        raise ValueError(f"no thresholds for {trained_on}/{recipe}/{stage}; expected policy -> threshold")
    auc = measures.bootstrap_intervals(labels, scores, groups, measures=["roc_auc"], resamples=resamples, seed=seed)
    interval = auc["roc_auc"]
    shared = {
        "trained_on": trained_on,
        "recipe": recipe,
        "stage": stage,
        "tested_on": tested_on,
        "images": len(np.asarray(labels)),
        "overlap_removed": overlap_removed,
        "roc_auc": interval.value,
        "roc_auc_low": interval.low,
        "roc_auc_high": interval.high,
    }
    return [
        shared
        | {
            "policy": policy,
            "recall_real": measures.recall_real(labels, scores, threshold),
            "recall_synthetic": measures.recall_synthetic(labels, scores, threshold),
        }
        for policy, threshold in thresholds.items()
    ]


def auc_matrix(frame: pd.DataFrame, recipe: str, stage: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lays the comparison out as a matrix, rows trained on, columns tested on, in order of first appearance.

    Args:
        frame: Rows with the columns `COLUMNS`.
        recipe: Recipe to show.
        stage: Stage to show.

    Returns:
        ROC AUC (NaN where a pair was not measured) and, of the same shape, annotations such as "0.81\\n[0.75, 0.86]"
        (empty where not measured).

    Raises:
        ValueError: Columns missing, no row of that recipe and stage, or two different values for one pair.
    """
    _require(frame, ["trained_on", "recipe", "stage", "tested_on", *_AUC])
    chosen = frame[(frame["recipe"] == recipe) & (frame["stage"] == stage)]
    if chosen.empty:
        found = sorted(set(zip(frame["recipe"], frame["stage"])))
        raise ValueError(f"no rows of recipe {recipe!r} and stage {stage!r}; found {found}")
    pairs = _one_per(chosen, ["trained_on", "tested_on"])
    rows = list(dict.fromkeys(pairs["trained_on"]))
    tested = set(pairs["tested_on"])
    # Datasets that were also trained on come first, in the rows' order: the diagonal is then home.
    columns = [name for name in rows if name in tested]
    columns += [name for name in dict.fromkeys(pairs["tested_on"]) if name not in columns]
    pairs["text"] = [f"{value:.2f}\n[{low:.2f}, {high:.2f}]" for value, low, high in pairs[_AUC].to_numpy()]
    wide = pairs.pivot(index="trained_on", columns="tested_on", values=["roc_auc", "text"])
    values = wide["roc_auc"].reindex(index=rows, columns=columns).astype(float)
    texts = wide["text"].reindex(index=rows, columns=columns).fillna("").astype(str)
    return values, texts


def learning_curve(frame: pd.DataFrame, training_images: Mapping[str, int]) -> pd.DataFrame:
    """How the AUC at home grows with the number of training images.

    Args:
        frame: Rows with the columns `COLUMNS`; those with ``trained_on == tested_on`` are used.
        training_images: Number of training images of each dataset.

    Returns:
        Columns ``trained_on, recipe, stage, training_images, roc_auc, roc_auc_low, roc_auc_high``, sorted by
        ``training_images``; one row per dataset, recipe and stage.

    Raises:
        ValueError: Columns missing, a dataset without a number, or two different values for one model.
    """
    _require(frame, ["trained_on", "recipe", "stage", "tested_on", *_AUC])
    home = frame[frame["trained_on"] == frame["tested_on"]]
    unknown = sorted(set(home["trained_on"]) - set(training_images))
    if unknown:
        raise ValueError(f"no number of training images for {unknown}; got one for {sorted(training_images)}")
    curve = _one_per(home, ["trained_on", "recipe", "stage"])
    curve.insert(3, "training_images", curve["trained_on"].map(training_images).astype(int))
    return curve.sort_values("training_images", kind="stable", ignore_index=True)


def verdict(interval: Interval) -> str:
    """Says what a ROC AUC's interval allows to say: `AT_CHANCE` when it covers 0.5, else `BETTER` or `WORSE`.

    Raises:
        UndefinedMeasure: The interval's limits are not numbers.
    """
    if np.isnan(interval.low) or np.isnan(interval.high):
        raise UndefinedMeasure(f"no verdict on an undefined interval: {interval.low} to {interval.high}")
    if interval.contains(0.5):
        return AT_CHANCE
    return BETTER if interval.low > 0.5 else WORSE


def _require(frame: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(f"comparison lacks the columns {missing}; found {list(frame.columns)}")


def _one_per(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The AUC of each key, once: policies repeat it."""
    rows = frame[[*keys, *_AUC]].drop_duplicates(ignore_index=True)
    twice = rows[rows.duplicated(keys, keep=False)]
    if len(twice):
        raise ValueError(f"different ROC AUC for the same {keys}: {twice.to_dict('records')}")
    return rows


def compare(scored: pd.DataFrame, thresholds: Mapping[tuple[str, str, str], Mapping[str, float]]) -> pd.DataFrame:
    """comparison.csv from scores of models on test images.

    Args:
        scored: columns trained_on, recipe, stage, tested_on, overlap_removed, y, score, group; one row per image.
        thresholds: (trained_on, recipe, stage) to policy to threshold.

    Returns:
        One row per model, tested dataset and policy, columns `COLUMNS`.
    """
    keys = ["trained_on", "recipe", "stage", "tested_on", "overlap_removed"]
    rows = []
    for values, part in scored.groupby(keys, sort=False):
        names = dict(zip(keys, values))
        home = thresholds[names["trained_on"], names["recipe"], names["stage"]]
        rows += transfer_rows(part["y"], part["score"], part["group"].tolist(), home, **names)
    return pd.DataFrame(rows, columns=list(COLUMNS))
