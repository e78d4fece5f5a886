"""Draws docs/readme.png, the README's picture, from a run of dataset 1: stand-ins, ROC curve, errors in counts.

    python -m tests.benchmarks.readme_picture RESULTS_FOLDER

RESULTS_FOLDER holds the finished run dataset_1/tuned on stand-ins: pictures of people do not belong in the repository.
The images are found under STUDY_HOME, as the run found them.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lib import study
from lib.data.audit import gallery
from lib.data.audit.normalise import image_root
from lib.metrics import measures, resampling
from lib.metrics.checks import Interval
from lib.metrics.figures import CLASS_COLOURS
from lib.metrics.figures.style import styled
from lib.study.run import Run

PICTURE = study.PROJECT / "docs" / "readme.png"
FACES = 4
STAGE, POLICY = study.STAGES[-1], "balanced"
RATES = np.linspace(0, 1, 101)
MADE = {
    "real": "“Real” class: drawn, then photographed by a simulated camera",
    "synthetic": "“Synthetic” class: the same, with simulated traces of a generator",
}


def finished_run(results: Path) -> Run:
    """The run dataset_1/tuned of a results folder; ends the program where it is not there or not of stand-ins."""
    runs = study.finished_runs(results, results / "models", study.is_quick(results))
    for run in runs:
        if (run.name, run.recipe.name) == ("dataset_1", "tuned"):
            if not run.audit()["dataset"]["stand_in"]:
                sys.exit(f"{run.folder}: not stand-ins; the repository shows stand-ins only")
            return run
    sys.exit(f"{results}: no finished run dataset_1/tuned; run `python run_all.py --dataset 1` first")


def roc_band(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise 95% limits of the true-positive rate at RATES: bootstrap of whole groups, as of all measures."""
    rates = []
    for block in resampling.blocks(labels, scores, groups, 2000, 0):
        true = block.true_positives / block.synthetic[:, None]
        false = block.false_positives / block.real[:, None]
        rates += [np.interp(RATES, np.append(0, x), np.append(0, y)) for x, y in zip(false, true)]
    return np.percentile(rates, 2.5, axis=0), np.percentile(rates, 97.5, axis=0)


def headline(run: Run) -> list[str]:
    """What the run found, in counts, with both recalls."""
    decided = run.metrics()["stages"][STAGE]["policies"][POLICY]
    counts = decided["confusion"]
    real = counts["true_real"] + counts["false_synthetic"]
    synthetic = counts["true_synthetic"] + counts["false_real"]
    recalls = {name: Interval.from_dict(decided[f"recall_{name}"]) for name in study.LABELS}
    return [
        f"Of {real} real-class test images {counts['false_synthetic']} were wrongly called synthetic (recall {recalls['real']}).",
        f"Of {synthetic} synthetic-class test images {counts['false_real']} were missed (recall {recalls['synthetic']}).",
    ]


@styled
def draw(run: Run) -> Figure:
    """The picture: faces of both classes at the left, the ROC curve at the right, the errors in counts below."""
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    kind = f"quick run, {run.audit()['used']} images" if run.quick else f"{run.audit()['used']:,} images"
    figure.suptitle(f"Dataset 1: {study.NOT_OMNIGEN} ({run.recipe.name} recipe, {kind})", fontweight="bold")
    top, bottom = figure.subfigures(2, 1, height_ratios=[4.3, 1])
    left, right = top.subfigures(1, 2, width_ratios=[6.3, 3.7])

    images = run.used_images()
    pictures = gallery.thumbnails(images[images["split"] == "test"], image_root(run), FACES, side=200)
    for row, label in zip(left.subfigures(2, 1), study.LABELS):
        row.suptitle(MADE[label], color=CLASS_COLOURS[label], fontsize=10)
        for ax, picture in zip(row.subplots(1, FACES), pictures[label]):
            ax.imshow(picture)
            ax.set_axis_off()

    scored = run.scored(through=STAGE)
    test = scored[(scored["stage"] == STAGE) & (scored["split"] == "test")]
    labels, scores, groups = (test[name].to_numpy() for name in ("y", "score", "group"))
    points = measures.roc_points(labels, scores)
    auc = Interval.from_dict(run.metrics()["stages"][STAGE]["test"]["roc_auc"])
    ax = right.subplots()
    ax.fill_between(RATES, *roc_band(labels, scores, groups), alpha=0.25, color="black", linewidth=0)
    ax.plot(points["false_positive_rate"], points["true_positive_rate"], color="black")
    ax.plot([0, 1], [0, 1], color="grey", linestyle=":")
    ax.set(xlabel="real class called synthetic (share)", ylabel="synthetic class found (share)", aspect="equal")
    ax.xaxis.label.set_size(9)
    ax.yaxis.label.set_size(9)
    ax.tick_params(labelsize=9)
    ax.set_title(f"Test AUC {auc}\n(line; grey: 95% interval)", fontsize=10)

    words = [*headline(run), f"Threshold: policy {POLICY}, chosen on validation images. In brackets: 95% intervals."]
    for number, line in enumerate(words):
        bottom.text(0.5, 0.8 - 0.3 * number, line, ha="center", va="center", fontsize=12 if number < 2 else 9)
    return figure


def main(results: Path) -> None:
    figure = draw(finished_run(results))
    with study.written_whole(PICTURE) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    print(f"{PICTURE} written")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
