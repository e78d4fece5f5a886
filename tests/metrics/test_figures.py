"""Figures: they hold the data and the words they are given, and draw odd names as they are."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.legend import Legend

from lib.metrics import evidence, figures, measures, thresholds
from lib.metrics.figures.style import WITHIN_CHANCE
from lib.metrics.measures import Interval
from lib.metrics.relabelling import Difference

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
        "kept": [False, True, False],
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
QUALITY = IMAGES.assign(quantisation=[2.0, np.nan] * 2 + [5.0, 3.0] * 2)
SPECTRUM = np.array([[9.0, 6, 3, 0], [8, 5, 2, -1], [10, 7, 4, 1]])
SPECTRA = {"real": SPECTRUM, "synthetic": SPECTRUM + [[0, 0, 1, 3]]}
TOLD = Difference(SPECTRA["synthetic"][0] - SPECTRUM[0], np.full(4, 2.0))
SQUARE = Difference(np.where(np.arange(16).reshape(4, 4) < 2, -5.0, 1.0), np.full((4, 4), 2.0))
COUNTS = pd.DataFrame({"split": ["train", "train"], "label": ["real", "synthetic"], "images": [7, 9]})

FITS = pd.DataFrame(
    {
        "recipe": "tuned",
        "stage": "full",
        "training_images": [100, 500, 2000],
        "roc_auc": [0.6, 0.75, 0.85],
        "low": [0.5, 0.7, 0.75],
        "high": [0.7, 0.8, 0.95],
        "extrapolated": [False, False, True],
    }
)
STABLE = {"phase1": {"best_f1": Interval(0.3, 0.1, 0.6), "cost": HALF}, "full": {"best_f1": HALF}}
COSTS = {"test": pd.DataFrame({"threshold": [1.1, 0.9, 0.5, 0.2], "expected_cost": [0.5, 0.3, 0.2, 0.6]})}
BY_GROUP = pd.DataFrame({"by": "sex", "value": ["f", "m"]}).assign(
    **HALF.columns("roc_auc"), **HALF.columns("recall_real")
)
RISK = pd.DataFrame({"coverage": [1.0, 0.5, 0.2], "error": [0.1, 0.04, 0.0]})
RELIABLE = pd.DataFrame(
    {
        "bin_low": [0.0, 0.8],
        "bin_high": [0.2, 1.0],
        "images": [20, 30],
        "mean_predicted": [0.1, 0.9],
        "observed": [0.3, 0.7],
        "low": [0.2, 0.6],
        "high": [0.5, 0.8],
    }
)
DEGRADED = pd.DataFrame(
    [
        (kind, level, measure, value, value - 0.1, value + 0.05)
        for kind, levels in (("JPEG quality", [90, 50]), ("blur (pixels)", [0.5, 1.0]))
        for level, drop in zip(levels, (0, 0.2))
        for measure, value in (("roc_auc", 0.9 - drop), ("recall_real", 0.8 - drop))
    ],
    columns=["degradation", "level", "measure", "value", "low", "high"],
)
ABLATION = pd.DataFrame(
    {
        "choice": ["worse", "better", "open"],
        "value": [0.7, 0.9, 0.81],
        "difference": [-0.1, 0.1, 0.01],
        "low": [-0.2, 0.05, -0.02],
        "high": [-0.05, 0.15, 0.04],
    }
)
HEAT = np.arange(4.0).reshape(2, 2)

NEEDED = pd.DataFrame({"pictures": [0, 5, 10], "roc_auc": [0.5, 0.7, 0.8]}).assign(
    roc_auc_low=lambda rows: rows["roc_auc"] - 0.1, roc_auc_high=lambda rows: rows["roc_auc"] + 0.1
)
# Figures of pictures, which have no axes.
PICTURES = (
    *("sample_sheet", "pair_gallery", "mean_images", "heat_maps", "error_gallery"),
    *("scored_pictures", "explained_picture", "view_grid"),
)
BOX = (1, 1, 4, 4)
DRAWN = {
    "sample_sheet": lambda: figures.sample_sheet({"real": [PICTURE] * 3, "synthetic": [PICTURE] * 2}, TITLE),
    "view_grid": lambda: figures.view_grid({f"view ${number}": PICTURE for number in range(9)}, TITLE),
    "bootstrap_histogram": lambda: figures.bootstrap_histogram(np.linspace(0.5, 0.7, 50), HALF, TITLE),
    "pair_gallery": lambda: figures.pair_gallery([(PICTURE, PICTURE, "a $1 <b> pair")], TITLE),
    "quality_histogram": lambda: figures.quality_histogram(QUALITY, TITLE),
    "mean_images": lambda: figures.mean_images({"real": PICTURE + 9, "synthetic": PICTURE + 4}, TITLE, SQUARE),
    "power_spectra": lambda: figures.power_spectra(SPECTRA, TITLE, TOLD),
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
    "pictures_needed": lambda: figures.pictures_needed(NEEDED, TITLE),
    "threshold_stability": lambda: figures.threshold_stability(STABLE, TITLE),
    "threshold_overview": lambda: overview({"fixed": 0.5, "balanced": 0.4}),
    "tippett_plot": lambda: figures.tippett_plot(evidence.tippett(Y, 2 * S - 1), -1.0, 1.0, TITLE),
    "cross_entropy_plot": lambda: figures.cross_entropy_plot(evidence.cross_entropy(Y, 2 * S - 1, resamples=20), TITLE),
    "det_curve": lambda: figures.det_curve(evidence.det_points(Y, S), {"balanced": (HALF, HALF)}, TITLE),
    "group_intervals": lambda: figures.group_intervals(BY_GROUP, {"roc_auc": 0.9, "recall_real": 0.8}, TITLE),
    "risk_coverage": lambda: figures.risk_coverage(RISK, (0.5, 0.04), 0.05, TITLE),
    "cost_curve": lambda: figures.cost_curve(COSTS, {"cost": (0.5, 0.2), "fixed": (0.5, 0.2)}, TITLE),
    "reliability_diagram": lambda: figures.reliability_diagram(
        {"uncalibrated": RELIABLE, "platt": RELIABLE.assign(observed=[0.1, 0.9])}, TITLE, {"platt": HALF}
    ),
    "robustness_curves": lambda: figures.robustness_curves(DEGRADED, {"roc_auc": 0.95}, TITLE),
    "ablation_plot": lambda: figures.ablation_plot(ABLATION, TITLE),
    "heat_maps": lambda: figures.heat_maps({"real": HEAT, "synthetic": 2 * HEAT}, TITLE),
    "error_gallery": lambda: figures.error_gallery([(PICTURE, HEAT, "a $1 <b> error"), (PICTURE, None, "b")], TITLE),
    "scored_pictures": lambda: figures.scored_pictures([(PICTURE, "a $1 <b> picture"), (PICTURE, "b")], TITLE),
    "explained_picture": lambda: figures.explained_picture(PICTURE, [BOX, BOX], PICTURE, HEAT - 0.5, TITLE),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figure_has_its_title_literally_and_can_be_saved(name):
    figure = DRAWN[name]()
    assert figure.get_suptitle() == TITLE
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in PICTURES])
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
    assert "0.600 [0.500, 0.700]" in legend_of(DRAWN["roc_curves"]())[0]


def legend_of(figure):
    """The words of a figure's only legend."""
    (legend,) = figure.findobj(Legend)
    return [text.get_text() for text in legend.get_texts()]


