"""The robustness table: hand-worked recalls, intervals of measures.bootstrap_intervals, paired changes."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import figures, measures, robustness


def scored(*parts):
    frames = []
    for kind, level, scores in parts:
        y = np.arange(len(scores)) % 2
        ids = [f"i{number:03d}" for number in range(len(scores))]
        columns = {"image_id": ids, "y": y, "group": ids, "score": scores, "degradation": kind, "level": level}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


GOOD = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6]
# All higher: the ranking is the same, but no real image is below the threshold any more.
MOVED = [0.6, 0.99, 0.7, 0.98, 0.75, 0.97, 0.8, 0.96]


def test_both_recalls_at_the_home_threshold():
    table = robustness.robustness_table(
        scored(("none", np.nan, GOOD), ("jpeg", 30, MOVED)), {"balanced": 0.5, "fixed": 0.65}
    ).set_index("degradation")
    assert table.loc["none", ["roc_auc", "recall_real", "recall_synthetic"]].tolist() == [1, 1, 1]
    assert table.loc["jpeg", ["roc_auc", "recall_real", "recall_synthetic"]].tolist() == [1, 0, 1]
    assert table.loc["jpeg", "roc_auc_change"] == 0 and table.loc["jpeg", "images"] == 8
    assert table.loc["jpeg", ["recall_real_change", "recall_real_change_high"]].tolist() == [-1, -1]
    assert table.loc["none", ["recall_real_change", "recall_real_change_low"]].tolist() == [0, 0]
    other = robustness.robustness_table(scored(("none", np.nan, GOOD)), {"fixed": 0.65}, "fixed")
    assert other.loc[0, "recall_synthetic"] == 0.75


def test_intervals_are_those_of_the_measures_and_changes_are_paired():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=200) + np.arange(200) % 2
    data = scored(("none", np.nan, clean), ("blur", 1.0, clean), ("blur", 3.0, clean + rng.normal(size=200)))
    # The order of the rows is not what pairs them.
    mixed = pd.concat(
        [data[data["degradation"] == "none"], data[data["degradation"] != "none"].sample(frac=1, random_state=1)]
    )
    table = robustness.robustness_table(mixed, {"balanced": 0.4})
    for row in table.itertuples():
        part = data[(data["degradation"] == row.degradation) & ((data["level"] == row.level) | np.isnan(row.level))]
        found = measures.bootstrap_intervals(part["y"], part["score"], part["group"], 0.4, robustness.MEASURES)
        for name, interval in found.items():
            assert (interval.value, interval.low, interval.high) == tuple(
                getattr(row, name + end) for end in ("", "_low", "_high")
            )
    same, noisy = (table[table["level"] == level].iloc[0] for level in (1.0, 3.0))
    assert (same["roc_auc_change_low"], same["roc_auc_change_high"]) == (0, 0)
    assert noisy["roc_auc_change_low"] < noisy["roc_auc_change"] < 0


def test_images_as_they_are_must_be_there():
    with pytest.raises(ValueError, match="none"):
        robustness.robustness_table(scored(("jpeg", 30, GOOD)), {"balanced": 0.5})


def test_curves_are_what_the_figure_takes():
    table = robustness.robustness_table(
        scored(("none", np.nan, GOOD), ("jpeg", 90.0, GOOD), ("jpeg", 30.0, MOVED), ("blur", 1.0, GOOD)),
        {"balanced": 0.5},
    )
    frame, undegraded = robustness.curves(table, {"jpeg": "JPEG quality", "blur": "blur, pixels"})
    assert undegraded == {"roc_auc": 1, "recall_real": 1, "recall_synthetic": 1}
    assert len(frame) == 9 and set(frame["measure"]) == set(robustness.MEASURES)
    row = frame[(frame["degradation"] == "JPEG quality") & (frame["level"] == 30) & (frame["measure"] == "recall_real")]
    assert row["value"].tolist() == [0]
    axes = figures.robustness_curves(frame, undegraded, "title").axes
    assert [ax.get_xlabel() for ax in axes] == ["JPEG quality", "blur, pixels"]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["90", "30"]


def test_recalls_at_their_limits_have_intervals_with_width():
    table = robustness.robustness_table(scored(("none", np.nan, GOOD), ("jpeg", 30, MOVED)), {"balanced": 0.5})
    # Of 4 trials without a failure the lower limit is 0.025^(1/4).
    for name, row, low, high in (
        ("recall_real", 0, 0.025**0.25, 1),
        ("recall_real", 1, 0, 1 - 0.025**0.25),
        ("recall_synthetic", 1, 0.025**0.25, 1),
        ("roc_auc", 0, 0.025**0.25, 1),
    ):
        assert table.loc[row, f"{name}_low"] == pytest.approx(low), name
        assert table.loc[row, f"{name}_high"] == pytest.approx(high), name
