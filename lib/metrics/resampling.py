"""The bootstrap's resamples: many at once, stratified and by group.

A resample is a row of multiplicities (how often each image is drawn). So a few cumulative sums give all measures of
many resamples, without a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from lib.metrics.checks import Interval, UndefinedMeasure, units

# Cells of one block of resamples x images: 4 to 8 MB per array, which keeps the bootstrap far below 500 MB.
BLOCK_CELLS = 1_000_000
# A share with fewer successes or failures than this is near 0 or 1. There the bootstrap's interval is too short, and at
# 0 or 1 it has no width.
FEW = 5


class Resamples:
    """A block of resamples as counts of shape (resamples, images), images sorted by falling score.

    Curves have one column per distinct score, so that images with tied scores enter together: column j stands for the
    threshold ``distinct[j]``. Counts stay integers: exact, and several times faster to accumulate than floats.
    """

    def __init__(self, counts: NDArray[np.int32], labels: NDArray, scores: NDArray) -> None:
        self.counts, self.labels, self.scores = counts, labels.astype(np.int32), scores

    @classmethod
    def of_all(cls, labels: NDArray, scores: NDArray) -> Resamples:
        """The images themselves, each once: one row, in which a measure has its plain value."""
        order = np.argsort(-scores, kind="stable")
        return cls(np.ones((1, scores.size), dtype=np.int32), labels[order], scores[order])

    @cached_property
    def first_of_ties(self) -> NDArray[np.int64]:
        """First position of each distinct score among the images."""
        return np.flatnonzero(np.append(True, np.diff(self.scores) != 0))

    @property
    def distinct(self) -> NDArray[np.float64]:
        """The distinct scores, falling."""
        return self.scores[self.first_of_ties]

    def _per_score(self, counts: NDArray[np.int32]) -> NDArray[np.int32]:
        if self.first_of_ties.size == self.scores.size:
            return counts
        return np.add.reduceat(counts, self.first_of_ties, axis=1)

    @cached_property
    def hits(self) -> NDArray[np.int32]:
        """Drawn synthetic images of each distinct score."""
        return self._per_score(self.counts * self.labels)

    @cached_property
    def misses(self) -> NDArray[np.int32]:
        """Drawn real images of each distinct score."""
        return self._per_score(self.counts) - self.hits

    @cached_property
    def true_positives(self) -> NDArray[np.int32]:
        return np.cumsum(self.hits, axis=1, dtype=np.int32)

    @cached_property
    def false_positives(self) -> NDArray[np.int32]:
        return np.cumsum(self.misses, axis=1, dtype=np.int32)

    @cached_property
    def synthetic(self) -> NDArray[np.int64]:
        return self.true_positives[:, -1].astype(np.int64)

    @cached_property
    def real(self) -> NDArray[np.int64]:
        return self.false_positives[:, -1].astype(np.int64)

    def first(self, holds: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]) -> NDArray[np.int64]:
        """First column of each row where a condition becomes true and stays true; the number of columns if none.

        Args:
            holds: The condition, given the true and the false positives at one column of each row.
        """
        low = np.zeros(len(self.counts), dtype=np.int64)
        high = np.full_like(low, self.first_of_ties.size)
        while np.any(low < high):
            middle = (low + high) // 2
            found = holds(*self.before(middle + 1)) | (middle == high)
            low, high = np.where(found, low, middle + 1), np.where(found, middle, high)
        return low

    def before(self, column: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """True and false positives of each row when every column before its ``column`` is called synthetic."""
        last = np.maximum(column - 1, 0)[:, None]
        curves = (self.true_positives, self.false_positives)
        true, false = (np.take_along_axis(curve, np.minimum(last, curve.shape[1] - 1), axis=1) for curve in curves)
        some = column > 0
        return np.where(some, true[:, 0], 0).astype(np.int64), np.where(some, false[:, 0], 0).astype(np.int64)

    def confusion(self, threshold: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """True real, false synthetic, false real, true synthetic at a threshold: shape (resamples,) each."""
        above = np.full(len(self.counts), np.sum(self.distinct >= threshold))
        hits, alarms = self.before(above)
        return self.real - alarms, alarms, self.synthetic - hits, hits

    def means(self, per_image: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sums over ranges of the drawn images, divided by all drawn images.

        Args:
            per_image: Numbers of each image, shape (images, numbers), in the order of the counts.
            edges: Where each range after the first begins, rising.

        Returns:
            Shape (numbers, stretches, resamples).
        """
        weights = self.counts.astype(np.float64)
        bounds = [0, *edges.tolist(), self.scores.size]
        sums = [weights[:, start:end] @ per_image[start:end] for start, end in pairwise(bounds)]
        return np.moveaxis(np.array(sums), 2, 0) / (self.real + self.synthetic)


def draws(
    labels: NDArray[np.int64], groups: ArrayLike | None, order: NDArray[np.int64], resamples: int, seed: int
) -> Iterator[NDArray[np.int32]]:
    """Yields blocks of shape (resamples, images): how often each resample draws each image, images sorted by ``order``.

    Groups (one person = one group) are drawn whole. The strata are the classes in a group (real only, synthetic only,
    both). The draws depend only on labels, groups and seed, not on the order.

    Raises:
        UndefinedMeasure: No stratum that holds a class has two groups, so nothing can be resampled.
        ValueError: Groups that do not fit the labels.
    """
    unit = units(labels, groups)
    stratum = _strata(labels, unit)
    # Units are numbered by stratum, so that the draws of the strata can be joined.
    column = np.empty(stratum.size, dtype=np.int64)
    column[np.argsort(stratum, kind="stable")] = np.arange(stratum.size)
    columns = column[unit][order]
    sizes = [int(size) for size in np.bincount(stratum) if size]
    random = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // labels.size)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = np.hstack([_multiplicities(random, rows, size) for size in sizes])
        yield np.take(drawn, columns, axis=1)


