"""Sentences of notebooks 02, which trains the head, and 03, which fine-tunes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics.checks import Interval, decimals, share
from lib.metrics.comparison import verdict
from lib.metrics.measures import roc_auc
from lib.metrics.stages import TRAINED
from lib.metrics.words.shared import BREAK, GAP, SEEN, listed

# ---------------------------------------------------------------------------------------------------- 02: the head


def views_seen(views: Mapping[str, np.ndarray], degraded: Sequence[str]) -> str:
    """How much degradations change of the plain view.

    Args:
        views: words to uint8 (side, side, 3); `plain` among them.
        degraded: which of them are degraded, and show the same part of the picture.
    """
    plain = views["plain"].astype(float)
    changes = {name: float(np.abs(views[name] - plain).mean()) for name in degraded}
    most = max(changes, key=changes.get)
    said = ", ".join(f"{name} {change:.1f}" for name, change in changes.items())
    return (
        f"{SEEN}The degraded views differ from the plain one by a few grey levels of 255 on average ({said}; most: {most}). The "
        "person is the same for the eye, but the fine traces that a detector reads are just as small. Training with such views "
        "teaches it not to lean on the smallest of them."
    )


def weights_seen(images: int, further: int, weights: Mapping[int, float]) -> str:
    """Whether the training classes are balanced, and what is done where they are not.

    Args:
        images: of training.
        further: how many more times an image of the rare class is used in an epoch.
        weights: class weight of 0 (real) and 1 (synthetic).
    """
    uses = (
        f" Images of the rare class are used {further + 1} times an epoch, each time in another view."
        if further
        else ""
    )
    even = max(weights.values()) < 1.05
    end = (
        "so the weights change next to nothing" if even else "so errors on the class with the larger weight count more"
    )
    return f"{images:,} training images.{uses} Class weights: real {weights[0]:.3f}, synthetic {weights[1]:.3f}; 1 is an even share, {end}."


def curves_seen(history: pd.DataFrame, validation: Interval, images: int) -> str:
    """Overfitting, the best epoch, and how far validation can be trusted.

    Args:
        history: of one stage: columns epoch, roc_auc (training), val_roc_auc, kept.
        validation: AUC of the epoch that is kept.
        images: of validation.
    """
    best, last = history[history["kept"]].iloc[0], history.iloc[-1]
    said = [f"Validation AUC {validation} on {images:,} images: {verdict(validation)}."]
    training = history["roc_auc"].dropna()
    if len(training):
        gap = training.iloc[-1] - last["val_roc_auc"]
        both = [decimals(training.iloc[-1]), decimals(last["val_roc_auc"])]
        pair = f"the last epoch has an AUC of {both[0]} on training images and {both[1]} on validation"
        if gap > GAP:
            said.append(
                f"**This is overfitting**: {pair}. The head knows its training images by heart, and that does not help on new people. "
                "The number to believe is the lower one."
            )
        else:
            said.append(f"No sign of overfitting: {pair}.")
    if best["epoch"] == 0:
        said.append("No epoch ranked validation better than the start, so the start is kept.")
    elif best["epoch"] == history["epoch"].max():
        said.append("The last epoch is the best one: more epochs might have helped.")
    else:
        said.append(f"Epoch {best['epoch']:.0f} is kept; what came after it was no better on validation.")
    return SEEN + " ".join(said)


def plain_head_seen(labels: ArrayLike, scores: ArrayLike, tuned: Interval) -> str:
    """A plain head beside the recipe's.

    Args:
        labels: 0 or 1 of validation images.
        scores: of the plain head.
        tuned: AUC of the recipe's head on validation, with its interval.
    """
    auc = roc_auc(labels, scores)
    if auc < tuned.low:
        end = "less than its interval allows: what the recipe adds (views, regularisation, its start) is worth something here"
    elif auc > tuned.high:
        end = "more than its interval allows: on these images the simpler head is the better one"
    else:
        end = "inside its interval: on these images the extra parts of the recipe cannot be told from nothing"
    return f"{SEEN}The four lines reach a validation AUC of {decimals(auc)}, the recipe's head {tuned}. That is {end}."


def lottery_seen(found: Mapping[str, Interval]) -> str:
    """What a split by image pretends, where labels are dealt to people at random.

    Args:
        found: of `repeats.deal_intervals`, with the names `by image` and `by group`; empty where people are not known.
    """
    if not found:
        return "Where people are not known, copies are all that can be kept together."
    image, group = found["by image"], found["by group"]
    gain = image.value - group.value
    end = (
        "The regression has not learnt what real or synthetic means, because these labels mean nothing. It knows the people again. "
        "On the true labels such a split adds the same kind of error to the score, unseen."
        if gain > 0.03
        else "On these images people are not known again, so that a split by image would have done little harm here. "
        "It can on others, and nobody knows before."
    )
    return (
        f"{SEEN}The labels are dealt at random, yet the split by image reports an AUC of {decimals(image.value)}. The split by "
        f"group says {decimals(group.value)}. {end}"
    )


def spread_seen(rows: pd.DataFrame) -> str:
    """How far the scores of the classes lie apart.

    Args:
        rows: columns y (0 real, 1 synthetic) and score, both classes.
    """
    real, synthetic = (rows.loc[rows["y"] == label, "score"] for label in (0, 1))
    above = float((synthetic > real.median()).mean())
    end = (
        "All of them score above the highest real one: a threshold between gets every image right here."
        if synthetic.min() > real.max()
        else "Some of both classes score on the other one's side: no threshold gets all of them right."
    )
    return (
        f"{SEEN}{share(above)} of the synthetic validation images score higher than the middle real one (half of them would by "
        f"chance). {end}"
    )


# ------------------------------------------------------------------------------------------------- 03: fine-tuning


def fine_tuning_seen(history: pd.DataFrame) -> str:
    """The lesson of fine-tuning: what was tried, and whether it was kept.

    Args:
        history: as in `changes`.
    """
    stages = history.groupby("stage", sort=False)
    tried = {TRAINED[stage]: _kept_epoch(rows) for stage, rows in stages if rows["epoch"].max() > 0}
    kept = [name for name, epoch in tried.items() if epoch > 0]
    if not tried:
        return (
            f"{SEEN}Nothing was fine-tuned here, so that the final model is phase 1's. Where a full run tries it, the rule is: a "
            "stage that is not better on validation beyond chance is thrown away."
        )
    if not kept:
        return (
            f"{SEEN}**Fine-tuning was tried ({listed(tried)}) and thrown away.** No epoch was better on validation than the start by "
            "more than chance gives. This is the lesson of this notebook: many weights and few images do not make a better model, and "
            "a method that does not help is left out, however usual it is. The final model is phase 1's."
        )
    thrown = [name for name in tried if name not in kept]
    rest = f" Thrown away: {listed(thrown)}." if thrown else ""
    return f"{SEEN}Kept, because validation was better: {listed(kept)}.{rest}"


def changes(history: pd.DataFrame, why: str) -> str:
    """A line for each fine-tuning stage: how far weights and scores moved, and what was kept.

    Args:
        history: columns stage, epoch, kept, weight_change, score_change; without phase 1.
        why: a stage may have no epochs, such as `a quick run`.
    """
    lines = []
    for stage, rows in history.groupby("stage", sort=False):
        last, kept = rows.iloc[-1], _kept_epoch(rows)
        said = f"skipped, {why} gives it no epochs; its model is the one before it"
        if last["epoch"] > 0:
            said = (
                f"weights {last['weight_change']:.1e}, scores {last['score_change']:.1e} after epoch {last['epoch']:.0f}; "
                f"kept: {f'epoch {kept:.0f}' if kept > 0 else 'the start: the stage changed nothing'}"
            )
        lines.append(f"{TRAINED[stage]}: {said}")
    return BREAK.join(lines)


def _kept_epoch(rows: pd.DataFrame) -> int:
    """The epoch of a stage that was kept; 0 is its start."""
    return rows.loc[rows["kept"], "epoch"].iloc[0]


def stages_seen(aucs: Mapping[str, Interval], names: Mapping[str, str]) -> str:
    """Whether the stages that stand side by side can be told apart.

    Args:
        aucs: stage to validation AUC.
        names: stage to its name.
    """
    if len(aucs) == 1:
        [(stage, auc)] = aucs.items()
        return f"{SEEN}All stages are one model, so there is one row: {names[stage]}, {auc}."
    (first, before), *_, (last, after) = aucs.items()
    apart = after.low > before.value or after.high < before.value
    end = (
        "its interval leaves out the value of the first stage"
        if apart
        else "its interval holds the value of the first stage: on these images they cannot be told apart this way"
    )
    return f"{SEEN}From {names[first]} ({before}) to {names[last]} ({after}): {end}."
