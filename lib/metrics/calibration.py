"""Calibration: scores become probabilities, so that a share p of the images with score p is synthetic.

Three methods, fitted on VALIDATION scores and evaluated on test: temperature (Guo et al. 2017), Platt's sigmoid (Platt
1999) and isotonic regression (Zadrozny and Elkan 2002). A fitted method is a few numbers, stored as JSON (`to_dict`,
`from_dict`). The ROC AUC stays (nearly) the same: temperature never changes the order of the scores, Platt does not if
its slope is above 0, and isotonic regression only ties neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedGroupKFold

from lib.metrics import measures, resampling
from lib.metrics.checks import UndefinedMeasure, checked_probabilities, units

# Scores of exactly 0 and 1 have infinite logits; a float32 sigmoid reaches both.
_EDGE = 1e-7
# Range of temperatures: a detector at chance on validation would need an infinite one.
_TEMPERATURES = (0.01, 100.0)
# Of a reliability diagram.
FEWEST_AND_MOST_BINS = (5, 8)
# Scores as the network gives them.
UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True)
class Temperature:
    """p = sigmoid(logit(score) / temperature): one number, which makes scores more certain (below 1) or less (above 1).

    Attributes:
        temperature: Above 0; 1 leaves scores as they are.
    """

    temperature: float
    method: ClassVar[str] = "temperature"

    def __post_init__(self) -> None:
        if not (_is_number(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature is {self.temperature!r}; expected a finite number above 0")

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of synthetic for scores between 0 and 1."""
        return expit(_logits(scores) / self.temperature)

    def to_dict(self) -> dict:
        """Returns the method's name and its numbers, all of them JSON values."""
        return {"method": self.method, **asdict(self)}

    @classmethod
    def fit(cls, labels: ArrayLike, scores: ArrayLike) -> Temperature:
        """The temperature, from 0.01 to 100, with the smallest log loss on VALIDATION scores (Guo et al. 2017).

        Raises:
            UndefinedMeasure: See `checks.checked_probabilities`.
        """
        labels, scores = checked_probabilities(labels, scores)
        logits = _logits(scores)
        found = minimize_scalar(
            lambda power: _loss(labels, logits / np.exp(power)), bounds=np.log(_TEMPERATURES), method="bounded"
        )
        return cls(float(np.exp(found.x)))


