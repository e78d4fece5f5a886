"""Comparison: rows, matrix, learning curve and verdict."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import comparison, delong, measures, thresholds
from lib.metrics.measures import Interval, UndefinedMeasure


def scores(trained, tested, shift, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(80) % 2
    names = {"trained_on": trained, "recipe": "tuned", "stage": "full", "tested_on": tested, "overlap_removed": 3}
    group = [f"g{number}" for number in range(80)]
    return pd.DataFrame({**names, "y": y, "score": rng.random(80) + shift * y, "group": group})


@pytest.fixture
def compared():
    frames = [scores("a", "a", 2), scores("a", "b", 0), scores("b", "b", 2), scores("b", "a", 0)]
    policies = {"fixed": 0.5, "balanced": 1.0}
    return comparison.compare(pd.concat(frames), {(name, "tuned", "full"): policies for name in "ab"})


def test_a_row_per_pair_and_policy_with_recalls_at_home_thresholds(compared):
    assert list(compared.columns) == list(comparison.COLUMNS) and len(compared) == 8
    home = compared[
        (compared["trained_on"] == "a") & (compared["tested_on"] == "a") & (compared["policy"] == "balanced")
    ]
    assert home[["roc_auc", "recall_real", "recall_synthetic"]].to_numpy().tolist() == [[1, 1, 1]]
    assert set(compared["images"]) == {80} and set(compared["overlap_removed"]) == {3}


def test_matrix_has_home_on_the_diagonal(compared):
    values, texts = comparison.auc_matrix(compared, "tuned", "full")
    assert list(values.index) == list(values.columns) == ["a", "b"]
    assert np.diag(values).tolist() == [1, 1] and values.loc["a", "b"] < 0.7
    assert texts.loc["a", "a"].startswith("1.00")
    with pytest.raises(ValueError, match="no rows of recipe"):
        comparison.auc_matrix(compared, "original", "full")


def test_learning_curve_is_home_only_and_sorted_by_size(compared):
    curve = comparison.learning_curve(compared, {"a": 300, "b": 100})
    assert curve["trained_on"].tolist() == ["b", "a"] and curve["training_images"].tolist() == [100, 300]
    with pytest.raises(ValueError, match="no number of training images"):
        comparison.learning_curve(compared, {"a": 300})


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.4, 0.6, "at chance"), (0.51, 0.6, "better than chance"), (0.3, 0.49, "uninformative")],
)
def test_verdict(low, high, said):
    assert comparison.verdict(Interval((low + high) / 2, low, high)) == said


def test_no_verdict_without_an_interval():
    with pytest.raises(UndefinedMeasure, match="undefined interval"):
        comparison.verdict(Interval(0.6, np.nan, np.nan))
    assert comparison.verdict(Interval(0.55, 0.5, 0.6)) == "at chance"


def test_transfer_rows_hand_worked():
    names = {"trained_on": "a", "recipe": "tuned", "stage": "full", "tested_on": "b", "overlap_removed": 2}
    labels, scores = [0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9]
    rows = comparison.transfer_rows(labels, scores, None, {"fixed": 0.5, "fpr_1": 0.85}, **names, resamples=50)
    assert [tuple(row) for row in rows] == [comparison.COLUMNS] * 2
    assert [(row["policy"], row["recall_real"], row["recall_synthetic"]) for row in rows] == [
        ("fixed", 0.75, 0.75),
        ("fpr_1", 1, 0.25),
    ]
    # Of 16 pairs the 0.7 of a real image beats the 0.4 and the 0.6.
    assert all(row["roc_auc"] == 14 / 16 and row["roc_auc_low"] <= 14 / 16 <= row["roc_auc_high"] for row in rows)
    found = measures.bootstrap_intervals(labels, scores, None, 0.5, ["recall_real", "recall_synthetic"], resamples=50)
    for name, interval in found.items():
        assert Interval(*(rows[0][name + end] for end in ("", "_low", "_high"))) == interval
    (ranking,) = comparison.transfer_rows(labels, scores, None, {}, **names, resamples=50)
    assert (
        ranking["policy"] == comparison.NO_THRESHOLD
        and np.isnan(ranking["recall_real"])
        and np.isnan(ranking["recall_synthetic_low"])
    )
    assert ranking["roc_auc_low"] == rows[0]["roc_auc_low"]


def test_matrix_keeps_gaps_and_refuses_contradictions(compared):
    partial = compared[~((compared["trained_on"] == "b") & (compared["tested_on"] == "a"))]
    elsewhere = partial.iloc[:1].assign(tested_on="0_elsewhere", roc_auc=0.55, roc_auc_low=0.5, roc_auc_high=0.6)
    values, texts = comparison.auc_matrix(pd.concat([elsewhere, partial]), "tuned", "full")
    assert list(values.columns) == ["a", "b", "0_elsewhere"]  # home columns first, in the rows' order
    assert np.isnan(values.loc["b", "a"]) and texts.loc["b", "a"] == ""
    assert texts.loc["a", "0_elsewhere"] == "0.550\n[0.500, 0.600]"
    twice = pd.concat([compared, compared.iloc[:1].assign(roc_auc=0.1)])
    with pytest.raises(ValueError, match="different ROC AUC"):
        comparison.auc_matrix(twice, "tuned", "full")
    with pytest.raises(ValueError, match="lacks the columns"):
        comparison.auc_matrix(compared.drop(columns="roc_auc_low"), "tuned", "full")


def test_compare_reads_each_model_at_its_own_thresholds():
    frame = pd.concat([scores("a", "b", 0), scores("b", "b", 0)])
    policies = {("a", "tuned", "full"): {"fixed": -1.0}, ("b", "tuned", "full"): {"fixed": 9.0}}
    found = comparison.compare(frame, policies).set_index("trained_on")
    assert found.loc["a", ["recall_real", "recall_synthetic"]].tolist() == [0, 1]
    assert found.loc["b", ["recall_real", "recall_synthetic"]].tolist() == [1, 0]
    # The same scores and the same resamples: the same AUC.
    assert found.loc["a", "roc_auc_low"] == found.loc["b", "roc_auc_low"]
    with pytest.raises(KeyError):
        comparison.compare(frame, {("a", "tuned", "full"): {"fixed": 0.5}})


def test_compare_resamples_groups_whole():
    def row(group):
        frame = scores("a", "b", 0.3)
        copies = pd.concat([frame.assign(copy=number) for number in range(4)])
        frame = copies.assign(group=group(copies))
        return comparison.compare(frame, {("a", "tuned", "full"): {"fixed": 0.5}}).iloc[0]

    alone = row(lambda frame: frame["group"] + frame["copy"].astype(str))
    grouped = row(lambda frame: frame["group"])
    assert alone["roc_auc"] == pytest.approx(grouped["roc_auc"]) and alone["images"] == grouped["images"] == 320
    wider = (grouped["roc_auc_high"] - grouped["roc_auc_low"]) / (alone["roc_auc_high"] - alone["roc_auc_low"])
    assert 1.6 < wider < 2.5  # the root of four


def test_learning_curve_hand_worked(compared):
    home = compared[(compared["trained_on"] == "a") & (compared["tested_on"] == "a")]
    other = home.assign(stage="phase1", roc_auc=0.6, roc_auc_low=0.5, roc_auc_high=0.7)
    curve = comparison.learning_curve(pd.concat([compared, other]), {"a": 300, "b": 100, "unused": 5})
    assert list(curve.columns) == [
        "trained_on",
        "recipe",
        "stage",
        "training_images",
        "roc_auc",
        "roc_auc_low",
        "roc_auc_high",
    ]
    assert curve[["trained_on", "stage"]].to_numpy().tolist() == [["b", "full"], ["a", "full"], ["a", "phase1"]]
    assert curve.iloc[2, 3:].tolist() == [300, 0.6, 0.5, 0.7]
    with pytest.raises(ValueError, match="different ROC AUC"):
        comparison.learning_curve(pd.concat([compared, home.assign(roc_auc=0.2)]), {"a": 300, "b": 100})
    with pytest.raises(ValueError, match="lacks the columns"):
        comparison.learning_curve(compared.drop(columns="stage"), {"a": 300, "b": 100})


@pytest.fixture(scope="module")
def partly():
    """Model a at home, where only synthetic images are left, where one group of real ones is, and where none is left."""
    home, one_class, one_group = (scores("a", tested, 2).assign(image_id=range(80)) for tested in "abc")
    one_class["y"] = 1
    one_group.loc[one_group["y"] == 0, "group"] = "one"
    names = {"trained_on": "a", "recipe": "tuned", "stage": "full", "tested_on": "d", "overlap_removed": 80}
    missing = [{**names, "why": "no test image of d is left"}]
    frame = pd.concat([home, one_class.assign(overlap_removed=80), one_group], ignore_index=True)
    return frame, comparison.compare(frame, {("a", "tuned", "full"): {"balanced": 0.5}}, missing)


def test_images_that_allow_no_measure_are_a_row_that_says_why(partly):
    frame, compared = partly
    rows = compared.set_index("tested_on")
    assert rows.loc["a", ["policy", "warning"]].tolist() == ["balanced", ""]
    assert (rows.loc[["b", "c", "d"], "policy"] == comparison.NOT_MEASURED).all()
    assert rows.loc[["b", "c", "d"], ["roc_auc", "recall_real", "recall_synthetic"]].isna().all(axis=None)
    assert rows.loc["b", "warning"] == "not measured: all 80 images are synthetic; expected images of both classes"
    assert rows.loc["c", "warning"].startswith("not measured: all real images come from 1 group")
    assert rows.loc["d", ["warning", "images"]].tolist() == ["not measured: no test image of d is left", 0]
    # Everything that is made of it goes on.
    table = comparison.transfer_table(compared).set_index("tested_on")
    assert table.loc["b", ["recall_real", "ranking"]].tolist() == ["not measured"] * 2
    assert table.loc["a", "ranking"] == comparison.BETTER and table.loc["d", "warning"]
    said = comparison.transfer_sentences(compared)
    assert said[0] == (
        "a (tuned) on b: **not measured: all 80 images are synthetic; expected images of both classes**; 80 images that "
        "its own dataset holds too left out"
    )
    values, texts = comparison.auc_matrix(compared, "tuned")
    assert values.isna().to_numpy().tolist() == [[False, True, True, True]] and texts.loc["a", "d"] == "not\nmeasured"
    assert list(comparison.auc_intervals(compared)) == ["a on a"]
    assert len(comparison.learning_curve(compared, {"a": 100})) == 1


def test_a_model_whose_images_are_of_one_class_does_not_keep_others_from_being_paired(partly):
    frame, _ = partly
    two = [
        scores("b", "b", shift).assign(image_id=range(80), recipe=recipe)
        for shift, recipe in ((0, "tuned"), (1, "wide"))
    ]
    others = pd.concat([frame, *two], ignore_index=True)
    tests, said = comparison.paired_by_test_set(others)
    assert tests["tested_on"].tolist() == ["b"] and len(tests) == 1
    assert "b: a, tuned is left out, its images here are of one class" in said


def of_model(model, shift, seed, count=120):
    """Scores of a model on images that all models share, two of each group."""
    y = np.arange(count) % 2
    shared = np.random.default_rng(0).normal(size=count)
    score = shared + np.random.default_rng(seed).normal(size=count) + shift * y
    names = [f"image {number}" for number in range(count)]
    group = [f"g{number // 2}" for number in range(count)]
    return pd.DataFrame({"model": model, "image_id": names, "y": y, "group": group, "score": score})


THREE = pd.concat([of_model("b", 1, 1), of_model("a", 1, 2), of_model("best", 5, 3)], ignore_index=True)


def test_every_two_models_are_tested_on_the_same_images_in_any_order():
    table = comparison.paired_tests(THREE)
    assert table[["first", "second"]].to_numpy().tolist() == [["b", "a"], ["b", "best"], ["a", "best"]]
    assert (table["images"] == 120).all() and (table["left_out"] == 0).all()
    first, second = (THREE[THREE["model"] == name].reset_index(drop=True) for name in ("b", "best"))
    test = delong.paired_test(first["y"], first["score"], second["score"], first["group"])
    found = table.iloc[1]
    assert (found["z"], found["p_value"]) == pytest.approx((test.z, test.p_value))
    assert (found["difference"], found["low"], found["high"]) == pytest.approx(
        (test.difference.value, test.difference.low, test.difference.high)
    )
    assert found["roc_auc_first"] == pytest.approx(test.first) and found["roc_auc_second"] == pytest.approx(test.second)
    assert table["p_holm"].tolist() == pytest.approx(delong.holm(table["p_value"]).tolist())
    assert table["different"].tolist() == [False, True, True]
    mixed = comparison.paired_tests(THREE.sample(frac=1, random_state=1).sort_values("model", key=lambda m: m != "b"))
    assert mixed["z"].abs().tolist() == pytest.approx(table["z"].abs().tolist())


def test_different_test_images_are_refused_or_the_common_ones_used_and_counted():
    fewer = THREE[~((THREE["model"] == "a") & (THREE.index % 10 == 0))]
    with pytest.raises(ValueError, match=r"different images \(b: 120, a: 108, best: 120; 108 common to all\)"):
        comparison.paired_tests(fewer)
    table = comparison.paired_tests(fewer, common=True)
    assert (table["images"] == 108).all() and (table["left_out"] == 12).all()
    kept = THREE[THREE["image_id"].isin(set(fewer[fewer["model"] == "a"]["image_id"]))]
    assert table["z"].tolist() == pytest.approx(comparison.paired_tests(kept)["z"].tolist())
    apart = pd.concat([of_model("a", 1, 1), of_model("b", 1, 2).assign(image_id=lambda rows: rows["image_id"] + "x")])
    with pytest.raises(UndefinedMeasure, match="no test image is common"):
        comparison.paired_tests(apart, common=True)


def test_models_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        comparison.paired_tests(of_model("a", 1, 1))
    with pytest.raises(ValueError, match="'image 0' appears twice for model 'b'"):
        comparison.paired_tests(pd.concat([THREE, THREE.iloc[:1]]))
    with pytest.raises(ValueError, match="disagree about the class or group of image 'image 3'"):
        comparison.paired_tests(THREE.assign(y=THREE["y"].where(THREE.index != 3, 0)))
    with pytest.raises(ValueError, match="lacks the columns"):
        comparison.paired_tests(THREE.drop(columns="group"))


def test_learning_fits_say_of_each_curve_what_was_found():
    sizes = [700, 3500, 7000]
    rising, flat = [0.7, 0.8, 0.85], [0.5, 0.52, 0.49]
    frames = [
        pd.DataFrame({"recipe": recipe, "stage": "full", "training_images": sizes[:count], "roc_auc": auc[:count]})
        for recipe, auc, count in (("tuned", rising, 3), ("original", flat, 3), ("short", rising, 2))
    ]
    curve = pd.concat(frames).assign(
        roc_auc_low=lambda rows: rows["roc_auc"] - 0.03, roc_auc_high=lambda rows: rows["roc_auc"] + 0.03
    )
    fits, (tuned, original, short) = comparison.learning_fits(curve, resamples=50)
    assert set(fits["recipe"]) == {"tuned", "original"} and set(fits["stage"]) == {"full"}
    assert tuned.startswith("tuned, full: 1 - AUC ≈") and tuned.endswith("from 3 sizes: more images help")
    assert original.endswith("cannot be told from these")
    assert short == (
        "short, full: 2 different sizes of training set: a power law needs at least 3, so no curve is fitted"
    )
    empty, sentences = comparison.learning_fits(curve[curve["recipe"] == "short"])
    assert empty.empty and list(empty.columns) == list(fits.columns) and len(sentences) == 1


def model(trained_on, tested_on, shifts, recipe="tuned"):
    """A model's stages on the same 120 images of a dataset, the classes a number of deviations apart."""
    frames = [
        of_model("", shift, 10 * len(stage) + len(trained_on)).assign(stage=stage) for stage, shift in shifts.items()
    ]
    names = {"trained_on": trained_on, "recipe": recipe, "tested_on": tested_on, "overlap_removed": 0}
    return pd.concat(frames).assign(**names).drop(columns="model")