# What fills the corners of its panel, besides what DRAWN has.
HARD = {
    "roc of a control": lambda: figures.roc_curves(
        {"full": pd.DataFrame({"false_positive_rate": [0, 1], "true_positive_rate": [0, 1]})}, {"full": HALF}, TITLE
    ),
    "precision and recall of a control": lambda: figures.precision_recall_curves(
        {"full": pd.DataFrame({"recall": [0, 1], "precision": [0.1, 0.1]})}, 0.1, {"full": (0.0, 1.0)}, TITLE
    ),
    "scores at both ends": lambda: figures.score_histograms(
        pd.DataFrame({"label": ["real", "synthetic"] * 50, "score": np.tile([0.0, 0.0, 0.5, 0.5, 1.0], 20)}),
        {"fixed": 0.5},
        TITLE,
    ),
    "equal splits": lambda: figures.split_counts(
        pd.DataFrame({"split": ["train", "validation", "test"] * 2, "label": ["real"] * 3 + ["synthetic"] * 3}).assign(
            images=100
        ),
        TITLE,
    ),
    "spectra that do not fall": lambda: figures.power_spectra({"real": SPECTRUM[:, [0, 0, 0]]}, TITLE),
    "curves at the top": lambda: figures.learning_curve(CURVE.assign(roc_auc=1.0, roc_auc_high=1.0), TITLE, FITS),
    "the start is kept": lambda: figures.training_curves(HISTORY.assign(kept=[True, False, False], loss=3.0), TITLE),
    "the last epoch is kept, and perfect": lambda: figures.training_curves(
        HISTORY.assign(kept=[False, False, True], val_roc_auc=[1.0, 1.0, 1.0], val_loss=[0.9, 0.3, 0.0]), TITLE
    ),
    "free decisions": lambda: figures.cost_curve(COSTS, {"cost": (0.5, 0.0)}, TITLE),
    "sure and right": lambda: figures.reliability_diagram(
        {"platt": RELIABLE.assign(mean_predicted=[0.0, 1.0], observed=[0.0, 1.0], low=[0, 0.8], high=[0.2, 1])}, TITLE
    ),
}
ALL = DRAWN | HARD


def laid_out(name):
    figure = ALL[name]()
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("name", ALL)
def test_no_legend_covers_what_is_drawn(name):
    figure = laid_out(name)
    for legend in figure.findobj(Legend):
        box = legend.get_window_extent()
        assert not any(box.overlaps(ax.get_window_extent()) for ax in figure.axes)
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1 and figure.bbox.y0 - 1 <= box.y0


@pytest.mark.parametrize("name", ALL)
def test_no_marker_is_cut_by_the_edge_of_its_panel(name):
    figure = laid_out(name)
    for ax in figure.axes:
        for line in ax.lines:
            if line.get_marker() in (None, "None", "", " ") or not line.get_clip_on():
                continue
            points = line.get_transform().transform(line.get_xydata())
            # A marker as wide as it is high, in pixels; marks of an interval's ends are flat.
            reach = (line.get_markersize() + line.get_markeredgewidth()) / 2 * figure.dpi / 72
            wide = reach if line.get_marker() != "|" else 0
            high = reach if line.get_marker() != "_" else 0
            inside = ax.bbox
            known = points[np.isfinite(points).all(axis=1)]
            assert (known[:, 0] - wide >= inside.x0).all() and (known[:, 0] + wide <= inside.x1).all()
            assert (known[:, 1] - high >= inside.y0).all() and (known[:, 1] + high <= inside.y1).all()


@pytest.mark.parametrize("name", ALL)
def test_colours_of_a_map_have_a_bar(name):
    figure = ALL[name]()
    maps = [
        image for image in figure.findobj(AxesImage) if image.get_array().ndim == 2 and image.get_cmap().name != "gray"
    ]
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>" or hasattr(ax, "_colorbar")]
    assert not maps or (bars and all(ax.get_ylabel() for ax in bars))


