"""A detector beside what it has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lib.metrics import thresholds
from lib.metrics.measures import bootstrap_intervals

MEASURES = ("roc_auc", "recall_real", "recall_synthetic")


def baseline_table(scored: Mapping[str, pd.DataFrame], policy: str = "balanced", seed: int = 0) -> pd.DataFrame:
    """Test AUC and both recalls of several scorers, each at the threshold that its validation images choose.

    Args:
        scored: name of a scorer to its rows: columns split (`validation`, `test`), y (0 real, 1 synthetic), group, score.
        policy: of the thresholds.
        seed: of the bootstrap.

    Returns:
        One row per scorer: scorer, images (of test), then roc_auc, recall_real and recall_synthetic with `_low` and `_high` (95%).

    Raises:
        UndefinedMeasure: as `measures.bootstrap_intervals`.
    """
    rows = []
    for name, frame in scored.items():
        validation, test = (frame[frame["split"] == split] for split in ("validation", "test"))
        chosen = thresholds.choose(policy, validation["y"], validation["score"]).threshold
        read = bootstrap_intervals(test["y"], test["score"], test["group"], chosen, MEASURES, seed=seed)
        row = {"scorer": name, "images": len(test)}
        for measure, found in read.items():
            row |= {measure: found.value, f"{measure}_low": found.low, f"{measure}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)