TWO = pd.concat(
    [
        model("a", "a", {"phase1": 1, "partial": 2, "full": 4}),
        model("bb", "a", {"phase1": 1, "full": 0}),
        model("other", "a", {"scores": 4}, "scores file"),
        model("other", "z", {"scores": 1}, "scores file").assign(trained_on="alone"),
    ],
    ignore_index=True,
)


def test_paired_tests_of_every_test_set_hold_last_stages_and_at_home_the_first_too():
    tests, without = comparison.paired_by_test_set(TWO)
    assert tuple(tests.columns) == comparison.PAIRED_COLUMNS and set(tests["tested_on"]) == {"a"}
    names = {"a, tuned, phase1", "a, tuned, full", "bb, tuned, full", "other, scores file, scores"}
    assert set(tests["first"]) | set(tests["second"]) == names
    # Every two last stages, and the two stages of the model at home.
    assert len(tests) == 4 and tests[["first", "second"]].iloc[0].tolist() == ["a, tuned, phase1", "a, tuned, full"]
    assert tests["home"].all() and "a, tuned, phase1" not in set(tests["first"].iloc[1:]) | set(tests["second"])
    assert without == ["z: one model, nothing to compare it with"]
    assert tests["p_holm"].tolist() == pytest.approx(delong.holm(tests["p_value"]).tolist())
    assert tests["different"].tolist() == (tests["p_holm"] < 0.05).tolist()
    # Once the other model's own dataset is tested too, it is one from elsewhere.
    both, _ = comparison.paired_by_test_set(pd.concat([TWO, model("bb", "bb", {"phase1": 1, "full": 3})]))
    assert both["tested_on"].tolist() == ["a"] * 4 + ["bb"] and both["home"].sum() == 3
    shown = comparison.paired_table(both)
    assert len(shown) == 3 and shown["difference"].str.match(r"-?\d\.\d{3} \[").all()
    # Three decimals each, also of a round number.
    assert shown[["roc_auc_first", "roc_auc_second"]].map(len).eq(5).all(axis=None)
    first, second = comparison.paired_sentences(both)
    assert first.startswith("a: ") and " of 2 pairs shown differ, 2 of 2 pairs with a model trained on another" in first
    assert second.startswith("bb: ") and second.endswith("of 1 pairs shown differ")
    fewer, _ = comparison.paired_by_test_set(TWO[~((TWO["trained_on"] == "bb") & (TWO["image_id"] == "image 3"))])
    assert comparison.paired_sentences(fewer)[0].endswith("1 images that not every model was scored on are left out")
    empty, said = comparison.paired_by_test_set(TWO[TWO["trained_on"] == "alone"])
    assert empty.empty and len(said) == 1 and comparison.paired_table(empty).empty


