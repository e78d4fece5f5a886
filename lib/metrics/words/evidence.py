"""Sentences about the strength of evidence: propositions, what a likelihood ratio means, and why none is given.

They are those of notebook 10; scoring gives some of them for a single picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.metrics.checks import Interval, share
from lib.metrics.evidence import ATTACK_LIMITS, Strength
from lib.metrics.words.shared import BREAK, SEEN, shares

# The two propositions that every LR of this study compares.
SYNTHETIC = "the picture comes from the generator(s) of the training data"
REAL = "the picture is a photograph like those in the training data"
PROPOSITIONS = (SYNTHETIC, REAL)
# The verbal scale of the ENFSI guideline for evaluative reporting (2015): LR from which each word is used.
ENFSI = (
    (1_000_000, "extremely strong support"),
    (10_000, "very strong support"),
    (1_000, "strong support"),
    (100, "moderately strong support"),
    (10, "moderate support"),
    (2, "weak support"),
)
NO_SUPPORT = "too weak for a word"


def propositions_words(synthetic: int, real: int, source: str) -> str:
    """The propositions and the reference population, in words.

    Args:
        synthetic, real: numbers of validation images.
        source: where the images are from.
    """
    return (
        f"**H1:** {SYNTHETIC}.{BREAK}**H2:** {REAL}.{BREAK}"
        f"**Reference population:** the {synthetic:,} synthetic and {real:,} real validation images of this dataset "
        f"({source}). For other pictures the numbers below say nothing."
    )


def times(log10_lr: float) -> str:
    """An LR of at least 1 as a number for reading, with two significant digits: `20`, `1.3`, `1,500`."""
    value = 10.0 ** abs(log10_lr)
    if value < 10:
        return f"{value:.2g}"
    digits = int(np.floor(np.log10(value))) - 1
    return f"{round(value, -digits):,.0f}"


def meaning(log10_lr: float) -> str:
    """What one log10 LR says, in one sentence, with ENFSI's word for it."""
    number = times(log10_lr)
    if number in ("1", "1.0"):
        return "The observed score is about as probable if the picture is synthetic as if it is real: it says nothing."
    first, second = ("synthetic", "real") if log10_lr > 0 else ("real", "synthetic")
    return (
        f"The observed score is about {number} times more probable if the picture is {first} than if it is {second} "
        f"({verbal(log10_lr)}, by ENFSI's scale of 2015)."
    )


def verbal(log10_lr: float) -> str:
    """The word of ENFSI's verbal scale (2015) for an LR; below 1 it speaks for the other proposition."""
    value = 10.0 ** abs(log10_lr)
    # Rounding must not decide between 10 and 9.9999999.
    word = next((word for least, word in ENFSI if value >= least * (1 - 1e-9)), "")
    if not word:
        return NO_SUPPORT
    return f"{word} for {'H1, synthetic' if log10_lr > 0 else 'H2, real'}"


def refusal(auc: Interval, *, stand_in: bool, quick: bool) -> str:
    """Why no LR is given for a picture; empty where one may be.

    Args:
        auc: ROC AUC of the model on its own test images.
        stand_in: whether it was trained on stand-ins drawn by the program.
        quick: whether it comes from a quick run.
    """
    reasons = []
    if stand_in:
        reasons.append("the model was trained on drawn stand-ins, so there is no real generator that H1 could mean")
    if quick:
        reasons.append("the model comes from a quick run, with too few images to give a number to evidence")
    if not auc.low > 0.5:
        reasons.append(
            f"on its own test images the model is not shown to be better than chance (AUC {auc}; the interval must lie "
            "above 0.5), so its scores carry no evidence"
        )
    return f"No likelihood ratio: {'; '.join(reasons)}." if reasons else ""


def standing_words(refused: str) -> str:
    """Whether the numbers of a run may be used for pictures, or are shown as a demonstration alone."""
    if not refused:
        return "This model may give likelihood ratios (`python -m lib.model.scoring --lr`), for pictures as in its training data."
    return f"**Demonstration only.** {refused} What follows shows how the method works. Scoring gives no such number."


def strength_words(strength: Strength) -> str:
    """What a detector's LRs are of, in one sentence for the command line."""
    low, high = times(strength.low.value), times(strength.high.value)
    return (
        f"log10_lr compares H1 ({SYNTHETIC}) with H2 ({REAL}); reference population: {strength.synthetic:,} synthetic and "
        f"{strength.real:,} real validation images, which allow at most {high} times for H1 and {low} times for H2. It is "
        "not the probability that a picture is synthetic, and says nothing about other generators. It is left empty where "
        "a picture has a warning of its own, because H1 and H2 do not describe such a picture"
    )


# ---------------------------------------------------------------------------------------------- what the figures say


