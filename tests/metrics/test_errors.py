"""Wrong decisions, the most and the least certain."""

import numpy as np
import pandas as pd
import pytest

from lib.metrics.errors import extremes, wrong_decisions


def scored(y, scores):
    return pd.DataFrame({"image_id": [f"i{number}" for number in range(len(y))], "y": y, "score": scores})


def test_wrong_decisions_by_distance_in_logits():
    # At 0.1, a score of 0.01 is further away than one of 0.5, if by 0.09 and not 0.4 in probability.
    errors = wrong_decisions(scored([0, 1, 0, 1, 0], [0.5, 0.01, 0.05, 0.9, 0.1]), 0.1)
    assert errors["image_id"].tolist() == ["i1", "i0", "i4"]
    assert errors["called"].tolist() == [0, 1, 1]
    np.testing.assert_allclose(errors["certainty"], [np.log(99) - np.log(9), np.log(9), 0], atol=1e-9)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_saturated_scores_and_thresholds_stay_finite(threshold):
    errors = wrong_decisions(scored([1, 0, 1, 0], [0.0, 1.0, 0.2, 0.7]), threshold)
    assert len(errors) and np.isfinite(errors["certainty"]).all()


@pytest.mark.parametrize(
    ("number", "expected"), [(0, (0, 0)), (1, (1, 0)), (7, (4, 3)), (24, (12, 12)), (40, (12, 12))]
)
def test_each_end_has_its_own(number, expected):
    errors = wrong_decisions(scored([0] * number, list(np.linspace(0.6, 0.9, number))), 0.5)
    most, least = extremes(errors)
    assert (len(most), len(least)) == expected
    assert not set(most["image_id"]) & set(least["image_id"])
    assert most["score"].is_monotonic_decreasing and least["score"].is_monotonic_increasing
    if number:
        assert most["image_id"].iloc[0] == f"i{number - 1}"
    if len(least):
        assert least["image_id"].iloc[0] == "i0"


def test_no_error_at_all():
    errors = wrong_decisions(scored([0, 1], [0.1, 0.9]), 0.5)
    assert errors.empty and {"called", "certainty"} <= set(errors.columns)