def empty_frames(figure):
    """Panels with a frame and nothing in it."""
    return [ax for ax in figure.axes if ax.axison and not (ax.lines or ax.patches or ax.collections or ax.images)]


@pytest.mark.parametrize(
    "draw",
    [
        *ALL.values(),
        lambda: figures.quality_histogram(QUALITY.assign(bytes=1000, quantisation=2.0), TITLE),
        lambda: figures.quality_histogram(QUALITY.iloc[:0], TITLE),
        lambda: figures.power_spectra({}, TITLE),
        lambda: figures.mean_images({}, TITLE),
        lambda: figures.heat_maps({}, TITLE),
    ],
)
def test_no_frame_is_empty(draw):
    assert empty_frames(draw()) == []


def test_the_style_does_not_leak():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    DRAWN["roc_curves"]()
    assert dict(mpl.rcParams) == before


def lines(figure, label=""):
    found = [line for line in figure.axes[0].lines if label in str(line.get_label())]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in found]


def test_intervals_are_drawn_from_end_to_end_even_where_they_leave_out_their_point():
    outside = Interval(0.6, 0.61, 0.7)
    drawn = lines(figures.interval_plot({"full": outside}, TITLE))
    assert ([0.61, 0.7], [0, 0]) in drawn and ([0.6], [0]) in drawn
    curve = CURVE.assign(roc_auc_low=[0.61, 0.7])
    assert lines(figures.learning_curve(curve, TITLE), "_interval") == [
        ([100, 100], [0.61, 0.7]),
        ([1000, 1000], [0.7, 0.9]),
    ]
    assert lines(figures.learning_curve(curve, TITLE), "tuned") == [([100, 1000], [0.6, 0.8])]


def test_no_score_is_left_out_of_the_histogram():
    scores = pd.DataFrame({"label": ["real", "synthetic"] * 50, "score": np.linspace(-8, 5, 100)})
    edges = figures.score_histograms(scores, {"fixed": 0.5}, TITLE).axes[0].collections
    spans = [shape.get_paths()[0].vertices[:, 0] for shape in edges]
    assert min(span.min() for span in spans) == -8 and max(span.max() for span in spans) == 5


def test_thresholds_prevalence_and_marks_stand_where_they_were_given():
    assert lines(DRAWN["score_histograms"](), "best F1") == [([0.3, 0.3], [0, 1])]
    figure = DRAWN["precision_recall_curves"]()
    assert lines(figure, "chance")[0][1] == [0.5, 0.5] and ([0.4], [0.6]) in lines(figure)
    points = {"full": measures.precision_recall_points(Y, S)}
    # Nothing called synthetic at the threshold: no precision, hence no mark.
    unmarked = figures.precision_recall_curves(points, 0.5, {"full": (0.0, None)}, TITLE)
    assert len(lines(unmarked)) == len(lines(figure)) - 2 and not lines(unmarked, "chosen")


def test_matrix_shows_the_given_texts_and_samples_the_given_pixels():
    texts = [text.get_text() for text in DRAWN["auc_matrix"]().axes[0].texts]
    assert texts == ["0.9", "0.5"]
    white = np.full((8, 8, 3), 255, "uint8")
    axes = figures.sample_sheet({"real": [PICTURE], "synthetic": [white]}, TITLE).axes
    assert [int(ax.images[0].get_array().mean()) for ax in axes] == [0, 255]


def test_captions_are_literal_whole_and_kept_apart():
    caption = "a_file_$x$_name_that_is_far_longer_than_its_picture_is_wide_" * 2
    figure = figures.pair_gallery([(PICTURE, PICTURE, caption)] * 5, TITLE)
    shown = [place._suptitle for place in figure.subfigs if place._suptitle]
    assert [text.get_text().replace("\n", "") for text in shown] == [caption] * 5
    assert not any(text.get_parse_math() for text in shown)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in shown]
    assert all(not first.overlaps(second) for n, first in enumerate(boxes) for second in boxes[n + 1 :])
    assert [text.get_text() for text in figures.pair_gallery([], TITLE).texts if text.get_text() != TITLE] == [
        "No pairs."
    ]


def test_no_stage_has_the_colour_of_a_class():
    assert not set(figures.CLASS_COLOURS.values()) & set(figures.STAGE_COLOURS.values())


# Labels of x and y of the first panel of the last row.
AXIS_LABELS = {
    "bootstrap_histogram": ("ROC AUC of a resample", "resamples"),
    "quality_histogram": ("file size (bytes per pixel)", "images"),
    "power_spectra": ("frequency (cycles per pixel)", "power density (dB re 1 grey level²)"),
    "split_counts": ("split", "images"),
    "training_curves": ("epoch", "ROC AUC"),
    "roc_curves": ("real images called synthetic (share)", "synthetic images found (share)"),
    "precision_recall_curves": ("recall of synthetic images", "precision"),
    "score_histograms": ("score (higher: more synthetic)", "images"),
    "confusion_matrices": ("called", "truth"),
    "interval_plot": ("ROC AUC with 95% interval (dotted: chance)", ""),
    "auc_matrix": ("tested on", "trained on"),
    "learning_curve": ("training images (logarithmic)", "ROC AUC on the test split, 95% interval"),
    "pictures_needed": (
        "new pictures of each class",
        "ROC AUC on the others\n(0: 95% interval; else 95% of the draws)",
    ),
    "threshold_overview": ("threshold", "recall on validation, with 95% interval"),
    "threshold_stability": ("threshold, with 95% of its values over resamples of validation", ""),
    "tippett_plot": ("log10 LR (right: speaks for synthetic)", "share of images with at least this LR"),
    "cross_entropy_plot": ("log10 prior odds of synthetic", "empirical cross-entropy (bits)"),
    "det_curve": ("APCER: synthetic images called real", "BPCER: real images called synthetic"),
    "group_intervals": ("ROC AUC\n(dotted: all test images)", ""),
    "risk_coverage": ("coverage: share of the images that is decided", "balanced error of the decided"),
    "cost_curve": ("threshold (score from which an image is called synthetic)", "expected cost of an image"),
    "reliability_diagram": (
        "probability of synthetic\n(2 bins of 20 to 30 images)",
        "share that is synthetic\n(95% Wilson interval)",
    ),
    "robustness_curves": ("JPEG quality", "value, 95% interval"),
    "ablation_plot": ("change of ROC AUC, 95% interval (filled: leaves out 0)", ""),
}


