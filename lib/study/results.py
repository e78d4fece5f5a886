"""Results of runs: the only reader and writer of the results folder."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pandas as pd

from lib.study.files import file_hash, json_text, text_hash, write_json, write_table, write_text, written_whole
from lib.study.names import STAGES, UserError, as_int, generators_of, independent_groups
from lib.study.options import Reading, base_name
from lib.study.recipes import RECIPES
from lib.study.steps import (
    COMPARED,
    DETECTOR_FILES,
    ELSEWHERE_FILE,
    EXPERIMENT_COLUMNS,
    EXPERIMENTS,
    IMAGE_COLUMNS,
    PAIR_COLUMNS,
    QUICK_FOLDER,
    SCORE_COLUMNS,
    STEPS,
    Step,
    maker_of,
    step_of,
)


def key_of_images(path: Path) -> str:
    """Hash of the columns of images.csv that training and measures use (`key_columns`)."""
    known = ("image_id", "sha256", "label", "group", "split", "generator")
    images = pd.read_csv(path, usecols=lambda name: name in known, dtype=str, keep_default_na=False)
    used = images[images["split"] != ""]
    return text_hash(used[key_columns(used)].to_numpy().tolist())


def key_columns(images: pd.DataFrame) -> list[str]:
    """The columns of an image table that training and measures use; `sha256` stands for the pixels.

    The generator counts only where there are several: one alone changes no split, no weight and no measure.
    """
    columns = ["image_id", "sha256", "label", "group", "split"]
    return [*columns, "generator"] if len(generators_of(images)) > 1 else columns


def _audit_words(audit: dict) -> tuple[str, str]:
    """The audit's words that stand beside every score."""
    return audit.get("dataset", {}).get("source", ""), audit.get("shortcut", {}).get("warning", "")


def _holds(path: Path, text: str) -> bool:
    """Whether a file already holds exactly this text."""
    return path.is_file() and path.read_bytes() == text.encode("utf-8")


def is_whole(path: Path) -> bool:
    """Whether a file is complete: not still being written, and no notebook that stopped early."""
    return path.is_file() and not path.name.startswith(".") and ".partial" not in path.suffixes


def _measured(path: Path, *text: str) -> pd.DataFrame:
    """A table of measures. An empty cell is an unknown number, or in the columns `text` an empty text."""
    frame = pd.read_csv(path, dtype=dict.fromkeys(text, "string"), keep_default_na=False, na_values=[""])
    columns = [column for column in text if column in frame]
    return frame.fillna(dict.fromkeys(columns, "")).astype(dict.fromkeys(columns, object))


_NUMBERS = (
    *("width", "height", "bytes", "quantisation", "exif", "icc"),
    *("score", "distance", "loss", "val_loss", "roc_auc", "val_roc_auc", "weight_change", "score_change"),
)

# Resolution of saved figures, dots per inch.
SAVED_DPI = 150


