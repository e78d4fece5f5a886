"""Means over seeds, paired differences, both recalls, and the table of wrong turns."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import measures, repeats


def scores(shift, seed, images=120, variant="a", stage="phase1", noise=0):
    rng = np.random.default_rng([seed, noise])
    y = np.arange(images) % 2
    frame = pd.DataFrame({"image_id": [f"{number:03d}" for number in range(images)], "y": y})
    base = np.random.default_rng(seed).normal(size=images)
    return frame.assign(
        variant=variant, choice=variant, setting="x", stage=stage, seed=seed, total=3.0, group=frame["image_id"],
        score=1 / (1 + np.exp(-(base + shift * y + 0.1 * rng.normal(size=images)))), degraded=rng.uniform(size=images),
    )  # fmt: skip


def test_ablation_table_gives_means_intervals_and_paired_differences():
    frames = [scores(2, seed, noise=1) for seed in (1, 2, 3)] + [
        scores(2, seed, variant="b", noise=2) for seed in (1, 2, 3)
    ]
    frames += [scores(0.5, seed, variant="c", noise=3) for seed in (1, 2, 3)]
    table = repeats.ablation_table(pd.concat(frames, ignore_index=True)).set_index("choice")
    each = [measures.roc_auc(frame["y"], frame["score"]) for frame in frames[:3]]
    assert table.loc["a", "roc_auc"] == pytest.approx(np.mean(each))
    assert (table.loc["a", "lowest"], table.loc["a", "highest"]) == (min(each), max(each))
    assert table.loc["a", ["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
    assert (table["roc_auc_low"] < table["roc_auc"]).all() and (table["roc_auc"] < table["roc_auc_high"]).all()
    # b differs from a by a little noise on the same images: paired, that is much narrower than either interval.
    assert table.loc["b", "difference"] == pytest.approx(table.loc["b", "roc_auc"] - table.loc["a", "roc_auc"])
    width = table["difference_high"] - table["difference_low"]
    assert width["b"] < 0.5 * (table.loc["b", "roc_auc_high"] - table.loc["b", "roc_auc_low"])
    assert table.loc["c", "difference_high"] < 0
    assert table["degraded"].between(0.3, 0.7).all() and (table["seconds"] == 3).all()


def test_three_seeds_are_surer_than_one():
    one, three = (pd.concat([scores(1, seed) for seed in range(count)]) for count in (1, 3))
    widths = [np.ptp(np.quantile(repeats.mean_over_seeds(rows)[1], (0.025, 0.975))) for rows in (one, three)]
    assert widths[1] < 0.75 * widths[0]


def split_in_two(frame):
    return frame.assign(split=np.where(np.arange(len(frame)) < len(frame) // 2, "validation", "test"))


def test_recalls_use_each_seeds_own_validation_threshold():
    rows = pd.concat([split_in_two(scores(3, seed)).assign(case="even") for seed in (1, 2)], ignore_index=True)
    # The second seed's scores lie elsewhere: a threshold shared by both would call one of them all alike.
    rows.loc[rows["seed"] == 2, "score"] = rows["score"] / 10
    table = repeats.recall_table(rows, "case").iloc[0]
    assert table["recall_real"] > 0.8 and table["recall_synthetic"] > 0.8
    assert table["recall_real_low"] < table["recall_real"] <= table["recall_real_high"] <= 1


def test_turns_table_chooses_on_the_split_that_the_turn_says():
    columns = {"what": "w", "score_change": 0.1, "weight_change": 1e-3}
    useless = split_in_two(scores(0, 5)).assign(turn="a", chosen_on="validation", **columns)
    cheating = useless.assign(turn="g", chosen_on="test")
    table = repeats.turns_table(pd.concat([useless, cheating])).set_index("turn")
    assert table.loc["a", "roc_auc"] == table.loc["g", "roc_auc"]
    assert table.loc["g", "f1_synthetic"] >= table.loc["a", "f1_synthetic"]
    assert (
        table.loc["a", "degenerate"] and table.loc["a", "recall_synthetic"] > 0.9 > 0.3 > table.loc["a", "recall_real"]
    )
    assert table.loc["g", "weight_change"] == 1e-3


def test_tables_for_reading_join_a_value_and_its_interval():
    table = pd.DataFrame({"name": ["x"], "auc": [0.5], "auc_low": [0.4], "auc_high": [0.6]})
    assert repeats.shown(table, {"name": "who", "auc": "AUC"}).to_dict("records") == [
        {"who": "x", "AUC": "0.500 [0.400, 0.600]"}
    ]


def test_perfect_recalls_of_all_seeds_have_intervals_with_width():
    rows = pd.concat([split_in_two(scores(60, seed)).assign(case="even") for seed in (1, 2)], ignore_index=True)
    found = repeats.recall_table(rows, "case").iloc[0]
    for name in ("roc_auc", "recall_real", "recall_synthetic"):
        # 30 test images of each class; seeds can share people, so that two of them are not 60.
        assert found[name] == found[f"{name}_high"] == 1
        assert found[f"{name}_low"] == pytest.approx(0.025 ** (1 / 30)), name


def test_tables_for_reading_name_stages():
    table = pd.DataFrame({"stage": ["phase1", "full"]})
    assert repeats.shown(table, {"stage": "after"})["after"].tolist() == ["phase 1 (frozen base)", "final model"]
