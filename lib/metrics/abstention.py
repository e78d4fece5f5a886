"""When to give no decision: a band of scores around a threshold, chosen on validation for a stated error.

A detector that may say "undecided" is wrong less often on the pictures that it does decide (Chow 1970, "On optimum recognition
error and reject tradeoff"; for networks Geifman and El-Yaniv 2017, "Selective classification for deep neural networks"). The
price is the share of the pictures that it decides, the coverage.

Choose on validation, read on test, once. Never pass test scores to `choose` or `risk_coverage`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lib.metrics import resampling
from lib.metrics.checks import Interval, checked, decimals, share, units
from lib.metrics.decisions import thresholds_to_try
from lib.metrics.resampling import Resamples

# The stated error: the largest balanced error, 0 to 1, of the validation images that are decided. 5% is one wrong decision in
# twenty where both classes are equally frequent. It is a choice, and no property of a detector.
STATED_ERROR = 0.05
# At least this share of each class must be decided: a detector that decides less than half is of no use.
LEAST_DECIDED = 0.5
# At most this many ends of the band are tried on each side of the threshold; with more scores, in equal steps of images.
_MOST_ENDS = 300
# What `read` gives, each with an interval.
READ = ("coverage", "coverage_real", "coverage_synthetic", "recall_real", "recall_synthetic", "error")


@dataclass(frozen=True)
class Band:
    """The scores that are left undecided, and what that did on the (validation) images it was chosen on.

    Attributes:
        low, high: a score below `low` is called real, one of `high` or more synthetic, one between them is undecided. Both
            are the threshold if no band is needed.
        stated_error: what `error` was asked not to exceed, 0 to 1.
        error: balanced error of the decided images: the mean over both classes of the share that is called wrongly, 0 to 1.
        coverage_real, coverage_synthetic: share of each class that is decided, 0 to 1.
        reached: whether `error` is at most `stated_error`. If not, this is the band of least error that decides at least half
            of each class.
        why: the reason why it was not reached, in a sentence; otherwise empty.
    """

    low: float
    high: float
    stated_error: float
    error: float
    coverage_real: float
    coverage_synthetic: float
    reached: bool
    why: str

    def as_dict(self) -> dict[str, float | bool | str]:
        """Returns the fields by name, all of them JSON values."""
        return asdict(self)


class _Bands(NamedTuple):
    """All bands that are tried, as arrays (bands,): the ends, and the wrong and right decisions of each class."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    true_real: NDArray[np.int64]
    false_synthetic: NDArray[np.int64]
    false_real: NDArray[np.int64]
    true_synthetic: NDArray[np.int64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Balanced error of the decided; 1 where a class has no decided image."""
        real, synthetic = self.decided
        wrong = self.false_synthetic / np.maximum(real, 1) + self.false_real / np.maximum(synthetic, 1)
        return np.where((real > 0) & (synthetic > 0), wrong / 2, 1.0)

    @property
    def decided(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Decided images of each class."""
        return self.true_real + self.false_synthetic, self.false_real + self.true_synthetic


def is_undecided(low: float, high: float, scores: ArrayLike) -> NDArray[np.bool_]:
    """True where a score lies in a band: ``low <= score < high``."""
    scores = np.asarray(scores, dtype=np.float64)
    return (scores >= low) & (scores < high)


def choose(labels: ArrayLike, scores: ArrayLike, threshold: float, stated_error: float = STATED_ERROR) -> Band:
    """The band of fewest undecided VALIDATION images whose decided ones have at most the stated error.

    Of equally large bands the one with the smaller error is taken. Both ends are chosen, because the errors on the two sides
    of a threshold such as that of 1% false alarms differ.

    Args:
        labels: 0 real, 1 synthetic; both classes.
        scores: one finite number per image.
        threshold: the band lies around it.
        stated_error: largest balanced error of the decided images, 0 to 1.

    Raises:
        UndefinedMeasure: see `checks.checked`.
    """
    labels, scores = checked(labels, scores)
    bands = _bands(labels, scores, threshold)
    cover_real, cover_synthetic = _coverage(bands, labels)
    covered = (cover_real + cover_synthetic) / 2
    useful = np.minimum(cover_real, cover_synthetic) >= LEAST_DECIDED
    error = bands.error
    fits = useful & (error <= stated_error + 1e-12)
    reached = bool(fits.any())
    # An empty band decides everything, so there is always a useful one. The last key of a sort comes first.
    order = (error, -covered, ~fits) if reached else (-covered, error, ~useful)
    best = np.lexsort(order)[0]
    return Band(
        low=float(bands.low[best]),
        high=float(bands.high[best]),
        stated_error=stated_error,
        error=float(error[best]),
        coverage_real=float(cover_real[best]),
        coverage_synthetic=float(cover_synthetic[best]),
        reached=reached,
        why="" if reached else _why(stated_error, float(error[best])),
    )


def risk_coverage(labels: ArrayLike, scores: ArrayLike, threshold: float) -> pd.DataFrame:
    """The least error of the decided VALIDATION images for each share of them that is decided.

    Args:
        labels, scores, threshold: as in `choose`.

    Returns:
        Columns `coverage` (mean over both classes of the share decided, 0 to 1, falling from 1) and `error` (balanced, of the
            decided, 0 to 1, never rising), for all coverages from 1 down to none of one class.

    Raises:
        UndefinedMeasure: see `checks.checked`.
    """
    labels, scores = checked(labels, scores)
    bands = _bands(labels, scores, threshold)
    real, synthetic = _coverage(bands, labels)
    table = pd.DataFrame({"coverage": (real + synthetic) / 2, "error": bands.error})[(real > 0) & (synthetic > 0)]
    if table.empty:
        return table
    least = table.groupby("coverage")["error"].min().sort_index(ascending=False)
    # A band that decides less may be worse; then the larger one is taken for it.
    return least.cummin().reset_index()


def read(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    low: float,
    high: float,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """What a band that was chosen on validation does on TEST images.

    Args:
        labels: 0 real, 1 synthetic; both classes.
        scores: one finite number per image.
        groups: one name or number per image, none missing; None when images are independent.
        low, high: the ends of the band.
        resamples, seed, level: as in `measures.bootstrap_intervals`; groups are drawn whole.

    Returns:
        Names of READ to intervals: the share of the images that is decided, the same of each class, both recalls of the
            decided images, and their balanced error, all 0 to 1; NaN where no image of a class is decided.

    Raises:
        UndefinedMeasure: see `checks.checked` and `measures.bootstrap_intervals`.
    """
    labels, scores = checked(labels, scores)
    plain = _shares(Resamples.of_all(labels, scores), low, high)
    blocks = resampling.blocks(labels, scores, groups, resamples, seed)
    parts = [_shares(block, low, high) for block in blocks]
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in READ}
    trials = _trials(labels, units(labels, groups), ~is_undecided(low, high, scores))
    found = {}
    for name in READ:
        value, values = float(plain[name][0]), drawn[name]
        if np.isnan(value) or np.isnan(values).all():
            found[name] = Interval(np.nan, np.nan, np.nan)
        elif name == "error":
            inner = resampling.percentile_interval(value, values, level)
            recalls = ("recall_real", "recall_synthetic")
            shares, numbers = ([float(plain[each][0]) for each in recalls], [trials[each] for each in recalls])
            found[name] = resampling.sum_interval(inner, (-0.5, -0.5), shares, numbers, level)
        else:
            found[name] = resampling.share_interval(value, trials[name], values, level)
    return found


def _bands(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> _Bands:
    """Every pair of a lower end at or below the threshold and an upper end at or above it."""
    tried = thresholds_to_try(scores, [threshold], 2 * _MOST_ENDS)
    lows, highs = tried[tried <= threshold], tried[tried >= threshold]
    sorted_by_class = [np.sort(scores[labels == label]) for label in (0, 1)]
    # Images of each class below the ends: rows are lower ends, columns upper ends.
    below_low = [np.searchsorted(ranked, lows)[:, None] for ranked in sorted_by_class]
    below_high = [np.searchsorted(ranked, highs)[None, :] for ranked in sorted_by_class]
    shape = (lows.size, highs.size)
    cells = (
        *(lows[:, None], highs[None, :]),
        *(below_low[0], sorted_by_class[0].size - below_high[0]),
        *(below_low[1], sorted_by_class[1].size - below_high[1]),
    )
    return _Bands(*(np.broadcast_to(cell, shape).ravel() for cell in cells))


def _coverage(bands: _Bands, labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    synthetic = int(labels.sum())
    decided = bands.decided
    return decided[0] / (labels.size - synthetic), decided[1] / synthetic


def _why(stated_error: float, error: float) -> str:
    return (
        f"no band leaves an error of at most {share(stated_error)} and decides at least {share(LEAST_DECIDED)} of each class: the "
        f"least error of the decided validation images is {decimals(error)}"
    )


def _shares(r: Resamples, low: float, high: float) -> dict[str, NDArray[np.float64]]:
    """The measures of READ in each resample; NaN where no image of a class is decided."""
    true_real, _, false_real, _ = r.confusion(low)
    _, false_synthetic, _, true_synthetic = r.confusion(high)
    real, synthetic = true_real + false_synthetic, false_real + true_synthetic
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls = {"recall_real": true_real / real, "recall_synthetic": true_synthetic / synthetic}
        return {
            "coverage": (real + synthetic) / (r.real + r.synthetic),
            "coverage_real": real / r.real,
            "coverage_synthetic": synthetic / r.synthetic,
            **recalls,
            "error": 1 - sum(recalls.values()) / 2,
        }


def _trials(labels: NDArray[np.int64], unit: NDArray[np.int64], decided: NDArray[np.bool_]) -> dict[str, float]:
    """Number of independent images behind each share of READ."""
    found = {"coverage": resampling.independent(unit)}
    for label, name in enumerate(("real", "synthetic")):
        mine = labels == label
        found[f"coverage_{name}"] = resampling.independent(unit[mine])
        found[f"recall_{name}"] = resampling.independent(unit[mine & decided])
    return found
