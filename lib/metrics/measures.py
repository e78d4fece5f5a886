"""Measures of a detector's scores, each with an optional 95% interval.

Everywhere: ``labels`` holds 0 for real and 1 for synthetic (the positive class), ``scores`` is one finite number per
image (higher means more synthetic), and an image is called synthetic when ``score >= threshold``. A measure that cannot
be computed raises `UndefinedMeasure`; it is never reported as 0.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from lib.metrics import resampling
from lib.metrics.checks import Interval, UndefinedMeasure, checked, checked_probabilities, units
from lib.metrics.resampling import Resamples

ECE_BINS = 15


def _decisions(labels: ArrayLike, scores: ArrayLike, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels, scores = checked(labels, scores)
    if not np.isfinite(threshold):
        raise UndefinedMeasure(f"threshold is {threshold}; expected a finite number")
    return labels, (scores >= threshold).astype(np.int64)


# --- Measures of the scores -------------------------------------------------------------------------------------------


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a synthetic image scores above a real one; ties count one half.

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
    return float(_resampled_equal_error_rate(Resamples.of_all(*checked(labels, scores)))[0])


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
        0 to 1; 0 is perfect, 0.25 is the result of a constant 0.5, 1 is always wrong with certainty.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    return float(sk.brier_score_loss(*checked_probabilities(labels, scores)))


def log_loss(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, with scores kept 2.2e-16 away from 0 and 1 (scikit-learn's).

    Returns:
        From 0 upwards; 0 is perfect, 0.693 is the result of a constant 0.5.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    return float(sk.log_loss(*checked_probabilities(labels, scores)))


def expected_calibration_error(labels: ArrayLike, scores: ArrayLike) -> float:
    """Distance between mean score and share of synthetic images, averaged over 15 equal-width bins of the score.

    Bins are [0, 1/15), …, [14/15, 1], weighted by their images (Naeini et al. 2015, for the positive class). It is
    biased upwards on few images, and more so in resamples: its bootstrap interval tends to lie high.

    Returns:
        0 to 1; 0 means that a share p of the images with score p is synthetic.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    labels, scores = checked_probabilities(labels, scores)
    gaps = np.bincount(calibration_bins(scores), weights=labels - scores)
    return float(np.abs(gaps).sum() / labels.size)


def calibration_bins(scores: NDArray[np.float64], bins: int = ECE_BINS) -> NDArray[np.int64]:
    """Number of the equal-width bin of each probability: 0 for [0, 1/bins), …; the last bin includes 1."""
    return np.clip((scores * bins).astype(np.int64), 0, bins - 1)


# --- Measures of the decision at a threshold --------------------------------------------------------------------------


def confusion(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, int]:
    """Counts images by class and decision.

    Returns:
        ``true_real`` and ``true_synthetic`` (classified correctly), ``false_synthetic`` (real images called synthetic)
        and ``false_real`` (synthetic images called real).

    Raises:
        UndefinedMeasure: See `checked`; also for a threshold that is not finite.
    """
    names = ("true_real", "false_synthetic", "false_real", "true_synthetic")
    counts = sk.confusion_matrix(*_decisions(labels, scores, threshold)).ravel()
    return dict(zip(names, counts.tolist()))


def accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of correctly classified images, 0 to 1; 1 is perfect. Read it beside both recalls.

    Raises:
        UndefinedMeasure: See `confusion`.
    """
    return float(sk.accuracy_score(*_decisions(labels, scores, threshold)))


def balanced_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Mean of both recalls, 0 to 1; 1 is perfect, 0.5 is chance or calling everything one class.

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
RECALLS = ("recall_real", "recall_synthetic")
# In every table of test results (comparison, robustness, experiments), each with its interval.
TABLE_MEASURES = ("roc_auc", *RECALLS)
# Measures that treat a score as the probability of synthetic.
PROBABILITY_MEASURES = ("brier_score", "log_loss", "expected_calibration_error")
DECISION_MEASURES = tuple(_OF_DECISIONS)


def summarise(
    labels: ArrayLike, scores: ArrayLike, threshold: float | None = None, measures: Sequence[str] | None = None
) -> dict[str, float | None]:
    """Computes several measures at once; a measure that is undefined on these data is None.

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
    """Percentile bootstrap intervals, stratified and by group (Efron and Tibshirani 1993, chapter 13).

    Groups (one person = one group) are resampled whole, because images of one person are not independent. The strata
    are the classes in a group (real only, synthetic only, both). Without groups every image is its own group: the
    class-stratified bootstrap. A resample is a row of multiplicities, so a few cumulative sums give all measures of
    many resamples. Resamples depend only on labels, groups and seed, so models scored on the same images share them.

    If a measure is at its limit on the data (a recall of exactly 1), no resample can differ, and near it few do. There
    the interval is widened to that of Clopper and Pearson for the number of independent images (`widened`). A resample
    in which a precision is undefined is left out of its interval.

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
        UndefinedMeasure: See `checked`; also when no stratum that holds a class has two groups, so nothing can be
            resampled.
        ValueError: As `summarise`, or groups that do not fit the labels.
    """
    labels, scores = checked(labels, scores)
    names = _names(measures, threshold)
    points = {name: _value(name, labels, scores, threshold) for name in names}
    intervals = dict.fromkeys(names, Interval(np.nan, np.nan, np.nan))
    defined = [name for name in names if points[name] is not None]
    if not defined:
        return intervals
    drawn = bootstrap_values(labels, scores, groups, threshold, defined, resamples, seed)
    return intervals | widened(drawn, points, labels, scores, groups, threshold, level)