def test_every_public_figure_is_drawn_here():
    public = [name for name, item in vars(figures).items() if hasattr(item, "__wrapped__") and name[0] != "_"]
    assert sorted(public) == sorted(DRAWN)
    assert sorted(DRAWN) == sorted([*AXIS_LABELS, *PICTURES])


@pytest.mark.parametrize("name", AXIS_LABELS)
def test_axis_labels_say_what_is_drawn(name):
    axes = next(ax for ax in DRAWN[name]().axes if ax.get_subplotspec() and ax.get_subplotspec().is_last_row())
    assert (axes.get_xlabel(), axes.get_ylabel()) == AXIS_LABELS[name]


# Not valid mathematics: were it read as such, drawing would fail.
ODD = r"$\oops{$ <b>&_^.png"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.sample_sheet({ODD: [PICTURE], "real": [PICTURE]}, ODD),
        lambda: figures.pair_gallery([(PICTURE, PICTURE, ODD)], ODD),
        lambda: figures.roc_curves({ODD: measures.roc_points(Y, S)}, {ODD: HALF}, ODD),
        lambda: figures.training_curves(HISTORY.assign(stage=ODD), ODD),
        lambda: figures.confusion_matrices({ODD: dict.fromkeys(CELLS, 1)}, ODD),
        lambda: figures.interval_plot({ODD: HALF}, ODD, label=ODD),
        lambda: figures.auc_matrix(MATRIX.set_axis([ODD]), MATRIX.astype(str), ODD),
        lambda: figures.learning_curve(CURVE.assign(recipe=ODD), ODD),
        lambda: figures.split_counts(COUNTS.assign(split=ODD), ODD),
        lambda: figures.threshold_stability({ODD: {ODD: HALF}}, ODD),
        lambda: overview({ODD: 0.5}, chosen=ODD, title=ODD, caption=ODD),
        lambda: figures.cost_curve({ODD: COSTS["test"]}, {ODD: (0.5, 0.2)}, ODD),
        lambda: figures.reliability_diagram({ODD: RELIABLE}, ODD, {ODD: HALF}),
        lambda: figures.robustness_curves(DEGRADED.assign(degradation=ODD, measure=ODD), {ODD: 0.5}, ODD),
        lambda: figures.ablation_plot(ABLATION.assign(choice=ODD), ODD, label=ODD),
        lambda: figures.heat_maps({"real": HEAT}, ODD, label=ODD),
        lambda: figures.error_gallery([(PICTURE, HEAT, ODD)], ODD),
        lambda: figures.scored_pictures([(PICTURE, ODD)], ODD),
    ],
    ids=[
        "sample_sheet",
        "pair_gallery",
        "roc_curves",
        "training_curves",
        "confusion_matrices",
        "interval_plot",
        "auc_matrix",
        "learning_curve",
        "split_counts",
        "threshold_stability",
        "threshold_overview",
        "cost_curve",
        "reliability_diagram",
        "robustness_curves",
        "ablation_plot",
        "heat_maps",
        "error_gallery",
        "scored_pictures",
    ],
)
def test_odd_names_are_drawn_as_they_are(draw):
    figure = draw()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    assert file.getvalue().startswith(b"\x89PNG")
    assert figure.get_suptitle() == ODD
    written = [text.get_text().replace("\n", "") for text in figure.findobj(lambda item: hasattr(item, "get_text"))]
    assert sum("$\\oops{$" in text.replace(" ", "") for text in written) >= 2


CELLS = ("true_real", "false_synthetic", "false_real", "true_synthetic")


def test_curves_are_the_points_given():
    roc = measures.roc_points(Y, S)
    assert lines(DRAWN["roc_curves"]())[0] == (list(roc["false_positive_rate"]), list(roc["true_positive_rate"]))
    points = measures.precision_recall_points(Y, S)
    assert lines(DRAWN["precision_recall_curves"]())[0] == (list(points["recall"]), list(points["precision"]))


def test_training_curves_hold_all_four_columns_of_each_stage():
    history = pd.concat([HISTORY, HISTORY.assign(stage="full", val_loss=[9, 8, 7])])
    figure = figures.training_curves(history, TITLE)
    drawn = [[list(line.get_ydata()) for line in ax.lines[:2]] for ax in figure.axes]
    assert drawn[0][1] == [3, 2, 1] and drawn[1][1] == [9, 8, 7]
    assert drawn[2][1] == drawn[3][1] == [0.5, 0.6, 0.65]
    assert drawn[0][0][1:] == [2, 1] and drawn[2][0][1:] == [0.6, 0.7]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in (ax.lines[2] for ax in figure.axes)] == [
        *((1, 2), (1, 8)),
        *((1, 0.6), (1, 0.6)),
    ]
    assert [ax.get_title() for ax in figure.axes[:2]] == ["phase 1 (frozen base)", "full stage (all blocks)"]
    history.loc[history["stage"].eq("full"), "kept"] = [True, False, False]
    titles = [ax.get_title() for ax in figures.training_curves(history, TITLE).axes[:2]]
    assert titles == ["phase 1 (frozen base)", "full stage (all blocks): tried, not kept"]


