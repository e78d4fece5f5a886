"""Sentences of the notebooks: they conclude what the numbers say, whichever way they fall."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import baselines, repeats
from lib.metrics.measures import Interval
from lib.metrics.thresholds import Costs
from lib.metrics.words import comparison, data, experiments, robustness, thresholds, training

GOOD, COIN, LOW = Interval(0.9, 0.85, 0.95), Interval(0.52, 0.45, 0.6), Interval(0.7, 0.6, 0.8)


def history(training, validation, kept):
    return pd.DataFrame({"epoch": range(len(training)), "roc_auc": training, "val_roc_auc": validation}).assign(
        kept=lambda rows: rows["epoch"] == kept
    )


def test_overfitting_is_said_where_training_ranks_far_better_than_validation_and_nowhere_else():
    said = training.curves_seen(history([np.nan, 0.9, 1.0], [0.8, 0.85, 0.84], 1), Interval(0.85, 0.8, 0.9), 60)
    assert "**This is overfitting**" in said and "1.000 on training images and 0.840 on validation" in said
    assert "Epoch 1 is kept" in said
    said = training.curves_seen(history([np.nan, 0.8, 0.86], [0.7, 0.8, 0.85], 2), GOOD, 60)
    assert "No sign of overfitting" in said and "more epochs might have helped" in said
    said = training.curves_seen(history([np.nan], [0.7], 0), COIN, 60)
    assert "overfitting" not in said and "at chance" in said and "the start is kept" in said


@pytest.mark.parametrize(
    ("kept", "epochs", "said"),
    [
        (0, 2, "**Fine-tuning was tried (full stage (all blocks)) and thrown away.**"),
        (1, 2, "Kept, because validation was better: full stage (all blocks)."),
        (0, 0, "Nothing was fine-tuned here"),
    ],
)
def test_fine_tuning_is_told_by_what_was_kept(kept, epochs, said):
    rows = pd.DataFrame({"stage": "full", "epoch": range(epochs + 1), "weight_change": 1e-8, "score_change": 0.0})
    rows = rows.assign(kept=rows["epoch"] == kept)
    assert said in training.fine_tuning_seen(rows)
    line = training.changes(rows, "a quick run")
    assert ("skipped, a quick run" in line) == (epochs == 0) and ("changed nothing" in line) == (
        kept == 0 and epochs > 0
    )


def test_stages_that_are_one_model_are_one_row():
    assert "there is one row: final model" in training.stages_seen({"full": GOOD}, {"full": "final model"})
    names = {"phase1": "phase 1", "full": "final model"}
    assert "leaves out" in training.stages_seen({"phase1": COIN, "full": GOOD}, names)
    assert "cannot be told apart" in training.stages_seen({"phase1": LOW, "full": Interval(0.72, 0.6, 0.8)}, names)


def test_the_audit_says_what_is_wrong_and_what_is_not():
    assert "nothing is missing" in data.files_seen(10, 10)
    assert "2 of 10 files (20%)" in data.files_seen(10, 8) and "That is much" in data.files_seen(10, 8)
    assert "holds 0.5" in data.probe_seen(COIN, "") and "Warning: leak" in data.probe_seen(GOOD, "leak")
    assert "stays below" in data.probe_seen(Interval(0.58, 0.55, 0.62), "")
    files = pd.DataFrame({"label": ["real", "synthetic"] * 4, "width": 10, "height": 10, "bytes": [100, 900] * 4})
    assert "**that is enough to cheat with**" in data.sizes_seen(files)
    assert "number of pixels is the same in all files" in data.sizes_seen(files.assign(bytes=5))
    known = {"exact": 0, "near": 0, "two_labels": 0, "across_split": 0, "other_datasets": {}}
    assert "No copies" in data.pairs_seen(known, 3, 0) and "new people" in data.pairs_seen(known, 3, 0)
    assert "will be too good" in data.pairs_seen({**known, "exact": 2, "across_split": 1}, 3, 1)
    said = data.bootstrap_seen(np.linspace(0.4, 0.6, 100), Interval(0.5, 0.4, 0.6), 50)
    assert "spans 0.200, which is wide" in said and "about 200" in said


def test_the_size_of_the_test_split_says_what_chance_gives():
    counts = pd.DataFrame({"split": ["test", "test"], "label": ["real", "synthetic"], "images": [107, 107]})
    # Published: about 0.5 +- 0.078 for a fifth of 1,068 images.
    assert "between 0.422 and 0.578" in data.split_seen(counts) and "balanced in every part" in data.split_seen(counts)
    assert "**One class is rarer" in data.split_seen(counts.assign(images=[10, 90]))


def test_pictures_that_differ_in_light_are_told():
    dark, light = ([np.full((4, 4, 3), value + step, "uint8") for step in range(4)] for value in (10, 200))
    assert "brighter on average, more than twice" in data.samples_seen({"real": dark, "synthetic": light})
    assert "less than twice" in data.samples_seen({"real": dark, "synthetic": dark})
    assert "Too few" in data.samples_seen({"real": dark})
    assert "can use light" in data.difference_seen("x.", True, "light")
    assert "nothing says" in data.difference_seen("x.", False, "light")


def test_views_are_compared_with_the_plain_one():
    views = {"plain": np.zeros((2, 2, 3), "uint8"), "jpeg 30": np.full((2, 2, 3), 4, "uint8"), "other": None}
    assert "jpeg 30 4.0; most: jpeg 30" in training.views_seen(views, ["jpeg 30"])


def test_labels_dealt_at_random_show_a_leak_or_none():
    dealt = pd.DataFrame({"split": ["by image"] * 4 + ["by group"] * 4, "roc_auc": [0.7] * 4 + [0.5] * 4})
    found = repeats.deal_intervals(dealt)
    assert found["by image"] == Interval(*[pytest.approx(0.7)] * 3) and list(found) == ["by image", "by group"]
    assert "It knows the people again" in training.lottery_seen(found)
    assert "not known again" in training.lottery_seen({"by image": COIN, "by group": COIN})
    assert "copies are all" in training.lottery_seen({})


def test_a_head_a_network_and_a_ranking_are_judged_by_intervals():
    y, scores = [0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9]
    assert "less than its interval allows" in training.plain_head_seen(y, scores, GOOD)
    assert "inside its interval" in training.plain_head_seen(y, scores, LOW)
    assert "more than its interval allows" in training.plain_head_seen(y, scores, COIN)
    rows = pd.DataFrame(
        {"scorer": ["dummy", "net"], "roc_auc": [0.5, 0.9], "roc_auc_low": [0.5, 0.85], "roc_auc_high": [0.5, 0.95]}
    )
    assert "better than it" in thresholds.baseline_seen(rows, "net")
    assert "no proof" in thresholds.baseline_seen(rows.assign(roc_auc=[0.88, 0.9]), "net")
    assert "no better than that" in thresholds.baseline_seen(rows.assign(roc_auc=[0.95, 0.9]), "net")
    said = thresholds.ranking_seen({"full": LOW}, {"full": "final model"}, 60)
    assert "higher in 70% of cases" in said and "spans 0.20" in said
    assert "spans" not in thresholds.ranking_seen({"full": Interval(0.9, 0.88, 0.92)}, {"full": "final model"}, 60)


def test_thresholds_in_words():
    rows = pd.DataFrame({"y": [0, 0, 1, 1], "score": [0.1, 0.6, 0.4, 0.9]})
    assert "50% of the test images lie on the wrong side" in thresholds.overlap_seen(rows, 0.5)
    assert "50% of the real and 50% of the synthetic" in thresholds.crossing_seen(rows, 0.5, 0.5)
    assert "where this model's classes part" in thresholds.crossing_seen(rows, 0.2, 0.5)
    assert "no threshold gets all of them right" in training.spread_seen(rows)
    apart = rows.assign(score=[0.1, 0.2, 0.8, 0.9])
    assert "gets every image right" in training.spread_seen(apart) and "lie apart" in thresholds.overlap_seen(
        apart, 0.5
    )
    assert "nothing is called synthetic" in thresholds.precision_seen((0.0, None), 0.5)
    assert "hardly more" in thresholds.precision_seen((1.0, 0.5), 0.5) and "better than" in thresholds.precision_seen(
        (0.9, 0.9), 0.5
    )
    settled = {
        "fixed": Interval(0.5, 0.5, 0.5),
        "balanced": Interval(0.5, 0.4, 0.5),
        "best_f1": Interval(0.3, 0.1, 0.6),
    }
    assert "`best_f1` is the least settled" in thresholds.stability_seen(settled)
    assert "No threshold depends" in thresholds.stability_seen({"fixed": settled["fixed"]})
    assert "enough real" in thresholds.unset_words([]) and "a: few" in thresholds.unset_words(["a: few"])
    chance = pd.Series({"recall_synthetic": 1.0, "recall_real": 0.0, "f1_synthetic": 0.667})
    assert "100% of the synthetic" in thresholds.chance_seen(chance, []) and "Warning" in thresholds.chance_seen(
        chance, ["x"]
    )
    one = {
        "confusion": {"false_synthetic": 1, "false_real": 2},
        "recall_real": {"value": 0.9},
        "recall_synthetic": {"value": 0.8},
    }
    other = {**one, "confusion": {"false_synthetic": 9, "false_real": 0}, "recall_real": {"value": 0.1}}
    said = thresholds.confusion_seen({"balanced": one, "best_f1": other})
    assert "`balanced` makes the fewest errors on test (3)" in said and "`best_f1` is the most uneven" in said
    assert "none is weighed" in thresholds.cost_seen(None, "")
    assert "everything real would cost 0.050" in thresholds.cost_seen(
        Costs(false_alarm=1, miss=5, prevalence=0.01), "0.1"
    )
    content = {
        "recommended": "platt",
        "test": {"platt": {"brier_score": {"change": {"value": -0.1, "low": -0.2, "high": -0.05}}}},
    }
    errors = {"uncalibrated": LOW, "platt": COIN}
    assert "so it helps" in thresholds.calibration_seen(content, errors)
    content["test"]["platt"]["brier_score"]["change"]["high"] = 0.1
    assert "may be nothing" in thresholds.calibration_seen(content, errors)
    assert "as they are" in thresholds.calibration_seen({"recommended": "uncalibrated"}, errors)
    row = {"recall_real": "0.9", "recall_synthetic": "0.8"}
    assert "Source: stand-ins" in thresholds.balanced_seen(row, LOW, 60, "stand-ins")


def test_other_data_in_words():
    rows = pd.DataFrame({"trained_on": ["a", "a"], "tested_on": ["a", "b"], "roc_auc": [0.9, 0.5]})
    assert "knows its own dataset" in comparison.matrix_seen(rows) and "Home alone" in comparison.matrix_seen(
        rows.head(1)
    )
    assert "what was learnt holds" in comparison.matrix_seen(rows.assign(roc_auc=0.9))
    assert "no promise" in comparison.away_seen([]) and comparison.away_seen(["x"]).endswith("x")
    assert "Only a has been run" in comparison.compared_words({"a": "s"}, 1, 1, 0)
    assert "Datasets: 2." in comparison.compared_words({"a": "s", "b": "s"}, 2, 3, 0)
    assert "nothing is known about sizes" in comparison.sizes_of_training_seen([], ["x"])
    assert "Not in the curve" in comparison.sizes_of_training_seen(["law"], ["x"])


def degraded(**changed):
    row = {"images": 60, "roc_auc_change": -0.3, "roc_auc_change_low": -0.4, "roc_auc_change_high": -0.2}
    for name, value in {"roc_auc": 0.9, "recall_real": 0.9, "recall_synthetic": 0.9, **changed}.items():
        row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": min(1, value + 0.1)}
    return row


def test_degradations_tell_a_lost_threshold_from_a_lost_ranking():
    clean = {**degraded(), "degradation": "none", "level": np.nan, "roc_auc_change_high": 0.0}
    moved = {**degraded(recall_real=0.2), "degradation": "blur", "level": 2.0}
    gone = {**degraded(roc_auc=0.5, recall_synthetic=0.1), "degradation": "jpeg", "level": 30.0}
    said = robustness.robustness_seen(pd.DataFrame([clean, moved, gone]), "balanced", "stand-ins").splitlines()
    assert "Not better than chance: jpeg 30." in said[2] and "less than half of a class recognised: blur 2." in said[3]
    assert "blur 2 (-0.300), jpeg 30 (-0.300)" in said[1]


def test_edits_are_told_by_the_photographs_that_they_make_synthetic():
    changed = {"recall_real_change_high": 0.0}
    clean = {**degraded(), **changed, "degradation": "none", "level": np.nan}
    mild = {**degraded(recall_real=0.85), **changed, "degradation": "retouch", "level": 1.0}
    strong = {**degraded(recall_real=0.6), "recall_real_change_high": -0.1, "degradation": "sharpen", "level": 2.0}
    worse = {**degraded(recall_real=0.1), "recall_real_change_high": -0.5, "degradation": "jpeg", "level": 30.0}
    table = pd.DataFrame([clean, worse, mild, strong])
    said = robustness.edits_seen(table, "balanced", ["sharpen", "retouch"]).splitlines()
    assert "balanced threshold: 0.900 [0.800, 1.000] as they are; retouch 1 0.850 [0.750, 0.950], sharpen 2" in said[0]
    assert "leaves out 0: sharpen 2." in said[1]
    # Compression is no edit.
    assert "called synthetic after sharpen 2: 40%, against 10% as they are" in said[2]
    kept = robustness.edits_seen(table.assign(recall_real=0.9), "balanced", ["sharpen"])
    assert "No edit makes more photographs be called synthetic than the 10% as they are." in kept
    assert "No edit was tried" in robustness.edits_seen(table, "balanced", ["denoise"])


def test_maps_and_errors_in_words():
    point, even = np.zeros((10, 10)), np.ones((10, 10))
    point[0, 0] = 1
    assert "from few places" in robustness.map_seen({"real": point}) and "spread widely" in robustness.map_seen(
        {"real": even}
    )
    assert "empty" in robustness.map_seen({"real": np.zeros((2, 2))})
    blocks = pd.DataFrame({"blocks": ["1", "2"], "difference": [1.0, 3.0], "share": [0.25, 0.75]})
    alike = pd.DataFrame({"grad_cam": [0.1], "contributions": [0.0]}, index=["mean"])
    assert "do show what was learnt" in robustness.maps_seen(blocks, alike, 60, 3, "s")
    assert "do not read them" in robustness.maps_seen(blocks, alike + 0.9, 60, 3, "s")
    assert "noise that looks like a reason" in robustness.no_explanation(COIN)
    wrong = pd.DataFrame({"y": [0, 1, 1, 1]})
    assert "of one class more" in robustness.certain_seen(
        wrong.head(1), wrong
    ) and "no class stands out" in robustness.certain_seen(wrong, wrong)
    assert "no errors" in robustness.certain_seen(wrong.head(0), wrong.head(0))
    said = robustness.errors_seen(wrong, 60, {"recall_real": GOOD, "recall_synthetic": LOW}, "s")
    assert "4 of 60 test images are called wrongly: 1 real ones" in said


def test_experiments_in_words():
    turn = {"turn": ["a", "g"], "roc_auc": [0.9, 0.5], "degenerate": [False, True], "f1_synthetic": [0.8, 0.85]}
    table = pd.DataFrame({**turn, "roc_auc_low": [0.8, 0.4], "roc_auc_high": [0.95, 0.6]})
    said = experiments.turns_seen(table, "s")
    assert "is no coin" in said and "Not told from chance: g. Nearly everything called one class: g." in said
    assert "at chance itself" in experiments.turns_seen(table.assign(roc_auc_low=0.4), "s")
    moved = pd.DataFrame({"turn": ["a", "e"], "weight_change": [0.1, 1e-8], "score_change": [0.2, 1e-7]})
    assert "In e no weight moved" in experiments.moved_seen(moved) and "every training" in experiments.moved_seen(
        moved.head(1)
    )
    rows = {"choice": ["x", "y"], "setting": "s", "difference": [-0.1, 0.01], "difference_low": [-0.2, -0.1]}
    said = experiments.ablation_seen(pd.DataFrame({**rows, "difference_high": [-0.05, 0.1]}), "s")
    assert "Worse than the recipe beyond chance: x: s (-0.100). Better beyond chance: none." in said
    cases = {
        "case": ["balanced", "rare"],
        "roc_auc": [0.9, 0.8],
        "recall_real": [0.9, 0.9],
        "recall_synthetic": [0.9, 0.5],
    }
    assert "-0.100 at most (rare)" in experiments.imbalance_seen(pd.DataFrame(cases))
    assert "One case alone" in experiments.imbalance_seen(pd.DataFrame(cases).head(1))
    assert "2 times an epoch" in training.weights_seen(10, 1, {0: 1.0, 1: 1.0})
    assert "count more" in training.weights_seen(10, 0, {0: 0.6, 1: 3.0})
    assert thresholds.parts_words("final model", 1, 2).startswith("Final model. Validation: 1 images")


def test_baselines_are_read_at_their_own_validation_thresholds():
    y = np.arange(40) % 2
    rows = pd.DataFrame({"split": ["validation"] * 20 + ["test"] * 20, "y": y, "group": [f"g{at}" for at in range(40)]})
    table = baselines.baseline_table({"dummy": rows.assign(score=0.5), "sure": rows.assign(score=y * 1.0)})
    dummy, sure = table.itertuples()
    assert (dummy.scorer, dummy.images, dummy.roc_auc, dummy.roc_auc_high) == ("dummy", 20, 0.5, 0.5)
    assert sure.roc_auc == sure.recall_real == sure.recall_synthetic == 1 and sure.recall_real_low < 1
    assert {dummy.recall_real, dummy.recall_synthetic} == {0.0, 1.0}


def test_what_few_pictures_change_is_told_there_and_at_home():
    assert "One dataset so far" in comparison.adapted_seen(pd.DataFrame())
    row = {"roc_auc_before": 0.6, "roc_auc_after": 0.8, "roc_auc_after_low": 0.7, "roc_auc_home_before": 0.95}
    said = comparison.adapted_seen(pd.DataFrame([{**row, "roc_auc_home": 0.94}]))
    assert "by +0.200 on average" in said and "in 1 of 1 cases" in said and "little is lost there" in said
    said = comparison.adapted_seen(pd.DataFrame([{**row, "roc_auc_after_low": 0.55, "roc_auc_home": 0.7}]))
    assert "in 0 of 1 cases" in said and "partly lost" in said


def test_how_many_pictures_are_needed_is_told_from_the_draws():
    curve = pd.DataFrame({"pictures": [0, 5, 10], "roc_auc": [0.6, 0.7, 0.9], "roc_auc_low": [0.5, 0.5, 0.8]})
    said = comparison.pictures_needed_seen(curve)
    assert "from 10 of each class on" in said and "0.900, with 10" in said
    assert "no number tried helps" in comparison.pictures_needed_seen(curve.assign(roc_auc_low=0.5))
    assert "cannot be said" in comparison.pictures_needed_seen(curve.iloc[:1])
