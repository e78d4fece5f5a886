"""Learning curves: how the error falls with the number of training images, error = 1 - AUC = a · images^-b + c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from lib.metrics import resampling
from lib.metrics.checks import Interval, UndefinedMeasure

# Two numbers fit any two points exactly. So a fit has meaning from three points on, with a floor from four.
FEWEST_SIZES = 3
FEWEST_SIZES_WITH_FLOOR = 4
# An interval without width (AUC 1) must not outweigh all other points.
_LEAST_ERROR = 0.002
_STEEPEST = 5.0


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law with its interval.

    Attributes:
        scale: a, the error above the floor that the law gives for one image; above 0.
        exponent: b with its interval; 0 if more images do not help, 1 if twice the images halve the error.
        floor: c, the error that no number of images removes; 0 unless it was fitted.
        sizes: Number of different training sizes in the fit.
        curve: Columns ``training_images, roc_auc, low, high, extrapolated`` (beyond the measured sizes).
    """

    scale: float
    exponent: Interval
    floor: float
    sizes: int
    curve: pd.DataFrame

    def __str__(self) -> str:
        floor = f" + {self.floor:.3f}" if self.floor else ""
        return f"1 - AUC ≈ {self.scale:.3g} · images^-{self.exponent.value:.2f}{floor}, exponent {self.exponent}"


def fit(
    images: ArrayLike,
    roc_auc: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    floor: bool = False,
    at: Sequence[float] | None = None,
    resamples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> PowerLaw:
    """Fits a power law to AUCs at several training sizes (Cortes et al. 1993; Hestness et al. 2017).

    Weighted least squares on the error, each point by its interval. The band comes from drawing every point's error anew
    from a normal distribution as wide as its interval, and fitting again. It holds the uncertainty of the test images
    and not that of the training itself (another seed, another draw of images), nor that of the law.

    Args:
        images: Numbers of training images, above 0.
        roc_auc: AUC at each, 0 to 1.
        low: Lower limits of its 95% interval.
        high: Upper limits.
        floor: Whether to fit c, an error that more images do not remove; needs four sizes.
        at: Numbers of images to draw the curve at; default: 50 from the smallest to twice the largest.
        resamples: Number of fits for the band.
        seed: Their seed.
        level: Nominal coverage of the band, 0 to 1.

    Returns:
        The law.

    Raises:
        UndefinedMeasure: Fewer than three different sizes (four with a floor), sizes that are not above 0, an AUC
            outside 0 to 1, or limits that are not numbers around it.
    """
    images, roc_auc, low, high = (np.asarray(values, dtype=np.float64) for values in (images, roc_auc, low, high))
    _check(images, roc_auc, low, high, FEWEST_SIZES_WITH_FLOOR if floor else FEWEST_SIZES)
    grid = np.geomspace(images.min(), 2 * images.max(), 50) if at is None else np.asarray(at, dtype=np.float64)
    # Around the middle size, the two numbers of the law are nearly independent of each other.
    middle = np.exp(np.log(images).mean())
    errors = 1 - roc_auc
    spread = np.maximum((high - low) / (2 * norm.ppf(0.975)), _LEAST_ERROR)
    drawn = np.random.default_rng(seed).normal(errors, spread, size=(resamples, errors.size)).clip(0, 1)
    laws = _least_squares(images / middle, np.vstack([errors, drawn]), spread, floor)
    best, others = laws[:, 0], laws[:, 1:]
    tail = (1 - level) / 2
    band = np.quantile(1 - _error(others[:, :, None], grid / middle), (tail, 1 - tail), axis=0)
    curve = pd.DataFrame(
        {
            "training_images": grid,
            "roc_auc": 1 - _error(best, grid / middle),
            "low": band[0],
            "high": band[1],
            "extrapolated": (grid > images.max()) | (grid < images.min()),
        }
    )
    exponent = resampling.percentile_interval(best[1], others[1], level)
    return PowerLaw(float(best[0] * middle ** best[1]), exponent, float(best[2]), np.unique(images).size, curve)


def _error(law: NDArray, images: NDArray) -> NDArray:
    scale, exponent, floor = law
    return scale * images**-exponent + floor


def _least_squares(images: NDArray, errors: NDArray, spread: NDArray, floor: bool) -> NDArray:
    """Scale, exponent and floor, none below 0, of the law nearest to each row of errors: shape (3, rows).

    At a given exponent, scale and floor are linear. So only exponents are searched, for all rows at once.
    """
    coarse = np.linspace(0, _STEEPEST, 1001)
    step = coarse[1]
    found = _linear(images, errors, spread, floor, np.broadcast_to(coarse, (len(errors), coarse.size)))
    best = coarse[np.argmin(found[2], axis=1)]
    fine = np.clip(best[:, None] + np.linspace(-step, step, 101), 0, _STEEPEST)
    scale, constant, squares = _linear(images, errors, spread, floor, fine)
    at = np.argmin(squares, axis=1)[:, None]
    return np.array([np.take_along_axis(values, at, axis=1)[:, 0] for values in (scale, fine, constant)])


def _linear(
    images: NDArray, errors: NDArray, spread: NDArray, floor: bool, exponents: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Scale, floor and sum of squares at exponents of shape (rows, exponents)."""
    powers = [size**-exponents / width for size, width in zip(images, spread)]
    wanted = [(row / width)[:, None] for row, width in zip(errors.T, spread)]
    ones = 1 / spread
    square = sum(power**2 for power in powers)
    product = sum(power * value for power, value in zip(powers, wanted))
    scale, constant = product / square, np.zeros_like(square)
    if floor:
        total = sum(power * one for power, one in zip(powers, ones))
        mean = sum(value * one for value, one in zip(wanted, ones))
        determinant = square * np.sum(ones**2) - total**2
        # Not if scale and floor have the same effect (exponent 0).
        apart = determinant > 1e-9 * square * np.sum(ones**2)
        safe = np.where(apart, determinant, 1)
        both = (product * np.sum(ones**2) - total * mean) / safe, (square * mean - total * product) / safe
        inside = apart & (both[0] >= 0) & (both[1] >= 0)
        scale, constant = np.where(inside, both[0], scale), np.where(inside, both[1], constant)
    squares = sum((scale * power + constant * one - value) ** 2 for power, one, value in zip(powers, ones, wanted))
    return scale, constant, squares


def _check(images: NDArray, roc_auc: NDArray, low: NDArray, high: NDArray, fewest: int) -> None:
    if images.ndim != 1 or not images.shape == roc_auc.shape == low.shape == high.shape:
        shapes = [values.shape for values in (images, roc_auc, low, high)]
        raise UndefinedMeasure(f"images, AUCs and limits have shapes {shapes}; expected one of each per point")
    if not (np.isfinite(images).all() and np.all(images > 0)):
        raise UndefinedMeasure(f"numbers of training images are {images.tolist()}; expected numbers above 0")
    if not np.all((low >= 0) & (low <= high) & (high <= 1) & (roc_auc >= 0) & (roc_auc <= 1)):
        raise UndefinedMeasure(
            f"AUCs {roc_auc.tolist()} have limits {low.tolist()} and {high.tolist()}; expected numbers from 0 to 1, low "
            "not above high"
        )
    sizes = np.unique(images).size
    if sizes < fewest:
        raise UndefinedMeasure(
            f"{sizes} different {'size' if sizes == 1 else 'sizes'} of training set: a power law needs at least {fewest}, "
            "so no curve is fitted"
        )