def test_histograms_count_the_images():
    scores = pd.DataFrame({"label": ["real"] * 3 + ["synthetic"] * 5, "score": [0.05] * 3 + [0.95] * 5})
    shapes = figures.score_histograms(scores, {"fixed": 0.5}, TITLE).axes[0].collections
    assert sorted(shape.get_paths()[0].vertices[:, 1].max() for shape in shapes) == [3, 5]


def test_images_are_counted_in_whole_numbers():
    for scores in (3, 5):
        frame = pd.DataFrame({"label": ["real", "synthetic"] * scores, "score": np.linspace(0, 1, 2 * scores)})
        ax = saved(figures.score_histograms(frame, {"fixed": 0.5}, TITLE))[0]
        assert all("." not in tick.get_text() for tick in ax.get_yticklabels())


def test_confusion_matrix_puts_counts_and_shares_where_they_belong():
    figure = figures.confusion_matrices({"fixed": dict(zip(CELLS, (30, 10, 5, 1500)))}, TITLE)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["30\n75%", "10\n25%", "5\n0.3%", "1,500\n99.7%"]
    assert np.asarray(axes.collections[0].get_array()).ravel() == pytest.approx([0.75, 0.25, 5 / 1505, 1500 / 1505])
    assert axes.get_title() == "fixed at 0.5"


def test_matrix_colours_the_values_and_leaves_gaps_empty():
    values = pd.DataFrame([[0.9, np.nan], [0.7, 0.8]], index=["a", "b"], columns=["a", "b"])
    texts = pd.DataFrame([["0.9", "not measured"], ["0.7", "0.8"]], index=["a", "b"], columns=["a", "b"])
    axes = figures.auc_matrix(values, texts, TITLE).axes[0]
    shown = np.ma.masked_invalid(axes.collections[0].get_array()).ravel()
    assert shown.compressed().tolist() == [0.9, 0.7, 0.8] and shown.mask.tolist() == [False, True, False, False]
    assert [text.get_text() for text in axes.texts] == ["0.9", "0.7", "0.8", "not measured"]


def words(ax):
    return [text.get_text() for text in ax.texts]


def saved(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40, bbox_inches="tight")
    return figure.axes


def test_spectra_stand_at_their_frequencies_with_band_and_difference():
    spectra, difference = saved(DRAWN["power_spectra"]())
    means = {line.get_label(): line for line in spectra.lines if line.get_label() in SPECTRA}
    for label, values in SPECTRA.items():
        assert list(means[label].get_xdata()) == [0.125, 0.25, 0.375, 0.5]
        assert list(means[label].get_ydata()) == list(values[0])
    # Told apart without colour too.
    assert means["real"].get_linestyle() != means["synthetic"].get_linestyle()
    bands = [band.get_paths()[0].vertices[:, 1] for band in spectra.collections]
    assert [(band.min(), band.max()) for band in bands] == [(-1, 10), (2, 10)]
    assert list(difference.lines[-2].get_ydata()) == [0, 0, 1, 3]
    # Black is what is beyond chance alone.
    assert np.isnan(difference.lines[-1].get_ydata()).tolist() == [True, True, True, False]
    band = difference.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (-2, 2)
    low, high = difference.get_ylim()
    assert low == -high and high > 3 and spectra.get_xlim() == difference.get_xlim() == (0, 0.5)
    assert difference.get_ylabel() == "synthetic − real (dB)"
    below, beside = spectra.figure.legends[0], difference.get_legend()
    assert [text.get_text() for text in below.get_texts()] == ["real", "synthetic"]
    assert [text.get_text() for text in beside.get_texts()] == ["within chance", "beyond chance"]


def test_equal_spectra_are_not_blown_up():
    told = Difference(np.full(4, 1e-9), np.full(4, 1e-9))
    difference = saved(figures.power_spectra({"real": SPECTRUM, "synthetic": SPECTRUM + 1e-9}, TITLE, told))[1]
    assert difference.get_ylim() == (-1, 1)


NOTHING = np.full((3, 4), np.nan)


@pytest.mark.parametrize(
    ("spectra", "found"),
    [
        ({}, [["No image is large enough."], ["Nothing to compare."]]),
        ({"real": NOTHING, "synthetic": NOTHING}, [["No image is large enough."], ["Nothing to compare."]]),
        ({"real": SPECTRUM, "synthetic": NOTHING}, [[], ["Nothing to compare."]]),
        ({"synthetic": SPECTRUM}, [[], ["Nothing to compare."]]),
    ],
)
def test_spectra_of_no_image_are_said_to_be_none(spectra, found):
    axes = saved(figures.power_spectra(spectra, TITLE))
    assert [words(ax) for ax in axes] == found
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


def test_mean_images_are_shown_with_their_difference_centred_on_zero():
    real, synthetic = np.full((4, 4, 3), 9, "uint8"), np.full((4, 4, 3), 4, "uint8")
    means = {"real": real, "synthetic": synthetic}
    first, second, third, bar = saved(figures.mean_images(means, TITLE, SQUARE))
    assert (first.images[0].get_array() == real).all() and (second.images[0].get_array() == synthetic).all()
    difference = third.images[0].get_array()
    assert difference.compressed().tolist() == [-5, -5] and not difference.mask[0, :2].any()
    assert third.images[0].get_clim() == (-5, 5)
    titles = ["real", "synthetic", "synthetic − real\n12% of it beyond chance"]
    assert [ax.get_title() for ax in (first, second, third)] == titles
    # What is within chance is grey: neither white nor the colour of a class.
    assert third.images[0].cmap(np.ma.masked)[:3] == pytest.approx(to_rgb(WITHIN_CHANCE))
    assert bar.get_ylabel().startswith("grey levels")
    middle = third.images[0].cmap(0.5)
    assert min(middle[:3]) > 0.98


