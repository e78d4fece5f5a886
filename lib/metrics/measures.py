"""Measures of a detector's scores, each with a 95% interval where asked.

Everywhere: ``labels`` holds 0 for real and 1 for synthetic (the positive class), ``scores`` is one finite number per
image (higher means more synthetic), and an image is called synthetic when ``score >= threshold``. What cannot be
computed raises `UndefinedMeasure`; it is never reported as 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

ECE_BINS = 15
# Cells of one block of resamples x images: 4 to 8 MB an array, which keeps the bootstrap far below 500 MB.
_BLOCK_CELLS = 1_000_000


class UndefinedMeasure(ValueError):
    """A measure has no value on these data; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Interval:
    """A value and the limits of its interval.

    Attributes:
        value: The measure on the data; NaN where it is undefined.
        low: Lower limit.
        high: Upper limit. A percentile interval need not contain ``value``.
    """

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Returns ``{"value", "low", "high"}`` with None for NaN, which JSON cannot hold."""
        pairs = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(number) else float(number) for name, number in pairs.items()}

    def contains(self, number: float) -> bool:
        """Whether ``low <= number <= high``; False when the interval is undefined."""
        return bool(self.low <= number <= self.high)

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns labels and scores as arrays that every measure here is defined on.

    Args:
        labels: One per image, 0 (real) or 1 (synthetic); both classes must be present.
        scores: One finite number per image.

    Returns:
        int64 labels and float64 scores, both of shape (images,).

    Raises:
        UndefinedMeasure: Empty, not one-dimensional, different lengths, NaN or infinity, other labels, or one class
            only.
    """
    try:
        found, values = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UndefinedMeasure(f"labels and scores must be numbers: {error}") from error
    if found.ndim != 1 or found.shape != values.shape:
        raise UndefinedMeasure(
            f"labels have shape {found.shape} and scores {values.shape}; expected one label and one score per image"
        )
    if found.size == 0:
        raise UndefinedMeasure("no images: labels and scores are empty; expected at least one image of each class")
    other = found[~np.isin(found, (0, 1))]
    if other.size:
        raise UndefinedMeasure(f"found label {other[0]:g} ({other.size} such); expected 0 (real) or 1 (synthetic)")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise UndefinedMeasure(
            f"{bad.size} of {values.size} scores are not finite (first: {values[bad[0]]} at position {bad[0]}); "
            "expected finite numbers"
        )
    if found.min() == found.max():
        only = "synthetic" if found[0] else "real"
        raise UndefinedMeasure(f"all {found.size} images are {only}; expected images of both classes")
    return found.astype(np.int64), values