def widened(
    drawn: Mapping[str, ArrayLike],
    points: Mapping[str, float],
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float | None = None,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Intervals from the values of `bootstrap_values`, with width also if a measure is near 0 or 1.

    Every measure of decisions is the share of correct decisions among some images: all, one class, or those called one
    class. (For F1 it is the share r among images of a class or called so: F1 = 2r / (1 + r).) Near 0 and 1
    `resampling.share_interval` is used. The AUC is a share of pairs. At exactly 0 and 1 (also of average precision or
    equal error rate), the number of pairs is the number of independent images of the smaller class. Losses have no such
    limits and stay as they are.

    Args:
        drawn: Measure to its values in the resamples.
        points: Measure to its value on the data, defined for all of `drawn`.
        labels, scores, groups, threshold, level: As in `bootstrap_intervals`.
    """
    labels, scores = checked(labels, scores)
    unit = units(labels, groups)
    called = np.zeros_like(labels) if threshold is None else (scores >= threshold).astype(np.int64)
    trials = resampling.independent_images(labels, groups)
    found = {}
    for name, values in drawn.items():
        if name in _COUNTED:
            found[name] = _share_of_right(name, points[name], values, labels, called, unit, level)
        elif name == "balanced_accuracy":
            recalls = [np.mean(called[labels == label] == label) for label in (0, 1)]
            plain = resampling.percentile_interval(points[name], values, level)
            found[name] = resampling.sum_interval(plain, (0.5, 0.5), recalls, trials, level)
        elif name.startswith("recall_at_fpr"):
            found[name] = resampling.share_interval(points[name], trials[1], values, level)
        elif name in _RANKINGS_RESAMPLED:
            found[name] = resampling.share_interval(points[name], min(trials), values, level, few=0)
        else:
            found[name] = resampling.percentile_interval(points[name], values, level)
    return found


def _share_of_right(
    name: str, value: float, drawn: ArrayLike, labels: NDArray, called: NDArray, unit: NDArray, level: float
) -> Interval:
    found = resampling.percentile_interval(value, drawn, level)
    share = value / (2 - value) if name.startswith("f1") else value
    limits = resampling.limits_near_an_end(share, resampling.independent(unit[_COUNTED[name](labels, called)]), level)
    if limits is None:
        return found
    low, high = (2 * limit / (1 + limit) if name.startswith("f1") else limit for limit in limits)
    return Interval(value, min(found.low, low), max(found.high, high))


def bootstrap_values(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float | None = None,
    measures: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """The values behind `bootstrap_intervals`: each measure in every resample.

    Two scorers of the same images, with the same groups and seed, share the resamples. So their difference in each
    resample gives the interval of the difference.

    Returns:
        Measure name to values of shape (resamples,), NaN if a precision is undefined in a resample.

    Raises:
        UndefinedMeasure: As `bootstrap_intervals`; also for a measure of probabilities and scores outside 0 to 1.
        ValueError: As `bootstrap_intervals`.
    """
    labels, scores = checked(labels, scores)
    names = _names(measures, threshold)
    if set(names) & set(PROBABILITY_MEASURES):
        checked_probabilities(labels, scores)
    blocks = resampling.blocks(labels, scores, groups, resamples, seed)
    parts = np.concatenate([resampled(names, block, threshold) for block in blocks], axis=1)
    return dict(zip(names, parts))


def resampled(names: Sequence[str], block: Resamples, threshold: float | None) -> NDArray[np.float64]:
    """Measures by name in every resample of a block: shape (names, resamples)."""
    known = _resampled_probabilities(block) if set(names) & set(PROBABILITY_MEASURES) else {}
    for name in names:
        if name in _RANKINGS_RESAMPLED:
            known[name] = _RANKINGS_RESAMPLED[name](block)
        elif name in _DECISIONS_RESAMPLED:
            known[name] = _DECISIONS_RESAMPLED[name](*block.confusion(threshold))
        elif name not in known:
            known[name] = _one_by_one(name, block, threshold)
    return np.array([known[name] for name in names])


def _one_by_one(name: str, block: Resamples, threshold: float | None) -> NDArray:
    """A measure without a fast method: computed for each resample in turn, some seconds for 2,000 of them."""
    values = []
    for counts in block.counts:
        labels, scores = np.repeat(block.labels, counts), np.repeat(block.scores, counts)
        value = _value(name, labels, scores, threshold)
        values.append(np.nan if value is None else value)
    return np.array(values)


def _resampled_auc(r: Resamples) -> NDArray:
    # Twice the area, so that a tie's one half stays an integer. In 64 bits: tied scores of 100,000 images exceed 32.
    area = np.multiply(r.misses, 2 * r.true_positives - r.hits, dtype=np.int64).sum(axis=1)
    return area / (2 * r.synthetic * r.real)


def _resampled_average_precision(r: Resamples) -> NDArray:
    # Recall changes only at a synthetic image.
    steps = np.flatnonzero(np.add.reduceat(r.labels, r.first_of_ties))
    hits, true = r.hits[:, steps], r.true_positives[:, steps]
    # Before the first drawn image nothing is called synthetic: 1 only replaces that 0.
    precision = true / np.maximum(true + r.false_positives[:, steps], 1)
    return np.einsum("ij,ij->i", hits, precision) / r.synthetic


def _resampled_equal_error_rate(r: Resamples) -> NDArray:
    """The point where each row's ROC curve, starting from (0, 0), crosses the line tpr = 1 - fpr."""
    after = r.first(lambda true, false: true * r.real + false * r.synthetic >= r.synthetic * r.real)
    (true, false), (next_true, next_false) = r.before(after), r.before(after + 1)
    fpr, next_fpr = false / r.real, next_false / r.real
    balance, next_balance = fpr + true / r.synthetic - 1, next_fpr + next_true / r.synthetic - 1
    return fpr - balance / (next_balance - balance) * (next_fpr - fpr)


def _resampled_recall_at(fpr: float, r: Resamples) -> NDArray:
    true, _ = r.before(r.first(lambda _, false: false / r.real > fpr))
    return true / r.synthetic


def _resampled_probabilities(r: Resamples) -> dict[str, NDArray]:
    """All of `PROBABILITY_MEASURES` in one pass over the counts."""
    tiny = np.finfo(np.float64).eps
    kept = np.clip(r.scores, tiny, 1 - tiny)
    losses = -np.where(r.labels == 1, np.log(kept), np.log1p(-kept))
    per_image = np.stack([(r.scores - r.labels) ** 2, losses, r.labels - r.scores], axis=1)
    # Images are sorted by score, so the images of a bin are adjacent.
    edges = np.flatnonzero(np.diff(calibration_bins(r.scores))) + 1
    brier, loss, gaps = r.means(per_image, edges)
    return dict(zip(PROBABILITY_MEASURES, (brier.sum(axis=0), loss.sum(axis=0), np.abs(gaps).sum(axis=0))))


def _ratio(part: NDArray, whole: NDArray) -> NDArray:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


_RANKINGS_RESAMPLED: dict[str, Callable[[Resamples], NDArray]] = {
    "roc_auc": _resampled_auc,
    "average_precision": _resampled_average_precision,
    "equal_error_rate": _resampled_equal_error_rate,
    "recall_at_fpr_5": partial(_resampled_recall_at, 0.05),
    "recall_at_fpr_1": partial(_resampled_recall_at, 0.01),
}
# For true real, false synthetic, false real and true synthetic.
_DECISIONS_RESAMPLED: dict[str, Callable[[NDArray, NDArray, NDArray, NDArray], NDArray]] = {
    "accuracy": lambda tr, fs, fr, ts: (tr + ts) / (tr + fs + fr + ts),
    "balanced_accuracy": lambda tr, fs, fr, ts: (tr / (tr + fs) + ts / (ts + fr)) / 2,
    "precision_real": lambda tr, fs, fr, ts: _ratio(tr, tr + fr),
    "recall_real": lambda tr, fs, fr, ts: tr / (tr + fs),
    "f1_real": lambda tr, fs, fr, ts: 2 * tr / (2 * tr + fs + fr),
    "precision_synthetic": lambda tr, fs, fr, ts: _ratio(ts, ts + fs),
    "recall_synthetic": lambda tr, fs, fr, ts: ts / (ts + fr),
    "f1_synthetic": lambda tr, fs, fr, ts: 2 * ts / (2 * ts + fs + fr),
}
# The images of a measure's share of correct decisions, from truth and decision; for F1 see `widened`.
_COUNTED: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "accuracy": lambda y, called: np.ones(y.shape, dtype=bool),
    "precision_real": lambda y, called: called == 0,
    "recall_real": lambda y, called: y == 0,
    "f1_real": lambda y, called: (y == 0) | (called == 0),
    "precision_synthetic": lambda y, called: called == 1,
    "recall_synthetic": lambda y, called: y == 1,
    "f1_synthetic": lambda y, called: (y == 1) | (called == 1),
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
