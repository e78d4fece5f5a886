"""The notebooks of the series, and the files that each one writes to the results folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lib.study.files import PROJECT

# Folder in results/ for comparisons of runs that the user named.
COMPARED = "compared"

# Folder in results/ and in models/ for quick runs only.
QUICK_FOLDER = "quick"

# The files that a folder of models needs to be a detector (lib/model/use/detector.py).
DETECTOR_FILES = ("detector.json", "training_features.npz")

# Results of a complete detector on other datasets, in the same folder.
ELSEWHERE_FILE = "elsewhere.json"

# fmt: off
IMAGE_COLUMNS = (
    "image_id", "path", "label", "group", "split", "width", "height", "format", "bytes", "sha256", "phash", "issue",
    "pixel_sha256", "mode", "quantisation", "subsampling", "exif", "icc",
)

PAIR_COLUMNS = ["image_a", "image_b", "kind", "distance", "same_label", "across_split", "other_dataset"]

SCORE_COLUMNS = ["image_id", "label", "split", "stage", "score"]


def maker_of(experiment: str) -> Step:
    return next(step for step in EXPERIMENTS.values() if f"{experiment}.csv" in step.outputs)

def step_of(stage: str) -> str:
    """The notebook that trains a stage."""
    return next(step.notebook for step in STEPS if stage in step.stages)

def notebook_page(notebook: Path) -> Path:
    """The path of the HTML of an executed notebook, beside it."""
    return notebook.with_suffix(".html")

def report_page(results: Path) -> Path:
    """The path of the report of a results folder."""
    return Path(results) / "index.html"

class Folders(Protocol):
    """The paths of a run that a step needs (`lib.study.run.Run`)."""

    folder: Path
    recipe_folder: Path
    comparison_folder: Path
    model_folder: Path
    by: str

    def model_path(self, stage: str) -> Path:
        """The path of the model of a stage."""


@dataclass(frozen=True)
class Step:
    """One notebook of the series.

    Attributes:
        notebook: its file name without `.ipynb`.
        scope: `dataset` (once per dataset), `recipe` (once per dataset and recipe), `experiment` (once per dataset,
            only on request) or `all` (once, at the end).
        title: its task, in a word or two.
        outputs: files that it writes to its folder, beside the executed notebook.
        on_request: files that it writes there only where the user asks for them.
        stages: stages whose models it writes.
        figures: patterns of the figures that it saves in the folder `figures` there.
        costs: whether its result depends on the user's costs of wrong decisions, and on the groups that --by compares.
        detector: whether it turns the folder of models into a detector that scores pictures.
        quick: whether a quick run has it too.
    """

    notebook: str
    scope: str
    title: str
    outputs: tuple[str, ...]
    stages: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    costs: bool = False
    detector: bool = False
    quick: bool = True
    on_request: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The path of the notebook in the project."""
        return PROJECT / "notebooks" / f"{self.notebook}.ipynb"

    def executed(self, run: Folders) -> Path:
        """The path of the executed notebook of `run`."""
        folders = {"dataset": run.folder, "experiment": run.folder, "recipe": run.recipe_folder}
        folder = run.comparison_folder if self.scope == "all" else folders[self.scope]
        return folder / f"{self.notebook}.ipynb"

    def results(self, run: Folders) -> list[Path]:
        """All files that the step writes."""
        made = [run.model_folder / name for name in DETECTOR_FILES] if self.detector else []
        made += [self.executed(run).with_name(name) for name in self.on_request if run.by]
        return [self.executed(run), *self.outputs_of(run), *(run.model_path(stage) for stage in self.stages), *made]

    def outputs_of(self, run: Folders) -> list[Path]:
        """The paths of the files in `outputs`."""
        return [self.executed(run).with_name(name) for name in self.outputs]

    def remove(self, run: Folders, *, outputs: bool = True, figures: str = "*") -> None:
        """Remove what the step has shown and measured. Results of trained stages stay: they carry their own keys.

        Args:
            outputs: whether to remove its tables and records too.
            figures: pattern of the figures to remove.
        """
        executed = self.executed(run)
        gone = [run.model_folder / name for name in (DETECTOR_FILES[0], ELSEWHERE_FILE)] if self.detector else []
        gone += self.outputs_of(run) if outputs and not self.stages else []
        # Also where the step is about to write its outputs: it may not be asked for these again.
        gone += [executed.with_name(name) for name in self.on_request]
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
            *("scores", "confusion", "cost", "reliability", "risk_coverage", "groups"),
        ),
        costs=True,
        detector=True,
        on_request=("groups.csv",),
    ),
    Step(
        "06_robustness",
        "recipe",
        "robustness",
        ("robustness.csv",),
        figures=("robustness", "grad_cam", "contributions", "errors_*_certain"),
    ),
    Step(
        "10_evidence",
        "recipe",
        "evidence",
        ("evidence.json",),
        figures=("tippett", "cross_entropy", "det"),
        quick=False,
    ),
    Step(
        "05_cross_dataset_comparison",
        "all",
        "comparison",
        ("comparison.csv", "paired_tests.csv"),
        figures=("auc_*", "learning_curve"),
    ),
)

# Extra steps of `run_all.py --also`, by the name of the option's value.
EXPERIMENTS = {
    "wrong_turns": Step("07_wrong_turns", "experiment", "wrong turns", ("wrong_turns.csv",), figures=("wrong_turns*",)),
    "ablation": Step(
        "08_ablation", "experiment", "ablation", ("ablation.csv", "imbalance.csv"), figures=("ablation*", "imbalance*")
    ),
    "generators": Step("09_generators", "experiment", "generators", ("generators.csv",), figures=("generators*",)),
}

# The columns of an experiment's table that others read; `_low` and `_high` stand beside every measure.
EXPERIMENT_COLUMNS = {
    "generators": (
        *("column", "value", "images", "why", "roc_auc", "recall_real", "recall_synthetic"),
        *("roc_auc_seen", "recall_real_seen", "recall_synthetic_seen", "difference"),
    )
}

# Not part of the series: it makes a dataset when the user requests one.
GENERATE = Step("00_generate_omnigen", "dataset", "generation", ())
