"""Is a difference of two classes more than chance? It is compared with random assignments of the images to the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.metrics.checks import units


@dataclass(frozen=True)
class Difference:
    """The difference of two classes' means at many positions, and its range by chance.

    Attributes:
        value: synthetic - real, shape (places...).
        limit: from 0 upwards, same shape. If the classes do not differ, the difference stays within it at all positions
            at once with the requested probability.
    """

    value: NDArray[np.float64]
    limit: NDArray[np.float64]

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Where the difference is more than chance."""
        return np.abs(self.value) > self.limit

    def sentence(self, what: str, unit: str) -> str:
        """The conclusion in one sentence.

        Args:
            what: the compared quantity, as the sentence's subject.
            unit: of the values.
        """
        if not self.beyond.any():
            return f"{what}: no difference beyond what images dealt to the classes at random give (whole groups at a time)."
        most = np.abs(self.value[self.beyond]).max()
        return (
            f"{what}: {self.beyond.mean():.0%} of the places differ by more than images dealt to the classes at random give "
            f"(whole groups at a time), by up to {most:.2g} {unit}."
        )


def difference(
    values: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    relabellings: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Difference | None:
    """The difference of the classes' means, and its range when groups are randomly assigned to the classes.

    Groups of one class exchange labels with groups of the other; in a group with both classes, the two parts do. Each
    relabelling counts by its largest difference over all positions, in standard deviations of that position (Westfall
    and Young 1993), so that many positions do not cause a false alarm. The true labels count as one of the
    relabellings, which makes the test exact. With fewer than about 20 possible relabellings it has no power.

    Args:
        values: shape (images, places...), finite, or NaN throughout for an image that is left out.
        labels: 0 real, 1 synthetic.
        groups: one name or number per image, none missing; None when images are independent.
        relabellings: their number.
        seed: of the random assignment.
        level: probability that classes which do not differ stay within the limit.

    Returns:
        The difference; None if a class has no images.
    """
    values, labels = np.asarray(values, "float32"), np.asarray(labels)
    flat = values.reshape(len(values), -1)
    unit, known = units(labels, groups), np.isfinite(flat).all(axis=1)
    flat, labels, unit = flat[known], labels[known], unit[known]
    if len(set(labels.tolist())) < 2:
        return None
    # A part is all images of one class in a group; it stays together.
    parts, part = np.unique(np.stack([unit, labels]), axis=1, return_inverse=True)
    sizes = np.bincount(part).astype("float32")
    # From the mean of all images, so that float32 keeps the small differences.
    flat = flat - flat.mean(axis=0, dtype=float).astype("float32")
    sums = np.zeros((len(sizes), flat.shape[1]), "float32")
    np.add.at(sums, part, flat)
    dealt = np.vstack([parts[1], _relabelled(*parts, relabellings - 1, seed)]).astype("float32")
    synthetic, real = ((side @ sums) / (side @ sizes)[:, None] for side in (dealt, 1 - dealt))
    found = synthetic - real
    spread = np.sqrt(np.mean(found**2, axis=0))
    largest = np.max(np.divide(np.abs(found), spread, out=np.zeros_like(found), where=spread > 0), axis=1)
    limit = np.quantile(largest, level, method="higher") * spread
    return Difference(found[0].reshape(values.shape[1:]), limit.reshape(values.shape[1:]))


def _relabelled(unit: NDArray, label: NDArray, count: int, seed: int) -> NDArray[np.int64]:
    """Labels of the parts in `count` relabellings: shape (count, parts)."""
    random = np.random.default_rng(seed)
    both = np.bincount(unit)[unit] == 2
    dealt = np.tile(label, (count, 1))
    dealt[:, ~both] = random.permuted(dealt[:, ~both], axis=1)
    swapped = random.random((count, unit.max() + 1)) < 0.5
    return np.where(both & swapped[:, unit], 1 - dealt, dealt)