def test_a_difference_beyond_chance_in_one_place_is_never_none_of_it():
    values = np.zeros((64, 64))
    values[3, 4] = 5
    one = Difference(values, np.ones((64, 64)))
    means = {label: np.full((64, 64, 3), 9, "uint8") for label in ("real", "synthetic")}
    assert saved(figures.mean_images(means, TITLE, one))[2].get_title().endswith("under 0.1% of it beyond chance")


@pytest.mark.parametrize("images", [{}, {"real": PICTURE}, {"synthetic": PICTURE}])
def test_mean_images_of_one_class_or_none(images):
    axes = saved(figures.mean_images(images, TITLE))
    absent = [f"No {label} images." for label in ("real", "synthetic") if label not in images]
    assert [word for ax in axes for word in words(ax)] == [*absent, "Nothing to compare."]


def test_mean_images_that_differ_within_chance_are_grey_and_say_so():
    within = Difference(np.full((4, 4), 9.0), np.full((4, 4), 10.0))
    third = saved(figures.mean_images({"real": PICTURE, "synthetic": PICTURE}, TITLE, within))[2]
    assert third.images[0].get_array().mask.all() and third.get_title().endswith("all of it within chance")


SIZE = "Square root of area (pixels): 256 in each of 8 images."


def said(figure):
    """What a figure of sizes says in words."""
    return (figure.get_supxlabel() or "\n".join(word for ax in figure.axes for word in words(ax))).splitlines()


def test_quality_is_counted_by_class():
    figure = DRAWN["quality_histogram"]()
    density, step = saved(figure)
    assert said(figure) == [SIZE, "JPEG: 4 of 4 real, 2 of 4 synthetic images."]
    tops = sorted(shape.get_paths()[0].vertices[:, 1].max() for shape in step.collections)
    assert tops == [2, 2]
    spans = [shape.get_paths()[0].vertices[:, 0] for shape in step.collections]
    assert [min(map(np.min, spans)), max(map(np.max, spans))] == pytest.approx([2, 5])
    assert [ax.get_xlabel() for ax in (density, step)] == ["file size (bytes per pixel)", "mean JPEG quantisation step"]
    assert legend_of(figure) == ["real", "synthetic"]


NO_STEP, ALL_JPEG = "Mean JPEG quantisation step: of no image.", "JPEG: 4 of 4 real, 4 of 4 synthetic images."


@pytest.mark.parametrize(
    ("images", "drawn", "found"),
    [
        (QUALITY.assign(quantisation=np.nan), 1, [SIZE, NO_STEP]),
        (QUALITY.assign(quantisation=None), 1, [SIZE, NO_STEP]),
        (
            QUALITY.assign(quantisation=3.25),
            1,
            [SIZE, "Mean JPEG quantisation step: 3.25 in each of 8 images.", ALL_JPEG],
        ),
        (
            QUALITY.iloc[:0],
            0,
            ["Square root of area (pixels): of no image.", "File size (bytes per pixel): of no image.", NO_STEP],
        ),
        (
            QUALITY[QUALITY["label"] == "real"].assign(width=[100, 200, 300, 400]),
            3,
            ["JPEG: 4 of 4 real, 0 of 0 synthetic images."],
        ),
        (
            QUALITY.set_index(pd.Index([7] * 8)).assign(width=range(900, 100, -100)),
            3,
            ["JPEG: 4 of 4 real, 2 of 4 synthetic images."],
        ),
    ],
    ids=["no JPEG", "None", "one quality", "no images", "one class", "index not unique"],
)
def test_quality_of_odd_tables_is_drawn_or_said(images, drawn, found):
    figure = figures.quality_histogram(images, TITLE)
    axes = [ax for ax in saved(figure) if ax.axison]
    assert said(figure) == found and len(axes) == drawn
    assert all(ax.get_xlabel() and ax.get_ylabel() == "images" for ax in axes)


def test_a_fit_is_drawn_with_its_band_and_the_points_are_then_not_joined():
    axes = figures.learning_curve(CURVE, TITLE, FITS).axes[0]
    inside, beyond = (line for line in axes.lines if line.get_label() == "_fit")
    assert list(inside.get_ydata()) == [0.6, 0.75] and list(beyond.get_xdata()) == [500, 2000]
    # The thin part begins where the measured part ends.
    assert inside.get_linewidth() > beyond.get_linewidth()
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 0.95)
    points = next(line for line in axes.lines if str(line.get_label()).startswith("tuned"))
    assert points.get_linestyle() == "None" and list(points.get_ydata()) == [0.6, 0.8]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "power law with 95% band" in legend and "thin: extrapolated" in legend
    plain = figures.learning_curve(CURVE, TITLE, FITS.iloc[:0]).axes[0]
    assert len(plain.lines) == len(DRAWN["learning_curve"]().axes[0].lines) and not plain.collections