def bounds_seen(strength: Strength, unbounded: np.ndarray) -> str:
    """What the bounds allow, and how many test images they hold back.

    Args:
        strength: of validation.
        unbounded: log10 LRs of test images before they are bounded.
    """
    low, high = strength.low, strength.high
    cut = float(np.mean((unbounded < low.value) | (unbounded > high.value)))
    if low.value == high.value == 0:
        return f"{SEEN}No LR but 1 is allowed: acting on these scores costs more than acting without them."
    held = (
        "No test image lies beyond them" if not cut else f"{share(cut)} of the test images lie beyond and are cut back"
    )
    return (
        f"{SEEN}The validation images allow to say at most {times(high.value)} times for synthetic and {times(low.value)} times "
        f"for real. {held}. Only more validation images would widen the bounds; a surer network would not."
    )


def tippett_seen(costs: Mapping[str, Interval]) -> str:
    """How much evidence points the wrong way.

    Args:
        costs: of `evidence.costs`.
    """
    real, synthetic = costs["misleading_real"], costs["misleading_synthetic"]
    if not real.value and not synthetic.value:
        return f"{SEEN}No test image has an LR that points to the other class. On more images there would be some."
    worse = "photographs" if real.value > synthetic.value else "synthetic images"
    apart = real.low > synthetic.high or synthetic.low > real.high
    end = (
        f"the evidence misleads more often about {worse}"
        if apart
        else "the two intervals overlap, so neither class is shown to be misled more often"
    )
    return (
        f"{SEEN}Where the curves cross the line LR = 1, the evidence points the wrong way for {shares(real)} of the "
        f"photographs and {shares(synthetic)} of the synthetic images: {end}. One LR can be misleading though all of them "
        "are well calibrated."
    )


def costs_seen(costs: Mapping[str, Interval]) -> str:
    """Whether the LRs help, and whether ranking or calibration is what they lose.

    Args:
        costs: of `evidence.costs`.
    """
    whole, least, lost = costs["cllr"], costs["cllr_min"], costs["cllr_cal"]
    if whole.low <= 1 <= whole.high:
        helps = "its interval holds 1, so these LRs are not shown to be better than none"
    elif whole.value < 1:
        helps = "its interval lies below 1, so these LRs are better than none"
    else:
        helps = "its interval lies above 1: **whoever uses these LRs is worse off than without them**"
    much = "most of the loss" if lost.value > least.value else "the smaller part of the loss"
    return (
        f"{SEEN}Cllr: {helps}. Poor calibration is {much}; the rest is lost because the "
        "classes' scores overlap, and no calibration can bring that back."
    )


def cross_entropy_seen(points: pd.DataFrame) -> str:
    """At which priors the LRs help.

    Args:
        points: of `evidence.cross_entropy`.
    """
    harms = points[points["cross_entropy_low"] > points["neutral"]]
    helps = points[points["cross_entropy_high"] < points["neutral"]]
    if helps.empty:
        return f"{SEEN}At no prior the curve lies below the dotted one by more than chance: these LRs do not help."
    odds = [helps["prior"].iloc[place] for place in (0, -1)]
    first, last = (f"{times(prior)} to 1" if prior >= 0 else f"1 to {times(prior)}" for prior in odds)
    said = f"From prior odds of {first} up to {last} the curve lies below the dotted one by more than chance: there the LRs help"
    if not harms.empty:
        return f"{SEEN}{said}. **At other priors it lies above: there they do harm**, so they may not be used there."
    return f"{SEEN}{said}. At no prior are they shown to do harm."


def det_seen(rates: Mapping[str, Mapping]) -> str:
    """What the thresholds that validation chose do on test.

    Args:
        rates: of `evidence.attack_rates`.
    """
    broken = [
        f"{limit:.0%}" for name, limit in ATTACK_LIMITS.items() if Interval.from_dict(rates[name]["apcer"]).low > limit
    ]
    few = [f"{limit:.0%}" for name, limit in ATTACK_LIMITS.items() if rates[name]["too_few"]]
    said = "Within chance, no more attacks pass on test than were asked for"
    if broken:
        said = f"**On test more attacks pass than were asked for ({', '.join(broken)}), by more than chance**"
    end = f" Validation has too few attacks to set an APCER of {', '.join(few)}." if few else ""
    return (
        f"{SEEN}{said}.{end} A smaller APCER is paid for with a larger BPCER: whoever lets fewer synthetic images pass accuses "
        "more photographs."
    )


def example_words(rows: pd.DataFrame) -> str:
    """The sentences for three test images: of the lowest, the middle and the highest LR.

    Args:
        rows: columns image_id, label, log10_lr.
    """
    ordered = rows.sort_values(["log10_lr", "image_id"]).iloc[[0, len(rows) // 2, -1]]
    lines = [f"`{row.image_id}` ({row.label} in truth): {meaning(row.log10_lr)}" for row in ordered.itertuples()]
    return BREAK.join(lines)


def last_words(strength: Strength, refused: str) -> str:
    """The sentence to take home.

    Args:
        strength: of validation.
        refused: of `refusal`.
    """
    most = f"the strongest thing that may be said is: {verbal(strength.high.value)}; {verbal(strength.low.value)}"
    if refused:
        return f"With images of this kind and number {most}. But for this model: {refused}"
    return f"With this model {most} (words of ENFSI's scale of 2015). Say the propositions and the reference population with it."
