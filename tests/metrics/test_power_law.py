"""Power law: laws found again, bands that widen with the points' intervals, and no fit where there are too few points."""

import numpy as np
import pytest
from scipy.stats import norm

from lib.metrics import power_law
from lib.metrics.checks import UndefinedMeasure

IMAGES = np.array([700, 3500, 7000, 110_000])


def points(images=IMAGES, scale=5.0, exponent=0.4, floor=0.0, half=0.01):
    auc = 1 - (scale * images**-exponent + floor)
    return images, auc, auc - half, np.minimum(auc + half, 1)


def test_a_law_is_found_again():
    law = power_law.fit(*points(), resamples=50)
    assert (law.scale, law.exponent.value, law.floor, law.sizes) == pytest.approx((5, 0.4, 0, 4), rel=1e-3)
    curve = law.curve
    assert curve["roc_auc"].to_numpy() == pytest.approx(1 - 5 * curve["training_images"].to_numpy() ** -0.4, abs=1e-5)
    assert (curve["low"] <= curve["roc_auc"]).all() and (curve["roc_auc"] <= curve["high"]).all()
    assert curve["training_images"].iloc[[0, -1]].tolist() == pytest.approx([700, 220_000])
    assert (curve["extrapolated"] == (curve["training_images"] > 110_000 * (1 + 1e-9))).all()
    assert "images^-0.40" in str(law)


def test_a_floor_is_found_again_where_it_is_asked_for():
    images = np.array([300, 1000, 3000, 10_000, 100_000])
    law = power_law.fit(*points(images, floor=0.05), floor=True, resamples=50)
    assert (law.scale, law.exponent.value, law.floor) == pytest.approx((5, 0.4, 0.05), rel=1e-2)
    assert "+ 0.050" in str(law)


def test_wider_points_give_a_wider_band_and_each_point_weighs_by_its_interval():
    def width(half):
        law = power_law.fit(*points(half=half), resamples=100)
        return float((law.curve["high"] - law.curve["low"]).mean())

    assert 1.6 < width(0.02) / width(0.01) < 2.4
    images, auc, low, high = points()
    moved = auc - np.array([0.1, 0, 0, 0])
    sure = power_law.fit(images, moved, moved - 0.01, moved + 0.01, resamples=20).exponent.value
    unsure = power_law.fit(
        images, moved, moved - [0.3, 0.01, 0.01, 0.01], moved + [0.3, 0.01, 0.01, 0.01], resamples=20
    )
    assert abs(unsure.exponent.value - 0.4) < 0.02 < abs(sure - 0.4)


def test_the_band_holds_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), []
    error = 0.02
    for _ in range(60):
        images, auc, *_ = points(np.array([700, 2000, 7000, 30_000]))
        found = auc + rng.normal(0, error, 4)
        reach = norm.ppf(0.975) * error
        law = power_law.fit(images, found, found - reach, np.minimum(found + reach, 1), at=[3000], resamples=80)
        hits.append(law.curve["low"][0] <= 1 - 5 * 3000**-0.4 <= law.curve["high"][0])
    assert np.mean(hits) >= 0.85  # 60 draws of 95%: three standard errors are 8.4%


def test_chance_and_perfection_are_fitted_without_trouble():
    flat = power_law.fit(
        IMAGES, [0.5, 0.5, 0.51, 0.49], [0.42, 0.46, 0.48, 0.48], [0.58, 0.54, 0.54, 0.5], resamples=50
    )
    assert flat.exponent.low == pytest.approx(0, abs=1e-6) and flat.exponent.value < 0.05
    perfect = power_law.fit(IMAGES, [0.9, 1, 1, 1], [0.85, 1, 1, 1], [0.95, 1, 1, 1], resamples=50)
    assert np.isfinite(perfect.curve[["roc_auc", "low", "high"]]).all(axis=None)
    assert perfect.curve[["low", "high"]].to_numpy().max() <= 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({0: IMAGES[:2], 1: [0.6, 0.7], 2: [0.5, 0.6], 3: [0.7, 0.8]}, "2 different sizes of training set"),
        ({0: [700] * 4}, "1 different size of training set: a power law needs at least 3"),
        ({0: [0, 1, 2, 3]}, "expected numbers above 0"),
        ({1: [0.6, 0.7, np.nan, 0.9]}, "from 0 to 1"),
        ({2: [0.6, 0.7, 0.8, 1.0], 3: [0.7, 0.8, 0.9, 0.9]}, "low not above high"),
        ({1: [0.6, 0.7, 0.8]}, "one of each per point"),
    ],
)
def test_no_fit_is_made_of_too_little_or_of_nonsense(changed, said):
    given = [changed.get(number, values) for number, values in enumerate(points())]
    with pytest.raises(UndefinedMeasure, match=said):
        power_law.fit(*given)


def test_a_floor_needs_a_fourth_size():
    three = [values[:3] for values in points()]
    assert power_law.fit(*three, resamples=5).sizes == 3
    with pytest.raises(UndefinedMeasure, match="needs at least 4"):
        power_law.fit(*three, floor=True)
