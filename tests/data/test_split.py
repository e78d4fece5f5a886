"""Splits: no group and no copy on two sides, whatever the data."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.split import assign_splits, clusters
from lib.study import UserError


def table(groups, labels):
    ids = [f"{number:06d}" for number in range(len(groups))]
    return pd.DataFrame({"image_id": ids, "label": labels, "group": groups})


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(60, 300), st.integers(0, 30))
def test_no_group_and_no_pair_crosses_a_split(seed, count, number_of_pairs):
    rng = np.random.default_rng(seed)
    groups = np.where(rng.random(count) < 0.3, "", [f"p{person}" for person in rng.integers(0, count, count)])
    labels = np.where(np.arange(count) % 2, "real", "synthetic")
    pairs = rng.integers(0, count, (number_of_pairs, 2))
    frame = table(groups, labels)
    try:
        frame["split"] = assign_splits(frame, pairs, seed).to_numpy()
    except UserError:  # so many pairs that too few clusters are left
        found = pd.Series(clusters(frame["group"], pairs)).groupby(labels).nunique()
        assert found.min() < 10
        return
    named = frame[frame["group"] != ""]
    assert (named.groupby("group")["split"].nunique() == 1).all()
    split = frame["split"].to_numpy()
    assert (split[pairs[:, 0]] == split[pairs[:, 1]]).all()
    assert set(split) == {"train", "validation", "test"}
    order = rng.permutation(count)
    new_row = np.argsort(order)
    shuffled = frame.iloc[order].drop(columns="split")
    assert (assign_splits(shuffled, new_row[pairs], seed).to_numpy() == split[order]).all()


def test_shares_are_kept_in_both_classes_and_do_not_depend_on_row_order():
    groups = [f"p{person // 4}" for person in range(1000)]
    frame = table(groups, np.where(np.arange(1000) % 4 < 2, "real", "synthetic"))
    none = np.empty((0, 2), int)
    split = assign_splits(frame, none, 7)
    shares = pd.crosstab(frame["label"], split, normalize="index")
    assert shares["train"].between(0.69, 0.71).all()
    assert shares["validation"].between(0.14, 0.16).all() and shares["test"].between(0.14, 0.16).all()
    pd.testing.assert_series_equal(assign_splits(frame, none, 7), split)
    shuffled = frame.sample(frac=1, random_state=0)
    again = assign_splits(shuffled, none, 7)
    pd.testing.assert_series_equal(again.sort_index(), split.sort_index())
    assert (assign_splits(frame, none, 8) != split).any()


def test_pairs_join_groups_into_one_cluster():
    found = clusters(pd.Series(["a", "a", "b", "", ""]), np.array([[1, 2], [2, 3]]))
    assert len(set(found[:4])) == 1 and found[4] != found[0]


def test_too_few_groups_are_refused_with_the_reason():
    frame = table([f"p{i % 9}" for i in range(90)], np.where(np.arange(90) % 2, "real", "synthetic"))
    with pytest.raises(UserError, match=r"9 independent groups.*at least 10"):
        assign_splits(frame, np.empty((0, 2), int), 0)


def test_ten_groups_are_enough_to_fill_three_splits():
    frame = table([f"p{i % 10}" for i in range(90)], np.where(np.arange(90) // 10 % 2, "real", "synthetic"))
    split = assign_splits(frame, np.empty((0, 2), int), 0)
    assert (pd.crosstab(frame["label"], split) > 0).to_numpy().sum() == 6


def test_a_class_that_is_not_there_is_refused():
    frame = table([""] * 30, ["real"] * 30)
    with pytest.raises(UserError, match="the synthetic class has 0 independent groups"):
        assign_splits(frame, np.empty((0, 2), int), 0)


def test_one_large_group_does_not_spoil_the_shares():
    groups = ["crowd"] * 300 + [f"p{i // 2}" for i in range(700)]
    frame = table(groups, np.where(np.arange(1000) % 2, "real", "synthetic"))
    shares = pd.crosstab(frame["label"], assign_splits(frame, np.empty((0, 2), int), 0), normalize="index")
    assert shares["train"].between(0.68, 0.72).all() and shares["test"].between(0.13, 0.17).all()