def blocks(
    labels: NDArray[np.int64], scores: NDArray[np.float64], groups: ArrayLike | None, resamples: int, seed: int
) -> Iterator[Resamples]:
    """Yields the draws of `draws` with their images, as `Resamples`."""
    order = np.argsort(-scores, kind="stable")
    for counts in draws(labels, groups, order, resamples, seed):
        yield Resamples(counts, labels[order], scores[order])


def percentile_interval(value: float, drawn: Sequence[float] | NDArray[np.float64], level: float = 0.95) -> Interval:
    """A value with the percentile interval of its resamples; undefined ones (NaN) are left out."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(drawn, (tail, 1 - tail))
    return Interval(float(value), float(low), float(high))


def independent(unit: NDArray[np.int64]) -> float:
    """Kish's effective number of independent images: the number of groups if all have equal size, otherwise less.

    Args:
        unit: number of each image's group, as `checks.units` gives it.

    Returns:
        (sum of the groups' sizes)^2 / sum of their squares; 0 without images.
    """
    sizes = np.bincount(unit).astype(np.float64) if len(unit) else np.zeros(1)
    return float(sizes.sum() ** 2 / max(np.sum(sizes**2), 1.0))


def independent_images(labels: ArrayLike, groups: ArrayLike | None) -> list[float]:
    """`independent` of the real and of the synthetic images."""
    labels = np.asarray(labels)
    unit = units(labels, groups)
    return [independent(unit[labels == label]) for label in (0, 1)]


def exact_limits(share: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's limits of a share (1934), for an effective number of trials (Korn and Graubard 1998).

    Args:
        share: successes among the trials, 0 to 1.
        trials: number of independent trials, above 0; need not be whole.
        level: nominal coverage, 0 to 1.

    Returns:
        The limits, 0 to 1; they hold `share`, and have width for shares of 0 and 1 too.
    """
    tail, successes = (1 - level) / 2, share * trials
    low = beta.ppf(tail, successes, trials - successes + 1) if share > 0 else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if share < 1 else 1.0
    return float(low), float(high)


def share_interval(
    share: float, trials: float, drawn: Sequence[float] | NDArray[np.float64], level: float = 0.95, few: float = FEW
) -> Interval:
    """The percentile interval of a share, widened to `exact_limits` if the share is near 0 or 1.

    Args:
        share: 0 to 1.
        trials: number of independent images behind it (`independent`).
        drawn: the share in each resample.
        level: nominal coverage, 0 to 1.
        few: a share is near if it has fewer successes or failures among the trials than this, or is 0 or 1.
    """
    found = percentile_interval(share, drawn, level)
    limits = limits_near_an_end(share, trials, level, few)
    if limits is None:
        return found
    return Interval(found.value, min(found.low, limits[0]), max(found.high, limits[1]))


def limits_near_an_end(
    share: float, trials: float, level: float = 0.95, few: float = FEW
) -> tuple[float, float] | None:
    """`exact_limits` of a share near 0 or 1, None elsewhere; arguments as in `share_interval`."""
    return exact_limits(share, trials, level) if near_an_end(share, trials, few) else None


def sum_interval(
    found: Interval,
    weights: Sequence[float],
    shares: Sequence[float],
    trials: Sequence[float],
    level: float = 0.95,
    few: float = FEW,
) -> Interval:
    """The percentile interval of a weighted sum of shares, widened if one of them is near 0 or 1.

    The squared distances from the shares to their `exact_limits` are summed (Zou and Donner 2008).

    Args:
        found: the sum with its percentile interval.
        weights: of the shares.
        shares, trials: as in `share_interval`, of different images.
        level: nominal coverage, 0 to 1.
        few: as in `share_interval`.
    """
    if not any(near_an_end(*pair, few) for pair in zip(shares, trials)):
        return found
    limits = [exact_limits(share, number, level) for share, number in zip(shares, trials)]
    ends = [sorted(w * (limit - share) for limit in pair) for w, share, pair in zip(weights, shares, limits)]
    down, up = np.sqrt(np.sum(np.square(ends), axis=0))
    return Interval(found.value, min(found.low, found.value - down), max(found.high, found.value + up))


def near_an_end(share: float, trials: float, few: float = FEW) -> bool:
    """Whether the trials have fewer successes or failures than `few`, or none at all."""
    least = min(share, 1 - share) * trials
    # These are numbers of images: rounding must not decide.
    return least == 0 or least < few - 1e-9


def _multiplicities(random: np.random.Generator, rows: int, size: int) -> NDArray[np.int32]:
    """Draws ``size`` of ``size`` units with replacement in each row and counts each: shape (rows, size)."""
    drawn = random.integers(0, size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.int32)


def _strata(labels: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each unit's stratum: 1 real only, 2 synthetic only, 3 both."""
    holds = [np.bincount(unit[labels == label], minlength=unit.max() + 1) > 0 for label in (0, 1)]
    stratum = holds[0] + 2 * holds[1]
    sizes = np.bincount(stratum, minlength=4)
    for label, held, alone in zip(("real", "synthetic"), holds, (1, 2)):
        if held.sum() < 2:
            raise UndefinedMeasure(
                f"all {label} images come from {held.sum()} group; an interval needs at least 2 groups of each class"
            )
        if max(sizes[alone], sizes[3]) < 2:
            raise UndefinedMeasure(
                f"{label} images come from one group of that class and one of both classes, which cannot stand in for "
                "each other; an interval needs at least 2 groups of either kind"
            )
    return stratum
