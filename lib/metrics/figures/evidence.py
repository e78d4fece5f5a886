"""Figures of the strength of evidence: Tippett plot, empirical cross-entropy, detection error tradeoff."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.stats import norm

from lib.metrics.checks import Interval
from lib.metrics.figures.style import CLASS_COLOURS, MARKERS, draw_interval, legend_below, panels, styled

# Error rates that are written on the axes of a DET curve.
_RATES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@styled
def tippett_plot(points: pd.DataFrame, low: float, high: float, title: str) -> Figure:
    """The share of each class whose LR is at least so large; the two curves should lie far apart.

    Args:
        points: columns log10_lr (rising), real and synthetic (shares), as `evidence.tippett` gives them.
        low, high: bounds of log10 LR.
    """
    figure, axes = panels(1, title, (7.2, 5))
    ax = axes[0]
    edge = 0.15 * max(high - low, 1)
    for label, colour in CLASS_COLOURS.items():
        # From beyond the lowest LR, which all images reach, to beyond the highest, which none does.
        x = np.concatenate([[low - edge], points["log10_lr"], [high + edge]])
        y = np.concatenate([[1], points[label], [0]])
        ax.plot(x, y, color=colour, drawstyle="steps-pre", label=f"{label} images")
    ax.axvline(0, color="black", linewidth=1, label="LR = 1: says nothing")
    for number, bound in enumerate((low, high)):
        ax.axvline(
            bound, color="grey", linestyle="--", linewidth=1, label="_bound" if number else "bounds from validation"
        )
    ax.set(xlabel="log10 LR (right: speaks for synthetic)", ylabel="share of images with at least this LR")
    ax.set(xlim=(low - edge, high + edge), ylim=(-0.02, 1.02))
    legend_below(figure, ax, ncols=2)
    return figure


@styled
def cross_entropy_plot(points: pd.DataFrame, title: str) -> Figure:
    """What is still unknown after the LRs, at each prior: below the dotted curve they help, above it they do harm.

    Args:
        points: as `evidence.cross_entropy` gives them.
    """
    figure, axes = panels(1, title, (7.2, 5))
    ax, colour = axes[0], CLASS_COLOURS["synthetic"]
    ax.plot(points["prior"], points["neutral"], color="grey", linestyle=":", label="without evidence (LR = 1)")
    ax.plot(points["prior"], points["cross_entropy"], color=colour, label="with these LRs, 95% interval")
    band = (points["cross_entropy_low"], points["cross_entropy_high"])
    ax.fill_between(points["prior"], *band, color=colour, alpha=0.2, linewidth=0)
    ax.plot(
        points["prior"], points["calibrated"], "--", color="black", label="same ranking, calibrated perfectly on test"
    )
    # Where these LRs do harm without limit, the curves that matter would be too small to see.
    top = max(1.0, min(float(points["cross_entropy_high"].max()), 1.5))
    ax.set(xlabel="log10 prior odds of synthetic", ylabel="empirical cross-entropy (bits)", ylim=(0, top * 1.04))
    ax.set_xlim(points["prior"].iloc[0], points["prior"].iloc[-1])
    legend_below(figure, ax, ncols=2)
    return figure


@styled
def det_curve(points: pd.DataFrame, marks: Mapping[str, tuple[Interval, Interval]], title: str) -> Figure:
    """Both error rates of every threshold on axes of normal deviates, with the thresholds that validation chose.

    Args:
        points: columns apcer and bpcer, as `evidence.det_points` gives them.
        marks: name of a threshold to its APCER and BPCER on test.
    """
    figure, axes = panels(1, title, (6.6, 6.6))
    ax = axes[0]
    least, most = _RATES[0], _RATES[-1]
    # An error rate of 0 or 1 has no place on these axes: it is drawn at their edge.
    curve = [norm.ppf(np.clip(points[name], least, most)) for name in ("apcer", "bpcer")]
    ax.plot(*curve, color="dimgrey", label="every threshold, on test")
    for (name, rates), marker, colour in zip(marks.items(), MARKERS, sns.color_palette("colorblind", len(marks))):
        apcer, bpcer = (norm.ppf(np.clip([rate.value, rate.low, rate.high], least, most)) for rate in rates)
        label = f"{name}, set on validation"
        ax.plot(apcer[0], bpcer[0], marker, color=colour, markersize=8, clip_on=False, label=label)
        draw_interval(ax, apcer[1:], [bpcer[0]] * 2, color=colour, alpha=0.7, clip_on=False)
        draw_interval(ax, [apcer[0]] * 2, bpcer[1:], color=colour, alpha=0.7, clip_on=False)
    places, names = norm.ppf(_RATES), [f"{100 * rate:g}%" for rate in _RATES]
    names[0] = f"≤ {names[0]}"
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(places, names)
        axis.set_minor_locator(NullLocator())
    ax.set(xlabel="APCER: synthetic images called real", ylabel="BPCER: real images called synthetic", aspect="equal")
    ax.set(xlim=(places[0], places[-1]), ylim=(places[0], places[-1]))
    legend_below(figure, ax, ncols=2)
    return figure
