"""Figures of the study: one look, colours that colour-blind readers tell apart, intervals wherever there are any.

Nothing is computed here: points, counts and intervals come from `measures`, `thresholds` and `comparison`. Every function
returns a matplotlib Figure; `title` is drawn as it is given (the caller names dataset, source, n and recipe in it).
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lib.metrics.measures import Interval

# Okabe and Ito's palette, 2008; no stage has the colour of a class.
CLASS_COLOURS = {"real": "#0072B2", "synthetic": "#D55E00"}
STAGE_COLOURS = {"phase1": "#CC79A7", "partial": "#E69F00", "full": "#009E73"}
STAGE_NAMES = {"phase1": "phase 1 (frozen base)", "partial": "partly unfrozen", "full": "fully unfrozen"}
POLICY_NAMES = {
    "fixed": "fixed at 0.5",
    "best_f1": "best F1",
    "balanced": "balanced (Youden)",
    "fpr_5": "5% false positives",
    "fpr_1": "1% false positives",
}
# Told apart in black and white: one for each policy, in their order, and for each recipe.
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (6, 2, 1, 2, 1, 2)))
MARKERS = "osD^v<>P"
PAIRS_A_ROW = 4


def _styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw inside the study's style and leave the caller's settings alone."""

    @functools.wraps(function)
    def styled(*args, **kwargs) -> Figure:
        style = {**sns.axes_style("whitegrid"), **sns.plotting_context("notebook")}
        # parse_math off: a dollar sign in a file name is a dollar sign.
        extra = {"text.parse_math": False, "svg.hashsalt": "study", "axes.titlesize": 11, "figure.titlesize": 12}
        with mpl.rc_context({**style, **extra}):
            return function(*args, **kwargs)

    return styled


def _interval(ax: Axes, x: Sequence[float], y: Sequence[float], **options) -> None:
    """Draws the line between an interval's ends; `errorbar` refuses intervals that leave out their point."""
    ax.plot(x, y, marker="|" if y[0] == y[1] else "_", markersize=9, label="_interval", **options)


def _panels(columns: int, title: str, size: tuple[float, float], rows: int = 1, **options) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.suptitle(title)
    return figure, axes.ravel()


@_styled
def sample_sheet(images: Mapping[str, Sequence[np.ndarray]], title: str) -> Figure:
    """A row of images for each class.

    Args:
        images: label to uint8 RGB images (height, width, 3); the same number for each label looks best.
    """
    columns = max(len(row) for row in images.values())
    figure, axes = _panels(columns, title, (1.35 * columns, 1.6 * len(images) + 0.7), rows=len(images))
    for ax in axes:
        ax.set_axis_off()
    for row, (label, pictures) in enumerate(images.items()):
        for column, picture in enumerate(pictures):
            axes[row * columns + column].imshow(picture)
        axes[row * columns].set_title(label, loc="left", color=CLASS_COLOURS.get(label, "black"), fontweight="bold")
    return figure