def test_images_that_cannot_be_paired_are_said_and_do_not_stop_the_others():
    apart = model("bb", "b", {"full": 1}).assign(image_id=lambda rows: rows["image_id"] + "x")
    tests, without = comparison.paired_by_test_set(pd.concat([TWO, model("a", "b", {"full": 1}), apart]))
    assert set(tests["tested_on"]) == {"a"} and "b: no test image is common to all models" in without[1]


@pytest.fixture(scope="module")
def transferred():
    policies = {"fixed": 0.5, "balanced": 2.0}
    keys = TWO[["trained_on", "recipe", "stage"]].drop_duplicates().itertuples(index=False, name=None)
    return comparison.compare(TWO, {key: {} if key[0] == "other" else policies for key in keys})


def test_last_stage_of_every_model(transferred):
    last = comparison.last_stage(transferred)
    assert set(zip(last["trained_on"], last["stage"])) == {
        ("a", "full"), ("bb", "full"), ("other", "scores"), ("alone", "scores")
    }  # fmt: skip
    values, _ = comparison.auc_matrix(transferred, "tuned")
    assert values.loc["a", "a"] > 0.9 > 0.7 > values.loc["bb", "a"]
    assert comparison.auc_matrix(transferred, "scores file")[0].shape == (2, 2)
    aucs = comparison.auc_intervals(transferred[transferred["recipe"] == "scores file"])
    assert list(aucs) == ["other on a", "alone on z"] and aucs["other on a"].low > 0.9


