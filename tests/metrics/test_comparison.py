"""Comparison: rows, matrix, learning curve and verdict."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics import comparison
from lib.metrics.measures import Interval


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
    [(0.4, 0.6, "at chance"), (0.51, 0.6, "better than chance"), (0.3, 0.49, "worse than chance")],
)
def test_verdict(low, high, said):
    assert comparison.verdict(Interval((low + high) / 2, low, high)) == said
