"""Groups of people: hand-worked recalls, agreement with fairlearn, corrections, refusals to give numbers, coverage."""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lib.metrics import delong, fairness, figures, measures
from lib.metrics.checks import Interval
from lib.metrics.measures import UndefinedMeasure
from lib.metrics.words import thresholds as words

# What fairlearn's MetricFrame gives: recall of real, recall of synthetic, AUC; of gaps the two recalls.
FAIRLEARN = {
    ("sex", "female"): (0.6875, 0.75, 0.7899305555555556),
    ("sex", "male"): (0.7361111111111112, 0.6944444444444444, 0.8614969135802469),
    ("sex", ""): (0.04861111111111116, 0.05555555555555558),
    ("age_band", "20-39"): (0.7, 0.725, 0.838125),
    ("age_band", "40-59"): (0.675, 0.75, 0.83625),
    ("age_band", "60-79"): (0.775, 0.675, 0.85125),
    ("age_band", ""): (0.09999999999999998, 0.07499999999999996),
    ("sex × age_band", "female × 20-39"): (0.8125, 0.75, 0.859375),
    ("sex × age_band", "female × 40-59"): (0.5, 0.625, 0.59375),
    ("sex × age_band", "female × 60-79"): (0.75, 0.875, 0.91015625),
    ("sex × age_band", "male × 20-39"): (0.625, 0.7083333333333334, 0.8177083333333333),
    ("sex × age_band", "male × 40-59"): (0.7916666666666666, 0.8333333333333334, 0.953125),
    ("sex × age_band", "male × 60-79"): (0.7916666666666666, 0.5416666666666666, 0.8229166666666666),
    ("sex × age_band", ""): (0.3125, 0.33333333333333337),
}
# A formula of a spreadsheet, markup, a template, a formula of TeX.
HOSTILE = ("=HYPERLINK(1)", "<script>alert(1)</script>", "{{ 7 * 7 }}", "$x$ `b`")


def images(*parts):
    """Test images of their own group each.

    Args:
        parts: (values of columns, label, scores).
    """
    frames = [pd.DataFrame({"score": scores}).assign(y=label, **values) for values, label, scores in parts]
    rows = pd.concat(frames, ignore_index=True)
    return rows.assign(group=np.arange(len(rows)))


def right(count, of, label):
    """Scores of which `count` of `of` are called rightly at 0.5."""
    good, bad = (0.2, 0.7) if label == 0 else (0.8, 0.3)
    return [good] * count + [bad] * (of - count)


def two_sexes():
    """Recall of real 18 of 20 and 10 of 20, of synthetic 15 of 20 and 15 of 20."""
    women, men = {"sex": "female"}, {"sex": "male"}
    return images(
        (women, 0, right(18, 20, 0)),
        (men, 0, right(10, 20, 0)),
        (women, 1, right(15, 20, 1)),
        (men, 1, right(15, 20, 1)),
    )


