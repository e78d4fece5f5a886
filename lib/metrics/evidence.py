"""The strength of evidence: how much more probable a score is if the picture is synthetic than if it is real.

A calibrated probability holds the share of synthetic images among the validation images (the prior). Taken out, a
likelihood ratio (LR) is left: posterior odds / prior odds. All LRs here are log10: 0 says nothing, 1 is ten times more
probable if synthetic, -1 ten times if real. Calibration, bounds and thresholds are chosen on VALIDATION images; test
images are read once. What an LR may be used for: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit, xlogy
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import det_curve

from lib.metrics import calibration, measures, resampling, thresholds
from lib.metrics.calibration import UNCALIBRATED, Calibrator
from lib.metrics.checks import Interval, checked, checked_probabilities, units
from lib.metrics.resampling import Resamples

# Priors of a plot of the empirical cross-entropy, log10 odds of synthetic.
PRIORS = np.linspace(-2.5, 2.5, 101)
# The largest share of synthetic images that may be called real, by the names of ISO/IEC 30107-3: BPCER at this APCER.
ATTACK_LIMITS = {"BPCER10": 0.10, "BPCER20": 0.05, "BPCER100": 0.01}
# Column of a table of scores that names the generator of each synthetic image, where it is known.
GENERATOR = "generator"
# A probability of exactly 0 or 1 has an infinite LR.
_EDGE = float(np.finfo(np.float64).eps)


# --- Likelihood ratios ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strength:
    """How a score becomes a bounded log10 LR; every number was chosen on VALIDATION images.

    Attributes:
        method: Of the calibration: a name of `calibration.METHODS`, or `calibration.UNCALIBRATED`.
        prior: log10 odds of synthetic among the validation images.
        low: Lower bound of log10 LR, 0 or below, with its 95% interval.
        high: Upper bound of log10 LR, 0 or above, with its 95% interval.
        real: Number of real validation images.
        synthetic: Number of synthetic validation images.
        calibrator: Makes probabilities of scores; None where the scores are probabilities already.
    """

    method: str
    prior: float
    low: Interval
    high: Interval
    real: int
    synthetic: int
    calibrator: Calibrator | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.prior):
            raise ValueError(f"prior is {self.prior} (log10 odds); expected a finite number")
        if not self.low.value <= 0 <= self.high.value:
            raise ValueError(f"bounds are {self.low.value} and {self.high.value}; expected them on both sides of 0")

    def log10_lr(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Bounded log10 LR of scores as the network gives them, 0 to 1."""
        return np.clip(self.unbounded(scores), self.low.value, self.high.value)

    def unbounded(self, scores: ArrayLike) -> NDArray[np.float64]:
        """log10 LR of scores as the network gives them, before the bounds: may be extrapolation."""
        mapped = scores if self.calibrator is None else self.calibrator(scores)
        return _without_prior(mapped, self.prior)

    def of_probabilities(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Bounded log10 LR of calibrated probabilities of synthetic, 0 to 1."""
        return np.clip(_without_prior(probabilities, self.prior), self.low.value, self.high.value)

    def as_dict(self) -> dict:
        """Returns the numbers as JSON values, without the calibrator."""
        return {
            "method": self.method,
            "prior_log10_odds": self.prior,
            "low": self.low.as_dict(),
            "high": self.high.as_dict(),
            "images": {"real": self.real, "synthetic": self.synthetic},
        }

    @classmethod
    def from_dict(cls, content: Mapping) -> Strength:
        """The strength from the output of `as_dict`: for calibrated probabilities, because it has no calibrator.

        Raises:
            KeyError, TypeError, ValueError: Content that is not of `as_dict`.
        """
        low, high = (Interval.from_dict(content[name]) for name in ("low", "high"))
        images = content["images"]
        prior = float(content["prior_log10_odds"])
        return cls(content["method"], prior, low, high, int(images["real"]), int(images["synthetic"]))


def settle(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    method: str = "",
    seed: int = 0,
    resamples: int = 1000,
) -> Strength:
    """Chooses calibration and bounds on VALIDATION images. Never pass test images.

    The bounds are those of LRs whose calibrator was not fitted on the same image (five folds, groups kept together).

    Args:
        labels: 0 real, 1 synthetic.
        scores: As the network gives them, 0 to 1.
        groups: One name or number per image, none missing; None when images are independent.
        method: A name of `calibration.METHODS`, or `calibration.UNCALIBRATED`; empty takes the one of least
            cross-validated log loss, as calibration.json recommends.
        seed: Of the folds and of the bootstrap.
        resamples: Bootstrap resamples for the intervals of the bounds.

    Raises:
        UndefinedMeasure: See `calibration.cross_validated_losses`.
    """
    labels, scores = checked_probabilities(labels, scores)
    if not method:
        losses = calibration.cross_validated_losses(labels, scores, groups, seed=seed)
        method = min(losses, key=losses.get)
    synthetic = int(labels.sum())
    real = labels.size - synthetic
    prior = float(np.log10(synthetic / real))
    held_out = calibration.held_out_probabilities(method, labels, scores, groups, seed=seed)
    low, high = bounds(labels, _without_prior(held_out, prior), groups, resamples, seed)
    calibrator = None if method == UNCALIBRATED else calibration.METHODS[method].fit(labels, scores)
    return Strength(method, prior, low, high, real, synthetic, calibrator)


def _without_prior(probabilities: ArrayLike, prior: float) -> NDArray[np.float64]:
    """log10 of posterior odds / prior odds."""
    kept = np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)
    return logit(kept) / np.log(10) - prior


# --- Bounds -----------------------------------------------------------------------------------------------------------


def bounds(
    labels: ArrayLike,
    log10_lrs: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Interval, Interval]:
    """Empirical lower and upper bounds (ELUB) of log10 LRs, with their ranges over resamples of the images.

    An LR t is trusted if acting on it costs no more than acting without any evidence. The cost is the normalised Bayes
    error rate at the prior odds 1 / t, with one more misleading image added to each class: it stands for the error that
    a larger sample would have shown (Vergeer, van Es, de Jongh, Alberink and Stoel 2016). So n images of a class without
    an error allow an LR of at most about n. Where several images come from one group, n is their effective number of
    independent images (`resampling.independent`), so the bounds are closer to 0 than the paper's.

    Args:
        labels: 0 real, 1 synthetic, of VALIDATION images.
        log10_lrs: Finite.
        groups: One name or number per image, none missing; None when images are independent.
        resamples: Bootstrap resamples.
        seed: Their seed.
        level: Nominal coverage, 0 to 1. A bound is no smooth function of the images: read its interval as a range.

    Returns:
        The lower bound, 0 or below, and the upper one, 0 or above.

    Raises:
        UndefinedMeasure: See `checks.checked` and `resampling.draws`.
    """
    labels, log10_lrs = checked(labels, log10_lrs)
    trials = resampling.independent_images(labels, groups)
    value = _bounds(Resamples.of_all(labels, log10_lrs), *trials)[:, 0]
    blocks = resampling.blocks(labels, log10_lrs, groups, resamples, seed)
    drawn = np.concatenate([_bounds(block, *trials) for block in blocks], axis=1)
    low, high = (resampling.percentile_interval(*pair, level) for pair in zip(value, drawn))
    return low, high


def _bounds(r: Resamples, real: float, synthetic: float) -> NDArray[np.float64]:
    """Lower and upper bound of each row: shape (2, resamples); `real` and `synthetic` are independent images."""
    # The lower bound is the upper one with the two classes exchanged.
    exchanged = Resamples(r.counts[:, ::-1], 1 - r.labels[::-1], -r.scores[::-1])
    low, high = _upper_bound(exchanged, synthetic, real), _upper_bound(r, real, synthetic)
    # 0 minus it, so that no bound reads -0.
    return np.array([0 - low, high])


def _upper_bound(r: Resamples, real: float, synthetic: float) -> NDArray[np.float64]:
    """The smallest log10 t >= 0 above which missed(t) + t · alarms(t) is above 1, the cost without evidence.

    Between two neighbouring LRs the two shares are constant, so the t where the cost reaches 1 is found exactly.
    """
    ends = np.append(np.inf, r.distinct)
    starts = np.append(r.distinct, -np.inf)
    none = np.zeros((len(r.counts), 1))
    hits = np.hstack([none, r.true_positives]) / r.synthetic[:, None]
    alarms = np.hstack([none, r.false_positives]) / r.real[:, None]
    # With one more misleading image of each class.
    found = hits * synthetic / (synthetic + 1)
    alarms = (alarms * real + 1) / (real + 1)
    with np.errstate(divide="ignore"):
        limit = np.log10(found / alarms)
    fails_at = np.maximum(np.maximum(limit, starts), 0)
    # A piece in which the cost stays below 1, or which lies below 0, says nothing.
    fails_at[(limit >= ends) | (ends <= 0)] = np.inf
    return fails_at.min(axis=1)


# --- Costs ------------------------------------------------------------------------------------------------------------


def cllr(labels: ArrayLike, log10_lrs: ArrayLike) -> float:
    """Log-likelihood-ratio cost in bits (Brümmer and du Preez 2006).

    0 is perfect; 1 is what LR = 1 for every image gives; above 1 the LRs do more harm than good. Both classes count
    the same, however many images they have.

    Raises:
        UndefinedMeasure: See `checks.checked`.
    """
    r = Resamples.of_all(*checked(labels, log10_lrs))
    return float(_cllr(r)[0])


def cllr_min(labels: ArrayLike, log10_lrs: ArrayLike) -> float:
    """`cllr` of the same ranking if it were calibrated perfectly on these images (isotonic regression, PAV): 0 to 1.

    Raises:
        UndefinedMeasure: See `checks.checked`.
    """
    r = Resamples.of_all(*checked(labels, log10_lrs))
    return float(_cllr_min(r)[0])


def costs(
    labels: ArrayLike,
    log10_lrs: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """How good the LRs of TEST images are, each number with its grouped bootstrap interval.

    Args:
        labels: 0 real, 1 synthetic.
        log10_lrs: Finite, one per image.
        groups, resamples, seed, level: As in `measures.bootstrap_intervals`. Calibration and bounds are taken as given.

    Returns:
        `cllr`, `cllr_min` (what ranking alone costs), `cllr_cal` (their difference: what poor calibration costs; 0 or
            above), and `misleading_real` and `misleading_synthetic`: the share of a class whose LR points to the other
            class. A resample holds images twice, which isotonic regression fits too well: the interval of `cllr_min`
            leans low, and that of `cllr_cal` high.

    Raises:
        UndefinedMeasure: See `checks.checked` and `resampling.draws`.
    """
    labels, log10_lrs = checked(labels, log10_lrs)
    points = _costs(Resamples.of_all(labels, log10_lrs))
    blocks = [_costs(block) for block in resampling.blocks(labels, log10_lrs, groups, resamples, seed)]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in points}
    trials = dict(zip(("misleading_real", "misleading_synthetic"), resampling.independent_images(labels, groups)))
    found = {}
    for name, values in drawn.items():
        value = float(points[name][0])
        if name in trials:
            found[name] = resampling.share_interval(value, trials[name], values, level)
        else:
            found[name] = resampling.percentile_interval(value, values, level)
    return found


def _costs(r: Resamples) -> dict[str, NDArray[np.float64]]:
    whole, least = _cllr(r), _cllr_min(r)
    columns = np.full(len(r.counts), np.sum(r.distinct > 0))
    _, above_real = r.before(columns)
    at_least = np.full(len(r.counts), np.sum(r.distinct >= 0))
    not_below, _ = r.before(at_least)
    return {
        "cllr": whole,
        "cllr_min": least,
        # Rounding must not make it negative.
        "cllr_cal": np.maximum(whole - least, 0),
        "misleading_real": above_real / r.real,
        "misleading_synthetic": 1 - not_below / r.synthetic,
    }


def _cllr(r: Resamples) -> NDArray[np.float64]:
    real, synthetic = _class_costs(r, np.zeros(1))
    return (real[:, 0] + synthetic[:, 0]) / 2


def _class_costs(r: Resamples, priors: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Mean cost in bits of the real and of the synthetic images of each row at each prior: (resamples, priors) each."""
    posterior = (r.scores[:, None] + priors) * np.log(10)
    is_synthetic = r.labels == 1
    weights = r.counts.astype(np.float64)
    real = weights[:, ~is_synthetic] @ np.logaddexp(0, posterior[~is_synthetic]) / r.real[:, None]
    synthetic = weights[:, is_synthetic] @ np.logaddexp(0, -posterior[is_synthetic]) / r.synthetic[:, None]
    return real / np.log(2), synthetic / np.log(2)


def _cllr_min(r: Resamples) -> NDArray[np.float64]:
    hits, misses = r.hits / r.synthetic[:, None], r.misses / r.real[:, None]
    return np.array([_least_cost(*row) for row in zip(hits, misses)])


def _least_cost(hits: NDArray, misses: NDArray) -> float:
    """`cllr` of the best calibrated LRs of one row; `hits` and `misses` are shares of each class, by falling score."""
    posterior = _isotonic(hits, misses)
    known = xlogy(hits, posterior) + xlogy(misses, 1 - posterior)
    return abs(float(known.sum())) / (2 * np.log(2))


def _isotonic(hits: NDArray, misses: NDArray) -> NDArray[np.float64]:
    """Probabilities of synthetic at even prior that never rise along falling scores: pool adjacent violators."""
    weights = hits + misses
    drawn = weights > 0
    found = np.zeros_like(weights)
    share = hits[drawn] / weights[drawn]
    found[drawn] = isotonic_regression(share, sample_weight=weights[drawn], y_min=0, y_max=1, increasing=False)
    return found


# --- Curves -----------------------------------------------------------------------------------------------------------


def tippett(labels: ArrayLike, log10_lrs: ArrayLike) -> pd.DataFrame:
    """Points of a Tippett plot: the share of each class whose log10 LR is at least so large.

    Returns:
        Columns ``log10_lr`` (rising, one row per distinct value), ``real`` and ``synthetic`` (shares, 0 to 1, not
            rising).

    Raises:
        UndefinedMeasure: See `checks.checked`.
    """
    r = Resamples.of_all(*checked(labels, log10_lrs))
    real, synthetic = r.false_positives[0] / r.real, r.true_positives[0] / r.synthetic
    return pd.DataFrame({"log10_lr": r.distinct[::-1], "real": real[::-1], "synthetic": synthetic[::-1]})


def cross_entropy(
    labels: ArrayLike,
    log10_lrs: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Points of a plot of the empirical cross-entropy (Ramos and Gonzalez-Rodriguez 2013): what is still unknown, in bits.

    Args:
        labels: 0 real, 1 synthetic, of TEST images.
        log10_lrs: Finite, one per image.
        groups, resamples, seed, level: Of the interval, as in `measures.bootstrap_intervals`.

    Returns:
        One row for each of `PRIORS`: ``prior`` (log10 odds of synthetic before the score is known), ``neutral`` (of LR =
            1: the prior alone), ``cross_entropy`` of these LRs with ``cross_entropy_low`` and ``cross_entropy_high``,
            and ``calibrated`` (of the same ranking, calibrated perfectly on these images). At prior 0,
            ``cross_entropy`` is `cllr` and ``calibrated`` is `cllr_min`.

    Raises:
        UndefinedMeasure: See `checks.checked` and `resampling.draws`.
    """
    labels, log10_lrs = checked(labels, log10_lrs)
    everything = Resamples.of_all(labels, log10_lrs)
    drawn = [_cross_entropies(block, PRIORS) for block in resampling.blocks(labels, log10_lrs, groups, resamples, seed)]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail), axis=0)
    share = 1 / (1 + 10.0**-PRIORS)
    return pd.DataFrame(
        {
            "prior": PRIORS,
            "neutral": -(xlogy(share, share) + xlogy(1 - share, 1 - share)) / np.log(2),
            "cross_entropy": _cross_entropies(everything, PRIORS)[0],
            "cross_entropy_low": low,
            "cross_entropy_high": high,
            "calibrated": _calibrated_entropies(everything, PRIORS),
        }
    )


def _cross_entropies(r: Resamples, priors: NDArray) -> NDArray[np.float64]:
    real, synthetic = _class_costs(r, priors)
    share = 1 / (1 + 10.0**-priors)
    return share * synthetic + (1 - share) * real


def _calibrated_entropies(r: Resamples, priors: NDArray) -> NDArray[np.float64]:
    """Of the images as they are, with LRs by isotonic regression."""
    hits, misses = r.hits[0] / r.synthetic[0], r.misses[0] / r.real[0]
    posterior = _isotonic(hits, misses)
    share = 1 / (1 + 10.0 ** -priors[:, None])
    synthetic, real = share * posterior, (1 - share) * (1 - posterior)
    known = synthetic / (synthetic + real)
    lost = share * xlogy(hits, known) + (1 - share) * xlogy(misses, 1 - known)
    return -lost.sum(axis=1) / np.log(2)


def det_points(labels: ArrayLike, scores: ArrayLike) -> pd.DataFrame:
    """Points of a detection error tradeoff (DET) curve (Martin et al. 1997), one per threshold.

    Returns:
        Columns ``bpcer`` (share of real images called synthetic) and ``apcer`` (share of synthetic images called real),
            0 to 1, and ``threshold`` (rising).

    Raises:
        UndefinedMeasure: See `checks.checked`.
    """
    bpcer, apcer, limits = det_curve(*checked(labels, scores))
    return pd.DataFrame({"bpcer": bpcer, "apcer": apcer, "threshold": limits})


# --- Error rates by the names of ISO/IEC 30107-3 ----------------------------------------------------------------------


def attack_threshold(limit: float, labels: ArrayLike, scores: ArrayLike, generators: ArrayLike | None = None) -> float:
    """The largest threshold at which at most a share `limit` of the synthetic VALIDATION images is called real.

    Args:
        limit: APCER, 0 to below 1.
        labels: 0 real, 1 synthetic.
        scores: One finite number per image.
        generators: A name for each image; the limit then holds for every generator. None: they count as one.

    Raises:
        UndefinedMeasure: See `checks.checked`.
        ValueError: A limit outside 0 to 1.
    """
    if not 0 <= limit < 1:
        raise ValueError(f"limit is {limit}; expected a share from 0 to below 1")
    labels, scores = checked(labels, scores)
    makers = np.zeros(labels.size) if generators is None else np.asarray(generators)
    found = []
    for maker in np.unique(makers[labels == 1]):
        rising = np.sort(scores[(labels == 1) & (makers == maker)])
        # Rounding must not decide between 5 images of 100 and 4.99.
        found.append(rising[int(limit * rising.size + 1e-9)])
    return float(min(found))


def attack_rates(validation: pd.DataFrame, test: pd.DataFrame, seed: int = 0) -> dict[str, dict]:
    """APCER and BPCER on test, at thresholds that validation chose. A synthetic image is the attack.

    APCER is the share of attacks that are called bona fide (real), of the generator with the largest one where a column
    `generator` tells them apart. BPCER is the share of real images called an attack.

    Args:
        validation: columns y (0 real, 1 synthetic), score, group and, where it is known, `generator`.
        test: the same columns.
        seed: of the bootstrap.

    Returns:
        `balanced` (the threshold of that policy) and the names of `ATTACK_LIMITS` to ``threshold``, ``apcer``, ``bpcer``
            (dictionaries of `Interval`), ``generator`` (of the largest APCER; empty where all count as one) and
            ``too_few`` (whether validation has too few independent synthetic images for so small a share).

    Raises:
        UndefinedMeasure: See `checks.checked` and `measures.bootstrap_intervals`.
    """
    makers = validation.get(GENERATOR)
    chosen = {"balanced": thresholds.choose("balanced", validation["y"], validation["score"]).threshold}
    for name, limit in ATTACK_LIMITS.items():
        chosen[name] = attack_threshold(limit, validation["y"], validation["score"], makers)
    enough = _independent_attacks(validation)
    found = {}
    for name, threshold in chosen.items():
        apcer, maker = _worst_apcer(test, threshold, seed)
        bpcer = _missed(test, "recall_real", threshold, seed)
        found[name] = {
            "threshold": threshold,
            "apcer": apcer.as_dict(),
            "bpcer": bpcer.as_dict(),
            "generator": maker,
            "too_few": bool(enough * ATTACK_LIMITS.get(name, 1) < 1 - 1e-9),
        }
    return found


def _independent_attacks(rows: pd.DataFrame) -> float:
    """Independent synthetic images of the generator with the fewest."""
    labels = rows["y"].to_numpy()
    unit = units(labels, rows["group"])
    makers = rows[GENERATOR].to_numpy() if GENERATOR in rows else np.zeros(labels.size)
    return min(
        resampling.independent(unit[(labels == 1) & (makers == maker)]) for maker in np.unique(makers[labels == 1])
    )


def _worst_apcer(rows: pd.DataFrame, threshold: float, seed: int) -> tuple[Interval, str]:
    """The largest APCER of the generators, and its generator."""
    if GENERATOR not in rows:
        return _missed(rows, "recall_synthetic", threshold, seed), ""
    found = {}
    for maker in sorted(rows.loc[rows["y"] == 1, GENERATOR].unique()):
        part = rows[(rows["y"] == 0) | (rows[GENERATOR] == maker)]
        found[maker] = _missed(part, "recall_synthetic", threshold, seed)
    worst = max(found, key=lambda maker: found[maker].value)
    return found[worst], str(worst)


def _missed(rows: pd.DataFrame, recall: str, threshold: float, seed: int) -> Interval:
    """1 - recall, with its interval."""
    found = measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], threshold, [recall], seed=seed)[
        recall
    ]
    return Interval(1 - found.value, 1 - found.high, 1 - found.low)


def record(
    stage: str,
    strength: Strength,
    costs: Mapping[str, Interval],
    rates: Mapping[str, Mapping],
    propositions: tuple[str, str],
    refused: str,
) -> dict:
    """The content of evidence.json (docs/schemas).

    Args:
        stage: of training, whose scores were read.
        strength: of validation.
        costs: on test, of `costs`.
        rates: on test, of `attack_rates`.
        propositions: H1 and H2, in words.
        refused: why scoring gives no LR; empty where it gives one.
    """
    first, second = propositions
    return {
        "stage": stage,
        "propositions": {"H1": first, "H2": second},
        "refused": refused,
        "validation": strength.as_dict(),
        "test": {name: found.as_dict() for name, found in costs.items()},
        "attacks": dict(rates),
    }


# --- Tables -----------------------------------------------------------------------------------------------------------


def cost_table(found: Mapping[str, Interval]) -> pd.DataFrame:
    """The numbers of `costs` as a table for reading."""
    return pd.DataFrame({"measure": list(found), "on test": [str(value) for value in found.values()]}).set_index(
        "measure"
    )


def attack_table(rates: Mapping[str, Mapping]) -> pd.DataFrame:
    """The numbers of `attack_rates` as a table for reading."""
    rows = []
    for name, found in rates.items():
        apcer, bpcer = (str(Interval.from_dict(found[rate])) for rate in ("apcer", "bpcer"))
        row = {"threshold of": name, "threshold": f"{found['threshold']:.3f}", "APCER on test": apcer}
        rows.append({**row, "BPCER on test": bpcer})
    return pd.DataFrame(rows).set_index("threshold of")
