"""Detectors of values that they have not seen: the measures themselves, paired differences, and no numbers of few images."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import measures, thresholds, unseen
from lib.metrics.words import experiments as words

NAME = "<b>made_by</b>"


def cases(values):
    rows = [{"column": "generator", "value": value, "images": 40, "why": why} for value, why in values.items()]
    return pd.DataFrame(rows)


def scores(value, shifts, seed=0):
    """Rows of a detector that has not seen a value and of one that has; `shifts` are how far apart the classes score."""
    rng = np.random.default_rng(seed)
    y, noise = np.arange(160) % 2, rng.normal(size=160)
    split = np.repeat(["validation", "test"], 80)
    frame = pd.DataFrame({"image_id": [f"{number:03}" for number in range(160)], "y": y, "split": split})
    frame = frame.assign(group=frame["image_id"], column="generator", value=value)
    return pd.concat(
        [frame.assign(seen=seen, score=1 / (1 + np.exp(-noise - shift * y))) for seen, shift in shifts.items()]
    )


def test_the_lowest_auc_comes_first_with_the_values_of_the_measures_themselves():
    scored = pd.concat([scores("a", {True: 3, False: 2.5}), scores(NAME, {True: 3, False: 0.2}, 1)])
    table = unseen.unseen_table(cases({"a": "", "none": "too few test images", NAME: ""}), scored)
    assert table["value"].tolist() == [NAME, "a", "none"]
    assert table.loc[2, "roc_auc":].isna().all()
    for row in table.head(2).itertuples():
        mine = scored[scored["value"] == row.value]
        for seen, ending in ((True, "_seen"), (False, "")):
            validation, test = (
                mine[(mine["seen"] == seen) & (mine["split"] == split)] for split in ("validation", "test")
            )
            limit = thresholds.choose("balanced", validation["y"], validation["score"]).threshold
            given = (test["y"], test["score"], test["group"])
            for name, found in measures.bootstrap_intervals(*given, limit, measures.TABLE_MEASURES).items():
                assert found.columns(f"{name}{ending}").items() <= row._asdict().items()
        assert row.difference == pytest.approx(row.roc_auc - row.roc_auc_seen)
    assert table.loc[0, "difference_high"] < 0 and unseen.headline(table).endswith(f"({NAME}).")
    # The same noise in both: paired, the difference is much surer than either AUC.
    assert table.loc[1, "difference_high"] - table.loc[1, "difference_low"] < 0.08
    assert list(unseen.intervals(table)) == [f"generator {row}" for row in (
        f"{NAME}, not seen", f"{NAME}, seen", "a, not seen", "a, seen")]  # fmt: skip


def test_a_generator_whose_images_are_of_one_group_is_not_measured():
    scored = scores("a", {True: 3, False: 2}).assign(group="one video")
    table = unseen.unseen_table(cases({"a": ""}), scored)
    assert table["why"].tolist() == ["too few groups"] and table["roc_auc"].isna().all()
    assert "are there enough images" in words.unseen_seen(table) and unseen.headline(table) == ""


def test_unseen_generators_in_words():
    scored = pd.concat([scores("a", {True: 3, False: 2.9}), scores(NAME, {True: 3, False: 0.2}, 1)])
    said = words.unseen_seen(unseen.unseen_table(cases({"a": "", "none": "too few test images", NAME: ""}), scored))
    assert "On a generator that the detector has not seen, the AUC is lowest for" in said
    assert "<b>" not in said and "&lt;b&gt;made" in said and "too few images: 1." in said
    empty = unseen.unseen_table(pd.DataFrame(columns=["column", "value", "images", "why"]), pd.DataFrame())
    assert "fewer than two generators" in words.unseen_seen(empty) and "\n" not in words.unseen_seen(empty)
