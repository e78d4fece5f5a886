"""Properties of a dataset's images: sizes, compression, spectra, split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lib.metrics.figures.style import (
    CLASS_COLOURS,
    LINES,
    WITHIN_CHANCE,
    count_images,
    legend_below,
    legend_beside,
    panels,
    sentence,
    styled,
)
from lib.metrics.relabelling import Difference


@styled
def quality_histogram(images: pd.DataFrame, title: str) -> Figure:
    """Distributions of image area, bytes per pixel and JPEG quantisation, by class.

    A property that is equal for all images or never known has no panel; a text below the panels states it.

    Args:
        images: columns label, width, height (pixels), bytes, quantisation (mean step of a JPEG's luma table: 1 keeps
            every grey level, larger is coarser; NaN for other formats).
    """
    images = images.reset_index(drop=True)
    area, step = images["width"] * images["height"], images["quantisation"].astype(float)
    columns = {
        "square root of area (pixels)": np.sqrt(area),
        "file size (bytes per pixel)": images["bytes"] / area,
        "mean JPEG quantisation step": step,
    }
    known = {label: values[np.isfinite(values)] for label, values in columns.items()}
    differing = {label: values for label, values in known.items() if len(values) and not _alike(values)}
    said = [_in_words(label, values) for label, values in known.items() if label not in differing]
    if step.notna().any():
        classes = [(label, step[images["label"] == label]) for label in CLASS_COLOURS]
        counts = [f"{steps.notna().sum():,} of {len(steps):,} {label}" for label, steps in classes]
        said.append(f"JPEG: {', '.join(counts)} images")
    said = [f"{text}." for text in said]
    size = (4.2 * len(differing) + 1.5, 3.6) if differing else (6.5, 1.6)
    figure, axes = panels(len(differing) or 1, title, size)
    if not differing:
        sentence(axes[0], "\n".join(said))
        return figure
    for ax, (label, values) in zip(axes, differing.items()):
        _class_histogram(ax, images["label"], values)
        ax.set(xlabel=label, ylabel="images")
    if said:
        figure.supxlabel("\n".join(said), fontsize=10)
    handles = [Patch(color=colour, alpha=0.5, label=label) for label, colour in CLASS_COLOURS.items()]
    legend_beside(axes[-1], handles=handles)
    return figure


def _alike(values: pd.Series) -> bool:
    return bool(np.isclose(values.min(), values.max(), rtol=1e-9))


def _in_words(label: str, values: pd.Series) -> str:
    """The text instead of a panel that would be empty or a single bar."""
    label = label[0].upper() + label[1:]
    return (
        f"{label}: {values.iloc[0]:.4g} in each of {len(values):,} images" if len(values) else f"{label}: of no image"
    )


def _class_histogram(ax: Axes, labels: pd.Series, values: pd.Series) -> None:
    frame = pd.DataFrame({"value": values, "label": labels[values.index]})
    options = {"hue": "label", "hue_order": list(CLASS_COLOURS), "palette": CLASS_COLOURS, "element": "step"}
    sns.histplot(frame, x="value", bins=30, legend=False, ax=ax, **options)
    count_images(ax)


@styled
def power_spectra(
    spectra: Mapping[str, Sequence[np.ndarray]], title: str, difference: Difference | None = None
) -> Figure:
    """Power at each spatial frequency for both classes, and the difference of their means.

    Args:
        spectra: `real` and `synthetic` to (mean, low, high), each in dB at evenly spaced frequencies that end at 0.5
            cycles per pixel; low and high are the range of 80% of the images. NaN without images.
        difference: of the means at each frequency against relabelling; None without a comparison.
    """
    figure, axes = panels(2, title, (11, 4.2))
    known = {label: np.asarray(values, float) for label, values in spectra.items() if np.isfinite(values).any()}
    for label, style in zip(CLASS_COLOURS, LINES):
        if label in known:
            mean, low, high = known[label]
            at = _frequencies(mean)
            axes[0].fill_between(at, low, high, color=CLASS_COLOURS[label], alpha=0.2, linewidth=0)
            axes[0].plot(at, np.transpose([low, high]), linestyle=style, color=CLASS_COLOURS[label], linewidth=0.7)
            axes[0].plot(at, mean, linestyle=style, color=CLASS_COLOURS[label], label=label)
    if difference is not None:
        value, limit = difference.value, difference.limit
        at = _frequencies(value)
        axes[1].axhline(0, color="grey", linestyle=":")
        axes[1].fill_between(at, -limit, limit, color=WITHIN_CHANCE, linewidth=0, label="within chance")
        axes[1].plot(at, value, color="darkgrey")
        # Black if the difference is beyond chance.
        name = "beyond chance" if difference.beyond.any() else "_nothing"
        axes[1].plot(at, np.where(difference.beyond, value, np.nan), color="black", label=name)
        # At least one dB up and down, so that noise does not fill the panel.
        most = 1.1 * max(1 / 1.1, np.abs(value).max(), limit.max())
        axes[1].set(xlim=(0, 0.5), ylim=(-most, most))
        legend_beside(axes[1])
    else:
        sentence(axes[1], "Nothing to compare.")
    if known:
        axes[0].set(xlim=(0, 0.5))
        legend_below(figure, axes[0], ncols=2, title="mean; band: 80% of images")
    else:
        sentence(axes[0], "No image is large enough.")
    axes[0].set(xlabel="frequency (cycles per pixel)", ylabel="power density (dB re 1 grey level²)")
    axes[1].set(xlabel="frequency (cycles per pixel)", ylabel="synthetic − real (dB)")
    return figure


def _frequencies(values: np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1) / (2 * len(values))


@styled
def split_counts(counts: pd.DataFrame, title: str) -> Figure:
    """Images of each split and class.

    Args:
        counts: columns split, label, images.
    """
    figure, axes = panels(1, title, (6, 3.4))
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
    count_images(axes[0])
    axes[0].margins(y=0.12)
    for bars in axes[0].containers:
        axes[0].bar_label(bars, fmt="{:,.0f}", fontsize=9)
    axes[0].set(xlabel="split", ylabel="images")
    legend_beside(axes[0])
    return figure
