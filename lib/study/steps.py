"""The notebooks of the series, and what each leaves in the results folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lib.study.files import PROJECT

# Folder in results/ for comparisons of runs that were named.
COMPARED = "compared"

# Folder in results/ and in models/ that quick runs have to themselves.
QUICK_FOLDER = "quick"

# What makes a folder of models a detector that scores pictures (lib/model/use/detector.py).
DETECTOR_FILES = ("detector.json", "training_features.npz")

# What a complete detector gave on other datasets, beside them.
ELSEWHERE_FILE = "elsewhere.json"

# fmt: off
IMAGE_COLUMNS = (
    "image_id", "path", "label", "group", "split", "width", "height", "format", "bytes", "sha256", "phash", "issue",
    "pixel_sha256", "mode", "quantisation", "subsampling", "exif", "icc",
)

PAIR_COLUMNS = ["image_a", "image_b", "kind", "distance", "same_label", "across_split", "other_dataset"]

SCORE_COLUMNS = ["image_id", "label", "split", "stage", "score"]

COMPARISON_COLUMNS = [
    "trained_on", "recipe", "stage", "tested_on", "images", "overlap_removed", "roc_auc", "roc_auc_low", "roc_auc_high",
    "policy", "recall_real", "recall_real_low", "recall_real_high",
    "recall_synthetic", "recall_synthetic_low", "recall_synthetic_high", "warning",
]

def maker_of(experiment: str) -> Step:
    return next(step for step in EXPERIMENTS.values() if f"{experiment}.csv" in step.outputs)

def step_of(stage: str) -> str:
    """The notebook that trains a stage."""
    return next(step.notebook for step in STEPS if stage in step.stages)

def notebook_page(notebook: Path) -> Path:
    """Where the HTML of an executed notebook belongs: beside it."""
    return notebook.with_suffix(".html")

def report_page(results: Path) -> Path:
    """Where the report of a results folder belongs."""
    return Path(results) / "index.html"

class Folders(Protocol):
    """What the layout of the results needs of a run: where its files lie (`lib.study.run.Run`)."""

    folder: Path
    recipe_folder: Path
    comparison_folder: Path
    model_folder: Path

    def model_path(self, stage: str) -> Path:
        """Where the model of a stage lies."""


@dataclass(frozen=True)
class Step:
    """One notebook of the series.

    Attributes:
        notebook: its file name without `.ipynb`.
        scope: `dataset` (once per dataset), `recipe` (once per dataset and recipe), `experiment` (once per dataset, and only
            where it is asked for) or `all` (once, at the end).
        title: what it does, in a word or two.
        outputs: files it leaves in its folder beside the executed notebook.
        stages: models it leaves.
        figures: what it saves in the folder `figures` there, as patterns.
        costs: whether its answer depends on the costs of wrong decisions that the user gives.
        detector: whether it makes the folder of the models one that scores pictures.
    """

    notebook: str
    scope: str
    title: str
    outputs: tuple[str, ...]
    stages: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    costs: bool = False
    detector: bool = False

    @property
    def source(self) -> Path:
        """The notebook in the project."""
        return PROJECT / "notebooks" / f"{self.notebook}.ipynb"

    def executed(self, run: Folders) -> Path:
        """Where the executed notebook of `run` belongs."""
        folders = {"dataset": run.folder, "experiment": run.folder, "recipe": run.recipe_folder}
        folder = run.comparison_folder if self.scope == "all" else folders[self.scope]
        return folder / f"{self.notebook}.ipynb"

    def results(self, run: Folders) -> list[Path]:
        """All files the step leaves."""
        made = [run.model_folder / name for name in DETECTOR_FILES] if self.detector else []
        return [self.executed(run), *self.outputs_of(run), *(run.model_path(stage) for stage in self.stages), *made]

    def outputs_of(self, run: Folders) -> list[Path]:
        """The files of `outputs`."""
        return [self.executed(run).with_name(name) for name in self.outputs]

    def remove(self, run: Folders, *, outputs: bool = True, figures: str = "*") -> None:
        """Remove what the step has shown and measured; not what trained stages left, which is known by keys of its own.

        Args:
            outputs: whether its tables and records go too.
            figures: pattern of the figures that go.
        """
        executed = self.executed(run)
        gone = [run.model_folder / name for name in (DETECTOR_FILES[0], ELSEWHERE_FILE)] if self.detector else []
        gone += self.outputs_of(run) if outputs and not self.stages else []
        gone += [executed, notebook_page(executed)]
        saved = executed.parent / "figures"
        patterns = self.figures if figures == "*" else (figures,)
        gone += [path for name in patterns for ending in ("png", "svg") for path in saved.glob(f"{name}.{ending}")]
        for path in gone:
            path.unlink(missing_ok=True)

STEPS = (
    Step(
        "01_data_audit",
        "dataset",
        "data audit",
        ("images.csv", "pairs.csv", "audit.json"),
        figures=("bootstrap", "sizes", "samples", "mean_images", "spectra", "pairs", "split"),
    ),
    Step(
        "02_phase1_training",
        "recipe",
        "phase 1",
        ("scores.csv", "history.csv", "run.json"),
        ("phase1",),
        figures=("views", "phase1_curves", "leak", "scored_pictures"),
    ),
    Step(
        "03_fine_tuning",
        "recipe",
        "fine-tuning",
        ("scores.csv", "history.csv"),
        ("partial", "full"),
        figures=("fine_tuning_curves", "stages_validation"),
    ),
    Step(
        "04_threshold_analysis",
        "recipe",
        "thresholds",
        ("metrics.json", "thresholds.json", "calibration.json", "classification_report.txt"),
        figures=(
            *("roc", "precision_recall", "threshold_stability", "threshold_overview"),
            *("scores", "confusion", "cost", "reliability"),
        ),
        costs=True,
        detector=True,
    ),
    Step(
        "06_robustness",
        "recipe",
        "robustness",
        ("robustness.csv",),
        figures=("robustness", "grad_cam", "contributions", "errors_*_certain"),
    ),
    Step(
        "05_cross_dataset_comparison",
        "all",
        "comparison",
        ("comparison.csv", "paired_tests.csv"),
        figures=("auc_*", "learning_curve"),
    ),
)

# What `run_all.py --also` runs too, by the name it is asked for.
EXPERIMENTS = {
    "wrong_turns": Step("07_wrong_turns", "experiment", "wrong turns", ("wrong_turns.csv",), figures=("wrong_turns*",)),
    "ablation": Step(
        "08_ablation", "experiment", "ablation", ("ablation.csv", "imbalance.csv"), figures=("ablation*", "imbalance*")
    ),
}

# Not one of the series: it makes a dataset, where a user asks for one.
GENERATE = Step("00_generate_omnigen", "dataset", "generation", ())
