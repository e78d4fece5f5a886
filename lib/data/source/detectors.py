"""The entries of notebook 05's comparison: finished runs by name, and other programs' detectors by a file of scores."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.data.source.checks import csv_lines, printable, refusal, validate
from lib.data.source.names import label_of, split_of
from lib.study.names import DATASETS, LABELS, SCORES_FILE, UserError, as_int, independent_groups
from lib.study.options import run_name
from lib.study.run import Run, finished_runs, left_out

COLUMNS = ("image_id", "label", "split", "score")
# Scores count as inverted from this p on: a wrong hint is worse than none.
SURELY = 0.001
OPTIONAL = ("stage", "group")
# The columns that `comparison.compare` and `comparison.paired_by_test_set` read.
SCORED = ["trained_on", "recipe", "stage", "tested_on", "overlap_removed", "split", "image_id", "y", "group", "score"]


@dataclass(frozen=True)
class Detector:
    """Another program's scores.

    Attributes:
        name: the file's name without its ending.
        scores: columns image_id, label, split, stage, score, group; an image without a group is its own group.
        tested_on: the study's dataset that its images belong to, or a name for unknown images.
        dataset: that dataset, or None.
    """

    name: str
    scores: pd.DataFrame
    tested_on: str
    dataset: Run | None = None

    def rows(self) -> pd.DataFrame:
        """Its scores of validation and test, columns SCORED."""
        # Its training images are not known, so nothing can be removed.
        names = {"trained_on": self.name, "recipe": SCORES_FILE, "tested_on": self.tested_on, "overlap_removed": 0}
        return self.scores.assign(y=as_int(self.scores["label"]), **names)[SCORED]

    def source(self) -> str:
        """The source of its images, in words."""
        return self.dataset.source() if self.dataset else "images of a scores file, not known here"

    def describe(self) -> str:
        """Its images, and whether it has thresholds, in words."""
        sizes = self.scores.drop_duplicates("image_id")["split"].value_counts()
        words = f"{self.name}: scores file, {sizes['test']:,} test images of {self.tested_on} ({self.source()})"
        words += f". {self.warning()}" if self.warning() else ""
        if "validation" not in sizes:
            return f"{words}; no validation images, hence no thresholds: compared by its ranking alone"
        return f"{words}; thresholds chosen on its {sizes['validation']:,} validation images"

    def warning(self) -> str:
        """The evidence that its scores are inverted; empty if there is none."""
        from scipy.stats import mannwhitneyu  # imported here: it adds a second to the start of run_all.py

        for stage, rows in self.scores.groupby("stage", sort=False):
            real, synthetic = (rows.loc[rows["label"] == label, "score"] for label in LABELS)
            test = mannwhitneyu(synthetic, real, alternative="less")
            if test.pvalue < SURELY:
                auc = test.statistic / len(real) / len(synthetic)
                return (
                    f"Its scores {'' if stage == 'scores' else f'of stage {stage} '}put real images above synthetic ones "
                    f"(AUC {auc:.3f}): are they of being real? Higher has to mean more synthetic; give 1 - score instead"
                )
        return ""


def rows_of(detectors: Sequence[Detector]) -> pd.DataFrame:
    """`Detector.rows` of all of them."""
    if not detectors:
        return pd.DataFrame(columns=SCORED).astype({"overlap_removed": int, "y": int, "score": float})
    return pd.concat([found.rows() for found in detectors], ignore_index=True)


def compared(run: Run) -> tuple[list[Run], list[Detector]]:
    """The finished runs and the scores files that `run.compare` names; every finished run if it names none.

    Raises:
        UserError: neither a finished run nor a file, not a scores file, the same name twice, or no finished run.
    """
    place = (run.results, run.models, run.quick)
    finished = finished_runs(*place)
    if not run.compare:
        if not finished:
            why = "; ".join(left_out(*place))
            raise UserError(
                f"{run.results}: no finished run is there yet; run notebooks 01 to 04 with the same parameters first"
                f"{f' ({why})' if why else ''}"
            )
        return finished, []
    runs, detectors = [], []
    for name in dict.fromkeys(run.compare):
        wanted, (said, _, path) = _full_name(name), name.partition("=")
        found = [one for one in finished if wanted in (one.name, f"{one.name}/{one.recipe.name}")]
        if found:
            runs += [one for one in found if one not in runs]
        elif os.path.isfile(name):
            detectors.append(_detector(Path(name), run))
        elif path and os.path.isfile(path):
            detectors.append(_detector(Path(path), run, said))
        else:
            if begun := left_out(*place, wanted.partition("/")[0]):
                raise UserError(f"--compare {name}: not finished; {begun[0]}")
            known = ", ".join(dict.fromkeys(one.name for one in finished)) or "none yet"
            raise UserError(
                f"--compare {name}: neither a finished run in {run.results} nor a file; expected a name ({known}) or "
                f"a CSV file of scores with the columns {','.join(COLUMNS)}[,{'][,'.join(OPTIONAL)}]"
            )
    taken = [one.name for one in detectors] + list({one.name for one in runs})
    for name in taken:
        if taken.count(name) > 1:
            raise UserError(f"--compare: {name!r} is the name of two things; rename the scores file")
    return runs, _share_unknown_images(detectors)


def read_scores(path: Path) -> pd.DataFrame:
    """Scores of another detector: columns image_id, label, split, stage, score and group, with this study's names.

    Args:
        path: a CSV file with the columns image_id, label (real or synthetic, their synonyms, or 0 and 1), split (rows
            of the training split are left out) and score (any finite number, higher means more synthetic). Optional:
            stage (several models in one file) and group (images that are not independent).

    Raises:
        UserError: names the file, the line, the column, what was found and what was expected.
    """
    lines = csv_lines(path)
    names = [name.strip().lower() for name in lines.iloc[0]]
    shown = f"{','.join(COLUMNS)}[,{'][,'.join(OPTIONAL)}]"
    for column in (*COLUMNS, *OPTIONAL):
        if names.count(column) > 1 or (column in COLUMNS and column not in names):
            what = "twice" if column in names else "missing"
            raise UserError(
                f"{printable(path)}: column {column} is {what}; found columns {', '.join(map(repr, names[:12]))}, "
                f"expected {shown}"
            )
    rows = lines.iloc[1:]
    columns = {column: rows[names.index(column)] for column in (*COLUMNS, *OPTIONAL) if column in names}
    frame = pd.DataFrame({"stage": "scores", "group": "", **columns}, index=rows.index, dtype=object)
    validate(frame, _SCHEMA, path, "line")
    frame = frame.assign(
        label=frame["label"].map(label_of), split=frame["split"].map(split_of), score=frame["score"].astype(float)
    )
    frame["group"] = independent_groups(frame)
    _check_images(path, frame)
    frame = frame[frame["split"] != "train"]
    for split in ("validation", "test"):
        part = frame[frame["split"] == split]
        if split == "test" and part.empty:
            raise UserError(f"{printable(path)}: column split: found no test rows, expected images of both classes")
        for (stage, label), groups in _groups(part):
            if groups < 2:
                raise UserError(
                    f"{printable(path)}: {split} rows of stage {stage!r} hold {groups} {label} images or groups; "
                    "expected at least 2 of each class"
                )
    return frame[["image_id", "label", "split", "stage", "score", "group"]].reset_index(drop=True)


def _groups(part: pd.DataFrame) -> list[tuple[tuple[str, str], int]]:
    """Numbers of groups of each stage and class."""
    counts = part.groupby(["stage", "label"])["group"].nunique()
    return [
        ((stage, label), int(counts.get((stage, label), 0))) for stage in part["stage"].unique() for label in LABELS
    ]


def _check_images(path: Path, frame: pd.DataFrame) -> None:
    twice = frame[frame.duplicated(["image_id", "stage"])]
    if len(twice):
        raise refusal(
            path, f"line {twice.index[0]}", "image_id", twice.iloc[0]["image_id"], "each image once (a stage)"
        )
    # Stages score the same images.
    for column in ("label", "split", "group"):
        other = frame.groupby("image_id")[column].transform("first") != frame[column]
        if other.any():
            raise refusal(
                path, f"line {frame.index[other][0]}", column, frame[column][other].iloc[0], "what the image has above"
            )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _column(check, expected: str) -> pa.Column:
    return pa.Column(checks=pa.Check(check, element_wise=True, error=expected))


_SCHEMA = pa.DataFrameSchema(
    {
        "image_id": _column(lambda text: bool(text.strip()), "a name or number"),
        "label": _column(lambda text: bool(label_of(text)), "real, synthetic or fake, or 0 (real) or 1"),
        "split": _column(lambda text: bool(split_of(text)), "test or validation (or train, which is left out)"),
        "score": _column(_is_number, "a finite number"),
        "stage": _column(lambda text: bool(text.strip()), "a name"),
        "group": pa.Column(),
    }
)


def _detector(path: Path, run: Run, said: str = "") -> Detector:
    """The detector of a scores file, on the study's dataset that holds its images, if there is one.

    Args:
        said: the dataset, if the user states it.
    """
    scores = read_scores(path)
    chosen = _dataset_of(path, scores, run, _full_name(said))
    if chosen is None:
        return Detector(path.stem, scores, path.stem)
    images = chosen.used_images().set_index("image_id")
    # Some of its validation images may be unknown.
    known = scores["image_id"].isin(images.index)
    label = scores["image_id"].map(images["label"])
    wrong = scores[known & (label != scores["label"])]
    if len(wrong):
        first = wrong.iloc[0]
        raise UserError(
            f"{printable(path)}: image {first['image_id']} is {first['label']} here and {label[wrong.index[0]]} in "
            f"images.csv of {chosen.name}, whose test images these are; expected the same label"
        )
    group = images["group"].where(images["group"] != "", images.index.to_series())
    # The study's groups, so that its models can be tested against this detector.
    scores = scores.assign(group=scores["image_id"].map(group).where(known, scores["group"]))
    return Detector(path.stem, scores, chosen.name, chosen)


def _dataset_of(path: Path, scores: pd.DataFrame, run: Run, said: str) -> Run | None:
    """The dataset that holds all test images of a scores file, or None.

    Several datasets may use the same names, as the stand-ins do. Then the one with the most similar test split is
    chosen.
    """
    asked = set(scores.loc[scores["split"] == "test", "image_id"])
    alike = {}
    for dataset in run.audited():
        images = dataset.used_images()
        test = set(images.loc[images["split"] == "test", "image_id"])
        if asked & test and asked <= set(images["image_id"]):
            alike[dataset.name] = (len(asked & test) / len(asked | test), dataset)
    if said:
        if said not in alike:
            raise UserError(
                f"--compare {said}={printable(path)}: {said} is no dataset with these test images; "
                f"{', '.join(alike) or 'none'} has them"
            )
        return alike[said][1]
    most = max((share for share, _ in alike.values()), default=0)
    best = [dataset for share, dataset in alike.values() if share == most]
    named = {_full_name(name.split("/")[0]) for name in run.compare}
    best = [dataset for dataset in best if dataset.name in named] or best
    if len(best) > 1:
        names = [dataset.name for dataset in best]
        raise UserError(
            f"--compare {printable(path)}: its test images are named as those of {' and of '.join(names)}; say which is "
            f"meant: {names[0]}={printable(path)}"
        )
    return best[0] if best else None


def _full_name(name: str) -> str:
    return run_name(name, "", "") if name in DATASETS else name


def _share_unknown_images(detectors: list[Detector]) -> list[Detector]:
    """Detectors with the same unknown images get one name for them, so that they can be compared."""
    first: dict[frozenset, str] = {}
    shared = []
    for found in detectors:
        test = found.scores[found.scores["split"] == "test"]
        images = frozenset(zip(test["image_id"], test["label"], test["group"]))
        name = found.tested_on if found.dataset else first.setdefault(images, found.tested_on)
        shared.append(Detector(found.name, found.scores, name, found.dataset))
    return shared
