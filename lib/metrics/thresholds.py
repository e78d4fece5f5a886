"""Thresholds: how a score becomes the decision "synthetic" (``score >= threshold``).

Choose on validation, evaluate on test. A threshold evaluated on the images it was chosen on gives results that are too
good. Never pass test scores to `choose` or `choose_all`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from lib.metrics import measures, resampling
from lib.metrics.checks import Interval, share
from lib.metrics.resampling import Resamples

FIXED = 0.5
# Below this recall of one class, a threshold gives nearly every image the same decision.
NEARLY_NONE = 0.05
# A detector at chance gives a best-F1 threshold this lopsided on a few hundred images, without reaching NEARLY_NONE.
LOPSIDED = 0.25
# The largest share of real images that a policy calls synthetic.
LIMITS = {"fpr_5": 0.05, "fpr_1": 0.01}


@dataclass(frozen=True)
class Costs:
    """The costs of wrong decisions, and the share of synthetic images where the detector will be used.

    Attributes:
        false_alarm: Cost of calling a real image synthetic, above 0, in any unit.
        miss: Cost of calling a synthetic image real, above 0, in the same unit.
        prevalence: Share of synthetic images in use, above 0 and below 1: seldom that of a balanced test set.
    """

    false_alarm: float = 1.0
    miss: float = 1.0
    prevalence: float = 0.5

    def __post_init__(self) -> None:
        for name in ("false_alarm", "miss"):
            cost = getattr(self, name)
            if not (np.isfinite(cost) and cost > 0):
                raise ValueError(f"cost of a {name.replace('_', ' ')} is {cost}; expected a finite number above 0")
        if not 0 < self.prevalence < 1:
            raise ValueError(f"prevalence of synthetic images is {self.prevalence}; expected above 0 and below 1")

    def expected(self, recall_real: ArrayLike, recall_synthetic: ArrayLike) -> NDArray[np.float64] | float:
        """Mean cost of an image in use, from 0 upwards, from both recalls (Provost and Fawcett 2001).

        Recalls do not depend on the share of each class, so any test set gives them.
        """
        alarms = self.false_alarm * (1 - self.prevalence) * (1 - np.asarray(recall_real))
        return (alarms + self.miss * self.prevalence * (1 - np.asarray(recall_synthetic)))[()]

    def as_dict(self) -> dict[str, float]:
        """Returns the fields by name."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Threshold:
    """A threshold and its results on the (validation) images it was chosen on.

    Attributes:
        policy: How it was chosen, one of `POLICIES`.
        threshold: Finite; an image is called synthetic when ``score >= threshold``.
        recall_real: Share of real images called real, 0 to 1.
        recall_synthetic: Share of synthetic images called synthetic, 0 to 1.
        f1_synthetic: F1 of the synthetic class, 0 to 1.
        false_positive_rate: Share of real images called synthetic, 0 to 1.
        images: Number of images it was chosen on.
        degenerate: True when it calls (nearly) everything one class: a recall below 0.05, or below 0.25 if the scores
            rank no better than chance.
        why: The reason why it is degenerate, in a sentence; otherwise empty.
        too_few: A sentence if there are too few real images for the policy; otherwise empty.
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
    too_few: str = ""

    def as_dict(self) -> dict[str, str | float | int | bool]:
        """Returns the fields by name, all of them JSON values."""
        return asdict(self)


def choose(
    policy: str,
    labels: ArrayLike,
    scores: ArrayLike,
    costs: Costs | None = None,
    groups: ArrayLike | None = None,
) -> Threshold:
    """Chooses a threshold on VALIDATION images. Never pass test images.

    Args:
        policy: ``fixed`` (0.5), ``best_f1`` (largest F1 of the synthetic class along the precision-recall curve, the
            original study's way), ``balanced`` (Youden's J = true-positive minus false-positive rate, Youden 1950: of all
            thresholds within one standard error of the largest, that of the most equal recalls), ``fpr_5`` or ``fpr_1``
            (smallest score that, as threshold, calls at most 5% or 1% of the real images synthetic; just above the largest
            score where none does), or ``cost`` (least expected cost along the ROC curve; Elkan 2001, Provost and Fawcett
            2001).
        labels: 0 real, 1 synthetic; both classes.
        scores: One finite number per image.
        costs: What ``cost`` weighs; default: both errors alike at half synthetic, which is the largest Youden's J.
        groups: One name or number per image, none missing; they tell for how many real images a share can be set
            (`Threshold.too_few`), and do not move the threshold.

    Returns:
        The threshold with its validation numbers. Of equally good thresholds ``best_f1`` takes the smallest,
        ``balanced`` and ``cost`` the largest.

    The largest J itself is decided by a few images near its flat top: where one class has 18 validation images, the recalls
    at it scatter by 0.10 on others, at the one chosen here by 0.07 or less, and both are as good (the rule of one standard
    error is that of Breiman et al. 1984).

    Raises:
        ValueError: Unknown policy.
        UndefinedMeasure: See `measures.checked`.
    """
    _known([policy])
    labels, scores = measures.checked(labels, scores)
    threshold = float(_chosen(policy, Resamples.of_all(labels, scores), costs or Costs())[0])
    called = apply(threshold, scores)
    # One count of the images for all, because `evaluation.at_chance` needs hundreds.
    _, recalls, f1, _ = sk.precision_recall_fscore_support(labels, called, labels=[0, 1], zero_division=0)
    recall_real, recall_synthetic = map(float, recalls)
    why = _why_degenerate(labels, scores, recall_real, recall_synthetic)
    return Threshold(
        policy=policy,
        threshold=threshold,
        recall_real=recall_real,
        recall_synthetic=recall_synthetic,
        f1_synthetic=float(f1[1]),
        false_positive_rate=1 - recall_real,
        images=labels.size,
        degenerate=bool(why),
        why=why,
        too_few=_too_few(policy, 1 - recall_real, resampling.independent_images(labels, groups)[0]),
    )


def choose_all(
    labels: ArrayLike, scores: ArrayLike, costs: Costs | None = None, groups: ArrayLike | None = None
) -> dict[str, Threshold]:
    """Chooses by every policy, in the order of `POLICIES`, on VALIDATION images. Never pass test images.

    Args:
        labels: 0 real, 1 synthetic; both classes.
        scores: One finite number per image.
        costs: The policy ``cost`` is included only if these are given: otherwise it would nearly repeat ``balanced``.
        groups: As in `choose`.

    Raises:
        UndefinedMeasure: See `measures.checked`.
    """
    return {policy: choose(policy, labels, scores, costs, groups) for policy in _asked(costs)}


def stability(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    costs: Costs | None = None,
    policies: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """How much each policy's threshold would change with other VALIDATION images.

    The threshold is chosen anew in every resample of `measures.bootstrap_intervals` (stratified, groups whole). A
    threshold is not a smooth function of the images. So its percentile interval describes how stable the choice is; it
    is not an exact 95%.

    Args:
        labels: 0 real, 1 synthetic; both classes.
        scores: One finite number per image.
        groups: One name or number per image, none missing; None when images are independent.
        costs: As in `choose`.
        policies: Names from `POLICIES`; default: those of `choose_all`.
        resamples: Number of resamples.
        seed: Their seed.
        level: Nominal coverage, 0 to 1.

    Returns:
        Policy to the threshold chosen on all images, with the limits of its resamples; ``fixed`` has no width.

    Raises:
        ValueError: Unknown policy, or groups that do not fit the labels.
        UndefinedMeasure: See `measures.checked` and `measures.bootstrap_intervals`.
    """
    names = _known(_asked(costs) if policies is None else policies)
    labels, scores = measures.checked(labels, scores)
    costs = costs or Costs()
    everything = Resamples.of_all(labels, scores)
    blocks = resampling.blocks(labels, scores, groups, resamples, seed)
    drawn = np.concatenate([[_chosen(name, block, costs) for name in names] for block in blocks], axis=1)
    return {
        name: resampling.percentile_interval(_chosen(name, everything, costs)[0], values, level)
        for name, values in zip(names, drawn)
    }


def cost_curve(labels: ArrayLike, scores: ArrayLike, costs: Costs) -> pd.DataFrame:
    """Expected cost of every threshold.

    Returns:
        Columns ``threshold`` (falling: one just above the largest score, then each distinct score), ``recall_real``,
        ``recall_synthetic`` and ``expected_cost`` (of an image in use, 0 upwards).

    Raises:
        UndefinedMeasure: See `measures.checked`.
    """
    r = Resamples.of_all(*measures.checked(labels, scores))
    recall_real = 1 - np.append(0, r.false_positives[0]) / r.real
    recall_synthetic = np.append(0, r.true_positives[0]) / r.synthetic
    return pd.DataFrame(
        {
            "threshold": np.append(np.nextafter(r.distinct[0], np.inf), r.distinct),
            "recall_real": recall_real,
            "recall_synthetic": recall_synthetic,
            "expected_cost": costs.expected(recall_real, recall_synthetic),
        }
    )


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


def _known(policies: Sequence[str]) -> tuple[str, ...]:
    for policy in policies:
        if policy not in POLICIES:
            raise ValueError(f"unknown policy {policy!r}; expected one of {POLICIES}")
    return tuple(policies)


def _asked(costs: Costs | None) -> tuple[str, ...]:
    return tuple(policy for policy in POLICIES if policy != "cost" or costs is not None)


# Each policy gives, for each row of resamples, how many of the distinct scores (falling) are called synthetic. The last
# of them is the threshold, so it must be a score drawn in that row. None: just above the largest score.


def _chosen(policy: str, r: Resamples, costs: Costs) -> NDArray[np.float64]:
    if policy == "fixed":
        return np.full(len(r.counts), FIXED)
    called = _CHOICES[policy](r, costs)
    top = r.first(lambda true, false: true + false > 0)
    # Finite, because JSON cannot hold the infinity of scikit-learn's curve.
    return np.where(called == 0, np.nextafter(r.distinct[top], np.inf), r.distinct[np.maximum(called - 1, 0)])


def _best_f1(r: Resamples, costs: Costs) -> NDArray:
    # Divided once, equal fractions are equal numbers.
    f1 = 2 * r.true_positives / (r.true_positives + r.false_positives + r.synthetic[:, None])
    f1[r.hits + r.misses == 0] = -1
    return f1.shape[1] - np.argmax(f1[:, ::-1], axis=1)


def _balanced(r: Resamples, costs: Costs) -> NDArray:
    # In integers, times the images of both classes: Youden's J, and the difference of the recalls. So rounding decides
    # nothing.
    real, synthetic = r.real[:, None], r.synthetic[:, None]
    gain = r.true_positives * real - r.false_positives * synthetic
    unequal = np.abs(r.true_positives * real - (real - r.false_positives) * synthetic)
    best = np.argmax(gain, axis=1)[:, None]
    highest = np.take_along_axis(gain, best, axis=1)
    recalls = np.take_along_axis(r.true_positives, best, axis=1) / synthetic
    rest = np.take_along_axis(r.false_positives, best, axis=1) / real
    error = np.sqrt(recalls * (1 - recalls) / synthetic + rest * (1 - rest) / real)
    near = gain >= highest - error * real * synthetic
    chosen = np.argmin(np.where(near, unequal, np.iinfo(unequal.dtype).max), axis=1)
    return np.where(highest[:, 0] > 0, chosen + 1, 0)


def _at_most(limit: float, r: Resamples, costs: Costs) -> NDArray:
    called = sum(r.before(r.first(lambda _, false: false / r.real > limit)))
    return np.where(called > 0, r.first(lambda true, false: true + false >= called) + 1, 0)


def _least_cost(r: Resamples, costs: Costs) -> NDArray:
    cost = costs.expected(1 - r.false_positives / r.real[:, None], r.true_positives / r.synthetic[:, None])
    nothing = costs.expected(1, 0)
    least = np.minimum(cost.min(axis=1), nothing)
    # Rounding must not decide between equal costs.
    enough = least * (1 + 1e-12) + 1e-15 * nothing
    return np.where(enough >= nothing, 0, np.argmax(cost <= enough[:, None], axis=1) + 1)


def _why_degenerate(labels: NDArray, scores: NDArray, recall_real: float, recall_synthetic: float) -> str:
    worst, side = min((recall_real, "synthetic"), (recall_synthetic, "real"))
    shares = f"{share(recall_real)} of real and {share(recall_synthetic)} of synthetic images are called what they are"
    if worst < NEARLY_NONE:
        return f"calls nearly everything {side}: {shares}"
    auc, limit = measures.roc_auc(labels, scores), _chance_limit(labels)
    if worst < LOPSIDED and auc <= limit:
        chance = f"ROC AUC {auc:.3f}, chance up to {limit:.3f}"
        return f"calls most images {side} without telling them apart ({chance}): {shares}"
    return ""


def _too_few(policy: str, rate: float, real: float) -> str:
    """Why a policy's share of false positives cannot be set with this number of independent real images; otherwise
    empty.
    """
    limit = LIMITS.get(policy, 1.0)
    # Rounding must not decide between 100 images and 99.99.
    if real * limit >= 1 - 1e-9:
        return ""
    _, most = resampling.exact_limits(rate, real)
    return (
        f"a share of {limit:.0%} cannot be set on {real:.0f} independent real validation images (at least {1 / limit:.0f} "
        f"are needed): {rate:.1%} of them are called synthetic, of others up to {most:.0%} may be (95% interval)"
    )


def _chance_limit(labels: NDArray) -> float:
    """Upper end of the 95% range of ROC AUC for scores without information (Mann-Whitney's variance)."""
    synthetic = int(labels.sum())
    real = labels.size - synthetic
    return 0.5 + 1.96 * np.sqrt((real + synthetic + 1) / (12 * real * synthetic))


_CHOICES: dict[str, Callable[[Resamples, Costs], NDArray]] = {
    "best_f1": _best_f1,
    "balanced": _balanced,
    "fpr_5": partial(_at_most, LIMITS["fpr_5"]),
    "fpr_1": partial(_at_most, LIMITS["fpr_1"]),
    "cost": _least_cost,
}
POLICIES = ("fixed", *_CHOICES)
