"""ROC AUC without resampling: DeLong's interval, and the paired test of two scorers of the same images.

DeLong, DeLong and Clarke-Pearson 1988, by the midranks of Sun and Xu 2014, which sort instead of comparing all pairs.
Images in groups (several of one person) are not independent. For them the variance is Obuchowski's for clustered data
(1997), which equals DeLong's when every group is one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from lib.metrics.checks import Interval, UndefinedMeasure, checked, units


@dataclass(frozen=True)
class PairedTest:
    """Two scorers of the same images compared by ROC AUC.

    Attributes:
        first: ROC AUC of the first scorer, 0 to 1.
        second: ROC AUC of the second.
        difference: second - first, -1 to 1, with its interval.
        z: The difference in standard errors; 0 when both rank every pair of images alike.
        p_value: Two-sided, 0 to 1: probability of a difference this large if there is none.
        images: Number of images.
        groups: Number of their groups; the number of images without groups.
    """

    first: float
    second: float
    difference: Interval
    z: float
    p_value: float
    images: int
    groups: int


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """ROC AUC with DeLong's interval, made on the logit scale so that it stays between 0 and 1.

    At an AUC of exactly 0 or 1 the estimated variance is 0 and the logit infinite, which would claim certainty. There
    the limit is that of Newcombe's method 5 (2006): the farthest AUC at which a perfect (or fully reversed) ranking of
    this number of images, or groups, is not surprising. Scores that are all equal have AUC 0.5 without width.

    Args:
        labels: See `checks.checked`.
        scores: See `checks.checked`.
        groups: One name or number per image, none missing; None when images are independent.
        level: Nominal coverage, 0 to 1.

    Returns:
        The AUC, as `measures.roc_auc` gives it, and its limits.

    Raises:
        UndefinedMeasure: See `checks.checked`; also when a class comes from fewer than two images or groups.
        ValueError: Groups that do not fit the labels.
    """
    labels, scores = checked(labels, scores)
    unit = units(labels, groups)
    real, synthetic = _numbers_of_groups(labels, unit)
    placements = _placements(labels, scores)
    auc, quantile = _auc(labels, placements), norm.ppf((1 + level) / 2)
    if auc in (0, 1):
        limit = _limit_of_perfection(real, synthetic, quantile)
        return Interval(1.0, limit, 1.0) if auc else Interval(0.0, 0.0, 1 - limit)
    error = np.sqrt(_variance(labels, unit, placements)) / (auc * (1 - auc))
    low, high = 1 / (1 + np.exp(-(np.log(auc / (1 - auc)) + quantile * error * np.array([-1, 1]))))
    return Interval(auc, float(low), float(high))


def paired_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> PairedTest:
    """DeLong's test of whether two scorers of the same images have the same ROC AUC.

    Args:
        labels: See `checks.checked`.
        first: Scores of the first scorer, one per image.
        second: Scores of the second, of the same images in the same order.
        groups: As in `auc_interval`.
        level: Nominal coverage of the difference's interval, 0 to 1.

    Returns:
        The two AUCs, their difference with its interval (normal, cut at -1 and 1), z and p.

    Raises:
        UndefinedMeasure: As `auc_interval`; also where the difference has no variance though it is not 0 (both rankings
            at their limits).
        ValueError: Groups that do not fit the labels.
    """
    labels, first = checked(labels, first)
    _, second = checked(labels, second)
    unit = units(labels, groups)
    _numbers_of_groups(labels, unit)
    placements = [_placements(labels, scores) for scores in (first, second)]
    aucs = [_auc(labels, values) for values in placements]
    # Of the difference itself: if the rankings agree it is exactly 0, but a difference of variances is not.
    error = np.sqrt(_variance(labels, unit, placements[1] - placements[0]))
    difference = aucs[1] - aucs[0]
    if error == 0 and difference != 0:
        raise UndefinedMeasure(
            f"AUC {aucs[0]:.3f} and {aucs[1]:.3f}: their difference varies over no image, so that no error can be told "
            "from it; expected scores that do not all agree"
        )
    z = difference / error if error else 0.0
    reach = norm.ppf((1 + level) / 2) * error
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    p_value = float(2 * norm.sf(abs(z)))
    interval = Interval(difference, float(low), float(high))
    return PairedTest(*aucs, interval, float(z), p_value, labels.size, int(unit.max()) + 1)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Holm's correction for several tests (1979): adjusted p values, in the order given.

    If values below 0.05 are called different, the chance of any false call among all the tests stays below 5%.

    Raises:
        ValueError: A p value outside 0 to 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if np.any(~((values >= 0) & (values <= 1))):
        raise ValueError(f"found p values {values.tolist()}; expected numbers from 0 to 1")
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    # The smallest times the number of tests, the next times one less, …; each is at least the one before it.
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1)), 1)
    return adjusted


def _placements(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each image, how many images of the other class it is ranked correctly against; a tie counts one half.

    Whole and half numbers, so exact. By midranks: the rank among all images minus the rank in its own class.
    """
    synthetic = labels == 1
    placements = rankdata(scores)
    placements[synthetic] -= rankdata(scores[synthetic])
    placements[~synthetic] = synthetic.sum() - (placements[~synthetic] - rankdata(scores[~synthetic]))
    return placements


def _auc(labels: NDArray[np.int64], placements: NDArray[np.float64]) -> float:
    synthetic = labels == 1
    return float(placements[synthetic].sum() / (synthetic.sum() * np.sum(~synthetic)))


def _variance(labels: NDArray[np.int64], unit: NDArray[np.int64], placements: NDArray[np.float64]) -> float:
    """Obuchowski's variance of an AUC, or of a difference of AUCs from a difference of placements."""
    sums, factors = [], []
    for label in (0, 1):
        own = labels == label
        # An image's deviation from the mean, summed over its group.
        deviations = np.where(own, placements - placements[own].mean(), 0)
        sums.append(np.bincount(unit, weights=deviations))
        groups = np.unique(unit[own]).size
        factors.append(groups / (groups - 1))
    real, synthetic = sums
    groups = real.size
    total = factors[0] * np.sum(real**2) + factors[1] * np.sum(synthetic**2)
    total += 2 * groups / (groups - 1) * np.sum(real * synthetic)
    return float(max(total, 0) / (float(np.sum(labels == 0)) * float(np.sum(labels == 1))) ** 2)


def _numbers_of_groups(labels: NDArray[np.int64], unit: NDArray[np.int64]) -> tuple[int, int]:
    counts = tuple(np.unique(unit[labels == label]).size for label in (0, 1))
    for name, count in zip(("real", "synthetic"), counts):
        if count < 2:
            raise UndefinedMeasure(
                f"all {name} images come from {count} group; DeLong's variance needs at least 2 groups (or images) of "
                "each class"
            )
    return counts


def _limit_of_perfection(real: int, synthetic: int, quantile: float) -> float:
    """Lower limit if the AUC found is 1: the A with 1 - A = quantile x standard error at A (Newcombe 2006)."""
    half = (real + synthetic) / 2 - 1

    def surplus(auc: float) -> float:
        spread = 1 + half * ((1 - auc) / (2 - auc) + auc / (1 + auc))
        return (1 - auc) - quantile**2 * auc * spread / (real * synthetic)

    # (1 - A)² = quantile² A (1 - A) …, divided by 1 - A, because A = 1 is the other root.
    return float(brentq(surplus, 0, 1))
