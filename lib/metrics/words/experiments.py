"""Sentences of notebooks 07 to 09: wrong turns, ablation, generators left out."""

from __future__ import annotations

import pandas as pd

from lib.metrics.checks import Interval
from lib.metrics.comparison import verdict
from lib.metrics.unseen import KINDS, measured
from lib.metrics.words.shared import BREAK, SEEN, listed, verbatim


def turns_seen(table: pd.DataFrame, source: str) -> str:
    """Which wrong turns bring the recipe to chance.

    Args:
        table: of `repeats.turns_table`, with the turns a (none) and g (threshold chosen on test).
        source: where the images come from.
    """
    chance = [row.turn for row in table.itertuples() if row.roc_auc_low <= 0.5 <= row.roc_auc_high]
    one_class = [row.turn for row in table.itertuples() if row.degenerate]
    rows = table.set_index("turn").to_dict("index")
    correct = Interval.of(rows["a"], "roc_auc")
    if "a" in chance:
        start = "Run correctly, the recipe is at chance itself on these images, so that no turn can be blamed here"
    else:
        start = "Run correctly, the recipe is no coin: a result of 0.5 speaks of a mistake, not of hard data"
    return (
        f"{SEEN}{start} (test AUC {correct}). Not told from chance: {listed(chance)}. Nearly everything called one class: "
        f"{listed(one_class)}. Choosing the threshold on the test images (g) reports an F1 of "
        f"{rows['g']['f1_synthetic']:.3f}, choosing it on validation {rows['a']['f1_synthetic']:.3f}: the difference is "
        f"not there on new images. Source: {source}."
    )


def moved_seen(table: pd.DataFrame) -> str:
    """Which trainings moved no weight that could matter.

    Args:
        table: columns turn, weight_change, score_change.
    """
    still = [row.turn for row in table.itertuples() if row.weight_change < 1e-5]
    if not still:
        return f"{SEEN}In every training the weights moved by more than a hundred-thousandth."
    most = max(row.score_change for row in table.itertuples() if row.turn in still)
    return (
        f"{SEEN}In {listed(still)} no weight moved by more than a hundred-thousandth, and no score by more than {most:.1e}: such a stage "
        "has cost time and changed no decision. Looking at this one number would have shown it."
    )


def ablation_seen(table: pd.DataFrame, source: str) -> str:
    """Which choices matter beyond chance.

    Args:
        table: of `repeats.ablation_table`.
        source: where the images come from.
    """
    worse, better = table[table["difference_high"] < 0], table[table["difference_low"] > 0]
    named = [
        "; ".join(f"{row.choice}: {row.setting} ({row.difference:+.3f})" for row in part.itertuples()) or "none"
        for part in (worse, better)
    ]
    return (
        f"{SEEN}Worse than the recipe beyond chance: {named[0]}. Better beyond chance: {named[1]}. All others cannot be told from it on "
        f"these images: the cheaper one of two such choices is the better one. Source: {source}."
    )


def imbalance_seen(table: pd.DataFrame) -> str:
    """What a rare class costs.

    Args:
        table: of `repeats.recall_table`, the first row balanced: columns case, roc_auc, recall_real, recall_synthetic.
    """
    first, *others = table.itertuples()
    if not others:
        return f"{SEEN}One case alone: nothing to compare."
    worst = min(others, key=lambda row: row.roc_auc)
    gaps = {row.case: abs(row.recall_real - row.recall_synthetic) for row in others}
    uneven = max(gaps, key=gaps.get)
    return (
        f"{SEEN}The AUC changes by {worst.roc_auc - first.roc_auc:+.3f} at most ({worst.case}). The recalls of the classes lie furthest "
        f"apart in `{uneven}` ({gaps[uneven]:.3f}): accuracy alone would have hidden that."
    )


def unseen_seen(table: pd.DataFrame) -> str:
    """What detectors know about generators, and sources of photographs, that they have not seen.

    Args:
        table: of `unseen.unseen_table`; empty if there is nothing to leave out.
    """
    if table.empty:
        return (
            f"{SEEN}The images name fewer than two generators, and fewer than two sources of photographs, so none can be left "
            "out: what this detector does on a generator that it has not seen is not known."
        )
    lines = [_unseen_line(rows, KINDS[column]) for column, rows in table.groupby("column")]
    return SEEN + BREAK.join(lines)


def _unseen_line(rows: pd.DataFrame, kind: str) -> str:
    known = measured(rows)
    few = len(rows) - len(known)
    left = f" Not measured, because there are too few images: {few:,}." if few else ""
    if known.empty:
        return f"For no left-out value ({kind}) are there enough images.{left}"
    worst = known.loc[known["roc_auc"].idxmin()]
    auc, seen, change = (Interval.of(worst, name) for name in ("roc_auc", "roc_auc_seen", "difference"))
    lower = [verbatim(row.value) for row in known.itertuples() if row.difference_high < 0]
    return (
        f"On {kind} that the detector has not seen, the AUC is lowest for {verbatim(worst['value'])}: {auc}, "
        f"{verdict(auc)}. The detector that has seen it: {seen}; difference {change}. Recall there, not seen: real "
        f"{Interval.of(worst, 'recall_real')}, synthetic {Interval.of(worst, 'recall_synthetic')}. AUC lower without "
        f"having seen it, with an interval that leaves out 0: {listed(lower)}.{left}"
    )
