"""Models, datasets, degradations and choices side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lib.metrics.checks import Interval, decimals
from lib.metrics.figures.style import (
    CLASS_COLOURS,
    LINES,
    MARKERS,
    STAGE_COLOURS,
    STAGE_NAMES,
    draw_interval,
    legend_beside,
    panels,
    stage_label,
    styled,
)

MEASURE_COLOURS = {
    "roc_auc": "black",
    "recall_real": CLASS_COLOURS["real"],
    "recall_synthetic": CLASS_COLOURS["synthetic"],
}
MEASURE_NAMES = {"roc_auc": "ROC AUC", "recall_real": "recall of real", "recall_synthetic": "recall of synthetic"}


@styled
def interval_plot(
    intervals: Mapping[str, Interval], title: str, label: str = "ROC AUC", names: Mapping[str, str] | None = None
) -> Figure:
    """A measure with its 95% interval for each of several names, and the line of chance.

    Args:
        intervals: name, or stage, to the measure.
        names: stage to its name, as `stages.stage_names` gives it.
    """
    figure, axes = panels(1, title, (7, 0.55 * len(intervals) + 1.6))
    for row, (name, interval) in enumerate(intervals.items()):
        colour = STAGE_COLOURS.get(name, "dimgrey")
        draw_interval(axes[0], [interval.low, interval.high], [row, row], color=colour)
        axes[0].plot(interval.value, row, "o", color=colour)
    axes[0].axvline(0.5, color="grey", linestyle=":")
    labels = [stage_label(name, names) if name in STAGE_NAMES else name for name in intervals]
    axes[0].set_yticks(range(len(intervals)), labels)
    axes[0].set_ylim(len(intervals) - 0.5, -0.5)
    axes[0].set(xlabel=f"{label} with 95% interval (dotted: chance)")
    return figure


@styled
def group_intervals(table: pd.DataFrame, overall: Mapping[str, float], title: str) -> Figure:
    """AUC and both recalls of groups with their 95% intervals, a panel each; a line is the value on all images.

    Args:
        table: rows with numbers of `fairness.group_table`, in the order to draw.
        overall: measure to its value on all images.
    """
    figure, axes = panels(len(overall), title, (3.4 * len(overall) + 2.6, 0.36 * len(table) + 1.9), sharey=True)
    names = [textwrap.shorten(f"{by}: {value}", 48, placeholder="…") for by, value in table[["by", "value"]].to_numpy()]
    for ax, (name, value) in zip(axes, overall.items()):
        for row, found in enumerate(Interval.all_of(table, name)):
            draw_interval(ax, [found.low, found.high], [row, row], color=MEASURE_COLOURS[name])
            ax.plot(found.value, row, "o", color=MEASURE_COLOURS[name])
        ax.axvline(value, color="grey", linestyle=":")
        ax.set(xlabel=f"{MEASURE_NAMES[name]}\n(dotted: all test images)")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


@styled
def auc_matrix(values: pd.DataFrame, texts: pd.DataFrame, title: str) -> Figure:
    """ROC AUC of every model (rows) on every dataset's test split (columns).

    Args:
        values: ROC AUC, index trained_on, columns tested_on; NaN if not measured.
        texts: the text of each cell.
    """
    width = max(5.5, 1.7 * values.shape[1] + 2.6)
    # High enough for the words beside the bar.
    figure, axes = panels(1, title, (width, max(3.6, 0.9 * values.shape[0] + 2.0)))
    bar = {"label": "ROC AUC (0.5 and below: darkest)", "extend": "min"}
    sns.heatmap(values, annot=texts, fmt="", cmap="cividis", vmin=0.5, vmax=1, ax=axes[0], cbar_kws=bar)
    # The heat map writes no text in cells without a number.
    for row, column in zip(*values.isna().to_numpy().nonzero()):
        axes[0].text(column + 0.5, row + 0.5, texts.iloc[row, column], ha="center", va="center")
    axes[0].grid(False)
    axes[0].set(xlabel="tested on", ylabel="trained on")
    axes[0].tick_params(axis="y", rotation=0)
    return figure


@styled
def learning_curve(curve: pd.DataFrame, title: str, fits: pd.DataFrame | None = None) -> Figure:
    """ROC AUC on the model's own dataset against the number of training images (logarithmic axis), with intervals.

    Args:
        curve: columns trained_on, recipe, stage, training_images, roc_auc, roc_auc_low, roc_auc_high.
        fits: fitted curves, columns recipe, stage, training_images, roc_auc, low, high, extrapolated.
    """
    figure, axes = panels(1, title, (9.5, 4.4))
    recipes = sorted(set(curve["recipe"]))
    for number, (recipe, stage) in enumerate(sorted(set(zip(curve["recipe"], curve["stage"])))):
        rows = curve[(curve["recipe"] == recipe) & (curve["stage"] == stage)].sort_values("training_images")
        kind = recipes.index(recipe)
        style = {"color": STAGE_COLOURS.get(stage, "dimgrey")}
        # Shifted slightly sideways, so that intervals at the same size do not overlap.
        at = (rows["training_images"] * 1.03**number).to_numpy()
        line = {"linestyle": LINES[kind % len(LINES)], "marker": MARKERS[kind % len(MARKERS)]}
        fit = None if fits is None else fits[(fits["recipe"] == recipe) & (fits["stage"] == stage)]
        if fit is not None and len(fit):
            # The fit is the line, so the points are not joined.
            line["linestyle"] = ""
            _draw_fit(axes[0], fit, linestyle=LINES[kind % len(LINES)], **style)
        axes[0].plot(at, rows["roc_auc"], label=f"{recipe}, {STAGE_NAMES.get(stage, stage)}", **line, **style)
        for x, low, high in zip(at, rows["roc_auc_low"], rows["roc_auc_high"]):
            draw_interval(axes[0], [x, x], [low, high], **style)
    axes[0].set_xscale("log")
    axes[0].margins(x=0.25)
    sizes = sorted(set(curve["training_images"]))
    if len(sizes) == 1:
        # Otherwise this shift would fill the axis.
        axes[0].set_xlim(sizes[0] / 2, sizes[0] * 2)
    axes[0].set_xticks(sizes, minor=False)
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[0].xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes[0].axhline(0.5, color="grey", linestyle=":", label="chance")
    if fits is not None and len(fits):
        axes[0].plot([], [], color="dimgrey", label="power law with 95% band")
    if fits is not None and fits["extrapolated"].any():
        axes[0].plot([], [], color="dimgrey", linewidth=0.7, label="thin: extrapolated")
    axes[0].set(xlabel="training images (logarithmic)", ylabel="ROC AUC on the test split, 95% interval")
    legend_beside(axes[0])
    return figure


@styled
def pictures_needed(curve: pd.DataFrame, title: str) -> Figure:
    """ROC AUC on a new source against the number of its pictures that a detector was adapted with.

    Args:
        curve: columns pictures (of each class, rising, from 0), roc_auc, roc_auc_low, roc_auc_high.
    """
    figure, axes = panels(1, title, (7.5, 4.0))
    # Equal steps: 0 has no place on a logarithmic axis.
    places = range(len(curve))
    axes[0].plot(places, curve["roc_auc"], marker=MARKERS[0], color="black")
    for place, low, high in zip(places, curve["roc_auc_low"], curve["roc_auc_high"]):
        draw_interval(axes[0], [place, place], [low, high], color="black")
    axes[0].set_xticks(places, [f"{count:,}" for count in curve["pictures"]])
    axes[0].margins(x=0.1)
    axes[0].axhline(0.5, color="grey", linestyle=":", label="chance")
    axes[0].set(
        xlabel="new pictures of each class", ylabel="ROC AUC on the others\n(0: 95% interval; else 95% of the draws)"
    )
    legend_beside(axes[0])
    return figure


def _draw_fit(ax: Axes, fit: pd.DataFrame, linestyle: str | tuple, color: str) -> None:
    ax.fill_between(fit["training_images"], fit["low"], fit["high"], color=color, alpha=0.15, linewidth=0)
    beyond = fit["extrapolated"].to_numpy(dtype=bool)
    # Thin up to the point where the measured part begins or ends, so that no gap is left.
    joined = beyond | np.append(beyond[1:], False) | np.append(False, beyond[:-1])
    for part, width in ((~beyond, 1.8), (joined, 0.7)):
        line = {"linestyle": linestyle, "linewidth": width, "color": color, "label": "_fit"}
        ax.plot(fit["training_images"][part], fit["roc_auc"][part], **line)


@styled
def robustness_curves(frame: pd.DataFrame, undegraded: Mapping[str, float], title: str) -> Figure:
    """How measures change as images are degraded, a panel for each kind of degradation.

    Args:
        frame: columns degradation (name and unit, the axis' label), level (in the order to draw, mildest first),
            measure (`roc_auc`, `recall_real`, `recall_synthetic` or another), value, low, high.
        undegraded: measure to its value on the images as they are, drawn as a thin line.
    """
    kinds = list(dict.fromkeys(frame["degradation"]))
    # Four in a row of narrower panels if three would take more than two rows.
    across, width = (min(len(kinds), 3), 3.6) if len(kinds) <= 6 else (4, 3.1)
    down = -(-len(kinds) // across)
    free = across * down > len(kinds)
    # The legend stands in a free place of the grid, or else at the right of it.
    size = (width * across + (0 if free else 1.8), 3.0 * down + 0.8)
    figure, axes = panels(across, title, size, rows=down, sharey=True)
    names = list(dict.fromkeys(frame["measure"]))
    for ax, kind in zip(axes, kinds):
        rows = frame[frame["degradation"] == kind]
        levels = list(dict.fromkeys(rows["level"]))
        for number, name in enumerate(names):
            own = rows[rows["measure"] == name]
            style = {"color": MEASURE_COLOURS.get(name, sns.color_palette("colorblind")[number % 10])}
            # Shifted slightly sideways, so that intervals at one level do not overlap.
            at = [levels.index(level) + 0.07 * (number - (len(names) - 1) / 2) for level in own["level"]]
            line = {"linestyle": LINES[number % len(LINES)], "marker": MARKERS[number % len(MARKERS)], "markersize": 5}
            ax.plot(at, own["value"], label=MEASURE_NAMES.get(name, name), **line, **style)
            for x, low, high in zip(at, own["low"], own["high"]):
                draw_interval(ax, [x, x], [low, high], alpha=0.6, **style)
            if name in undegraded:
                ax.axhline(undegraded[name], linewidth=0.9, linestyle=line["linestyle"], alpha=0.7, **style)
        ax.set_xticks(
            range(len(levels)), [f"{level:g}" if isinstance(level, float) else str(level) for level in levels]
        )
        # Wrapped to the panel: a unit in words would overlap the next panel's.
        ax.set(xlabel=textwrap.fill(kind, 30), xlim=(-0.4, len(levels) - 0.6))
    for ax in axes[len(kinds) :]:
        ax.set_axis_off()
    for ax in axes[::across]:
        ax.set_ylabel("value, 95% interval")
    options = {"title": "thin lines: images\nas they are", "title_fontsize": 9}
    if free:
        axes[len(kinds)].legend(*axes[0].get_legend_handles_labels(), loc="upper center", fontsize=9, **options)
    else:
        legend_beside(axes[across - 1], **options)
    return figure


@styled
def ablation_plot(frame: pd.DataFrame, title: str, label: str = "ROC AUC") -> Figure:
    """What each choice changes, the most helpful at the top: a dot and its 95% interval, and the line of no change.

    Args:
        frame: columns choice, value (of the measure with that choice), difference (from the study's own), low, high.
        label: the measure.
    """
    rows = frame.sort_values("difference", ascending=False, kind="stable")
    figure, axes = panels(1, title, (8, 0.42 * len(rows) + 1.7))
    for at, row in enumerate(rows.itertuples()):
        # Filled if the interval excludes 0.
        told = row.low > 0 or row.high < 0
        draw_interval(axes[0], [row.low, row.high], [at, at], color="black")
        axes[0].plot(row.difference, at, "o", color="black", markerfacecolor="black" if told else "white")
        words = {"transform": axes[0].get_yaxis_transform(), "va": "center", "fontsize": 10}
        axes[0].text(1.02, at, decimals(row.value), **words)
    axes[0].axvline(0, color="grey", linestyle=":")
    axes[0].locator_params(axis="x", nbins=4)
    axes[0].set_yticks(range(len(rows)), list(rows["choice"]))
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    axes[0].text(1.02, -0.62, label, transform=axes[0].get_yaxis_transform(), va="bottom", fontsize=10)
    axes[0].set(xlabel=f"change of {label}, 95% interval (filled: leaves out 0)")
    return figure
