"""Figures: they hold the data and the words they are given, and draw odd names as they are."""

import io

import numpy as np
import pandas as pd
import pytest

from lib.metrics import figures, measures
from lib.metrics.measures import Interval

TITLE = "What $it$ shows\nset <b>_1 · stand-in"
Y = np.arange(40) % 2
S = (np.arange(40) * 7 % 40) / 40
PICTURE = np.zeros((8, 8, 3), "uint8")
HALF = Interval(0.6, 0.5, 0.7)
HISTORY = pd.DataFrame(
    {
        "stage": ["phase1"] * 3,
        "epoch": range(3),
        "loss": [np.nan, 2, 1],
        "val_loss": [3, 2, 1],
        "roc_auc": [np.nan, 0.6, 0.7],
        "val_roc_auc": [0.5, 0.6, 0.65],
    }
)
CURVE = pd.DataFrame(
    {
        "trained_on": ["a", "b"],
        "recipe": "tuned",
        "stage": "full",
        "training_images": [100, 1000],
        "roc_auc": [0.6, 0.8],
        "roc_auc_low": [0.5, 0.7],
        "roc_auc_high": [0.7, 0.9],
    }
)
MATRIX = pd.DataFrame([[0.9, 0.5]], index=["a"], columns=["a", "b"])
IMAGES = pd.DataFrame(
    {"label": ["real", "synthetic"] * 4, "width": 256, "height": 256, "bytes": range(1000, 9000, 1000)}
)
COUNTS = pd.DataFrame({"split": ["train", "train"], "label": ["real", "synthetic"], "images": [7, 9]})

DRAWN = {
    "sample_sheet": lambda: figures.sample_sheet({"real": [PICTURE] * 3, "synthetic": [PICTURE] * 2}, TITLE),
    "pair_gallery": lambda: figures.pair_gallery([(PICTURE, PICTURE, "a $1 <b> pair")], TITLE),
    "sizes_and_bytes": lambda: figures.sizes_and_bytes(IMAGES, TITLE),
    "split_counts": lambda: figures.split_counts(COUNTS, TITLE),
    "training_curves": lambda: figures.training_curves(HISTORY, TITLE),
    "roc_curves": lambda: figures.roc_curves({"full": measures.roc_points(Y, S)}, {"full": HALF}, TITLE),
    "precision_recall_curves": lambda: figures.precision_recall_curves(
        {"full": measures.precision_recall_points(Y, S)}, 0.5, {"full": (0.4, 0.6)}, TITLE
    ),
    "score_histograms": lambda: figures.score_histograms(
        pd.DataFrame({"label": np.where(Y, "synthetic", "real"), "score": S}), {"fixed": 0.5, "best_f1": 0.3}, TITLE
    ),
    "confusion_matrices": lambda: figures.confusion_matrices(
        {"fixed": {"true_real": 5, "false_synthetic": 1, "false_real": 2, "true_synthetic": 4}}, TITLE
    ),
    "interval_plot": lambda: figures.interval_plot({"phase1": HALF, "full": HALF}, TITLE),
    "auc_matrix": lambda: figures.auc_matrix(MATRIX, MATRIX.astype(str), TITLE),
    "learning_curve": lambda: figures.learning_curve(CURVE, TITLE),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figure_has_its_title_literally_and_can_be_saved(name):
    figure = DRAWN[name]()
    assert figure.get_suptitle() == TITLE
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in ("sample_sheet", "pair_gallery")])
def test_axes_are_labelled(name):
    axes = [ax for ax in DRAWN[name]().axes if ax.get_subplotspec() and ax.get_subplotspec().is_last_row()]
    assert any(ax.get_xlabel() for ax in axes)


def test_figures_hold_the_data_they_are_given():
    curve = DRAWN["training_curves"]().axes[0].lines[1].get_ydata()
    assert list(curve) == [3, 2, 1]
    bars = [patch.get_height() for patch in DRAWN["split_counts"]().axes[0].patches if patch.get_height()]
    assert sorted(bars) == [7, 9]
    texts = [text.get_text() for text in DRAWN["confusion_matrices"]().axes[0].texts]
    assert texts[0].startswith("5") and texts[3].startswith("4")
    legend = DRAWN["roc_curves"]().axes[0].get_legend().get_texts()[0].get_text()
    assert "0.600 [0.500, 0.700]" in legend


def test_the_style_does_not_leak():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    DRAWN["roc_curves"]()
    assert dict(mpl.rcParams) == before