def test_stability_has_a_row_for_each_policy_and_a_mark_for_each_stage():
    axes = DRAWN["threshold_stability"]().axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["best F1", "least cost"]
    drawn = {str(line.get_label()): line for line in axes.lines if line.get_label() != "_interval"}
    assert list(drawn["phase 1 (frozen base)"].get_xdata()) == [0.3, 0.6]
    assert list(drawn["final model"].get_xdata()) == [0.6]
    ends = [list(line.get_xdata()) for line in axes.lines if line.get_label() == "_interval"]
    assert ends == [[0.1, 0.6], [0.5, 0.7], [0.5, 0.7]]
    rows = [line.get_ydata()[0] for line in axes.lines if line.get_label() == "_interval"]
    assert len(set(rows)) == 3


def test_costs_are_steps_that_end_at_the_scores():
    axes = DRAWN["cost_curve"]().axes[0]
    curve = axes.lines[0]
    assert list(curve.get_xdata()) == [0.2, 0.5, 0.9, 1.1] and list(curve.get_ydata()) == [0.6, 0.2, 0.3, 0.5]
    assert curve.get_drawstyle() == "steps-pre"
    assert [line.get_label() for line in axes.lines[1:]] == ["least cost: 0.200", "fixed at 0.5: 0.200"]
    assert axes.get_ylim()[0] == 0


def test_reliability_is_drawn_for_each_method_and_says_how_many_images_a_point_is():
    first, second = DRAWN["reliability_diagram"]().axes
    assert [ax.get_title() for ax in (first, second)] == ["as scored", f"Platt\nECE {HALF}"]
    assert list(first.lines[-1].get_xdata()) == [0.1, 0.9] and list(first.lines[-1].get_ydata()) == [0.3, 0.7]
    intervals = [list(line.get_ydata()) for line in first.lines if line.get_label() == "_interval"]
    bins = [list(line.get_xdata()) for line in first.lines if line.get_label() == "_bin"]
    assert intervals == [[0.2, 0.5], [0.6, 0.8]] and bins == [[0, 0.2], [0.8, 1]]
    assert list(second.lines[-1].get_ydata()) == [0.1, 0.9]
    even = figures.reliability_diagram({"platt": RELIABLE.assign(images=1200)}, TITLE)
    assert even.axes[0].get_xlabel() == "probability of synthetic\n(2 bins of 1,200 images)"


def test_robustness_has_a_panel_for_each_degradation_in_the_order_given():
    figure = DRAWN["robustness_curves"]()
    jpeg, blur = figure.axes
    assert [text.get_text() for text in jpeg.get_xticklabels()] == ["90", "50"]
    assert [text.get_text() for text in blur.get_xticklabels()] == ["0.5", "1"]
    drawn = {line.get_label(): line for line in jpeg.lines}
    assert list(drawn["ROC AUC"].get_ydata()) == pytest.approx([0.9, 0.7])
    assert list(drawn["recall of real"].get_ydata()) == pytest.approx([0.8, 0.6])
    assert drawn["ROC AUC"].get_linestyle() != drawn["recall of real"].get_linestyle()
    whole = [line for line in jpeg.lines if list(line.get_ydata()) == [0.95, 0.95]]
    assert len(whole) == 1 and whole[0].get_color() == drawn["ROC AUC"].get_color()
    intervals = [list(line.get_ydata()) for line in jpeg.lines if line.get_label() == "_interval"]
    assert len(intervals) == 4 and intervals[0] == pytest.approx([0.8, 0.95])
    many = pd.concat([DEGRADED.assign(degradation=f"{number}") for number in range(4)])
    assert [ax.get_xlabel() for ax in saved(figures.robustness_curves(many, {}, TITLE))][:4] == list("0123")


@pytest.mark.parametrize(
    ("kinds", "across", "down"), [(2, 2, 1), (3, 3, 1), (6, 3, 2), (7, 4, 2), (8, 4, 2), (10, 4, 3)]
)
def test_robustness_of_many_degradations_is_a_grid_that_is_not_tall(kinds, across, down):
    many = pd.concat([DEGRADED.assign(degradation=f"{number}") for number in range(kinds)])
    figure = figures.robustness_curves(many, {}, TITLE)
    assert figure.axes[0].get_gridspec().get_geometry() == (down, across)
    # The legend takes a free place of the grid, and width only if there is none.
    (place,) = [number for number, ax in enumerate(figure.axes) if ax.get_legend()]
    assert place == (kinds if kinds < across * down else across - 1)
    assert figure.get_figwidth() < 14.5


