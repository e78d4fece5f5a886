"""Sentences of notebook 05, which compares datasets; the program that adapts a detector prints one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lib.metrics.checks import decimals
from lib.metrics.words.shared import BREAK, GAP, SEEN, listed


def compared_words(sources: Mapping[str, str], datasets: int, models: int, others: int) -> str:
    """What is compared, or that there is nothing to compare yet."""
    if len(sources) > 1 or others:
        return f"Datasets: {datasets}. Their models: {models}. Detectors known by their scores: {others}."
    return (
        f"**Only {listed(list(sources))} has been run so far**, so there is nothing to compare across datasets yet: what follows shows "
        "the models at home. Run another one, then this notebook again."
    )


def matrix_seen(compared: pd.DataFrame) -> str:
    """The lowest AUC away from home against the lowest one at home.

    Args:
        compared: rows of comparison.csv of last stages, columns trained_on, tested_on, roc_auc.
    """
    known = compared.dropna(subset=["roc_auc"])
    home = known[known["trained_on"] == known["tested_on"]]["roc_auc"]
    away = known[known["trained_on"] != known["tested_on"]]["roc_auc"]
    if home.empty or away.empty:
        return (
            f"{SEEN}Home alone is measured here: the diagonal. It says how well a detector knows images of the kind that it was "
            "trained on, and nothing about others."
        )
    lost = home.mean() - away.mean()
    end = (
        "a detector here knows its own dataset, not synthetic images as such"
        if lost > GAP
        else "what was learnt holds on these datasets"
    )
    return f"{SEEN}From home ({home.mean():.3f} on average) to elsewhere ({away.mean():.3f}) the AUC changes by {-lost:+.3f}: {end}."


def away_seen(lines: Sequence[str]) -> str:
    """Sentences of `comparison.transfer_sentences`, or that nothing is known."""
    if not lines:
        return f"{SEEN}One dataset so far: nothing is known yet about other data, and a good AUC at home is no promise."
    return SEEN + BREAK + BREAK.join(lines)


def sizes_of_training_seen(found: Sequence[str], left_out: Sequence[str]) -> str:
    """What the learning curve says, and which datasets are not in it."""
    said = BREAK.join(found) or "None of datasets 1 to 4 is among these: nothing is known about sizes."
    more = (
        f"{BREAK}Not in the curve, because their images are of another kind: {listed(left_out)}."
        if left_out and found
        else ""
    )
    return f"{SEEN}{BREAK}{said}{more}"


def adapted_seen(table: pd.DataFrame) -> str:
    """What a few labelled pictures of another dataset gain there, and what that costs at home.

    Args:
        table: of `adaptation.few_pictures`; empty if there is one dataset only.
    """
    if table.empty:
        return (
            f"{SEEN}One dataset so far: there is no new source to adapt to. Run another one, then this notebook again."
        )
    gained = table["roc_auc_after"] - table["roc_auc_before"]
    # A draw of the pictures can be lucky: nearly all of them have to be better.
    sure = int((table["roc_auc_after_low"] > table["roc_auc_before"]).sum())
    lost = table["roc_auc_home"] - table["roc_auc_home_before"]
    cost = "little is lost there" if lost.min() > -GAP else "what was known at home is partly lost"
    return (
        f"{SEEN}With a few pictures the AUC on the other dataset changes by {gained.mean():+.3f} on average ({gained.min():+.3f} to "
        f"{gained.max():+.3f}); in {sure} of {len(table)} cases nearly every draw of them helps. At home it changes by "
        f"{lost.mean():+.3f} on average, at worst by {lost.min():+.3f}: {cost}."
    )


def pictures_needed_seen(curve: pd.DataFrame) -> str:
    """How many pictures of each class a gain on a new source takes.

    Args:
        curve: columns pictures (of each class, rising from 0), roc_auc, roc_auc_low, roc_auc_high.
    """
    before, tried = curve.iloc[0], curve.iloc[1:]
    if tried.empty:
        return "How many are needed cannot be said: no pictures are left to read smaller numbers of them on."
    sure = tried[tried["roc_auc_low"] > before["roc_auc"]]
    best = tried.loc[tried["roc_auc"].idxmax()]
    most = f"the best mean AUC is {decimals(best['roc_auc'])}, with {int(best['pictures'])} of each class"
    if sure.empty:
        return f"How many are needed: {most}; no number tried helps in nearly every draw of the pictures."
    least = int(sure["pictures"].iloc[0])
    return f"How many are needed: from {least} of each class on nearly every draw of the pictures helps; {most}."
