"""The base of every measure: checked labels and scores, the error for an undefined measure, a value with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


class UndefinedMeasure(ValueError):
    """A measure has no value on these data; the message states what was found and what was expected."""


@dataclass(frozen=True)
class Interval:
    """A value and the limits of its interval.

    Attributes:
        value: The measure on the data; NaN if it is undefined.
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

    @classmethod
    def from_dict(cls, content: Mapping[str, float | None]) -> Interval:
        """The interval from the output of `as_dict`, None as NaN."""
        return cls(*(np.nan if content[name] is None else content[name] for name in ("value", "low", "high")))

    def columns(self, name: str) -> dict[str, float]:
        """The interval as three columns of a table: ``name``, ``name_low`` and ``name_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    @classmethod
    def of(cls, row: Mapping[str, float], name: str) -> Interval:
        """The interval in a row of a table (a dictionary or a pandas Series), in the columns of `columns`."""
        return cls(*(float(row[column]) for column in cls.names(name)))

    @classmethod
    def all_of(cls, table: pd.DataFrame, name: str) -> list[Interval]:
        """The interval of every row of a table."""
        return [cls(*numbers) for numbers in table[cls.names(name)].to_numpy(float)]

    @staticmethod
    def names(name: str) -> list[str]:
        """The names of the three columns."""
        return [name, f"{name}_low", f"{name}_high"]

    def contains(self, number: float) -> bool:
        """Whether ``low <= number <= high``; False when the interval is undefined."""
        return bool(self.low <= number <= self.high)

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined"
        return f"{decimals(self.value)} [{decimals(self.low)}, {decimals(self.high)}]"


def decimals(value: float) -> str:
    """A measure, score, threshold or cost with three decimals, as all tables, figures and sentences show it.

    Close to 0 and 1 it has more decimals, at most eight, so that it does not read 0 or 1 (`0.0004`, `0.99997`).
    """
    if np.isnan(value):
        return "undefined"
    gap = abs(value - round(value)) if abs(value) < 2 else 0.0
    return f"{value:.{int(np.ceil(-np.log10(gap)))}f}" if 1e-8 <= gap < 0.0005 else f"{value:.3f}"


def share(value: float) -> str:
    """A share in per cent; only exactly 1 gives 100%, and only exactly 0 gives 0%."""
    if 0 < value < 0.001:
        return "under 0.1%"
    if 0.999 < value < 1:
        return "over 99.9%"
    return f"{value:.1%}" if 0 < value < 0.01 or 0.99 <= value < 1 else f"{value:.0%}"


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns labels and scores as arrays on which every measure here is defined.

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


def checked_probabilities(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns labels and scores as `checked` does, where the scores are probabilities.

    Raises:
        UndefinedMeasure: See `checked`; also for scores outside 0 to 1.
    """
    labels, scores = checked(labels, scores)
    if scores.min() < 0 or scores.max() > 1:
        raise UndefinedMeasure(
            f"scores range from {scores.min():g} to {scores.max():g}; expected probabilities between 0 and 1"
        )
    return labels, scores


def units(labels: NDArray[np.int64], groups: ArrayLike | None) -> NDArray[np.int64]:
    """Group number of each image: 0, 1, … in order of appearance. Without groups each image is its own group.

    Args:
        labels: One per image.
        groups: One name or number per image, none missing; None when images are independent.

    Returns:
        int64 numbers of shape (images,).

    Raises:
        ValueError: Groups that do not fit the labels, or an image without one.
    """
    names = np.arange(labels.size) if groups is None else np.asarray(groups)
    if names.shape != labels.shape:
        raise ValueError(f"groups have shape {names.shape}; expected one per image, {labels.shape}")
    unit, _ = pd.factorize(names)
    if np.any(unit < 0):
        raise ValueError(f"{np.sum(unit < 0)} images have no group; expected a name or number for each")
    return unit
