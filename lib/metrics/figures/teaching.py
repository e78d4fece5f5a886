"""Figures that explain how something is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lib.metrics.checks import Interval
from lib.metrics.figures.style import legend_below, panels, styled


@styled
def bootstrap_histogram(values: ArrayLike, interval: Interval, title: str, label: str = "ROC AUC") -> Figure:
    """The values of a measure in all resamples, with the measure itself and the interval that is cut out of them.

    Args:
        values: shape (resamples,), finite.
        interval: the measure on the data and the limits of its interval.
        label: what is measured.
    """
    figure, axes = panels(1, title, (7.5, 3.4))
    sns.histplot(x=np.asarray(values, float), bins=40, ax=axes[0], color="lightgrey")
    axes[0].axvspan(interval.low, interval.high, color="#56B4E9", alpha=0.25, label="95% of the resamples")
    axes[0].axvline(interval.value, color="black", label=f"on the images as they are: {interval}")
    axes[0].axvline(0.5, color="grey", linestyle=":", label="chance")
    axes[0].set(xlabel=f"{label} of a resample", ylabel="resamples")
    legend_below(figure, axes[0], ncols=3)
    return figure


@styled
def view_grid(views: Mapping[str, np.ndarray], title: str) -> Figure:
    """Views of one picture in rows of three, large enough to see what compression and blur do.

    Args:
        views: words to uint8 (side, side, 3).
    """
    rows = max(1, -(-len(views) // 3))
    figure, axes = panels(3, title, (8.4, 2.9 * rows + 0.5), rows=rows)
    for ax in axes:
        ax.set_axis_off()
    for ax, (words, picture) in zip(axes, views.items()):
        ax.imshow(picture)
        ax.set_title(words)
    return figure
