"""Decisions at each threshold: counts, both recalls with intervals, and example images.

For exploring VALIDATION images, where thresholds are chosen. Test images are evaluated at chosen thresholds only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lib.metrics import resampling
from lib.metrics.checks import checked
from lib.metrics.resampling import Resamples

CELLS = ("true_real", "false_synthetic", "false_real", "true_synthetic")
# The kinds of examples of `RankedImages.examples`, in order.
EXAMPLES = ("just_below", "just_above", "false_synthetic", "false_real")


def thresholds_to_try(scores: ArrayLike, marks: Sequence[float] = (), most: int = 400) -> NDArray[np.float64]:
    """Thresholds from one that calls everything synthetic to one that calls everything real.

    Scores of a network crowd near 0 and 1, so equal steps of the threshold would skip most images. These steps go from
    image to image; if there are more than `most` images, each step covers the same number of them.

    Args:
        scores: one finite number per image.
        marks: thresholds that must be included, such as chosen ones.
        most: maximum number without marks; 2 or more.

    Returns:
        Rising, each once; the last is just above the largest score.
    """
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    every = np.append(distinct, np.nextafter(distinct[-1], np.inf))
    places = np.unique(np.linspace(0, every.size - 1, min(most, every.size)).round().astype(int))
    return np.unique(np.append(every[places], np.asarray(marks, dtype=np.float64)))


def recall_curve(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    tried: ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Confusion and both recalls at many thresholds, from one set of resamples.

    The intervals are those of `measures.bootstrap_intervals` with the same seed at each single threshold. They are not
    a band for the whole curve.

    Args:
        labels: 0 real, 1 synthetic; both classes.
        scores: one finite number per image.
        groups: one name or number per image, none missing; None when images are independent.
        tried: thresholds.
        resamples, seed, level: as in `measures.bootstrap_intervals`.

    Returns:
        A row per threshold, in their order: threshold, the counts `CELLS`, and recall_real and recall_synthetic, 0 to
            1, each with `_low` and `_high`.

    Raises:
        UndefinedMeasure: See `measures.checked` and `measures.bootstrap_intervals`.
    """
    labels, scores = checked(labels, scores)
    tried = np.asarray(tried, dtype=np.float64)
    counts = np.array([_counts(Resamples.of_all(labels, scores), threshold) for threshold in tried])[..., 0]
    parts = [
        [_counts(block, threshold) for threshold in tried]
        for block in resampling.blocks(labels, scores, groups, resamples, seed)
    ]
    # (cells, thresholds, resamples)
    drawn = np.moveaxis(np.concatenate(parts, axis=2), 1, 0)
    table = pd.DataFrame({"threshold": tried, **dict(zip(CELLS, counts.T))})
    cells = (("recall_real", 0, 1), ("recall_synthetic", 3, 2))
    for (name, right, wrong), trials in zip(cells, resampling.independent_images(labels, groups)):
        found = counts[:, right] / (counts[:, right] + counts[:, wrong])
        values = drawn[right] / (drawn[right] + drawn[wrong])
        intervals = [resampling.share_interval(v, trials, d, level) for v, d in zip(found, values)]
        table = table.join(pd.DataFrame([interval.columns(name) for interval in intervals]))
    return table


def _counts(r: Resamples, threshold: float) -> NDArray[np.int64]:
    return np.array(r.confusion(threshold))


class RankedImages:
    """Images sorted by score, to find examples for a threshold without sorting again."""

    def __init__(self, scored: pd.DataFrame):
        """Args: scored: columns image_id, y (0 real, 1 synthetic), score; ties are sorted by image_id."""
        self.rows = scored.sort_values(["score", "image_id"], ignore_index=True)
        self._scores = self.rows["score"].to_numpy(float)
        y = self.rows["y"].to_numpy()
        self._real, self._synthetic = np.flatnonzero(y == 0), np.flatnonzero(y == 1)

    def examples(self, threshold: float, count: int = 6) -> dict[str, pd.DataFrame]:
        """Example images for a threshold, at most `count` of each kind.

        Returns:
            `EXAMPLES` to rows: nearest below the threshold (called real) and nearest at or above it (called synthetic),
                nearest first; real images called synthetic and synthetic images called real, the most certain errors
                first.
        """
        first = int(np.searchsorted(self._scores, threshold, side="left"))
        alarms = self._real[np.searchsorted(self._real, first) :][::-1]
        misses = self._synthetic[: np.searchsorted(self._synthetic, first)]
        places = (np.arange(first)[::-1], np.arange(first, len(self.rows)), alarms, misses)
        return {name: self.rows.iloc[found[:count]] for name, found in zip(EXAMPLES, places)}
