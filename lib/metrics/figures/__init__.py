"""Figures of the study: one style, colours for colour-blind readers, and intervals wherever they exist.

Nothing is computed here: points, counts and intervals come from the other modules of `lib.metrics`. Every function
returns a matplotlib Figure. `title` is drawn as given (the caller names dataset, source, n and recipe in it).
"""

from lib.metrics.figures.comparisons import (
    ablation_plot,
    auc_matrix,
    group_intervals,
    interval_plot,
    learning_curve,
    pictures_needed,
    robustness_curves,
)
from lib.metrics.figures.data import power_spectra, quality_histogram, split_counts
from lib.metrics.figures.decisions import EXAMPLE_NAMES, risk_coverage, threshold_overview
from lib.metrics.figures.evidence import cross_entropy_plot, det_curve, tippett_plot
from lib.metrics.figures.images import (
    error_gallery,
    explained_picture,
    heat_maps,
    mean_images,
    pair_gallery,
    sample_sheet,
    scored_pictures,
)
from lib.metrics.figures.results import (
    confusion_matrices,
    cost_curve,
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
    score_histograms,
    threshold_stability,
    training_curves,
)
from lib.metrics.figures.style import CLASS_COLOURS, LINES, MARKERS, POLICY_NAMES, STAGE_COLOURS, STAGE_NAMES
from lib.metrics.figures.teaching import bootstrap_histogram, view_grid

__all__ = [
    "CLASS_COLOURS",
    "EXAMPLE_NAMES",
    "LINES",
    "MARKERS",
    "POLICY_NAMES",
    "STAGE_COLOURS",
    "STAGE_NAMES",
    "ablation_plot",
    "auc_matrix",
    "bootstrap_histogram",
    "confusion_matrices",
    "cost_curve",
    "cross_entropy_plot",
    "det_curve",
    "error_gallery",
    "explained_picture",
    "group_intervals",
    "heat_maps",
    "interval_plot",
    "learning_curve",
    "mean_images",
    "pair_gallery",
    "pictures_needed",
    "power_spectra",
    "precision_recall_curves",
    "quality_histogram",
    "reliability_diagram",
    "risk_coverage",
    "robustness_curves",
    "roc_curves",
    "sample_sheet",
    "score_histograms",
    "scored_pictures",
    "split_counts",
    "threshold_overview",
    "threshold_stability",
    "tippett_plot",
    "training_curves",
    "view_grid",
]