@dataclass(frozen=True)
class Platt:
    """p = sigmoid(slope · logit(score) + intercept).

    Attributes:
        slope: 1 leaves scores as they are; below 0 it reverses them, which means that the detector is no better than
            chance on validation.
        intercept: Moves all probabilities up or down; 0 leaves them.
    """

    slope: float
    intercept: float
    method: ClassVar[str] = "platt"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not _is_number(value):
                raise ValueError(f"{name} is {value!r}; expected a finite number")

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of synthetic for scores between 0 and 1."""
        return expit(self.slope * _logits(scores) + self.intercept)

    def to_dict(self) -> dict:
        """Returns the method's name and its numbers, all of them JSON values."""
        return {"method": self.method, **asdict(self)}

    @classmethod
    def fit(cls, labels: ArrayLike, scores: ArrayLike) -> Platt:
        """Smallest log loss on VALIDATION scores, with labels softened by Platt's prior: (n + 1) / (n + 2) and 1 / (n +
        2).

        The prior keeps the slope finite if validation is ranked perfectly.

        Raises:
            UndefinedMeasure: See `checks.checked_probabilities`.
        """
        labels, scores = checked_probabilities(labels, scores)
        logits, synthetic = _logits(scores), int(labels.sum())
        targets = np.where(labels == 1, (synthetic + 1) / (synthetic + 2), 1 / (labels.size - synthetic + 2))

        def loss_and_gradient(line: NDArray) -> tuple[float, NDArray]:
            shifted = line[0] * logits + line[1]
            error = (expit(shifted) - targets) / labels.size
            return _loss(targets, shifted), np.array([error @ logits, error.sum()])

        options = {"ftol": 1e-14, "gtol": 1e-9}
        found = minimize(loss_and_gradient, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", options=options)
        return cls(float(found.x[0]), float(found.x[1]))


@dataclass(frozen=True)
class Isotonic:
    """A rising line through knots, constant beyond them: any rising relation of score and probability.

    Attributes:
        scores: Scores of the knots, 0 to 1, rising.
        probabilities: Their probabilities, 0 to 1, not falling.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    method: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise ValueError(
                f"found {len(self.scores)} scores and {len(self.probabilities)} probabilities of knots; expected as "
                "many of both, at least one"
            )
        for name, values, strictly in (("scores", self.scores, True), ("probabilities", self.probabilities, False)):
            if not all(_is_number(value) and 0 <= value <= 1 for value in values):
                raise ValueError(f"{name} of the knots are {values}; expected numbers from 0 to 1")
            steps = np.diff(values)
            if np.any(steps < 0) or (strictly and np.any(steps == 0)):
                order = "rising" if strictly else "never falling"
                raise ValueError(f"{name} of the knots are {values}; expected them {order}")

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of synthetic for scores between 0 and 1."""
        return np.interp(_between_0_and_1(scores), self.scores, self.probabilities)

    def to_dict(self) -> dict:
        """Returns the method's name and its numbers, all of them JSON values."""
        return {"method": self.method, "scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def fit(cls, labels: ArrayLike, scores: ArrayLike) -> Isotonic:
        """Least squares among all rising functions of VALIDATION scores (Zadrozny and Elkan 2002; scikit-learn's).

        Probabilities are kept 1 / (n + 2) away from 0 and 1, n the number of images: n images cannot show certainty,
        and a single error at probability 0 would make the log loss infinite.

        Raises:
            UndefinedMeasure: See `checks.checked_probabilities`.
        """
        labels, scores = checked_probabilities(labels, scores)
        edge = 1 / (labels.size + 2)
        found = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(scores, labels)
        return cls(tuple(found.X_thresholds_.tolist()), tuple(found.y_thresholds_.tolist()))


Calibrator = Temperature | Platt | Isotonic
METHODS: dict[str, type[Calibrator]] = {kind.method: kind for kind in (Temperature, Platt, Isotonic)}


def fit_all(labels: ArrayLike, scores: ArrayLike) -> dict[str, Calibrator]:
    """Fits every method of `METHODS` on VALIDATION scores. Never pass test scores.

    Raises:
        UndefinedMeasure: See `checks.checked_probabilities`.
    """
    return {name: kind.fit(labels, scores) for name, kind in METHODS.items()}


def cross_validated_losses(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, folds: int = 5, seed: int = 0
) -> dict[str, float]:
    """Log loss of each method on VALIDATION images that it was not fitted on. Never pass test scores.

    The method with the smallest loss is recommended. On the images of the fit, isotonic regression would nearly always
    win, because it fits the most numbers.

    Args:
        labels: 0 real, 1 synthetic.
        scores: As the network gives them, 0 to 1.
        groups: One name or number per image, none missing; a group is never in two folds.
        folds: Number of folds; fewer if a class has fewer groups.
        seed: Of the folds.

    Returns:
        Method, `UNCALIBRATED` first, to mean log loss in nats.

    Raises:
        UndefinedMeasure: See `checks.checked_probabilities`; also if a class comes from fewer than two groups, or all
            of its images are in one fold.
        ValueError: Groups that do not fit the labels.
    """
    labels, scores = checked_probabilities(labels, scores)
    held_out = {name: held_out_probabilities(name, labels, scores, groups, folds, seed) for name in METHODS}
    return {name: measures.log_loss(labels, mapped) for name, mapped in {UNCALIBRATED: scores, **held_out}.items()}


def held_out_probabilities(
    method: str, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, folds: int = 5, seed: int = 0
) -> NDArray[np.float64]:
    """The probability of each VALIDATION image by a calibrator that was not fitted on it.

    Args:
        method: A name of `METHODS`, or `UNCALIBRATED`, which gives the scores back.
        labels, scores, groups, folds, seed: As in `cross_validated_losses`.

    Returns:
        Probabilities of synthetic, 0 to 1, shape (images,).

    Raises:
        UndefinedMeasure: As `cross_validated_losses`.
    """
    labels, scores = checked_probabilities(labels, scores)
    unit = units(labels, groups)
    fewest = min(np.unique(unit[labels == label]).size for label in (0, 1))
    if fewest < 2:
        raise UndefinedMeasure("a class comes from 1 group; cross-validation needs at least 2 groups of each class")
    if method == UNCALIBRATED:
        return scores
    found = np.empty_like(scores)
    divided = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed).split(scores, labels, unit)
    for fitted_on, asked in divided:
        found[asked] = METHODS[method].fit(labels[fitted_on], scores[fitted_on])(scores[asked])
    return found


def from_dict(content: Mapping) -> Calibrator:
    """The calibrator from the output of `to_dict`.

    Raises:
        ValueError: Unknown method, numbers missing or too many, or numbers that the method refuses.
    """
    numbers = dict(content)
    name = numbers.pop("method", None)
    if name not in METHODS:
        raise ValueError(f"calibration method is {name!r}; expected one of {tuple(METHODS)}")
    expected = {field.name for field in fields(METHODS[name])}
    if set(numbers) != expected:
        raise ValueError(f"calibration {name!r} has {sorted(numbers)}; expected {sorted(expected)}")
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in numbers.items()}
    return METHODS[name](**given)