def _probabilities(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels, scores = checked(labels, scores)
    if scores.min() < 0 or scores.max() > 1:
        raise UndefinedMeasure(
            f"scores range from {scores.min():g} to {scores.max():g}; expected probabilities between 0 and 1"
        )
    return labels, scores


def _decisions(labels: ArrayLike, scores: ArrayLike, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels, scores = checked(labels, scores)
    if not np.isfinite(threshold):
        raise UndefinedMeasure(f"threshold is {threshold}; expected a finite number")
    return labels, (scores >= threshold).astype(np.int64)


# --- Measures of the scores -------------------------------------------------------------------------------------------


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a synthetic image scores above a real one, ties counting one half.

    Returns:
        0 to 1; 1 is a perfect ranking, 0.5 is chance, below 0.5 the ranking is reversed.

    Raises:
        UndefinedMeasure: See `checked`.
    """
    return float(sk.roc_auc_score(*checked(labels, scores)))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean precision over the steps of recall of the synthetic class, without interpolation (scikit-learn's).

    Returns:
        0 to 1; 1 is a perfect ranking, chance is the share of synthetic images.

    Raises:
        UndefinedMeasure: See `checked`.
    """
    return float(sk.average_precision_score(*checked(labels, scores)))


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """Error rate where false-positive and false-negative rate are equal, interpolated linearly along the ROC curve.

    Returns:
        0 to 1; 0 is perfect, 0.5 is chance, 1 is a ranking entirely reversed.

    Raises:
        UndefinedMeasure: See `checked`.
    """
    fpr, tpr, _ = sk.roc_curve(*checked(labels, scores), drop_intermediate=False)
    return float(_crossing(fpr[None, 1:], tpr[None, 1:])[0])


def recall_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """Recall of the synthetic class at the best threshold that keeps the false-positive rate at or below ``fpr``.

    Not interpolated: it is reached by an actual threshold on these data.

    Args:
        labels: See `checked`.
        scores: See `checked`.
        fpr: Largest share of real images called synthetic, 0 to 1.

    Returns:
        0 to 1; 1 means that every synthetic image is found, chance is about ``fpr``.

    Raises:
        UndefinedMeasure: See `checked`.
        ValueError: ``fpr`` outside 0 to 1.
    """
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr is {fpr}; expected 0 to 1")
    rates, recalls, _ = sk.roc_curve(*checked(labels, scores), drop_intermediate=False)
    return float(recalls[rates <= fpr].max())


def brier_score(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean squared difference between score and label.

    Returns:
        0 to 1; 0 is perfect, 0.25 is what answering 0.5 gives, 1 is always wrong with certainty.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    return float(sk.brier_score_loss(*_probabilities(labels, scores)))


def log_loss(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, with scores kept 2.2e-16 away from 0 and 1 (scikit-learn's).

    Returns:
        0 upwards; 0 is perfect, 0.693 is what answering 0.5 gives.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    return float(sk.log_loss(*_probabilities(labels, scores)))


def expected_calibration_error(labels: ArrayLike, scores: ArrayLike) -> float:
    """Distance between mean score and share of synthetic images, averaged over 15 equal-width bins of the score.

    Bins are [0, 1/15), …, [14/15, 1], weighted by their images (Naeini et al. 2015, for the positive class). It is
    biased upwards on few images, in resamples more so: its bootstrap interval tends to lie high.

    Returns:
        0 to 1; 0 means that of images scored p, a share p is synthetic.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    labels, scores = _probabilities(labels, scores)
    gaps = np.bincount(_calibration_bins(scores), weights=labels - scores)
    return float(np.abs(gaps).sum() / labels.size)


def _calibration_bins(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip((scores * ECE_BINS).astype(np.int64), 0, ECE_BINS - 1)


def _crossing(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each row's ROC curve, starting from an implied (0, 0), meets the line tpr = 1 - fpr."""
    balance = fpr + tpr - 1
    after = np.argmax(balance >= 0, axis=1)[:, None]
    before = np.maximum(after - 1, 0)
    inside = after > 0
    balance_before = np.where(inside, np.take_along_axis(balance, before, axis=1), -1.0)
    fpr_before = np.where(inside, np.take_along_axis(fpr, before, axis=1), 0.0)
    step = -balance_before / (np.take_along_axis(balance, after, axis=1) - balance_before)
    return (fpr_before + step * (np.take_along_axis(fpr, after, axis=1) - fpr_before))[:, 0]


# --- Measures of the decision at a threshold --------------------------------------------------------------------------


def confusion(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, int]:
    """Counts images by class and decision.

    Returns:
        ``true_real`` and ``true_synthetic`` (called what they are), ``false_synthetic`` (real images called synthetic)
        and ``false_real`` (synthetic images called real).

    Raises:
        UndefinedMeasure: See `checked`; also for a threshold that is not finite.
    """
    names = ("true_real", "false_synthetic", "false_real", "true_synthetic")
    counts = sk.confusion_matrix(*_decisions(labels, scores, threshold)).ravel()
    return dict(zip(names, counts.tolist()))


def accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of images called what they are, 0 to 1; 1 is perfect. Read it beside both recalls.

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.accuracy_score(*_decisions(labels, scores, threshold)))


def balanced_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Mean of both recalls, 0 to 1; 1 is perfect, 0.5 is chance and calling everything one class.

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.balanced_accuracy_score(*_decisions(labels, scores, threshold)))


def recall_real(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of real images called real, 0 to 1 (1 minus the false-positive rate).

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.recall_score(*_decisions(labels, scores, threshold), pos_label=0))


def recall_synthetic(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of synthetic images called synthetic, 0 to 1 (the true-positive rate).

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.recall_score(*_decisions(labels, scores, threshold)))


def precision_real(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of real images among those called real, 0 to 1.

    Raises:
        UndefinedMeasure: See `confusion`; also when no image is called real.
    """
    return _precision(labels, scores, threshold, 0)


def precision_synthetic(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of synthetic images among those called synthetic, 0 to 1.

    Raises:
        UndefinedMeasure: See `confusion`; also when no image is called synthetic.
    """
    return _precision(labels, scores, threshold, 1)


def _precision(labels: ArrayLike, scores: ArrayLike, threshold: float, positive: int) -> float:
    labels, decisions = _decisions(labels, scores, threshold)
    if not np.any(decisions == positive):
        name = ("real", "synthetic")[positive]
        raise UndefinedMeasure(
            f"no image of {labels.size} is called {name} at threshold {threshold:g}; "
            f"precision_{name} expects at least one"
        )
    return float(sk.precision_score(labels, decisions, pos_label=positive))


def f1_real(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """F1 of the real class: 2·hits / (2·hits + errors of both kinds), 0 to 1; 0 when no real image is called real.

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.f1_score(*_decisions(labels, scores, threshold), pos_label=0))


def f1_synthetic(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """F1 of the synthetic class, as `f1_real`; calling everything synthetic gives 0.667 on a balanced set.

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.f1_score(*_decisions(labels, scores, threshold)))


_OF_SCORES: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "equal_error_rate": equal_error_rate,
    "recall_at_fpr_5": partial(recall_at_fpr, fpr=0.05),
    "recall_at_fpr_1": partial(recall_at_fpr, fpr=0.01),
    "brier_score": brier_score,
    "log_loss": log_loss,
    "expected_calibration_error": expected_calibration_error,
}
_OF_DECISIONS: dict[str, Callable[[ArrayLike, ArrayLike, float], float]] = {
    function.__name__: function
    for function in (
        accuracy,
        balanced_accuracy,
        precision_real,
        recall_real,
        f1_real,
        precision_synthetic,
        recall_synthetic,
        f1_synthetic,
    )
}
SCORE_MEASURES = tuple(_OF_SCORES)
DECISION_MEASURES = tuple(_OF_DECISIONS)


def summarise(
    labels: ArrayLike, scores: ArrayLike, threshold: float | None = None, measures: Sequence[str] | None = None
) -> dict[str, float | None]:
    """Computes several measures at once, None standing for one that is undefined on these data.

    Args:
        labels: See `checked`.
        scores: See `checked`.
        threshold: Needed by `DECISION_MEASURES`.
        measures: Names from `SCORE_MEASURES` and `DECISION_MEASURES`; default: all that the threshold allows.

    Returns:
        Measure name to value.

    Raises:
        UndefinedMeasure: The data allow no measure at all (see `checked`).
        ValueError: An unknown name, a decision measure without a threshold, or a threshold that is not finite.
    """
    labels, scores = checked(labels, scores)
    return {name: _value(name, labels, scores, threshold) for name in _names(measures, threshold)}


def _names(measures: Sequence[str] | None, threshold: float | None) -> tuple[str, ...]:
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"threshold is {threshold}; expected a finite number")
    if measures is None:
        return SCORE_MEASURES if threshold is None else SCORE_MEASURES + DECISION_MEASURES
    unknown = sorted(set(measures) - set(SCORE_MEASURES + DECISION_MEASURES))
    if unknown:
        raise ValueError(f"unknown measures {unknown}; expected some of {SCORE_MEASURES + DECISION_MEASURES}")
    without = [name for name in measures if name in DECISION_MEASURES]
    if threshold is None and without:
        raise ValueError(f"measures {without} are of decisions and need a threshold; got threshold=None")
    return tuple(measures)


def _value(name: str, labels: NDArray, scores: NDArray, threshold: float | None) -> float | None:
    try:
        if name in _OF_SCORES:
            return _OF_SCORES[name](labels, scores)
        return _OF_DECISIONS[name](labels, scores, threshold)
    except UndefinedMeasure:
        return None


# --- Intervals --------------------------------------------------------------------------------------------------------


def bootstrap_intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float | None = None,
    measures: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile bootstrap intervals, stratified and aware of groups (Efron and Tibshirani 1993, chapter 13).

    Groups (one person = one group) are resampled whole, within strata of the classes a group holds (real only,
    synthetic only, both), because images of one person are not independent. Without groups every image is its own: the
    class-stratified bootstrap. A resample is a row of multiplicities, so that all measures of many resamples come from
    a few cumulative sums. Resamples depend on labels, groups and seed alone: models scored on the same images share
    them.

    Two limits: where a measure is at its limit on the data (a recall of exactly 1) no resample can differ and the
    interval has no width; and where a precision is undefined in a resample, that resample is left out of its interval.

    Args:
        labels: See `checked`.
        scores: See `checked`.
        groups: One name or number per image, none missing.
        threshold: Needed by `DECISION_MEASURES`.
        measures: Names from `SCORE_MEASURES` and `DECISION_MEASURES`; default: all that the threshold allows.
        resamples: Number of resamples.
        seed: Seed; the same seed gives the same intervals.
        level: Nominal coverage, 0 to 1.

    Returns:
        Measure name to `Interval`; NaN throughout for a measure that is undefined on these data.

    Raises:
        UndefinedMeasure: See `checked`; also when no stratum that holds a class has two groups, which leaves nothing
            to resample.
        ValueError: As `summarise`, or groups that do not fit the labels.
    """
    labels, scores = checked(labels, scores)
    names = _names(measures, threshold)
    points = {name: _value(name, labels, scores, threshold) for name in names}
    intervals = dict.fromkeys(names, Interval(np.nan, np.nan, np.nan))
    defined = [name for name in names if points[name] is not None]
    if not defined:
        return intervals
    order = np.argsort(-scores, kind="stable")
    values = [
        _resampled(defined, _Resamples(counts, labels[order], scores[order], threshold))
        for counts in _draws(labels, groups, order, resamples, seed)
    ]
    tail = (1 - level) / 2
    lows, highs = np.nanquantile(np.concatenate(values, axis=1), (tail, 1 - tail), axis=1)
    return intervals | {
        name: Interval(points[name], float(low), float(high)) for name, low, high in zip(defined, lows, highs)
    }


def bootstrap_values(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    measure: str,
    threshold: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, NDArray[np.float64]]:
    """A measure and its value in every resample of `bootstrap_intervals`, for means and differences of several.

    Returns:
        The measure on the data, and float64 (resamples,). Two scorers on the same images in the same order share the
        resamples, so that a difference of their values is paired.

    Raises:
        UndefinedMeasure: See `bootstrap_intervals`; also where the measure is undefined on these data.
    """
    labels, scores = checked(labels, scores)
    (name,) = _names([measure], threshold)
    value = _value(name, labels, scores, threshold)
    if value is None:
        raise UndefinedMeasure(f"{measure} is undefined on these {labels.size} images")
    order = np.argsort(-scores, kind="stable")
    blocks = [
        _resampled([name], _Resamples(counts, labels[order], scores[order], threshold))[0]
        for counts in _draws(labels, groups, order, resamples, seed)
    ]
    return value, np.concatenate(blocks)


def _draws(
    labels: NDArray[np.int64], groups: ArrayLike | None, order: NDArray[np.int64], resamples: int, seed: int
) -> Iterator[NDArray[np.int32]]:
    """Yields blocks of shape (resamples, images): how often each resample draws each image, images put in ``order``."""
    unit, stratum = _units(labels, groups)
    # Units are numbered stratum by stratum, so that the strata's draws can be put side by side.
    column = np.empty(stratum.size, dtype=np.int64)
    column[np.argsort(stratum, kind="stable")] = np.arange(stratum.size)
    columns = column[unit][order]
    sizes = [int(size) for size in np.bincount(stratum) if size]
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // labels.size)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = np.hstack([_multiplicities(random, rows, size) for size in sizes])
        yield np.take(drawn, columns, axis=1)


def _multiplicities(random: np.random.Generator, rows: int, size: int) -> NDArray[np.int32]:
    """Draws ``size`` of ``size`` units with replacement in each row and counts each: shape (rows, size)."""
    draws = random.integers(0, size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(draws.ravel(), minlength=rows * size).reshape(rows, size).astype(np.int32)


def _units(labels: NDArray[np.int64], groups: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns each image's unit of resampling and each unit's stratum (1 real only, 2 synthetic only, 3 both)."""
    names = np.arange(labels.size) if groups is None else np.asarray(groups)
    if names.shape != labels.shape:
        raise ValueError(f"groups have shape {names.shape}; expected one per image, {labels.shape}")
    unit, found = pd.factorize(names)
    if np.any(unit < 0):
        raise ValueError(f"{np.sum(unit < 0)} images have no group; expected a name or number for each")
    holds = [np.bincount(unit[labels == label], minlength=len(found)) > 0 for label in (0, 1)]
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
    return unit, stratum


class _Resamples:
    """A block of resamples as counts of shape (resamples, images), images sorted by falling score.

    Curves have one column per distinct score, so that images with tied scores enter together. Counts stay whole
    numbers: exact, and several times faster to accumulate than floats.
    """

    def __init__(self, counts: NDArray[np.int32], labels: NDArray, scores: NDArray, threshold: float | None) -> None:
        self.counts, self.labels, self.scores, self.threshold = counts, labels.astype(np.int32), scores, threshold

    @cached_property
    def _first_of_ties(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.append(True, np.diff(self.scores) != 0))

    def _per_score(self, counts: NDArray[np.int32]) -> NDArray[np.int32]:
        if self._first_of_ties.size == self.scores.size:
            return counts
        return np.add.reduceat(counts, self._first_of_ties, axis=1)

    @cached_property
    def hits(self) -> NDArray[np.int32]:
        return self._per_score(self.counts * self.labels)

    @cached_property
    def misses(self) -> NDArray[np.int32]:
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

    @cached_property
    def tpr(self) -> NDArray[np.float64]:
        return self.true_positives / self.synthetic[:, None]

    @cached_property
    def fpr(self) -> NDArray[np.float64]:
        return self.false_positives / self.real[:, None]

    @cached_property
    def confusion(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """True real, false synthetic, false real, true synthetic: shape (resamples,) each."""
        above = int(np.sum(self.scores[self._first_of_ties] >= self.threshold))
        if above == 0:
            return self.real, np.zeros_like(self.real), self.synthetic, np.zeros_like(self.synthetic)
        alarms, hits = self.false_positives[:, above - 1], self.true_positives[:, above - 1]
        return self.real - alarms, alarms, self.synthetic - hits, hits

    def mean(self, per_image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over the images drawn of one or more numbers per image: shape (resamples, ...)."""
        return (self.counts.astype(np.float64) @ per_image).T / (self.real + self.synthetic)


def _resampled_auc(r: _Resamples) -> NDArray:
    # Twice the area, so that a tie's one half stays a whole number.
    area = np.einsum("ij,ij->i", r.misses, 2 * r.true_positives - r.hits, dtype=np.int64)
    return area / (2 * r.synthetic * r.real)


def _resampled_average_precision(r: _Resamples) -> NDArray:
    # Before the first drawn image nothing is called synthetic: 1 only replaces that 0.
    precision = r.true_positives / np.maximum(r.true_positives + r.false_positives, 1)
    return np.einsum("ij,ij->i", r.hits, precision) / r.synthetic


def _resampled_recall_at(fpr: float, r: _Resamples) -> NDArray:
    return np.where(r.fpr <= fpr, r.tpr, 0).max(axis=1)


def _resampled_log_loss(r: _Resamples) -> NDArray:
    tiny = np.finfo(np.float64).eps
    kept = np.clip(r.scores, tiny, 1 - tiny)
    return r.mean(-np.where(r.labels == 1, np.log(kept), np.log1p(-kept)))


def _resampled_calibration_error(r: _Resamples) -> NDArray:
    gaps = np.zeros((r.scores.size, ECE_BINS))
    gaps[np.arange(r.scores.size), _calibration_bins(r.scores)] = r.labels - r.scores
    return np.abs(r.mean(gaps)).sum(axis=0)


def _resampled(names: Sequence[str], resamples: _Resamples) -> NDArray[np.float64]:
    return np.array([_RESAMPLED[name](resamples) for name in names])


def _ratio(part: NDArray, whole: NDArray) -> NDArray:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _of_confusion(formula: Callable[..., NDArray]) -> Callable[[_Resamples], NDArray]:
    return lambda resamples: formula(*resamples.confusion)


_RESAMPLED: dict[str, Callable[[_Resamples], NDArray]] = {
    "roc_auc": _resampled_auc,
    "average_precision": _resampled_average_precision,
    "equal_error_rate": lambda r: _crossing(r.fpr, r.tpr),
    "recall_at_fpr_5": partial(_resampled_recall_at, 0.05),
    "recall_at_fpr_1": partial(_resampled_recall_at, 0.01),
    "brier_score": lambda r: r.mean((r.scores - r.labels) ** 2),
    "log_loss": _resampled_log_loss,
    "expected_calibration_error": _resampled_calibration_error,
    "accuracy": _of_confusion(lambda tr, fs, fr, ts: (tr + ts) / (tr + fs + fr + ts)),
    "balanced_accuracy": _of_confusion(lambda tr, fs, fr, ts: (tr / (tr + fs) + ts / (ts + fr)) / 2),
    "precision_real": _of_confusion(lambda tr, fs, fr, ts: _ratio(tr, tr + fr)),
    "recall_real": _of_confusion(lambda tr, fs, fr, ts: tr / (tr + fs)),
    "f1_real": _of_confusion(lambda tr, fs, fr, ts: 2 * tr / (2 * tr + fs + fr)),
    "precision_synthetic": _of_confusion(lambda tr, fs, fr, ts: _ratio(ts, ts + fs)),
    "recall_synthetic": _of_confusion(lambda tr, fs, fr, ts: ts / (ts + fr)),
    "f1_synthetic": _of_confusion(lambda tr, fs, fr, ts: 2 * ts / (2 * ts + fs + fr)),
}


# --- Curves -----------------------------------------------------------------------------------------------------------


def roc_points(labels: ArrayLike, scores: ArrayLike) -> pd.DataFrame:
    """Points of the ROC curve, from the threshold that calls nothing synthetic to the one that calls everything so.

    Returns:
        Columns ``false_positive_rate``, ``true_positive_rate`` (0 to 1) and ``threshold`` (falling, infinite in the
        first row). Points on a straight line between others are left out.

    Raises:
        UndefinedMeasure: See `checked`.
    """
    fpr, tpr, thresholds = sk.roc_curve(*checked(labels, scores))
    return pd.DataFrame({"false_positive_rate": fpr, "true_positive_rate": tpr, "threshold": thresholds})


def precision_recall_points(labels: ArrayLike, scores: ArrayLike) -> pd.DataFrame:
    """Points of the precision-recall curve of the synthetic class, one per distinct score.

    Returns:
        Columns ``recall``, ``precision`` (0 to 1) and ``threshold`` (rising). The last row, recall 0 and precision 1 at
        an infinite threshold, is scikit-learn's convention and not a decision.

    Raises:
        UndefinedMeasure: See `checked`.
    """
    precision, recall, thresholds = sk.precision_recall_curve(*checked(labels, scores))
    return pd.DataFrame({"recall": recall, "precision": precision, "threshold": np.append(thresholds, np.inf)})
