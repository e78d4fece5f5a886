"""Detectors that have never seen one generator, or one source of photographs, beside those that have seen it.

A detector in use meets generators that did not exist when it was trained. Its own test images are of generators that it
knows, so their numbers say nothing about the others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.metrics import measures, resampling, thresholds
from lib.metrics.checks import Interval, UndefinedMeasure

# A column of images, and what one of its values is called in sentences.
KINDS = {"generator": "a generator", "source": "a source of photographs"}
_UNDEFINED = Interval(np.nan, np.nan, np.nan)


def unseen_table(cases: pd.DataFrame, scored: pd.DataFrame, policy: str = "balanced", seed: int = 0) -> pd.DataFrame:
    """What detectors do on the test images of a value that they have never seen, the lowest AUC first.

    Each detector has its own threshold, chosen on the validation images that it had. Both are tested on the same images
    and share the resamples, so the difference is paired. The intervals are of the test images alone: another training
    would give somewhat other values.

    Args:
        cases: columns column, value, images, why (the reason if it was not measured, else "").
        scored: columns column, value, seen, split (`validation`, `test`), image_id, y, group, score. The test images are
            those of the value and all of the other class.
        policy: of the thresholds.
        seed: of the bootstrap.

    Returns:
        The columns of `cases`; then roc_auc, recall_real and recall_synthetic of the detector that has not seen the value,
            the same with `_seen` of the one that has, and difference (AUC not seen - seen), each with `_low` and `_high`
            (95%), NaN if not measured. Generators come first, then sources.
    """
    rows = []
    for case in cases.to_dict("records"):
        found, why = {}, case["why"]
        if not why:
            mine = scored[(scored["column"] == case["column"]) & (scored["value"] == case["value"])]
            try:
                found = _both(mine.sort_values("image_id"), policy, seed)
            except UndefinedMeasure:
                # All images are of one group, say: nothing can be resampled.
                why = "too few groups"
        row = {**case, "why": why}
        for name in _NAMES:
            row |= found.get(name, _UNDEFINED).columns(name)
        rows.append(row)
    columns = [*cases.columns, *(column for name in _NAMES for column in Interval.names(name))]
    return pd.DataFrame(rows, columns=columns).sort_values(["column", "roc_auc"], kind="stable", ignore_index=True)


_NAMES = (*measures.TABLE_MEASURES, *(f"{name}_seen" for name in measures.TABLE_MEASURES), "difference")


def _both(rows: pd.DataFrame, policy: str, seed: int) -> dict[str, Interval]:
    found, drawn = {}, {}
    for seen, mine in rows.groupby("seen"):
        validation, test = (mine[mine["split"] == split] for split in ("validation", "test"))
        threshold = thresholds.choose(policy, validation["y"], validation["score"]).threshold
        given = (test["y"], test["score"], test["group"])
        read = measures.bootstrap_intervals(*given, threshold, measures.TABLE_MEASURES, seed=seed)
        found |= {f"{name}_seen" if seen else name: interval for name, interval in read.items()}
        drawn[bool(seen)] = measures.bootstrap_values(*given, measures=["roc_auc"], seed=seed)["roc_auc"]
    change = found["roc_auc"].value - found["roc_auc_seen"].value
    return found | {"difference": resampling.percentile_interval(change, drawn[False] - drawn[True])}


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `unseen_table` with numbers."""
    return table[table["why"] == ""]


def headline(table: pd.DataFrame) -> str:
    """The lowest AUC of all generators in one sentence, of sources if no generator was measured; "" for neither."""
    for column, kind in KINDS.items():
        mine = measured(table[table["column"] == column])
        if len(mine):
            worst = mine.loc[mine["roc_auc"].idxmin()]
            return f"On {kind} that it has not seen: AUC {Interval.of(worst, 'roc_auc')} ({worst['value']})."
    return ""


def intervals(table: pd.DataFrame) -> dict[str, Interval]:
    """The AUCs of `unseen_table` for a figure: name to interval, each value not seen and then seen."""
    found = {}
    for row in measured(table).to_dict("records"):
        name = f"{row['column']} {row['value']}"
        found[f"{name}, not seen"] = Interval.of(row, "roc_auc")
        found[f"{name}, seen"] = Interval.of(row, "roc_auc_seen")
    return found


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """`unseen_table` for reading: a reason takes the place of numbers that were not measured."""
    headings = {"roc_auc": "AUC", "recall_real": "recall real", "recall_synthetic": "recall synthetic"}
    columns = {"left out": table["column"] + ": " + table["value"], "test images": table["images"]}
    for name, heading in headings.items():
        columns[f"{heading}, not seen"] = _texts(table, name)
        columns[f"{heading}, seen"] = _texts(table, f"{name}_seen")
    return pd.DataFrame({**columns, "difference of AUC": _texts(table, "difference")})


def _texts(table: pd.DataFrame, name: str) -> list[str]:
    return [why or str(found) for why, found in zip(table["why"], Interval.all_of(table, name), strict=True)]
