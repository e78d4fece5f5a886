"""A threshold and the images on both sides of it; the error of those that are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from lib.metrics.checks import decimals, share
from lib.metrics.figures.results import draw_confusion
from lib.metrics.figures.style import (
    CLASS_COLOURS,
    LINES,
    POLICY_NAMES,
    legend_beside,
    panels,
    sentence,
    styled,
)

# The range of the log-odds scale; a score nearer to 0 or 1 is drawn at its end.
NEAREST = 1e-6
_TICKS = {
    1e-6: "1e-6",
    1e-4: "0.0001",
    0.01: "0.01",
    0.1: "0.1",
    0.5: "0.5",
    0.9: "0.9",
    0.99: "0.99",
    1 - 1e-4: "0.9999",
}
EXAMPLE_NAMES = {
    "just_below": "just below the threshold: called real",
    "just_above": "just above the threshold: called synthetic",
    "false_synthetic": "real, called synthetic, most certain first",
    "false_real": "synthetic, called real, most certain first",
}


@styled
def threshold_overview(
    curve: pd.DataFrame,
    marks: Mapping[str, float],
    chosen: str,
    cells: Mapping[str, int],
    pictures: Mapping[str, Sequence[tuple[np.ndarray, str, str]]],
    title: str,
) -> Figure:
    """Recall of both classes against the threshold; confusion and example images at one of the chosen thresholds.

    Args:
        curve: columns threshold (rising), recall_real, recall_synthetic and their `_low` and `_high`. Thresholds within 0
            and 1 that come near either are drawn on a scale of log-odds, because scores crowd there.
        marks: policy to chosen threshold.
        chosen: the policy whose confusion and images are shown.
        cells: its true_real, false_synthetic, false_real, true_synthetic.
        pictures: kind of example (a name of `EXAMPLE_NAMES`) to uint8 RGB images, each with its true label and a caption.
    """
    figure = Figure(figsize=(11.5, 7.4), layout="constrained")
    figure.suptitle(title)
    top, below = figure.subfigures(2, 1, height_ratios=(1.35, 1))
    left, right = top.subplots(1, 2, width_ratios=(2.6, 1))
    _draw_recalls(left, curve, marks)
    draw_confusion(right, cells, f"{POLICY_NAMES.get(chosen, chosen)}\nat {decimals(marks[chosen])}")
    right.set_ylabel("truth")
    for ax, (name, shown) in zip(below.subplots(2, 2).ravel(), pictures.items()):
        _draw_pictures(ax, EXAMPLE_NAMES.get(name, name), shown)
    return figure


@styled
def risk_coverage(curve: pd.DataFrame, chosen: tuple[float, float], stated_error: float, title: str) -> Figure:
    """The error of the decided images against the share that is decided, and the chosen point.

    Args:
        curve: columns coverage and error, 0 to 1 (`abstention.risk_coverage`).
        chosen: coverage and error of the chosen band.
        stated_error: the error that was asked for, 0 to 1.
    """
    figure, axes = panels(1, title, (8.5, 4.2))
    ax = axes[0]
    # The curve holds for every share up to the next larger one.
    ax.plot(curve["coverage"], curve["error"], color="dimgrey", drawstyle="steps-post", label="least error")
    asked = f"stated error: {share(stated_error)}"
    ax.axhline(stated_error, color="black", linestyle=":", linewidth=1.2, label=asked)
    point = {"color": CLASS_COLOURS["synthetic"], "markersize": 9, "clip_on": False}
    ax.plot(*chosen, "o", label=f"chosen: {share(chosen[0])} decided, error {decimals(chosen[1])}", **point)
    ax.set(xlabel="coverage: share of the images that is decided", ylabel="balanced error of the decided")
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    legend_beside(ax)
    return figure


def _draw_recalls(ax: Axes, curve: pd.DataFrame, marks: Mapping[str, float]) -> None:
    tried = curve["threshold"]
    # The last one may be the next number above 1.
    within = tried.iloc[0] >= 0 and tried.iloc[-1] <= 1 + 1e-9 and (tried.iloc[0] < 0.02 or tried.iloc[-1] > 0.98)
    inside = (NEAREST, 1 - NEAREST) if within else (-np.inf, np.inf)
    x = np.clip(tried, *inside)
    lines = []
    for label, colour in CLASS_COLOURS.items():
        name = f"recall_{label}"
        lines += ax.plot(x, curve[name], color=colour, drawstyle="steps-pre", label=f"{label} images")
        ax.fill_between(
            x, curve[f"{name}_low"], curve[f"{name}_high"], color=colour, alpha=0.2, step="pre", linewidth=0
        )
    if within:
        ax.set_xscale("logit")
        ax.set_xticks(list(_TICKS), list(_TICKS.values()))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="threshold", ylabel="recall on validation, with 95% interval", ylim=(-0.02, 1.02))
    ax.set_xlim(x.iloc[0], x.iloc[-1])
    policies = [
        ax.axvline(
            np.clip(value, *inside),
            color="black",
            linestyle=style,
            linewidth=1.2,
            label=f"{POLICY_NAMES.get(policy, policy)}: {decimals(value)}",
        )
        for (policy, value), style in zip(marks.items(), LINES)
    ]
    legend_beside(ax, handles=[*lines, *policies], fontsize=8.5)


def _draw_pictures(ax: Axes, title: str, shown: Sequence[tuple[np.ndarray, str, str]]) -> None:
    # All in one: axes for each picture would take seconds to lay out.
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()
    if not shown:
        sentence(ax, "none")
        return
    for number, (picture, label, caption) in enumerate(shown):
        ax.imshow(picture, extent=(number, number + 0.9, 0, 0.9))
        frame = {"edgecolor": CLASS_COLOURS.get(label, "black"), "facecolor": "none", "linewidth": 2.5}
        ax.add_patch(Rectangle((number, 0), 0.9, 0.9, **frame))
        ax.text(number + 0.45, 0.94, f"{label} {caption}", ha="center", va="bottom", fontsize=7.5)
    ax.set(xlim=(-0.05, max(6, len(shown)) - 0.05), ylim=(-0.05, 1.1))