def compare(
    labels: ArrayLike,
    scores: ArrayLike,
    calibrators: Mapping[str, Calibrator],
    groups: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Calibration error, Brier score and log loss on TEST images, before and after.

    Args:
        labels: 0 real, 1 synthetic, of test images.
        scores: Their scores as the network gives them, 0 to 1.
        calibrators: Name to calibrator, fitted on validation.
        groups: One name or number per image (see `measures.bootstrap_intervals`).
        resamples: Bootstrap resamples.
        seed: Their seed.
        level: Nominal coverage, 0 to 1, of intervals that take the calibrators as given.

    Returns:
        One row per method (`UNCALIBRATED` first) and measure: ``method, measure, value, low, high``, and the change
        against uncalibrated on the same resamples, ``change, change_low, change_high`` (below 0: better).

    Raises:
        UndefinedMeasure: See `checks.checked_probabilities` and `measures.bootstrap_intervals`.
    """
    labels, scores = checked_probabilities(labels, scores)
    names = measures.PROBABILITY_MEASURES
    rows, before, drawn_before = [], {}, {}
    for method, mapped in calibrated(scores, calibrators).items():
        values = measures.summarise(labels, mapped, measures=names)
        drawn = measures.bootstrap_values(labels, mapped, groups, measures=names, resamples=resamples, seed=seed)
        before, drawn_before = before or values, drawn_before or drawn
        for name in names:
            found = resampling.percentile_interval(values[name], drawn[name], level)
            change = resampling.percentile_interval(
                values[name] - before[name], drawn[name] - drawn_before[name], level
            )
            rows.append([method, name, found.value, found.low, found.high, change.value, change.low, change.high])
    columns = ["method", "measure", "value", "low", "high", "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=columns)


def calibrated(scores: ArrayLike, calibrators: Mapping[str, Calibrator]) -> dict[str, NDArray[np.float64]]:
    """The scores as they are, under `UNCALIBRATED`, and as each calibrator gives them."""
    plain = {UNCALIBRATED: _between_0_and_1(scores)}
    return plain | {name: calibrator(scores) for name, calibrator in calibrators.items()}


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Points of a reliability diagram: predicted and observed share, by bins with equal numbers of images.

    Bins of equal width, as in the calibration error, would have few images or none in the middle.

    Args:
        labels: 0 real, 1 synthetic.
        probabilities: Of synthetic, 0 to 1.
        bins: Number of bins; None uses one for 40 images, at least 5 and at most 8. There are fewer if images have
            equal probabilities, which stay in one bin.
        level: Nominal coverage of the shares' Wilson interval (1927), which treats images as independent.

    Returns:
        One row per bin: ``bin_low, bin_high, images, mean_predicted, observed, low, high``, where ``bin_low`` and
            ``bin_high`` are its lowest and highest probability and ``observed`` is the share of synthetic images.

    Raises:
        UndefinedMeasure: See `checks.checked_probabilities`.
        ValueError: Fewer than one bin.
    """
    if bins is not None and bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1")
    labels, probabilities = checked_probabilities(labels, probabilities)
    count = bins or int(np.clip(labels.size // 40, *FEWEST_AND_MOST_BINS))
    ends = np.unique(np.quantile(probabilities, np.arange(1, count) / count))
    number = np.digitize(probabilities, ends)
    rows = []
    for found in np.unique(number):
        inside = number == found
        synthetic, images = int(labels[inside].sum()), int(inside.sum())
        limits = binomtest(synthetic, images).proportion_ci(level, method="wilson")
        rows.append(
            {
                "bin_low": float(probabilities[inside].min()),
                "bin_high": float(probabilities[inside].max()),
                "images": images,
                "mean_predicted": float(probabilities[inside].mean()),
                "observed": synthetic / images,
                "low": limits.low,
                "high": limits.high,
            }
        )
    return pd.DataFrame(rows)


def _loss(targets: NDArray, logits: NDArray) -> float:
    """Mean log loss in nats, from logits so that no probability is rounded to 0."""
    return float(np.mean(np.logaddexp(0, logits) - targets * logits))


def _logits(scores: ArrayLike) -> NDArray[np.float64]:
    return logit(np.clip(_between_0_and_1(scores), _EDGE, 1 - _EDGE))


def _between_0_and_1(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    # Written so that NaN is refused too.
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        raise UndefinedMeasure(f"{wrong.size} scores are not probabilities (first: {wrong[0]:g}); expected 0 to 1")
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
