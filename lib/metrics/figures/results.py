"""Results of a run's models: training, curves, scores, thresholds, calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from lib.metrics.checks import Interval, decimals, share
from lib.metrics.figures.style import (
    CLASS_COLOURS,
    LINES,
    MARKERS,
    POLICY_NAMES,
    STAGE_COLOURS,
    count_images,
    draw_interval,
    legend_below,
    legend_beside,
    panels,
    stage_label,
    styled,
)
from lib.metrics.stages import TRAINED

METHOD_NAMES = {"uncalibrated": "as scored", "temperature": "temperature", "platt": "Platt", "isotonic": "isotonic"}


@styled
def training_curves(history: pd.DataFrame, title: str) -> Figure:
    """Loss and ROC AUC over the epochs, one column of panels per stage; epoch 0 is the model at the start of the stage.

    Args:
        history: columns stage, epoch, loss, val_loss, roc_auc, val_roc_auc, kept (true for one epoch of each stage).
    """
    stages = list(dict.fromkeys(history["stage"]))
    figure, axes = panels(len(stages), title, (3.9 * len(stages) + 1, 5.4), rows=2, sharey="row", sharex="col")
    for column, stage in enumerate(stages):
        rows = history[history["stage"] == stage]
        for row, (name, label) in enumerate((("loss", "loss (cross-entropy)"), ("roc_auc", "ROC AUC"))):
            ax = axes[row * len(stages) + column]
            colour = STAGE_COLOURS.get(stage, "black")
            ax.plot(rows["epoch"], rows[name], "--", color=colour, marker=".", label="training")
            ax.plot(rows["epoch"], rows[f"val_{name}"], color=colour, marker="o", label="validation")
            best = rows[rows["kept"].eq(True)]
            # Drawn completely even if the epoch is the first, the last or the best possible.
            ring = {"markersize": 13, "markerfacecolor": "none", "markeredgecolor": "black", "clip_on": False}
            ax.plot(best["epoch"], best[f"val_{name}"], "o", label="epoch that is kept", **ring)
            ax.set(ylabel=label if column == 0 else "", xlabel="epoch" if row else "")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if row == 0:
                # Not for phase 1, whose start can be kept too: a linear head begins as a regression.
                left = stage != "phase1" and best["epoch"].eq(0).any()
                ax.set_title(f"{TRAINED.get(stage, stage)}{': tried, not kept' if left else ''}")
            else:
                ax.axhline(0.5, color="grey", linewidth=1, linestyle=":")
    legend = legend_below(figure, axes[0], ncols=3)
    # The line style distinguishes, in every stage's colour.
    for line in legend.legend_handles[:2]:
        line.set_color("dimgrey")
    return figure


@styled
def roc_curves(
    curves: Mapping[str, pd.DataFrame],
    aucs: Mapping[str, Interval],
    title: str,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """ROC curve of each stage with its AUC and interval in the legend.

    Args:
        curves: stage to points with columns false_positive_rate and true_positive_rate.
        aucs: stage to ROC AUC.
        names: stage to its name in the legend, as `stages.stage_names` gives it.
    """
    figure, axes = panels(1, title, (6, 6.2))
    for stage, points in curves.items():
        label = f"{stage_label(stage, names)}: AUC {aucs[stage]}"
        axes[0].plot(points.iloc[:, 0], points.iloc[:, 1], color=STAGE_COLOURS.get(stage), label=label)
    axes[0].plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes[0].set(xlabel="real images called synthetic (share)", ylabel="synthetic images found (share)", aspect="equal")
    legend_below(figure, axes[0])
    return figure


@styled
def precision_recall_curves(
    curves: Mapping[str, pd.DataFrame],
    prevalence: float,
    marks: Mapping[str, tuple[float, float]],
    title: str,
    names: Mapping[str, str] | None = None,
    policy: str = "best_f1",
) -> Figure:
    """Precision against recall of the synthetic class, with the point of a chosen threshold on each curve.

    Args:
        curves: stage to points with columns recall and precision.
        prevalence: share of synthetic images, the precision of chance.
        marks: stage to (recall, precision) at the chosen threshold; a stage whose precision is None gets no mark.
        names: stage to its name in the legend, as `stages.stage_names` gives it.
        policy: of the marked thresholds.
    """
    figure, axes = panels(1, title, (6, 6))
    drawn = {stage for stage, point in marks.items() if None not in point}
    for stage, points in curves.items():
        colour = STAGE_COLOURS.get(stage)
        axes[0].plot(points["recall"], points["precision"], color=colour, label=stage_label(stage, names))
        if stage in drawn:
            axes[0].plot(*marks[stage], "o", color=colour, markersize=9, markeredgecolor="black", clip_on=False)
    if drawn:
        label = f"at the threshold of policy {POLICY_NAMES.get(policy, policy)}, chosen on validation"
        axes[0].plot([], [], "o", color="white", markersize=9, markeredgecolor="black", label=label)
    axes[0].axhline(prevalence, color="grey", linestyle=":", label="chance (share of synthetic images)")
    axes[0].set(xlabel="recall of synthetic images", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    legend_below(figure, axes[0])
    return figure


@styled
def score_histograms(scores: pd.DataFrame, thresholds: Mapping[str, float], title: str) -> Figure:
    """Distribution of the scores of both classes, with thresholds as lines.

    Args:
        scores: columns label (`real`, `synthetic`) and score; bins span 0 to 1, or the scores if they go beyond.
        thresholds: policy to threshold.
    """
    figure, axes = panels(1, title, (8, 3.8))
    options = {"hue": "label", "hue_order": list(CLASS_COLOURS), "palette": CLASS_COLOURS, "element": "step"}
    bins = np.linspace(min(0, scores["score"].min()), max(1, scores["score"].max()), 31)
    sns.histplot(scores, x="score", bins=bins, ax=axes[0], legend=False, **options)
    classes = [Patch(color=colour, alpha=0.5, label=label) for label, colour in CLASS_COLOURS.items()]
    lines = [
        axes[0].axvline(
            value, color="black", linestyle=style, label=f"{POLICY_NAMES.get(policy, policy)}: {decimals(value)}"
        )
        for (policy, value), style in zip(thresholds.items(), LINES)
    ]
    legend_beside(axes[0], handles=[*classes, *lines], title="classes and thresholds")
    axes[0].set(xlabel="score (higher: more synthetic)", ylabel="images")
    count_images(axes[0])
    return figure


@styled
def confusion_matrices(matrices: Mapping[str, Mapping[str, int]], title: str) -> Figure:
    """A confusion matrix for each policy: counts, coloured by the share of the true class.

    Args:
        matrices: policy to true_real, false_synthetic, false_real, true_synthetic.
    """
    figure, axes = panels(len(matrices), title, (2.5 * len(matrices) + 0.8, 3.1), sharey=True)
    for ax, (policy, cells) in zip(axes, matrices.items()):
        draw_confusion(ax, cells, POLICY_NAMES.get(policy, policy))
    axes[0].set_ylabel("truth")
    return figure


def draw_confusion(ax: Axes, cells: Mapping[str, int], title: str) -> None:
    """Draws one confusion matrix: true_real, false_synthetic, false_real, true_synthetic."""
    counts = np.array([[cells["true_real"], cells["false_synthetic"]], [cells["false_real"], cells["true_synthetic"]]])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    text = np.array([[f"{n:,}\n{share(part)}" for n, part in zip(*row)] for row in zip(counts, shares)])
    names = list(CLASS_COLOURS)
    options = {"xticklabels": names, "yticklabels": names, "cbar": False, "square": True}
    sns.heatmap(shares, annot=text, fmt="", cmap="Blues", vmin=0, vmax=1, ax=ax, **options)
    ax.set(title=title, xlabel="called")


@styled
def threshold_stability(
    intervals: Mapping[str, Mapping[str, Interval]], title: str, names: Mapping[str, str] | None = None
) -> Figure:
    """Each policy's threshold with its range over resamples of validation, side by side for each stage.

    Args:
        intervals: stage to policy to threshold, as in thresholds.json's `interval`.
        names: stage to its name in the legend, as `stages.stage_names` gives it.
    """
    policies = list(dict.fromkeys(policy for found in intervals.values() for policy in found))
    figure, axes = panels(1, title, (8, 0.5 * len(policies) + 1.9))
    for number, (stage, found) in enumerate(intervals.items()):
        colour, marker = STAGE_COLOURS.get(stage, "dimgrey"), MARKERS[number % len(MARKERS)]
        # Shifted slightly, so that stages do not overlap.
        shift = 0.22 * (number - (len(intervals) - 1) / 2)
        rows = [policies.index(policy) + shift for policy in found]
        for row, interval in zip(rows, found.values()):
            draw_interval(axes[0], [interval.low, interval.high], [row, row], color=colour)
        values = [interval.value for interval in found.values()]
        axes[0].plot(values, rows, marker, color=colour, label=stage_label(stage, names, 24))
    axes[0].set_yticks(range(len(policies)), [POLICY_NAMES.get(policy, policy) for policy in policies])
    axes[0].set_ylim(len(policies) - 0.5, -0.5)
    axes[0].set(xlabel="threshold, with 95% of its values over resamples of validation")
    legend_beside(axes[0])
    return figure


@styled
def cost_curve(curves: Mapping[str, pd.DataFrame], marks: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """Expected cost against threshold, with the points of chosen thresholds.

    Args:
        curves: name of a split (`validation`, `test`) to the columns threshold (falling) and expected_cost.
        marks: policy to (threshold, expected cost).
    """
    figure, axes = panels(1, title, (8.5, 4.2))
    for (name, points), style, width in zip(curves.items(), ("--", "-", "-.", ":"), (1.2, 1.8, 1.2, 1.2)):
        rising = points.iloc[::-1]
        # A threshold between two scores has the same decisions as the higher score.
        line = {"linestyle": style, "linewidth": width, "drawstyle": "steps-pre", "label": name}
        axes[0].plot(rising["threshold"], rising["expected_cost"], color="dimgrey", **line)
    colours = sns.color_palette("colorblind", len(marks))
    for (policy, point), marker, colour in zip(marks.items(), MARKERS, colours):
        # Hollow, with the cost in words, because policies often choose the same threshold.
        style = {"color": colour, "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 2, "clip_on": False}
        axes[0].plot(*point, marker, label=f"{POLICY_NAMES.get(policy, policy)}: {decimals(point[1])}", **style)
    axes[0].set(xlabel="threshold (score from which an image is called synthetic)", ylabel="expected cost of an image")
    axes[0].set_ylim(bottom=0)
    legend_beside(axes[0], title="cost at chosen thresholds" if marks else None)
    return figure


@styled
def reliability_diagram(
    tables: Mapping[str, pd.DataFrame], title: str, errors: Mapping[str, Interval] | None = None
) -> Figure:
    """Predicted against observed share, a panel for each method, a point for each bin of images.

    Points on the dotted line are calibrated: a share p of the images predicted p is synthetic. Thin lines along the
    axis span the bins.

    Args:
        tables: method to columns bin_low, bin_high, images, mean_predicted, observed, low, high.
        errors: method to expected calibration error, for the panels' titles.
    """
    figure, axes = panels(len(tables), title, (3.1 * len(tables) + 0.6, 4.4), sharex=True, sharey=True)
    colour = CLASS_COLOURS["synthetic"]
    for ax, (method, table) in zip(axes, tables.items()):
        ax.plot([0, 1], [0, 1], color="grey", linestyle=":")
        for row in table.itertuples():
            draw_interval(ax, [row.mean_predicted] * 2, [row.low, row.high], color=colour, alpha=0.6, clip_on=False)
            ax.plot([row.bin_low, row.bin_high], [row.observed] * 2, color="grey", linewidth=1, label="_bin")
        # Points at 0 and 1 are drawn completely.
        ax.plot(table["mean_predicted"], table["observed"], "o", color=colour, markersize=5, clip_on=False)
        name = METHOD_NAMES.get(method, method)
        ax.set_title(f"{name}\nECE {errors[method]}" if errors and method in errors else name, fontsize=10)
        fewest, most = table["images"].min(), table["images"].max()
        each = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"probability of synthetic\n({len(table)} bins of {each} images)")
        ax.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes[0].set(ylabel="share that is synthetic\n(95% Wilson interval)")
    return figure