def test_ablation_is_sorted_and_fills_what_is_told_from_no_change():
    axes = DRAWN["ablation_plot"]().axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["better", "open", "worse"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [0.1, 0.01, -0.1]
    assert [line.get_markerfacecolor() for line in dots] == ["black", "white", "black"]
    assert words(axes) == ["0.900", "0.810", "0.700", "ROC AUC"]


def test_heat_maps_share_a_scale_and_lie_over_the_whole_image():
    real, synthetic, bar = saved(figures.heat_maps({"real": HEAT, "synthetic": 2 * HEAT}, TITLE, {"real": PICTURE}))
    assert real.images[-1].get_clim() == synthetic.images[-1].get_clim() == (0, 6)
    assert len(real.images) == 2 and len(synthetic.images) == 1
    assert real.images[1].get_extent() == [-0.5, 7.5, 7.5, -0.5] and real.images[1].get_alpha() < 1
    assert (np.asarray(synthetic.images[0].get_array()) == 2 * HEAT).all()
    assert bar.get_ylabel() == "Grad-CAM (mean over images)"
    axes = saved(figures.heat_maps({"synthetic": np.zeros((2, 2))}, TITLE))
    assert words(axes[0]) == ["No real images."] and axes[1].images[0].get_clim() == (0, 1)
    assert len(saved(figures.heat_maps({}, TITLE))) == 2
    # The difference has a panel and a bar of its own, white at 0.
    axes = saved(figures.heat_maps({"real": HEAT, "synthetic": HEAT}, TITLE, label="logit", difference=HEAT - 1))
    assert axes[2].get_title() == "synthetic − real" and axes[2].images[0].get_clim() == (-2, 2)
    assert [bar.get_ylabel() for bar in axes[3:]] == ["logit (mean over images)", "difference in logit"]
    flat = figures.heat_maps({"real": HEAT}, TITLE, difference=np.zeros((2, 2))).axes[2]
    assert flat.images[0].get_clim() == (-1, 1)


def test_long_units_of_degradations_stay_within_their_panel():
    frame = DEGRADED.assign(degradation="Gaussian noise, standard deviation in grey levels")
    label = figures.robustness_curves(frame, {}, TITLE).axes[0].get_xlabel()
    assert label == "Gaussian noise, standard\ndeviation in grey levels"


def test_errors_stand_beside_their_heat_maps_where_there_are_any():
    figure = DRAWN["error_gallery"]()
    assert [len(place.axes) for place in figure.subfigs] == [2, 1, 1]
    overlaid = figure.subfigs[0].axes[1]
    assert len(overlaid.images) == 2 and (np.asarray(overlaid.images[1].get_array()) == HEAT).all()
    assert [place._suptitle.get_text() for place in figure.subfigs[:2]] == ["a $1 <b> error", "b"]
    bar = figure.subfigs[2].axes[0]
    assert "own" in bar.get_ylabel() and [tick.get_text() for tick in bar.get_yticklabels()] == ["none", "most"]
    assert [text.get_text() for text in figures.error_gallery([], TITLE).texts if text.get_text() != TITLE] == [
        "No errors."
    ]
    # Without maps there is no bar.
    assert len(figures.error_gallery([(PICTURE, None, "b")] * 7, TITLE).subfigs) == 7


def test_every_policy_has_a_name_and_a_line_of_its_own():
    assert list(figures.POLICY_NAMES) == list(thresholds.POLICIES)
    assert len(set(figures.LINES)) >= len(thresholds.POLICIES)


def test_a_learning_curve_of_one_size_stays_at_that_size():
    rows = [("a", "tuned", stage, 100, 0.7, 0.6, 0.8) for stage in ("phase1", "full")]
    names = ["trained_on", "recipe", "stage", "training_images", "roc_auc", "roc_auc_low", "roc_auc_high"]
    ax = figures.learning_curve(pd.DataFrame(rows, columns=names), "one size").axes[0]
    assert ax.get_xlim() == (50, 200)


def overview(marks, chosen="balanced", title=None, caption="0.4", tried=(0.001, 0.4, 0.5, 0.999)):
    recalls = {"recall_real": [0, 0.5, 0.75, 1], "recall_synthetic": [1, 0.75, 0.5, 0]}
    ends = {f"{name}{end}": values for name, values in recalls.items() for end in ("_low", "_high")}
    curve = pd.DataFrame({"threshold": tried, **recalls, **ends})
    cells = {"true_real": 2, "false_synthetic": 2, "false_real": 1, "true_synthetic": 3}
    pictures = {name: [(PICTURE, "real", caption)] * 2 for name in figures.EXAMPLE_NAMES}
    pictures["false_real"] = []
    return figures.threshold_overview(curve, marks, chosen, cells, pictures, title or TITLE)


def test_overview_shows_curves_marks_confusion_and_pictures():
    curves, confusion, *examples = DRAWN["threshold_overview"]().axes
    assert [list(line.get_ydata()) for line in curves.lines[:2]] == [[0, 0.5, 0.75, 1], [1, 0.75, 0.5, 0]]
    assert [line.get_xdata()[0] for line in curves.lines[2:]] == [0.5, 0.4]
    assert curves.get_xlabel() == "threshold" and "validation" in curves.get_ylabel()
    assert [text.get_text() for text in confusion.texts] == ["2\n50%", "2\n50%", "1\n25%", "3\n75%"]
    assert [len(ax.images) for ax in examples] == [2, 2, 2, 0]
    assert [ax.get_title() for ax in examples] == list(figures.EXAMPLE_NAMES.values())
    assert examples[3].texts[0].get_text() == "none" and examples[0].texts[0].get_text() == "real 0.4"


@pytest.mark.parametrize(
    ("tried", "scale"),
    [
        ((0.001, 0.4, 0.5, 0.999), "logit"),
        ((0.0, 0.4, 0.5, 1.0000000000000002), "logit"),
        ((0.3, 0.4, 0.5, 0.6), "linear"),
        ((-5, 0.4, 0.5, 7), "linear"),
    ],
)
def test_overview_spreads_scores_that_crowd_at_the_ends(tried, scale):
    figure = overview({"fixed": 0.5, "balanced": tried[-1]}, tried=tried)
    assert figure.axes[0].get_xscale() == scale
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    low, high = figure.axes[0].get_xlim()
    assert low < high and all(low <= line.get_xdata()[0] <= high for line in figure.axes[0].lines[2:])


def test_an_explanation_shows_the_part_and_colours_both_sides_of_zero_alike():
    figure = figures.explained_picture(PICTURE, [BOX], PICTURE, np.array([[-3.0, 0], [1, 2]]), TITLE)
    whole, part, heat, *_ = figure.axes
    assert [(box.get_xy(), box.get_width(), box.get_height()) for box in whole.patches] == [((0.5, 0.5), 4, 4)] * 2
    assert len(part.images) == 1 and heat.images[-1].get_clim() == (-3, 3)
    assert figures.explained_picture(PICTURE, [BOX], PICTURE, np.zeros((2, 2)), TITLE).axes[2].images[
        -1
    ].get_clim() == (
        -1,
        1,
    )
