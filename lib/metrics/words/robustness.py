"""Sentences of notebook 06: degraded images, maps of what the model looks at, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.metrics.checks import Interval, share
from lib.metrics.comparison import BETTER, verdict
from lib.metrics.words.shared import BREAK, SEEN, listed


def robustness_seen(table: pd.DataFrame, policy: str, source: str) -> str:
    """What degradations do to the ranking, and to the threshold.

    Args:
        table: of `robustness.robustness_table`; the first row is of the images as they are.
        policy: of the threshold.
        source: where the images come from.
    """
    clean, *degraded = table.itertuples()
    rows = {f"{row.degradation} {row.level:g}": row for row in degraded}
    auc, *ranked = Interval.all_of(table, "roc_auc")
    real, synthetic = (Interval.all_of(table, name)[0] for name in ("recall_real", "recall_synthetic"))
    lower = [f"{name} ({row.roc_auc_change:+.3f})" for name, row in rows.items() if row.roc_auc_change_high < 0]
    chance = [name for name, found in zip(rows, ranked, strict=True) if verdict(found) != BETTER]
    lost = [name for name, row in rows.items() if min(row.recall_real, row.recall_synthetic) < 0.5]
    # The ranking holds, the threshold does not.
    moved = [name for name in lost if name not in chance]
    lines = [
        f"As they are, {clean.images:,} test images have an AUC of {auc}, {verdict(auc)}; recall of real "
        f"{real}, of synthetic {synthetic} at the {policy} threshold.",
        f"AUC lower, with a 95% interval of the change that leaves out 0: {listed(lower)}.",
        f"Not better than chance: {listed(chance)}. There the traces themselves are gone.",
        f"Ranking better than chance, but less than half of a class recognised: {listed(moved)}. There the scores have moved away from "
        "the threshold; another threshold would help, if one knew what had happened to a picture.",
        f"Source: {source}.",
    ]
    return SEEN + BREAK.join(lines)


def edits_seen(table: pd.DataFrame, policy: str, edits: Sequence[str]) -> str:
    """How many edited photographs are called synthetic, and which edit makes it most.

    Args:
        table: of `robustness.robustness_table`; the first row is of the images as they are.
        policy: of the threshold.
        edits: kinds of degradation that are edits of photographs.
    """
    clean, edited = table.iloc[0], table[table["degradation"].isin(edits)]
    if edited.empty:
        return f"{SEEN}No edit was tried: nothing is known about edited photographs."
    names = [f"{row.degradation} {row.level:g}" for row in edited.itertuples()]
    recalls = [f"{name} {found}" for name, found in zip(names, Interval.all_of(edited, "recall_real"), strict=True)]
    alarms = dict(zip(names, 1 - edited["recall_real"], strict=True))
    most = max(alarms, key=alarms.get)
    before = 1 - clean["recall_real"]
    told = [name for name, high in zip(names, edited["recall_real_change_high"], strict=True) if high < 0]
    lines = [
        f"An edited photograph is still a photograph. Recall of real at the {policy} threshold: "
        f"{Interval.of(clean, 'recall_real')} as they are; {listed(recalls)}.",
        f"Recall of real lower, with a 95% interval of the change that leaves out 0: {listed(told)}.",
    ]
    if alarms[most] > before:
        lines.append(
            f"Most photographs are called synthetic after {most}: {share(alarms[most])}, against {share(before)} as "
            "they are. A person who edits photographs would meet these false alarms."
        )
    else:
        lines.append(f"No edit makes more photographs be called synthetic than the {share(before)} as they are.")
    return SEEN + BREAK.join(lines)


def no_explanation(auc: Interval) -> str:
    """Why no map is shown of a model that has not been shown to tell the classes apart."""
    return (
        f"**No explanation.** With an AUC of {auc} ({verdict(auc)}) this model has not been shown to tell the classes apart, so that a "
        "map of its score would be noise that looks like a reason."
    )


def map_seen(means: Mapping[str, np.ndarray]) -> str:
    """Whether a mean map points anywhere: how much of it lies in its brightest tenth.

    Args:
        means: label to the mean map (height, width), 0 upwards.
    """
    parts = {label: _brightest_tenth(values) for label, values in means.items() if np.sum(values) > 0}
    if not parts:
        return f"{SEEN}The maps are empty: no place speaks for its own class more than the average image does."
    said = " and ".join(f"{share(part)} ({label})" for label, part in parts.items())
    end = (
        "much of it comes from few places"
        if max(parts.values()) > 0.3
        else "it is spread widely, as traces of an encoder or a generator are"
    )
    return (
        f"{SEEN}The brightest tenth of the map holds {said} of what speaks for a class, where an even map would have 10%: {end}. A map "
        "says where, not why: look at those places before you believe a story about eyes or hair."
    )


def _brightest_tenth(values: np.ndarray) -> float:
    """The share of a map's sum that lies in its brightest tenth."""
    falling = np.sort(np.asarray(values, float), axis=None)[::-1]
    return float(falling[: max(1, len(falling) // 10)].sum() / falling.sum())


def maps_seen(blocks: pd.DataFrame, alike: pd.DataFrame, images: int, networks: int, source: str) -> str:
    """Whether the maps are of what was learnt.

    Args:
        blocks: of `explanation.block_table`: columns blocks, difference, share.
        alike: rank correlation with shuffled networks: row `mean`, columns grad_cam and contributions.
        images: explained.
        networks: shuffled.
        source: where the images come from.
    """
    most = blocks.loc[blocks["difference"].idxmax()]
    last = blocks["share"].iloc[-1]
    shares = (
        f"; {most['blocks']} brings most of it ({most['share']:.0%}), the last one {last:.0%}"
        if len(blocks) > 1
        else ""
    )
    read = alike.loc["mean"].abs().max() < 0.5
    end = (
        "change with the weights, so they do show what was learnt"
        if read
        else "**hardly change with the weights: do not read them**"
    )
    return (
        f"{SEEN}The classes' mean logits lie {blocks['difference'].sum():.3f} apart on {images} test images{shares}. Rank correlation with "
        f"the maps of {networks} shuffled networks: Grad-CAM {alike.loc['mean', 'grad_cam']:.3f}, contributions "
        f"{alike.loc['mean', 'contributions']:.3f}. The maps {end}. Source: {source}."
    )


def certain_seen(certain: pd.DataFrame, wrong: pd.DataFrame) -> str:
    """Whether the most certain errors are of one class.

    Args:
        certain: the most certain errors, column y.
        wrong: all errors, column y.
    """
    if wrong.empty:
        return f"{SEEN}There are no errors, so there is nothing to look at."
    real, among = float((wrong["y"] == 0).mean()), float((certain["y"] == 0).mean())
    end = (
        "they are of one class more than errors are as a whole: look for what these pictures share"
        if abs(among - real) > 0.25
        else "about as among all errors: no class stands out"
    )
    return f"{SEEN}{share(among)} of the most certain errors are real pictures, {share(real)} of all errors; {end}."


def errors_seen(wrong: pd.DataFrame, images: int, recalls: Mapping[str, Interval], source: str) -> str:
    """Errors of both classes at the threshold, as the last word of notebook 06.

    Args:
        wrong: errors, column y.
        images: of test.
        recalls: recall_real and recall_synthetic.
        source: where the images come from.
    """
    real, synthetic = (int((wrong["y"] == number).sum()) for number in (0, 1))
    return (
        f"{SEEN}{len(wrong)} of {images:,} test images are called wrongly: {real} real ones (recall {recalls['recall_real']}) and "
        f"{synthetic} synthetic ones (recall {recalls['recall_synthetic']}). The least certain errors are a matter of the threshold, the "
        f"most certain ones are not: only another model gets those right. Source: {source}."
    )
