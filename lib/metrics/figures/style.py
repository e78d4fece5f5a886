"""One style for all figures: colours for colour-blind readers, names, and drawn intervals."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lib.metrics.stages import STAGE_NAMES

# Okabe and Ito's palette, 2008; no stage has the colour of a class.
CLASS_COLOURS = {"real": "#0072B2", "synthetic": "#D55E00"}
STAGE_COLOURS = {"phase1": "#CC79A7", "partial": "#E69F00", "full": "#009E73"}
POLICY_NAMES = {
    "fixed": "fixed at 0.5",
    "best_f1": "best F1",
    "balanced": "balanced",
    "fpr_5": "5% false positives",
    "fpr_1": "1% false positives",
    "cost": "least cost",
}
# For differences within chance (random assignment of images to the classes).
WITHIN_CHANCE = "#D9D9D9"
# Distinct in black and white: one for each policy, in their order, and for each recipe.
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (6, 2, 1, 2, 1, 2)), (0, (1, 4)))
MARKERS = "osD^v<>P"


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the study's style without changing the caller's settings."""

    @functools.wraps(function)
    def styled(*args, **kwargs) -> Figure:
        style = {**sns.axes_style("whitegrid"), **sns.plotting_context("notebook")}
        # parse_math off: a dollar sign in a file name stays a dollar sign.
        extra = {"text.parse_math": False, "svg.hashsalt": "study", "axes.titlesize": 11, "figure.titlesize": 12}
        with mpl.rc_context({**style, **extra}):
            return function(*args, **kwargs)

    return styled


def draw_interval(ax: Axes, x: Sequence[float], y: Sequence[float], **options) -> None:
    """Draws the line between an interval's ends; `errorbar` refuses intervals that exclude their point."""
    ax.plot(x, y, marker="|" if y[0] == y[1] else "_", markersize=9, label="_interval", **options)


def stage_label(stage: str, names: Mapping[str, str] | None, width: int = 44) -> str:
    """The name of a stage, in lines of at most `width` letters."""
    name = (STAGE_NAMES | dict(names or {})).get(stage, stage)
    return textwrap.fill(name, width, break_on_hyphens=False)


def panels(columns: int, title: str, size: tuple[float, float], rows: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """A figure with its title and rows x columns of axes, in one flat array."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.suptitle(title)
    return figure, axes.ravel()


def legend_beside(ax: Axes, fontsize: float = 9, **options) -> None:
    """A legend at the right of axes, so that it covers no drawing."""
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", borderaxespad=0, fontsize=fontsize, **options)


def legend_below(figure: Figure, ax: Axes, **options) -> Legend:
    """A legend of one panel under the whole figure, for figures that should not grow wider."""
    return figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", fontsize=9, **options)


def count_images(ax: Axes) -> None:
    """Whole numbers on a y axis that counts images, with commas."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def sentence(ax: Axes, words: str) -> None:
    """A text instead of a drawing that would be empty; no empty frame is left around it."""
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center")
    ax.set_axis_off()