def save_figure(figure, path: Path, *, suffixes: tuple[str, ...] = (".png", ".svg")) -> Path:
    """Save a Figure as `path`.png (SAVED_DPI) and `path`.svg, or as `suffixes` say; return the path of the first."""
    # Compute the layout once. Otherwise each file computes it again, and twice for its edges.
    figure.set_dpi(SAVED_DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    edges = figure.get_tightbbox().padded(0.1)
    for suffix in suffixes:
        with written_whole(path.with_name(path.name + suffix)) as temporary:
            # No date in the SVG, so that the same figure gives the same file.
            metadata = {"Date": None} if suffix == ".svg" else {}
            figure.savefig(temporary, dpi=SAVED_DPI, bbox_inches=edges, metadata=metadata)
    return path.with_name(path.name + suffixes[0])


def saved_figures(folder: Path) -> dict[str, Path]:
    """The figures below `folder`/figures as PNG: name to path, sorted by name."""
    return {path.stem: path for path in sorted((Path(folder) / "figures").glob("*.png")) if is_whole(path)}


def is_quick(results: Path) -> bool:
    """Whether a results folder is the one for quick runs."""
    return Path(results).name == QUICK_FOLDER


def executed_notebooks(results: Path) -> list[Path]:
    """Every complete executed notebook of a results folder: across datasets, of datasets, of recipes."""
    found = (path for depth in ("*", "*/*", "*/*/*") for path in Path(results).glob(f"{depth}.ipynb"))
    others = (QUICK_FOLDER, "models", ".ipynb_checkpoints")
    return [path for path in sorted(found) if is_whole(path) and not {*path.relative_to(results).parts} & {*others}]


def audited_folders(results: Path) -> list[Path]:
    """The folders of all audited datasets below a results folder, sorted by name."""
    return [path.parent for path in sorted(Path(results).glob("*/audit.json"))]


def trained_folders(results: Path) -> list[Path]:
    """The folders of all recipes with at least one trained stage, sorted by dataset and recipe."""
    return [path.parent for path in sorted(Path(results).glob("*/*/run.json"))]


def compared_files(results: Path, models: Path) -> list[Path]:
    """The files that a comparison of all runs depends on: the metrics and the detector of every analysed run."""
    detectors = sorted(Path(models).glob(f"*/*/{DETECTOR_FILES[0]}"))
    # Adapted detectors lie beside those of the recipes, and belong to no run.
    return [*sorted(Path(results).glob("*/*/metrics.json")), *(one for one in detectors if one.parent.name in RECIPES)]


def write_comparison(folder: Path, compared: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Store comparison.csv and paired_tests.csv."""
    for path, table in zip(comparison_files(folder), (compared, tests), strict=True):
        write_table(path, table)


def read_comparison(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """comparison.csv and paired_tests.csv of notebook 05; empty tables if it has not run.

    Args:
        folder: the results folder, or its folder COMPARED.
    """
    text = ("trained_on", "recipe", "stage", "tested_on", "policy", "first", "second", "warning")
    return tuple(_measured(path, *text) if path.is_file() else pd.DataFrame() for path in comparison_files(folder))


def comparison_files(folder: Path) -> list[Path]:
    """The paths of comparison.csv and paired_tests.csv."""
    return [Path(folder) / name for name in ("comparison.csv", "paired_tests.csv")]


class Results:
    """The results of a run, as methods of `Run`: each file has one method that writes it and one that reads it.

    A result is not shown if its inputs have changed. Before a file is written, the results of the old one are removed
    (`outdate`). If a file to be read is missing, an error names the notebook to run (`require`).
    """

    # Results of 01, the same for every recipe

    def write_audit(self, images: pd.DataFrame, pairs: pd.DataFrame, audit: dict) -> None:
        """Store images.csv, pairs.csv and audit.json. audit.json comes last and marks that all three are complete.

        If images, labels, groups, split or the audit's words have changed, the results that used the old ones are
        removed.
        """
        path, before = self.folder / "audit.json", self._audited()
        with written_whole(self.folder / "images.csv") as temporary:
            further = [name for name in images if name not in IMAGE_COLUMNS]
            images[[*IMAGE_COLUMNS, *further]].to_csv(temporary, index=False)
            if before != (key_of_images(temporary), *_audit_words(audit)):
                self.outdate("01_data_audit")
                path.unlink(missing_ok=True)
        write_table(self.folder / "pairs.csv", pairs[PAIR_COLUMNS])
        write_json(path, {"schema": 1, **audit})

    def _audited(self) -> tuple[str, ...]:
        """The parts of the last audit that later results depend on; () if there is none."""
        there = (self.folder / "audit.json").is_file() and (self.folder / "images.csv").is_file()
        return (key_of_images(self.folder / "images.csv"), *_audit_words(self.audit())) if there else ()

    # Removing outdated results

    def outdate(self, notebook: str) -> None:
        """Remove the results of a notebook and of those after it, because their inputs are about to be replaced.

        Scores and models stay: they record their inputs, and are trained anew if those have changed. The last results
        are removed first, so a killed run never leaves a result that is older than its inputs. Call this before writing
        anything.

        Args:
            notebook: one of `STEPS`, whose own tables and records are about to be written.
        """
        first = next(number for number, step in enumerate(STEPS) if step.notebook == notebook)
        # A new audit affects all recipes, and the experiments.
        whole = STEPS[first].scope == "dataset"
        names = [name for name in RECIPES if (self.folder / name).is_dir()] if whole else [self.recipe.name]
        runs = [dataclasses.replace(self, recipe=RECIPES[name]) for name in names]
        self._outdate_comparisons()
        for step in (*(EXPERIMENTS.values() if whole else ()), *reversed(STEPS[first:])):
            if step.scope != "all":
                for run in runs if step.scope == "recipe" else [self]:
                    step.remove(run, outputs=step.notebook != notebook)

    def _outdate_comparisons(self) -> None:
        # What other detectors gave on this dataset, too: notebook 05 finds it again.
        for path in self.models.glob(f"*/*/{ELSEWHERE_FILE}"):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if self.name in json.loads(path.read_text(encoding="utf-8"))["tested_on"]:
                    path.unlink()
        (step,) = (step for step in STEPS if step.scope == "all")
        for compare in ((), (COMPARED,)):
            other = dataclasses.replace(self, compare=compare)
            path = other.comparison_folder / "comparison.csv"
            with contextlib.suppress(FileNotFoundError):
                names = pd.read_csv(path, usecols=["trained_on", "tested_on"], dtype=str)
                if self.name in names.to_numpy():
                    step.remove(other)

    def unfinished(self) -> str:
        """Why this run is not finished, and what to do; empty if every result matches the one before it."""
        folder, known = self.recipe_folder, self._known()
        scores = folder / "scores.csv"
        if not (self.folder / "audit.json").is_file():
            return "its audit was stopped; run notebooks 01 to 04 again"
        now = self.images_key()
        if known.get("images_key", now) != now:
            return "images, labels or split have changed since it was trained; run notebooks 02 to 04 again"
        if not all((folder / name).is_file() for name in ("metrics.json", "thresholds.json")):
            return "its training was stopped, or has not been analysed since; run notebooks 02 to 04 again"
        if scores.is_file() and self.metrics().get("scores_sha256") != file_hash(scores):
            return "its scores are others than those it was analysed on; run notebook 04 again"
        return ""

    def images_key(self) -> str:
        """Changes with the used images, their labels, groups and split; empty before the first audit."""
        path = self.folder / "images.csv"
        return key_of_images(path) if path.is_file() else ""

    def _known(self) -> dict:
        path = self.recipe_folder / "run.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def images_file(self) -> Path:
        """The path of images.csv."""
        return self.folder / "images.csv"

    def images(self) -> pd.DataFrame:
        """images.csv: one row per file found, columns IMAGE_COLUMNS; `split` is empty for files set aside.

        Then the columns that the user's table or folders have besides, such as `generator`, all as text.
        """
        path = self.folder / "images.csv"
        self.require(path, "01_data_audit")
        names = pd.read_csv(path, nrows=0).columns
        return self._table(path, "01_data_audit", [name for name in names if name not in IMAGE_COLUMNS])

    def pairs(self) -> pd.DataFrame:
        """pairs.csv: one row per pair of copies, columns PAIR_COLUMNS."""
        path = self.folder / "pairs.csv"
        self.require(path, "01_data_audit")
        return pd.read_csv(path, dtype={name: object for name in PAIR_COLUMNS[:3]} | {"other_dataset": object}).fillna(
            ""
        )

    def used_images(self) -> pd.DataFrame:
        """The rows of images.csv that have a split."""
        images = self.images()
        return images[images["split"] != ""].reset_index(drop=True)

    def audit(self) -> dict:
        """audit.json."""
        return self._json(self.folder / "audit.json", "01_data_audit")

    def earlier_splits(self, images: pd.DataFrame) -> pd.Series:
        """image_id to split for the images that the last audit with this seed placed and whose files have not changed.

        Images added later must not move these. Empty before the first audit. Also empty if folders or tables were read
        differently then, because their groups or split were different.

        Args:
            images: the current image table (columns image_id, sha256).
        """
        if not (self.folder / "audit.json").is_file():
            return pd.Series(dtype=object)
        audit = self.audit()
        if (audit.get("seed"), audit.get("dataset", {}).get("reading")) != (self.seed, self.reading.as_dict()):
            return pd.Series(dtype=object)
        known = self.used_images().set_index("image_id")
        now = images.set_index("image_id")["sha256"].reindex(known.index)
        return known.loc[known["sha256"] == now, "split"]

    def siblings(self) -> list[Self]:
        """A run for every other dataset audited so far in the same results folder.

        Another form of this dataset (as it came, or normalised) is left out, because its images are the same.
        """
        mine = base_name(self.name, self.normalise)
        return [found for found in self.audited() if base_name(found.name, found.normalise) != mine]

    def audited(self) -> list[Self]:
        """A run for every dataset audited so far in the same results folder, with this one, by name."""
        found = []
        for folder in audited_folders(self.results):
            known = json.loads((folder / "audit.json").read_text(encoding="utf-8"))["dataset"]
            options = {key: known[key] for key in ("dataset", "data", "normalise")}
            options["reading"] = Reading(**known.get("reading", {}))
            found.append(dataclasses.replace(self, name=folder.name, **options))
        return found

    # Results of 02, 03 and 04, for each recipe

    def add_stage(self, scores: pd.DataFrame, history: pd.DataFrame) -> None:
        """Replace the rows of a stage and of later stages in scores.csv and history.csv by the stage's new rows.

        Results of the old rows are removed first. run.json records which images the new rows belong to.
        """
        stage = scores["stage"].iloc[0]
        self.outdate(step_of(stage))
        kept = STAGES[: STAGES.index(stage)]
        for name, rows in (("scores.csv", scores[SCORE_COLUMNS]), ("history.csv", history)):
            path = self.recipe_folder / name
            old = pd.read_csv(path) if path.exists() else rows.iloc[:0]
            old = old[old["stage"].isin(kept)]
            write_table(path, pd.concat([old, rows], ignore_index=True) if len(old) else rows)
        if key := self.images_key():
            self.record(images_key=key)

    def has_scores(self) -> bool:
        """Whether the scores of a stage and the record of its inputs exist."""
        return all((self.recipe_folder / name).is_file() for name in ("scores.csv", "run.json"))

    def scores(self) -> pd.DataFrame:
        """scores.csv: one row per stage and image of validation and test, columns SCORE_COLUMNS."""
        return self._table(self.recipe_folder / "scores.csv", "02_phase1_training")

    def scored(self, through: str | None = None) -> pd.DataFrame:
        """scores.csv with y (0 real, 1 synthetic) and group of each image; an image without a group is its own group.

        Also the columns of images.csv beside IMAGE_COLUMNS, such as `generator`. They are stored there once, not for
        every stage.

        Args:
            through: a stage that must have been trained.

        Raises:
            UserError: images or scores are missing, the stage has none, or the images have changed since.
        """
        images = self.used_images()
        group = independent_groups(images)
        scores = self.scores()
        path = self.recipe_folder / "scores.csv"
        now = self.images_key()
        if self._known().get("images_key", now) != now:
            raise UserError(
                f"{path} is older than images.csv, where images, labels or split have changed since: run notebook "
                "02_phase1_training with the same parameters again"
            )
        if through and through not in set(scores["stage"]):
            raise UserError(
                f"{path} has no scores of stage {through} yet: run notebook 03_fine_tuning with the same parameters first"
            )
        further = images[[name for name in images if name not in IMAGE_COLUMNS]]
        known = further.assign(group=group).set_index(images["image_id"]).reindex(scores["image_id"])
        scored = scores.assign(y=as_int(scores["label"]), group=known["group"].to_numpy())
        return pd.concat([scored, known.drop(columns="group").reset_index(drop=True)], axis=1)

    def history(self) -> pd.DataFrame:
        """history.csv: one row per epoch and stage, the columns of `training.train_head`'s history."""
        return self._table(self.recipe_folder / "history.csv", "02_phase1_training")

    def write_metrics(self, metrics: dict, thresholds: dict, report: str) -> None:
        """Store metrics.json, thresholds.json and classification_report.txt, each with the source of the images.

        If they have changed, the results that used the old ones are removed first. metrics.json is written last: it
        marks that all are complete, and records the hash of its scores.
        """
        folder, source = self.recipe_folder, {"schema": 1, "source": self.source()}
        scores = folder / "scores.csv"
        made_of = {"scores_sha256": file_hash(scores)} if scores.is_file() else {}
        texts = {
            "thresholds.json": json_text({**source, "stages": thresholds}),
            "classification_report.txt": f"{self.name}: {self.source()}\n\n{report}",
            "metrics.json": json_text({**source, **made_of, "stages": metrics}),
        }
        if all(_holds(folder / name, text) for name, text in texts.items()):
            return
        self.outdate("04_threshold_analysis")
        (folder / "metrics.json").unlink(missing_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)

    def metrics(self) -> dict:
        """metrics.json."""
        return self._json(self.recipe_folder / "metrics.json", "04_threshold_analysis")

    def thresholds(self) -> dict:
        """thresholds.json."""
        return self._json(self.recipe_folder / "thresholds.json", "04_threshold_analysis")

    def write_calibration(self, calibrations: dict) -> None:
        """Store calibration.json, with the source of the images."""
        path = self.recipe_folder / "calibration.json"
        text = json_text({"schema": 1, "source": self.source(), "stages": calibrations})
        if not _holds(path, text):
            # The detector contains it.
            (self.model_folder / DETECTOR_FILES[0]).unlink(missing_ok=True)
            write_text(path, text)

    def calibration(self) -> dict:
        """calibration.json."""
        return self._json(self.recipe_folder / "calibration.json", "04_threshold_analysis")

    def write_groups(self, table: pd.DataFrame | None) -> None:
        """Store groups.csv, with the source of the images in a column. None removes it: the groups are not asked for."""
        path = self.recipe_folder / "groups.csv"
        self.remove_figures("groups")
        if table is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, table.assign(source=self.source()).to_csv(index=False))

    def groups(self) -> pd.DataFrame:
        """groups.csv: columns of `fairness.group_table` and source; only where columns were named (--by)."""
        path = self.recipe_folder / "groups.csv"
        self.require(path, "04_threshold_analysis")
        return _measured(path, "by", "value", "kind", "generators")

    def record(self, **values: object) -> dict:
        """Add values to run.json (dictionaries are merged) and return all of it."""
        path = self.recipe_folder / "run.json"
        known = self._known() or {"schema": 1}
        for key, value in values.items():
            known[key] = {**known.get(key, {}), **value} if isinstance(value, dict) else value
        write_json(path, known)
        return known

    def recorded(self) -> dict:
        """run.json."""
        return self._json(self.recipe_folder / "run.json", "02_phase1_training")

    def write_robustness(self, table: pd.DataFrame) -> None:
        """Store robustness.csv, with the source of the images in a column."""
        self._replace(table, self.recipe_folder / "robustness.csv", "06_robustness")

    def robustness(self) -> pd.DataFrame:
        """robustness.csv: one row per degradation and level, columns of `robustness.robustness_table` and source."""
        path = self.recipe_folder / "robustness.csv"
        self.require(path, "06_robustness")
        return _measured(path, "degradation")

    def write_evidence(self, content: dict) -> None:
        """Store evidence.json, with the source of the images; the figures of the same notebook are saved before it."""
        write_json(self.recipe_folder / "evidence.json", {"schema": 1, "source": self.source(), **content})

    def evidence(self) -> dict:
        """evidence.json."""
        return self._json(self.recipe_folder / "evidence.json", "10_evidence")

    def write_experiment(self, name: str, table: pd.DataFrame) -> None:
        """Store the table of an experiment as `<name>.csv`, with the source of its images in a column.

        Raises:
            ValueError: a column of EXPERIMENT_COLUMNS is missing.
        """
        missing = [column for column in EXPERIMENT_COLUMNS.get(name, ()) if column not in table]
        if missing:
            raise ValueError(f"{name}.csv: the table lacks the columns {', '.join(missing)}")
        self._replace(table, self.folder / f"{name}.csv", maker_of(name).notebook, f"{name}*")

    def _replace(self, table: pd.DataFrame, path: Path, notebook: str, figures: str = "*") -> None:
        """Write a table. If it has changed, remove the notebook and the figures that showed the old one first."""
        text = table.assign(source=self.source()).to_csv(index=False)
        if not _holds(path, text):
            step = next(step for step in (*STEPS, *EXPERIMENTS.values()) if step.notebook == notebook)
            step.remove(self, outputs=False, figures=figures)
            write_text(path, text)

    def train_again(self, step: Step) -> None:
        """Make the experiments of a step train again instead of using stored trainings."""
        for path in step.outputs_of(self):
            write_text(self.trials / f"{path.stem}.again", "Trainings that are older than this file are done again.\n")

    @property
    def trials(self) -> Path:
        """The folder of the stored trainings of experiments."""
        return self.folder / "trials"

    def experiment(self, name: str) -> pd.DataFrame:
        """`<name>.csv` of an experiment (wrong_turns, ablation, imbalance, generators), with a column source."""
        self.require(self.folder / f"{name}.csv", maker_of(name).notebook)
        text = ("turn", "what", "choice", "setting", "case", "column", "value", "why")
        return _measured(self.folder / f"{name}.csv", *text)

    def save_figure(self, figure, name: str, *, per_recipe: bool = True):
        """Save a matplotlib Figure as figures/<name>.png, in a full run also .svg; return the PNG as a picture for a notebook."""
        from IPython.display import Image  # imported here: only notebooks need it

        folder = (self.recipe_folder if per_recipe else self.folder) / "figures"
        # Nobody prints the figures of a quick run, and an SVG takes longer to write than a PNG.
        suffixes = (".png",) if self.quick else (".png", ".svg")
        # At half its size in pixels it appears on a screen at its intended size. The title is the alternative text.
        return Image(
            filename=save_figure(figure, folder / name, suffixes=suffixes), retina=True, alt=figure.get_suptitle()
        )

    def remove_figures(self, *names: str) -> None:
        """Remove figures of an earlier run that no longer apply to this one."""
        for name in names:
            for suffix in (".png", ".svg"):
                (self.recipe_folder / "figures" / f"{name}{suffix}").unlink(missing_ok=True)

    def figures(self, *, per_recipe: bool = True) -> dict[str, Path]:
        """The figures saved so far as PNG: name to path, sorted by name."""
        return saved_figures(self.recipe_folder if per_recipe else self.folder)

    def files(self, *, per_recipe: bool = True) -> list[Path]:
        """The tables and records made so far (CSV, JSON, text), by name; without notebooks and figures."""
        folder = self.recipe_folder if per_recipe else self.folder
        return sorted(
            path for path in folder.glob("*.*") if path.suffix in (".csv", ".json", ".txt") and is_whole(path)
        )

    # Words

    def source(self) -> str:
        """The source of the images, as every figure shows it, with the audit's warning if there is one."""
        return self.audit()["dataset"]["source"] + (f" · WARNING: {self.warning()}" if self.warning() else "")

    def warning(self) -> str:
        """The audit's warning that stands beside every score of this dataset; empty if it found no shortcut to the
        label.
        """
        return self.audit()["shortcut"]["warning"]

    def marked(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of this run's numbers, with the audit's warning in a column if there is one."""
        return table.assign(warning=self.warning()) if self.warning() else table

    def title(self, what: str, images: int | None = None, *, recipe: bool = True) -> str:
        """Title of a figure: its content, then dataset, source, number of images and recipe."""
        used = images if images is not None else self.audit()["used"]
        parts = [self.name, self.source(), f"n = {used:,}"]
        if recipe:
            parts.append(f"{self.recipe.name} recipe" + (", quick" if self.quick else ""))
        return f"{what}\n{' · '.join(parts)}"

    def _table(self, path: Path, maker: str, further: Sequence[str] = ()) -> pd.DataFrame:
        """A table of the study; the columns `further` hold text, whatever they look like."""
        self.require(path, maker)
        names = ("issue", "group", "split", "path", "phash", "format", "image_id", "mode", "subsampling", *further)
        text = {column: "string" for column in names}
        numbers = {column: [""] for column in _NUMBERS if column not in further}
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=numbers)
        return frame.astype({column: object for column in text if column in frame})

    def _json(self, path: Path, maker: str) -> dict:
        self.require(path, maker)
        return json.loads(path.read_text(encoding="utf-8"))

    def require(self, path: Path, maker: str) -> None:
        """Raise unless a result exists. The error names the notebook that makes it, and earlier ones that have not run.

        Raises:
            UserError: it does not exist.
        """
        if path.is_file():
            return
        known = maker in {step.notebook for step in STEPS}
        steps = [*itertools.takewhile(lambda step: step.notebook != maker, STEPS)] if known else STEPS[:1]
        missing = [step.notebook for step in steps if not all(out.is_file() for out in step.outputs_of(self))]
        more = f", and before it {' and '.join(missing)}" if missing else ""
        raise UserError(f"{path} is not there yet: run notebook {maker} with the same parameters first{more}")