def test_transfer_is_read_at_the_threshold_of_home_and_says_what_failed(transferred):
    table = comparison.transfer_table(transferred)
    assert table["trained_on"].tolist() == ["a", "bb", "other", "alone"] and "warning" not in table
    assert table.loc[2, "recall_real"] == "no threshold" and table.loc[0, "recall_real"] != "undefined"
    warned = transferred.assign(warning=np.where(transferred["trained_on"] == "a", "format tells", ""))
    assert comparison.transfer_table(warned)["warning"].tolist() == ["format tells", "", "", ""]
    bb, other, alone = comparison.transfer_sentences(transferred)
    assert bb.startswith("bb (tuned) on a: **at chance**, AUC ") and "at its balanced threshold recall of real" in bb
    assert other.startswith("other (scores file) on a: better than chance") and "hence no threshold" in other
    one_class = comparison.transfer_sentences(transferred.assign(recall_real=0.01, overlap_removed=7))[0]
    assert (
        "**it calls nearly everything one class here**; 7 images that its own dataset holds too left out" in one_class
    )


def test_thresholds_of_detectors_come_from_their_validation_scores():
    rows = pd.concat(
        [model("a", "a", {"s": 1}).assign(split="validation"), model("a", "a", {"s": 3}).assign(split="test")]
    )
    bare = model("bare", "a", {"s": 1}).assign(split="test")
    found = comparison.choose_thresholds(pd.concat([rows, bare]))
    validation = rows[rows["split"] == "validation"]
    expected = thresholds.choose("balanced", validation["y"], validation["score"]).threshold
    assert found["a", "tuned", "s"]["balanced"] == expected
    # 0.5 means nothing among scores that are no probabilities.
    assert "fixed" not in found["a", "tuned", "s"] and found["bare", "tuned", "s"] == {}
    inside = rows.assign(score=1 / (1 + np.exp(-rows["score"])))
    assert comparison.choose_thresholds(inside)["a", "tuned", "s"]["fixed"] == 0.5


