"""Learning curves: how the error falls with the number of training images, error = 1 - AUC = a · images^-b + c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.stats import norm

from lib.metrics import resampling
from lib.metrics.checks import Interval, UndefinedMeasure

# Two numbers pass through any two points: a fit says something from three on, one with a floor from four.
FEWEST_SIZES = 3
FEWEST_SIZES_WITH_FLOOR = 4
# An interval without width (AUC 1) must not outweigh all other points.
_LEAST_ERROR = 0.002
_STEEPEST = 5.0


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law with its interval.

    Attributes:
        scale: a, the error above the floor that one image would leave by the law; above 0.
        exponent: b with its interval; 0 where more images do not help, 1 where twice the images halve the error.
        floor: c, the error that no number of images removes; 0 unless it was fitted.
        sizes: Number of different training sizes it was fitted to.
        curve: Columns ``training_images, roc_auc, low, high, extrapolated`` (beyond the sizes measured).
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
    # About the middle size the two numbers of the law are nearly independent of each other.
    middle = np.exp(np.log(images).mean())
    errors = 1 - roc_auc
    spread = np.maximum((high - low) / (2 * norm.ppf(0.975)), _LEAST_ERROR)
    best = _least_squares(images / middle, errors, spread, floor)
    drawn = np.random.default_rng(seed).normal(errors, spread, size=(resamples, errors.size)).clip(0, 1)
    others = np.array([_least_squares(images / middle, row, spread, floor) for row in drawn])
    tail = (1 - level) / 2
    band = np.quantile(1 - _error(others.T[:, :, None], grid / middle), (tail, 1 - tail), axis=0)
    curve = pd.DataFrame(
        {
            "training_images": grid,
            "roc_auc": 1 - _error(best, grid / middle),
            "low": band[0],
            "high": band[1],
            "extrapolated": (grid > images.max()) | (grid < images.min()),
        }
    )
    exponent = resampling.percentile_interval(best[1], others[:, 1], level)
    return PowerLaw(float(best[0] * middle ** best[1]), exponent, float(best[2]), np.unique(images).size, curve)


def _error(law: NDArray, images: NDArray) -> NDArray:
    scale, exponent, floor = law
    return scale * images**-exponent + floor


def _least_squares(images: NDArray, errors: NDArray, spread: NDArray, floor: bool) -> NDArray:
    """Scale, exponent and floor of the law that is nearest in standard errors."""
    free = 3 if floor else 2

    def residuals(law: NDArray) -> NDArray:
        return (_error(np.append(law, [0.0] * (3 - free)), images) - errors) / spread

    start = np.array([max(float(np.mean(errors)), 1e-3), 0.3, 0.0])[:free]
    bounds = ([0.0] * free, [1.0, _STEEPEST, 1.0][:free])
    found = least_squares(residuals, np.clip(start, 0.0, bounds[1]), bounds=bounds)
    return np.append(found.x, [0.0] * (3 - free))


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
