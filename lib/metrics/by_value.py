"""Results for each value of a column, such as each generator: a good mean can hide one that is never found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.metrics import measures
from lib.metrics.checks import Interval, UndefinedMeasure
from lib.metrics.comparison import last_stage

GENERATOR = "generator"
# With fewer test images of a value nothing is measured: the interval of a recall would span more than half of 0 to 1.
LEAST_IMAGES = 10
# Values that have a row of their own: those with most images. The others share one row.
MOST_VALUES = 50
MEASURES = ("recall_synthetic", "roc_auc")
NOT_KNOWN, TOO_FEW = "not known", "too few"


def is_several(rows: pd.DataFrame, column: str = GENERATOR) -> bool:
    """Whether synthetic images have two or more known values of a column.

    Args:
        rows: column y (0 real, 1 synthetic), and the column if it is known.
    """
    return column in rows and len(set(rows.loc[rows["y"] == 1, column]) - {""}) > 1


def by_value(rows: pd.DataFrame, threshold: float, column: str = GENERATOR, seed: int = 0) -> list[dict]:
    """Recall and AUC of the synthetic images of each value, the lowest recall first.

    The AUC is that of a value's images against all real images. The threshold is the same for all values, because in
    use nobody knows what made an image. Intervals are those of `measures.bootstrap_intervals`: of 95%, groups drawn whole.

    Args:
        rows: test images of one stage, columns y (0 real, 1 synthetic), score, group, and the column; "" is not known.
        threshold: chosen on validation.
        column: name of the column.
        seed: of the bootstrap.

    Returns:
        For each value a dictionary: value; values, 1; images, its test images; then MEASURES, each an interval as
            `Interval.as_dict` gives it, None throughout if there are fewer than LEAST_IMAGES images or the interval is
            undefined. These come after the others, by falling number of images. Values beyond MOST_VALUES share a last
            entry, with their number as `values` and an empty value.
    """
    synthetic, real = rows[rows["y"] == 1], rows[rows["y"] == 0]
    counts = synthetic[column].value_counts()
    order = sorted(counts.index, key=lambda value: (-counts[value], value))
    found = []
    for value in order[:MOST_VALUES]:
        mine = synthetic[synthetic[column] == value]
        read = _read(pd.concat([real, mine]), threshold, seed) if len(mine) >= LEAST_IMAGES else {}
        intervals = {name: read.get(name, _UNDEFINED).as_dict() for name in MEASURES}
        found.append({"value": value, "values": 1, "images": len(mine), **intervals})
    found.sort(key=_worst_first)
    if rest := order[MOST_VALUES:]:
        nothing = {name: _UNDEFINED.as_dict() for name in MEASURES}
        found.append({"value": "", "values": len(rest), "images": int(counts[rest].sum()), **nothing})
    return found


_UNDEFINED = Interval(np.nan, np.nan, np.nan)


def _read(rows: pd.DataFrame, threshold: float, seed: int) -> dict[str, Interval]:
    try:
        return measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], threshold, MEASURES, seed=seed)
    except UndefinedMeasure:
        # All images of one group, say: nothing can be resampled.
        return {}


def _worst_first(entry: Mapping) -> tuple:
    recall = entry["recall_synthetic"]["value"]
    return (recall is None, 0 if recall is None else recall)


def names_of(entries: list[dict]) -> list[str]:
    """The name of each entry of `by_value`, for people."""
    return [f"{entry['values']:,} more" if entry["values"] > 1 else entry["value"] or NOT_KNOWN for entry in entries]


def shown(entries: list[dict], column: str = GENERATOR) -> pd.DataFrame:
    """The entries of `by_value` as a table for reading."""
    known = {name: [Interval.from_dict(entry[name]) for entry in entries] for name in MEASURES}
    texts = {name: [TOO_FEW if np.isnan(one.value) else str(one) for one in found] for name, found in known.items()}
    images = [f"{entry['images']:,}" for entry in entries]
    table = {column: names_of(entries), "test images": images, "recall synthetic": texts["recall_synthetic"]}
    return pd.DataFrame({**table, "AUC against all real": texts["roc_auc"]})


def away(
    scored: pd.DataFrame,
    generators: Mapping[str, Mapping[str, str]],
    thresholds: Mapping[tuple[str, str, str], Mapping[str, float]],
    policy: str = "balanced",
) -> pd.DataFrame:
    """`by_value` of the last stage of every model on every dataset of several generators, for reading.

    Args:
        scored: test scores, columns trained_on, recipe, stage, tested_on, image_id, y, score, group.
        generators: dataset to the generator of each of its images by image_id.
        thresholds: (trained_on, recipe, stage) to policy to threshold, chosen at home.
        policy: of the threshold; a model without it is left out.

    Returns:
        Columns trained_on, recipe, tested_on, then those of `shown`; empty if no dataset has several generators.
    """
    tables = []
    for (trained_on, recipe, tested_on), rows in last_stage(scored).groupby(
        ["trained_on", "recipe", "tested_on"], sort=False
    ):
        rows = rows.assign(generator=rows["image_id"].map(generators.get(tested_on, {})).fillna(""))
        threshold = thresholds.get((trained_on, recipe, rows["stage"].iloc[0]), {}).get(policy)
        if threshold is not None and is_several(rows) and rows["y"].nunique() == 2:
            table = shown(by_value(rows, threshold))
            names = {"trained_on": trained_on, "recipe": recipe, "tested_on": tested_on}
            tables.append(table.assign(**names)[[*names, *table.columns]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