KEPT_NOTHING = {("a", "tuned"): {"full": "final model: phase 1 (fine-tuning was tried and was not better)"}}


def test_a_stage_that_was_not_kept_is_no_model_of_its_own(compared):
    home = pd.concat([scores("a", "a", 1).assign(stage=stage) for stage in ("phase1", "full")], ignore_index=True)
    home = home.assign(image_id=[f"i{number}" for number in range(len(home) // 2)] * 2)
    kept = {("a", "tuned"): {"phase1": "phase 1", "full": "final model: fully unfrozen"}}
    tests, _ = comparison.paired_by_test_set(home, kept)
    assert tests[["first", "second"]].to_numpy().tolist() == [["a, tuned, phase1", "a, tuned, full"]]
    assert comparison.paired_table(tests)["second"].tolist() == ["a, tuned, final model"]
    # Phase 1 is not compared with itself.
    tests, sentences = comparison.paired_by_test_set(home, KEPT_NOTHING)
    assert tests.empty and sentences == ["a: one model, nothing to compare it with"]
    shown = comparison.transfer_table(compared, names=KEPT_NOTHING).set_index(["trained_on", "tested_on"])
    assert shown.loc[("a", "a"), "stage"] == KEPT_NOTHING["a", "tuned"]["full"]
    assert shown.loc[("b", "b"), "stage"] == "final model"


def test_a_learning_curve_has_phase_1_once():
    rows = [
        {"trained_on": name, "recipe": "tuned", "stage": stage, "training_images": 9, "roc_auc": 0.6}
        for name in ("a", "b")
        for stage in ("phase1", "partial", "full")
    ]
    curve = pd.DataFrame(rows)
    nothing = {(name, "tuned"): {"full": "final model: phase 1 (no fine-tuning)"} for name in ("a", "b")}
    assert comparison.ends_of_training(curve, nothing)["stage"].tolist() == ["full", "full"]
    some = nothing | {("b", "tuned"): {"phase1": "phase 1", "full": "final model: fully unfrozen"}}
    assert comparison.ends_of_training(curve, some)["stage"].tolist() == ["phase1", "full"] * 2


def test_what_few_pictures_change_as_a_table():
    assert comparison.adapted_table(pd.DataFrame()).empty
    row = {"trained_on": "a", "recipe": "tuned", "adapted_to": "b"}
    for number, name in enumerate(("roc_auc_before", "roc_auc_after", "roc_auc_home_before", "roc_auc_home")):
        row |= {name: 0.6 + number / 10, f"{name}_low": 0.5, f"{name}_high": 0.95}
    table = comparison.adapted_table(pd.DataFrame([row]))
    assert table.loc["a, tuned", "AUC there, after"] == "0.700 [0.500, 0.950]"
    assert table.loc["a, tuned", "AUC at home, before"] == "0.800 [0.500, 0.950]"