def noisy(seed=0, count=240, shift=1.5):
    """Two images of one class for each person, three age bands; no band is told worse."""
    random = np.random.default_rng(seed)
    person = np.arange(count) // 2
    y = person % 2
    age = np.array(["20-39", "40-59", "60-79"])[random.integers(0, 3, count // 2)][person]
    score = random.normal(size=count) + 0.6 * random.normal(size=count // 2)[person] + shift * y
    return pd.DataFrame({"y": y, "score": score, "group": person, "age_band": age})


def kinds(table, kind=fairness.GROUP):
    return table[table["kind"] == kind]


def test_hand_worked_recalls_differences_and_gap():
    table = fairness.group_table(two_sexes(), ["sex"], 0.5)
    assert list(table.columns) == list(fairness.COLUMNS)
    assert table["kind"].tolist() == ["group", "group", "largest gap"]
    women, men, gap = table.to_dict("records")
    assert (women["value"], women["images"], women["people"]) == ("female", 40, 40)
    assert (women["recall_real"], men["recall_real"]) == (0.9, 0.5)
    assert (women["recall_synthetic"], men["recall_synthetic"]) == (0.75, 0.75)
    # Each sex is the other one's rest.
    assert women["recall_real_difference"] == pytest.approx(0.4) and men["recall_real_difference"] == pytest.approx(
        -0.4
    )
    assert women["recall_real_p"] == pytest.approx(men["recall_real_p"], rel=1e-6) and women["recall_real_p"] < 0.05
    assert women["recall_synthetic_difference"] == 0 and women["recall_synthetic_p"] == 1
    assert gap["recall_real"] == pytest.approx(0.4) and 0 < gap["recall_real_low"] < 0.2
    assert (gap["recall_synthetic"], gap["recall_synthetic_low"]) == (0, 0) and gap["recall_synthetic_high"] > 0.2
    assert gap["images"] == 80 and np.isnan(gap["roc_auc"]) and np.isnan(gap["recall_real_p"])


def test_recalls_and_auc_are_those_of_fairlearn():
    """Recorded from MetricFrame (fairlearn 0.15.0, numpy 2.4.6, pandas 3.1.1, scikit-learn 1.9.1), on the same arrays:

    MetricFrame(metrics={"recall_real": partial(recall_score, pos_label=0), "recall_synthetic": recall_score},
                y_true=y, y_pred=score >= 0.5, sensitive_features=frame[columns]).by_group and .difference("between_groups"),
    MetricFrame(metrics=roc_auc_score, y_true=y, y_pred=score, sensitive_features=frame[columns]).by_group

    fairlearn is no dependency of the tests, because requirements.lock does not hold it.
    """
    at = np.arange(240)
    frame = pd.DataFrame({"y": at % 2, "score": (at * 37 % 101) / 101 * 0.7 + 0.3 * (at % 2), "group": at})
    frame["sex"] = np.where(at % 5 < 2, "female", "male")
    frame["age_band"] = np.array(["20-39", "40-59", "60-79"])[at // 4 % 3]
    table = fairness.group_table(frame, ["sex", "age_band"], 0.5, resamples=50)
    names = ["recall_real", "recall_synthetic", "roc_auc"]
    for (by, value), numbers in FAIRLEARN.items():
        row = table[(table["by"] == by) & (table["value"] == value)].iloc[0]
        assert row[names[: len(numbers)]].tolist() == pytest.approx(numbers), (by, value)
    assert len(kinds(table)) == 2 + 3 + 6


def test_intervals_are_those_of_the_grouped_bootstrap_and_exact_at_the_edge():
    table = kinds(fairness.group_table(noisy(), ["age_band"], 0.75, resamples=4000))
    for row in table.to_dict("records"):
        part = noisy().query("age_band == @row['value']")
        plain = measures.bootstrap_intervals(
            part["y"], part["score"], part["group"], 0.75, fairness.MEASURES, resamples=4000
        )
        for name, found in plain.items():
            assert row[name] == pytest.approx(found.value)
            # The plain one draws as many people of the band each time, this one as many of the whole test set.
            width = found.high - found.low
            assert (
                abs(row[f"{name}_low"] - found.low) < 0.15 * width
                and abs(row[f"{name}_high"] - found.high) < 0.15 * width
            )
    perfect = images(*[({"sex": sex}, label, right(20, 20, label)) for sex in "fm" for label in (0, 1)])
    row = fairness.group_table(perfect, ["sex"], 0.5).iloc[0]
    # Clopper and Pearson of 20 of 20.
    assert row["recall_real_low"] == pytest.approx(0.025 ** (1 / 20)) and row["recall_real_high"] == 1
    assert row["roc_auc_low"] == pytest.approx(0.025 ** (1 / 20))
    reach = 1 - 0.025 ** (1 / 20)
    assert (row["recall_real_difference_low"], row["recall_real_difference_high"]) == pytest.approx((-reach, reach))
    gap = fairness.group_table(perfect, ["sex"], 0.5).iloc[-1]
    assert (gap["recall_real"], gap["recall_real_low"]) == (0, 0) and gap["recall_real_high"] == pytest.approx(reach)


def test_holm_is_over_all_tests_of_the_table():
    frame = two_sexes().assign(half=["a", "b"] * 40)
    table = fairness.group_table(frame, ["sex", "half"], 0.5, resamples=400)
    p_values = table[[f"{name}_p" for name in fairness.MEASURES]].to_numpy()
    adjusted = table[[f"{name}_p_holm" for name in fairness.MEASURES]].to_numpy()
    known = np.isfinite(p_values)
    # Two columns of two groups; the four pairs have 20 images each, which are too few.
    assert known.sum() == 4 * 3 and len(kinds(table, fairness.TOO_FEW)) == 4
    assert adjusted[known] == pytest.approx(delong.holm(p_values[known]))
    assert (adjusted[known] >= p_values[known]).all() and np.isnan(adjusted[~known]).all()


def test_a_p_value_agrees_with_its_interval():
    for value, low, high in ((0.2, 0.01, 0.4), (0.2, -0.01, 0.4), (-0.1, -0.3, -0.001), (-0.1, -0.2, 0.001)):
        assert (fairness.p_value(Interval(value, low, high)) < 0.05) == (low > 0 or high < 0)
    assert fairness.p_value(Interval(0.196, 0, 0.5)) == pytest.approx(0.05)
    assert fairness.p_value(Interval(0.1, 0.1 - 0.2, 0.3)) == pytest.approx(2 * norm.sf(0.5 * norm.ppf(0.975)))
    assert fairness.p_value(Interval(0, -1, 1)) == 1 and np.isnan(fairness.p_value(Interval(np.nan, np.nan, np.nan)))


@pytest.mark.parametrize(
    ("count", "people", "kind"), [(29, 29, "too few"), (30, 30, "group"), (40, 9, "too few"), (40, 40, "group")]
)
def test_small_groups_are_counted_only(count, people, kind):
    rare = two_sexes().head(40).assign(sex="other").iloc[np.arange(count) % 40]
    # Half of them real, half synthetic.
    rare = rare.assign(y=np.arange(count) % 2, group=[f"rare {at % people}" for at in range(count)])
    table = fairness.group_table(pd.concat([two_sexes(), rare]), ["sex"], 0.5, resamples=100)
    row = table[table["value"] == "other"].iloc[0]
    assert (row["kind"], row["images"], row["people"]) == (kind, count, people)
    assert np.isnan(row["recall_real"]) == (kind == "too few")
    assert table["value"].tolist()[-2:] == ["other", ""] or kind == "group"


def test_a_group_of_one_class_has_the_recall_of_that_class_alone():
    frame = pd.concat([two_sexes(), images(({"sex": "other"}, 0, right(24, 32, 0)))]).assign(group=np.arange(112))
    row = fairness.group_table(frame, ["sex"], 0.5, resamples=200).set_index("value").loc["other"]
    assert row["kind"] == "group" and row["recall_real"] == 0.75
    assert row["recall_real_low"] < 0.75 < row["recall_real_high"] and np.isfinite(row["recall_real_p"])
    assert row[["roc_auc", "roc_auc_p", "recall_synthetic", "recall_synthetic_difference"]].isna().all()
    one_class = frame[frame["y"] == 0]
    with pytest.raises(UndefinedMeasure, match="all 72 images are real"):
        fairness.group_table(one_class, ["sex"], 0.5)


def test_images_without_a_value_are_no_group_but_belong_to_the_rest():
    frame = two_sexes()
    frame.loc[frame["sex"] == "male", "sex"] = [None, "", " ", np.nan] * 10
    table = fairness.group_table(frame, ["sex"], 0.5, resamples=100)
    assert table["kind"].tolist() == ["group", "no value", "largest gap"]
    assert table.loc[1, "images"] == 40 and table.loc[0, "recall_real_difference"] == pytest.approx(0.4)
    assert np.isnan(table.loc[2, "recall_real"])


def test_recall_of_synthetic_is_the_mean_over_generators():
    """Both sexes are told alike, generator by generator; women have more images of the hard one."""
    parts = [({"sex": sex, "generator": ""}, 0, right(16, 20, 0)) for sex in ("female", "male")]
    for sex, hard, easy in (("female", 40, 20), ("male", 20, 40)):
        parts.append(({"sex": sex, "generator": "hard"}, 1, right(hard // 2, hard, 1)))
        parts.append(({"sex": sex, "generator": "easy"}, 1, right(easy * 9 // 10, easy, 1)))
    frame = images(*parts)
    pooled = fairness.group_table(frame.drop(columns="generator"), ["sex"], 0.5)
    assert kinds(pooled)["recall_synthetic"].tolist() == pytest.approx([38 / 60, 46 / 60])
    table = fairness.group_table(frame, ["sex"], 0.5)
    assert kinds(table)["recall_synthetic"].tolist() == pytest.approx([0.7, 0.7])
    assert table.iloc[-1]["recall_synthetic"] == pytest.approx(0) and set(table["generators"]) == {"easy, hard"}
    assert kinds(table)["recall_synthetic_difference"].tolist() == pytest.approx([0, 0])
    assert kinds(table)["recall_real"].tolist() == kinds(pooled)["recall_real"].tolist() == [0.8, 0.8]
    # A generator of which one sex has too few people is no part of the mean.
    few = frame.drop(frame.query("sex == 'male' and generator == 'hard'").index[9:])
    assert set(fairness.group_table(few, ["sex"], 0.5, resamples=50)["generators"]) == {"easy"}


def test_groups_by_generator_share_the_real_images():
    frame = images(
        ({"generator": ""}, 0, right(16, 20, 0)),
        ({"generator": "A"}, 1, right(24, 30, 1)),
        ({"generator": "B"}, 1, right(15, 30, 1)),
    )
    table = fairness.group_table(frame, ["generator"], 0.5)
    assert table["value"].tolist() == ["A", "B", ""] and table["images"].tolist() == [30, 30, 60]
    assert kinds(table)["recall_synthetic"].tolist() == [0.8, 0.5] and table["recall_real"].isna().all()
    alone = frame[frame["generator"] != "B"]
    assert table.loc[0, "roc_auc"] == pytest.approx(measures.roc_auc(alone["y"], alone["score"]))
    assert table.loc[0, "roc_auc_difference"] == pytest.approx(table.loc[0, "roc_auc"] - table.loc[1, "roc_auc"])


def test_ten_thousand_values_are_counted_quickly():
    count = 10_000
    frame = pd.DataFrame({"y": np.arange(count) % 2, "score": np.arange(count) % 7, "group": np.arange(count)})
    began = time.perf_counter()
    table = fairness.group_table(frame.assign(name=np.arange(count)), ["name"], 3)
    assert time.perf_counter() - began < 5
    assert table["kind"].value_counts().to_dict() == {"too few": count, "largest gap": 1}
    # Of many groups that are large enough the largest ones get numbers.
    some = frame.assign(name=np.minimum(np.arange(count) // 200, 40))
    found = fairness.group_table(some, ["name"], 3, resamples=20)["kind"].value_counts()
    assert found["group"] == fairness.MOST_GROUPS and found["beyond the largest"] == 11


def test_the_order_of_the_rows_changes_nothing():
    frame = noisy().assign(sex=np.where(np.arange(240) % 4 < 2, "f", "m"), generator="")
    frame.loc[frame["y"] == 1, "generator"] = ["A", "B"] * 60
    table = fairness.group_table(frame, ["age_band", "sex"], 0.75, resamples=200)
    mixed = fairness.group_table(frame.sample(frac=1, random_state=3), ["age_band", "sex"], 0.75, resamples=200)
    pd.testing.assert_frame_equal(table, mixed)


def test_intervals_of_equal_groups_hold_the_truth_about_as_often_as_they_say():
    held, gaps, alarms = [], [], []
    truth = norm.cdf(0.75 / np.hypot(1, 0.6))
    for seed in range(40):
        table = fairness.group_table(noisy(seed), ["age_band"], 0.75, resamples=200)
        held += [found.contains(truth) for found in Interval.all_of(kinds(table), "recall_synthetic")]
        gaps.append(table.iloc[-1]["recall_synthetic_low"] == 0)
        alarms.append((table["recall_synthetic_p_holm"] < 0.05).any())
    assert 0.88 < np.mean(held) < 0.99
    assert np.mean(gaps) > 0.87 and np.mean(alarms) < 0.12


def test_a_group_of_all_images_has_no_rest_and_columns_may_have_any_name():
    for name in ("kind", "images", "unit", "person", "value"):
        frame = two_sexes().rename(columns={"sex": name}).assign(people="all")
        table = fairness.group_table(frame, [name, "people"], 0.5, resamples=50)
        everybody = table[table["by"] == "people"].iloc[0]
        assert everybody["recall_real"] == 0.7 and np.isnan(everybody["recall_real_difference"])
        assert table["by"].tolist() == [name] * 3 + ["people"] * 2 + [f"{name} × people"] * 3
        assert table["value"].tolist()[:2] == ["female", "male"]


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="no column age; found"):
        fairness.group_table(two_sexes(), ["age"], 0.5)


def test_hostile_values_are_shown_plainly():
    frame = pd.concat([two_sexes().assign(sex=value) for value in HOSTILE]).assign(group=np.arange(320))
    frame.loc[frame["sex"] == HOSTILE[1], "score"] = 0.9
    table = fairness.group_table(frame, ["sex"], 0.5, resamples=200)
    said = fairness.shown(table)
    assert set(HOSTILE) < set(said["value"]) and "<script>" not in said.to_html()
    text = words.groups_seen(table, "made-up images")
    # In Markdown, only inside code.
    assert "`<script>alert(1)</script>` (`sex`)" in text and "made-up images" in text
    figure = figures.group_intervals(
        kinds(table), {"roc_auc": 0.8, "recall_real": 0.8, "recall_synthetic": 0.7}, "title"
    )
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert f"sex: {HOSTILE[3]}" in labels and len(labels) == 4
    plt.close(figure)


def test_the_words_say_gaps_differences_and_what_has_no_numbers():
    twice = pd.concat([two_sexes(), two_sexes()]).assign(group=np.arange(160))
    table = fairness.group_table(twice, ["sex"], 0.5)
    text = words.groups_seen(table, "made-up images")
    gap = Interval.of(table.iloc[-1], "recall_real")
    assert f"recall of real {gap}" in text and "`female` (`sex`): recall of real 0.400" in text
    assert "no proof of equality" not in text and "nothing was inferred from pictures" in text
    equal = fairness.group_table(two_sexes().assign(half=["a", "b"] * 40), ["half"], 0.5)
    assert "after Holm's correction: none." in words.groups_seen(equal, "") and "no proof" in words.groups_seen(
        equal, ""
    )
    small = words.groups_seen(fairness.group_table(two_sexes().assign(sex=["a", "b", "c", "d"] * 20), ["sex"], 0.5), "")
    assert "not known, because fewer than two groups" in small and "Without numbers: 4 groups" in small
    assert "`--by sex,age_band`" in words.groups_seen(None, "") and "inferred" in words.groups_seen(None, "")


def test_the_table_for_reading_has_a_text_for_every_cell():
    said = fairness.shown(fairness.group_table(two_sexes(), ["sex"], 0.5))
    assert said["recall_real"].tolist()[0].startswith("0.900 [") and said["value"].tolist()[-1] == "largest gap"
    assert (
        said["recall_real_difference"].tolist()[0].startswith("0.400 [") and "(p " in said["recall_real_difference"][0]
    )
    assert all(isinstance(cell, str) for cell in said.to_numpy().ravel())