@_styled
def pair_gallery(pairs: Sequence[tuple[np.ndarray, np.ndarray, str]], title: str) -> Figure:
    """Pairs of images side by side, each with a caption: (image a, image b, caption); a sentence where there are none."""
    across = max(1, min(len(pairs), PAIRS_A_ROW))
    down = max(1, -(-len(pairs) // across))
    # Wrapped to the width of a pair: a long file name must neither be cut nor run into its neighbour.
    captions = ["\n".join(textwrap.fill(line, 34) for line in caption.splitlines()) for *_, caption in pairs]
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    figure = Figure(figsize=(2.6 * across + 0.5, (1.5 + 0.17 * lines) * down + 0.6), layout="constrained")
    figure.suptitle(title)
    if not pairs:
        figure.text(0.5, 0.4, "No pairs.", ha="center")
    places = figure.subfigures(down, across, squeeze=False).ravel()
    for place, (first, second, _), caption in zip(places, pairs, captions):
        place.suptitle(caption, fontsize=9)
        for ax, picture in zip(place.subplots(1, 2), (first, second)):
            ax.imshow(picture)
            ax.set_axis_off()
    return figure


@_styled
def quality_histogram(images: pd.DataFrame, title: str) -> Figure:
    """Distributions of image area, bytes per pixel and JPEG quantisation, by class.

    A panel whose images are all alike, or that has none, says so instead of drawing a single bar.

    Args:
        images: columns label, width, height (pixels), bytes, quantisation (mean step of a JPEG's luma table: 1 keeps
            every grey level, larger is coarser; NaN for other formats).
    """
    figure, axes = _panels(3, title, (12.5, 3.6))
    images = images.reset_index(drop=True)
    area, step = images["width"] * images["height"], images["quantisation"].astype(float)
    columns = {
        "square root of area (pixels)": np.sqrt(area),
        "file size (bytes per pixel)": images["bytes"] / area,
        "mean JPEG quantisation step": step,
    }
    for ax, (label, values) in zip(axes, columns.items()):
        _class_histogram(ax, images["label"], values, "No JPEG among the images." if values is step else "No images.")
        ax.set(xlabel=label, ylabel="images")
    figure.get_layout_engine().set(wspace=0.06)
    if step.notna().any():
        classes = [(label, step[images["label"] == label]) for label in CLASS_COLOURS]
        counts = [f"JPEG: {steps.notna().sum():,} of {len(steps):,} {label}" for label, steps in classes]
        axes[2].set_title("\n".join(counts), fontsize=9)
    handles = [Patch(color=colour, alpha=0.5, label=label) for label, colour in CLASS_COLOURS.items()]
    axes[2].legend(handles=handles, bbox_to_anchor=(1.01, 1), loc="upper left")
    return figure


def _class_histogram(ax: Axes, labels: pd.Series, values: pd.Series, nothing: str) -> None:
    known = values[np.isfinite(values)]
    if known.empty:
        _sentence(ax, nothing)
    elif np.isclose(known.min(), known.max(), rtol=1e-9):
        _sentence(ax, f"{known.iloc[0]:.4g} in each of\n{len(known):,} images")
    else:
        frame = pd.DataFrame({"value": known, "label": labels[known.index]})
        options = {"hue": "label", "hue_order": list(CLASS_COLOURS), "palette": CLASS_COLOURS, "element": "step"}
        sns.histplot(frame, x="value", bins=30, legend=False, ax=ax, **options)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def _sentence(ax: Axes, words: str) -> None:
    """Words in the place of a drawing that would show nothing."""
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center")
    ax.set(xticks=[], yticks=[])


@_styled
def mean_images(images: Mapping[str, np.ndarray], title: str) -> Figure:
    """The mean image of each class and where they differ.

    The difference is synthetic - real, averaged over red, green and blue; its colours are the classes', centred on 0.

    Args:
        images: `real` and `synthetic` to uint8 (side, side, 3), equal sides.
    """
    figure, axes = _panels(3, title, (10.5, 3.6))
    for ax, label in zip(axes, CLASS_COLOURS):
        ax.set_title(label, color=CLASS_COLOURS[label], fontweight="bold")
        ax.set_axis_off()
        if label in images:
            ax.imshow(images[label])
        else:
            _sentence(ax, f"No {label} images.")
    axes[2].set_title("synthetic − real")
    axes[2].set_axis_off()
    if not set(CLASS_COLOURS) <= set(images):
        _sentence(axes[2], "Nothing to compare.")
        return figure
    difference = (images["synthetic"].astype(float) - images["real"]).mean(axis=2)
    # At least one grey level, so that rounding is not blown up to full colour.
    most = max(1.0, np.abs(difference).max())
    colours = LinearSegmentedColormap.from_list("classes", [CLASS_COLOURS["real"], "white", CLASS_COLOURS["synthetic"]])
    shown = axes[2].imshow(difference, cmap=colours, vmin=-most, vmax=most)
    bar = figure.colorbar(shown, ax=axes[2], label="grey levels (0 to 255)\nblue: real is brighter")
    bar.outline.set_visible(False)
    return figure


@_styled
def power_spectra(spectra: Mapping[str, Sequence[np.ndarray]], title: str) -> Figure:
    """Power at each spatial frequency for both classes, and the difference of their means.

    Args:
        spectra: `real` and `synthetic` to (mean, low, high), each in dB at evenly spaced frequencies that end at 0.5
            cycles per pixel; low and high bound the range that 80% of the images lie in. NaN where there are no images.
    """
    figure, axes = _panels(2, title, (11, 4.2))
    known = {label: np.asarray(values, float) for label, values in spectra.items() if np.isfinite(values).any()}
    for label, style in zip(CLASS_COLOURS, LINES):
        if label in known:
            mean, low, high = known[label]
            at = _frequencies(mean)
            axes[0].fill_between(at, low, high, color=CLASS_COLOURS[label], alpha=0.2, linewidth=0)
            axes[0].plot(at, np.transpose([low, high]), linestyle=style, color=CLASS_COLOURS[label], linewidth=0.7)
            axes[0].plot(at, mean, linestyle=style, color=CLASS_COLOURS[label], label=label)
    if set(CLASS_COLOURS) <= set(known):
        difference = known["synthetic"][0] - known["real"][0]
        axes[1].axhline(0, color="grey", linestyle=":")
        axes[1].plot(_frequencies(difference), difference, color="black")
        # At least one dB up and down, so that noise is not blown up to the height of the panel.
        most = 1.1 * max(1 / 1.1, np.nanmax(np.abs(difference)))
        axes[1].set(xlim=(0, 0.5), ylim=(-most, most))
    else:
        _sentence(axes[1], "Nothing to compare.")
    if known:
        axes[0].set(xlim=(0, 0.5))
        axes[0].legend(title="mean; band: 80% of images")
    else:
        _sentence(axes[0], "No image is large enough.")
    axes[0].set(xlabel="frequency (cycles per pixel)", ylabel="power density (dB re 1 grey level²)")
    axes[1].set(xlabel="frequency (cycles per pixel)", ylabel="synthetic − real (dB)")
    return figure


def _frequencies(values: np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1) / (2 * len(values))


@_styled
def split_counts(counts: pd.DataFrame, title: str) -> Figure:
    """Images of each split and class.

    Args:
        counts: columns split, label, images.
    """
    figure, axes = _panels(1, title, (6, 3.4))
    sns.barplot(
        counts,
        x="split",
        y="images",
        hue="label",
        hue_order=list(CLASS_COLOURS),
        palette=CLASS_COLOURS,
        saturation=1,
        ax=axes[0],
    )
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[0].margins(y=0.12)
    for bars in axes[0].containers:
        axes[0].bar_label(bars, fmt="{:,.0f}", fontsize=9)
    axes[0].set(xlabel="split", ylabel="images")
    axes[0].legend(title=None)
    return figure


@_styled
def training_curves(history: pd.DataFrame, title: str) -> Figure:
    """Loss and ROC AUC over the epochs, one column of panels per stage; epoch 0 is the model as the stage began.

    Args:
        history: columns stage, epoch, loss, val_loss, roc_auc, val_roc_auc.
    """
    stages = list(dict.fromkeys(history["stage"]))
    figure, axes = _panels(len(stages), title, (3.9 * len(stages) + 1, 5.4), rows=2, sharey="row", sharex="col")
    for column, stage in enumerate(stages):
        rows = history[history["stage"] == stage]
        for row, (name, label) in enumerate((("loss", "loss (cross-entropy)"), ("roc_auc", "ROC AUC"))):
            ax = axes[row * len(stages) + column]
            colour = STAGE_COLOURS.get(stage, "black")
            ax.plot(rows["epoch"], rows[name], "--", color=colour, marker=".", label="training")
            ax.plot(rows["epoch"], rows[f"val_{name}"], color=colour, marker="o", label="validation")
            ax.set(ylabel=label if column == 0 else "", xlabel="epoch" if row else "")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if row == 0:
                ax.set_title(STAGE_NAMES.get(stage, stage))
                ax.legend()
            else:
                ax.axhline(0.5, color="grey", linewidth=1, linestyle=":")
    return figure


@_styled
def roc_curves(curves: Mapping[str, pd.DataFrame], aucs: Mapping[str, Interval], title: str) -> Figure:
    """ROC curve of each stage with its AUC and interval in the legend.

    Args:
        curves: stage to points with columns false_positive_rate and true_positive_rate.
        aucs: stage to ROC AUC.
    """
    figure, axes = _panels(1, title, (6, 5.4))
    for stage, points in curves.items():
        label = f"{STAGE_NAMES.get(stage, stage)}: AUC {aucs[stage]}"
        axes[0].plot(points.iloc[:, 0], points.iloc[:, 1], color=STAGE_COLOURS.get(stage), label=label)
    axes[0].plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes[0].set(xlabel="real images called synthetic (share)", ylabel="synthetic images found (share)", aspect="equal")
    axes[0].legend(loc="lower right", fontsize=9)
    return figure


@_styled
def precision_recall_curves(
    curves: Mapping[str, pd.DataFrame], prevalence: float, marks: Mapping[str, tuple[float, float]], title: str
) -> Figure:
    """Precision against recall of the synthetic class, with the point of a chosen threshold on each curve.

    Args:
        curves: stage to points with columns recall and precision.
        prevalence: share of synthetic images, the precision of chance.
        marks: stage to (recall, precision) at the chosen threshold; a stage whose precision is None gets no mark.
    """
    figure, axes = _panels(1, title, (6, 5))
    drawn = {stage for stage, point in marks.items() if None not in point}
    for stage, points in curves.items():
        colour = STAGE_COLOURS.get(stage)
        axes[0].plot(points["recall"], points["precision"], color=colour, label=STAGE_NAMES.get(stage, stage))
        if stage in drawn:
            axes[0].plot(*marks[stage], "o", color=colour, markersize=9, markeredgecolor="black")
    if drawn:
        axes[0].plot([], [], "o", color="white", markersize=9, markeredgecolor="black", label="at the chosen threshold")
    axes[0].axhline(prevalence, color="grey", linestyle=":", label="chance (share of synthetic images)")
    axes[0].set(xlabel="recall of synthetic images", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    axes[0].legend(loc="lower left", fontsize=9)
    return figure


@_styled
def score_histograms(scores: pd.DataFrame, thresholds: Mapping[str, float], title: str) -> Figure:
    """Distribution of the scores of both classes, with thresholds as lines.

    Args:
        scores: columns label (`real`, `synthetic`) and score; bins span 0 to 1, or the scores where they go beyond.
        thresholds: policy to threshold.
    """
    figure, axes = _panels(1, title, (8, 3.8))
    options = {"hue": "label", "hue_order": list(CLASS_COLOURS), "palette": CLASS_COLOURS, "element": "step"}
    bins = np.linspace(min(0, scores["score"].min()), max(1, scores["score"].max()), 31)
    sns.histplot(scores, x="score", bins=bins, ax=axes[0], legend=True, **options)
    classes = axes[0].get_legend()
    lines = [
        axes[0].axvline(value, color="black", linestyle=style, label=f"{POLICY_NAMES.get(policy, policy)}: {value:.2f}")
        for (policy, value), style in zip(thresholds.items(), LINES)
    ]
    classes.set_title(None)
    axes[0].add_artist(classes)
    axes[0].legend(handles=lines, title="thresholds", bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9)
    axes[0].set(xlabel="score (higher: more synthetic)", ylabel="images")
    return figure


@_styled
def confusion_matrices(matrices: Mapping[str, Mapping[str, int]], title: str) -> Figure:
    """A confusion matrix for each policy: counts, coloured by the share of the true class.

    Args:
        matrices: policy to true_real, false_synthetic, false_real, true_synthetic.
    """
    figure, axes = _panels(len(matrices), title, (2.5 * len(matrices) + 0.8, 3.1), sharey=True)
    for ax, (policy, cells) in zip(axes, matrices.items()):
        counts = np.array(
            [[cells["true_real"], cells["false_synthetic"]], [cells["false_real"], cells["true_synthetic"]]]
        )
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        text = np.array([[f"{n:,}\n{share:.0%}" for n, share in zip(*row)] for row in zip(counts, shares)])
        names = list(CLASS_COLOURS)
        options = {"xticklabels": names, "yticklabels": names, "cbar": False, "square": True}
        sns.heatmap(shares, annot=text, fmt="", cmap="Blues", vmin=0, vmax=1, ax=ax, **options)
        ax.set(title=POLICY_NAMES.get(policy, policy), xlabel="called", ylabel="truth" if ax is axes[0] else "")
    return figure


@_styled
def interval_plot(intervals: Mapping[str, Interval], title: str, label: str = "ROC AUC") -> Figure:
    """A measure with its 95% interval for each of several names, and the line of chance."""
    figure, axes = _panels(1, title, (7, 0.55 * len(intervals) + 1.6))
    for row, (name, interval) in enumerate(intervals.items()):
        colour = STAGE_COLOURS.get(name, "dimgrey")
        _interval(axes[0], [interval.low, interval.high], [row, row], color=colour)
        axes[0].plot(interval.value, row, "o", color=colour)
    axes[0].axvline(0.5, color="grey", linestyle=":")
    axes[0].set_yticks(range(len(intervals)), [STAGE_NAMES.get(name, name) for name in intervals])
    axes[0].set_ylim(len(intervals) - 0.5, -0.5)
    axes[0].set(xlabel=f"{label} with 95% interval (dotted: chance)")
    return figure


@_styled
def auc_matrix(values: pd.DataFrame, texts: pd.DataFrame, title: str) -> Figure:
    """ROC AUC of every model (rows) on every dataset's test split (columns).

    Args:
        values: ROC AUC, index trained_on, columns tested_on; NaN where not measured.
        texts: what stands in each cell.
    """
    width = max(5.5, 1.7 * values.shape[1] + 2.6)
    figure, axes = _panels(1, title, (width, 0.9 * values.shape[0] + 2.0))
    bar = {"label": "ROC AUC (0.5 and below: darkest)", "extend": "min"}
    sns.heatmap(values, annot=texts, fmt="", cmap="cividis", vmin=0.5, vmax=1, ax=axes[0], cbar_kws=bar)
    axes[0].grid(False)
    axes[0].set(xlabel="tested on", ylabel="trained on")
    axes[0].tick_params(axis="y", rotation=0)
    return figure


@_styled
def learning_curve(curve: pd.DataFrame, title: str) -> Figure:
    """ROC AUC at home against the number of training images, on a logarithmic axis, with intervals.

    Args:
        curve: columns trained_on, recipe, stage, training_images, roc_auc, roc_auc_low, roc_auc_high.
    """
    figure, axes = _panels(1, title, (7.5, 4.4))
    recipes = sorted(set(curve["recipe"]))
    for number, (recipe, stage) in enumerate(sorted(set(zip(curve["recipe"], curve["stage"])))):
        rows = curve[(curve["recipe"] == recipe) & (curve["stage"] == stage)].sort_values("training_images")
        kind = recipes.index(recipe)
        style = {"color": STAGE_COLOURS.get(stage, "dimgrey")}
        # Moved a little sideways, so that intervals at the same size do not cover each other.
        at = (rows["training_images"] * 1.03**number).to_numpy()
        line = {"linestyle": LINES[kind % len(LINES)], "marker": MARKERS[kind % len(MARKERS)]}
        axes[0].plot(at, rows["roc_auc"], label=f"{recipe}, {STAGE_NAMES.get(stage, stage)}", **line, **style)
        for x, low, high in zip(at, rows["roc_auc_low"], rows["roc_auc_high"]):
            _interval(axes[0], [x, x], [low, high], **style)
    axes[0].set_xscale("log")
    axes[0].margins(x=0.25)
    axes[0].set_xticks(sorted(set(curve["training_images"])), minor=False)
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[0].xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes[0].axhline(0.5, color="grey", linestyle=":", label="chance")
    axes[0].set(xlabel="training images (logarithmic)", ylabel="ROC AUC on the test split, 95% interval")
    axes[0].legend(fontsize=9)
    return figure
