"""Thresholds: how a score becomes the decision "synthetic" (``score >= threshold``).

Choose on validation, read on test. A threshold chosen on the images it is then judged by makes that judgement too good;
a caller must never pass test scores to `choose` or `choose_all`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from lib.metrics import measures

# Below this recall of one class a threshold says nearly the same of every image.
NEARLY_NONE = 0.05
# A detector at chance gives a best-F1 threshold this lopsided on a few hundred images, without reaching NEARLY_NONE.
LOPSIDED = 0.25


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it did on the (validation) images it was chosen on.

    Attributes:
        policy: How it was chosen, one of `POLICIES`.
        threshold: Finite; an image is called synthetic when ``score >= threshold``.
        recall_real: Share of real images called real, 0 to 1.
        recall_synthetic: Share of synthetic images called synthetic, 0 to 1.
        f1_synthetic: F1 of the synthetic class, 0 to 1.
        false_positive_rate: Share of real images called synthetic, 0 to 1.
        images: Number of images it was chosen on.
        degenerate: True when it calls (nearly) everything one class: a recall below 0.05, or below 0.25 where the
            scores rank no better than chance.
        why: A sentence saying why it is degenerate; empty otherwise.
    """

    policy: str
    threshold: float
    recall_real: float
    recall_synthetic: float
    f1_synthetic: float
    false_positive_rate: float
    images: int
    degenerate: bool
    why: str

    def as_dict(self) -> dict[str, str | float | int | bool]:
        """Returns the fields by name, all of them JSON values."""
        return asdict(self)


def choose(policy: str, labels: ArrayLike, scores: ArrayLike) -> Threshold:
    """Chooses a threshold on VALIDATION images. Never pass test images.

    Args:
        policy: ``fixed`` (0.5), ``best_f1`` (largest F1 of the synthetic class along scikit-learn's
            ``precision_recall_curve``, the original study's way), ``balanced`` (largest Youden's J = true-positive
            minus false-positive rate; Youden 1950), ``fpr_5`` or ``fpr_1`` (smallest score that, as threshold, calls at
            most 5% or 1% of the real images synthetic; just above the largest score where none does).
        labels: 0 real, 1 synthetic; both classes.
        scores: One finite number per image.

    Returns:
        The threshold with its validation numbers. Of equally good thresholds ``best_f1`` takes the smallest,
        ``balanced`` the largest.

    Raises:
        ValueError: Unknown policy.
        UndefinedMeasure: See `measures.checked`.
    """
    if policy not in _CHOICES:
        raise ValueError(f"unknown policy {policy!r}; expected one of {POLICIES}")
    labels, scores = measures.checked(labels, scores)
    threshold = float(_CHOICES[policy](labels, scores))
    recall_real = measures.recall_real(labels, scores, threshold)
    recall_synthetic = measures.recall_synthetic(labels, scores, threshold)
    why = _why_degenerate(labels, scores, recall_real, recall_synthetic)
    return Threshold(
        policy=policy,
        threshold=threshold,
        recall_real=recall_real,
        recall_synthetic=recall_synthetic,
        f1_synthetic=measures.f1_synthetic(labels, scores, threshold),
        false_positive_rate=1 - recall_real,
        images=labels.size,
        degenerate=bool(why),
        why=why,
    )


def choose_all(labels: ArrayLike, scores: ArrayLike) -> dict[str, Threshold]:
    """Chooses by every policy, in the order of `POLICIES`, on VALIDATION images. Never pass test images.

    Raises:
        UndefinedMeasure: See `measures.checked`.
    """
    return {policy: choose(policy, labels, scores) for policy in POLICIES}


def apply(threshold: float, scores: ArrayLike) -> NDArray[np.int64]:
    """Decides: 1 (synthetic) where ``score >= threshold``, else 0 (real).

    Raises:
        UndefinedMeasure: A score or the threshold is NaN or infinite.
    """
    values = np.asarray(scores, dtype=np.float64)
    bad = np.sum(~np.isfinite(values))
    if bad or not np.isfinite(threshold):
        raise measures.UndefinedMeasure(
            f"threshold is {threshold} and {bad} of {values.size} scores are not finite; expected finite numbers"
        )
    return (values >= threshold).astype(np.int64)


def _fixed(labels: NDArray, scores: NDArray) -> float:
    return 0.5


def _best_f1(labels: NDArray, scores: NDArray) -> float:
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    # The curve's last point, recall 0, belongs to no threshold.
    precision, recall = precision[:-1], recall[:-1]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return thresholds[np.argmax(f1)]


def _balanced(labels: NDArray, scores: NDArray) -> float:
    fpr, tpr, thresholds = _roc(labels, scores)
    return thresholds[np.argmax(tpr - fpr)]


def _fpr_5(labels: NDArray, scores: NDArray) -> float:
    return _at_most(0.05, labels, scores)


def _fpr_1(labels: NDArray, scores: NDArray) -> float:
    return _at_most(0.01, labels, scores)


def _at_most(limit: float, labels: NDArray, scores: NDArray) -> float:
    fpr, _, thresholds = _roc(labels, scores)
    return thresholds[np.flatnonzero(fpr <= limit)[-1]]


def _roc(labels: NDArray, scores: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """scikit-learn's curve at every score, its first threshold (infinity) made finite so that JSON can hold it."""
    fpr, tpr, thresholds = sk.roc_curve(labels, scores, drop_intermediate=False)
    thresholds[0] = np.nextafter(scores.max(), np.inf)
    return fpr, tpr, thresholds


def _why_degenerate(labels: NDArray, scores: NDArray, recall_real: float, recall_synthetic: float) -> str:
    worst, side = min((recall_real, "synthetic"), (recall_synthetic, "real"))
    shares = f"{recall_real:.1%} of real and {recall_synthetic:.1%} of synthetic images are called what they are"
    if worst < NEARLY_NONE:
        return f"calls nearly everything {side}: {shares}"
    auc, limit = measures.roc_auc(labels, scores), _chance_limit(labels)
    if worst < LOPSIDED and auc <= limit:
        chance = f"ROC AUC {auc:.3f}, chance up to {limit:.3f}"
        return f"calls most images {side} without telling them apart ({chance}): {shares}"
    return ""


def _chance_limit(labels: NDArray) -> float:
    """Upper end of the 95% range of ROC AUC for scores that know nothing (Mann-Whitney's variance)."""
    synthetic = int(labels.sum())
    real = labels.size - synthetic
    return 0.5 + 1.96 * np.sqrt((real + synthetic + 1) / (12 * real * synthetic))


_CHOICES: dict[str, Callable[[NDArray, NDArray], float]] = {
    "fixed": _fixed,
    "best_f1": _best_f1,
    "balanced": _balanced,
    "fpr_5": _fpr_5,
    "fpr_1": _fpr_1,
}
POLICIES = tuple(_CHOICES)
