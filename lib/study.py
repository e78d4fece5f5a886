"""Recipes, names, paths and the layout of results: the only reader and writer of `results/`.

Every file is written beside its place and then renamed, so that a run that is killed leaves either the old file or the
new one, never half of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pandas as pd

from lib.frontend import picture

PROJECT = Path(__file__).resolve().parent.parent
LABELS = ("real", "synthetic")
SPLITS = ("train", "validation", "test")
STAGES = ("phase1", "partial", "full")
DATASETS = ("1", "2", "3", "4", "control")
NOT_OMNIGEN = "stand-in images, not OmniGen"
# What --groups may be.
GROUPINGS = ("none", "folder", "name")
# Folder in results/ for comparisons of runs that were named.
COMPARED = "compared"
# Folder in results/ and in models/ that quick runs have to themselves.
QUICK_FOLDER = "quick"
# In the place of a recipe, for detectors that are known by a file of their scores alone.
SCORES_FILE = "scores file"
# What makes a folder of models a detector that scores pictures (lib/model/detector.py).
DETECTOR_FILES = ("detector.json", "training_features.npz")
# What a complete detector gave on other datasets, beside them.
ELSEWHERE_FILE = "elsewhere.json"
# Letters of a name in results/: file systems allow 255 bytes, and endings are added.
MOST_LETTERS = 100
# How the column `issue` of images.csv begins: a file that is not used, or a remark on one that is.
ASIDE, NOTE = "set aside: ", "note: "

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
# fmt: on


class UserError(Exception):
    """A mistake in what the user gave (option, folder, file); its text is the one line that is shown."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook, by this name: the line alone, without the frames that led to it."""
        return [f"{type(self).__name__}: {self}"]


# ---------------------------------------------------------------------------------------------------------- recipes

# As Recipe.views: augmentation drawn anew for every epoch.
FRESH = -1


# What may stand in a recipe's fields that name something.
CHOICES = {
    "view": ("resize", "crop"),
    "pooling": ("average", "multilevel"),
    "head": ("study", "small", "linear", "logistic"),
    "degradation": ("", "half"),
    "rare": ("weights", "views"),
    "batch_norm": ("frozen", "trained"),
}


def _check_choices(settings: object, choices: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError for the first field that holds none of its choices."""
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{type(settings).__name__}: {name} is {getattr(settings, name)!r}, expected {expected}")


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Attributes:
        epochs: at most this many passes over the training images.
        learning_rate: Adam's, at the start of the stage.
        schedule: `constant`, or `cosine` down to zero over the stage.
        patience: stop after this many epochs without a better validation AUC; None never stops early.
        images: an epoch uses at most this many training images, drawn anew each time; None uses all.
        margin: the stage's start is kept unless an epoch's validation AUC is higher by more than this many standard errors
            of their difference; 1.645 is a one-sided test at 5%. With few validation images an epoch is often higher by chance.
    """

    epochs: int
    learning_rate: float
    schedule: str = "constant"
    patience: int | None = None
    images: int | None = None
    margin: float = 0.0

    def __post_init__(self):
        _check_choices(self, {"schedule": ("constant", "cosine")})

    def epoch_images(self, images: int) -> int:
        """Images of an epoch where the training split has `images`."""
        return min(images, self.images or images)


@dataclass(frozen=True)
class Recipe:
    """Everything that is chosen about training; `original` says what the original study states, `tuned` what works.

    Attributes:
        view: `resize` squeezes the whole image to `image_size`; `crop` takes `image_size` pixels at native resolution.
        pooling: `average` of the last activation, or `multilevel`: mean and standard deviation over space of every
            block's depthwise output.
        head: `study` (1024-512-256-1 with dropout), `small` (64-1 with dropout, on standardised features) or `linear`,
            started from a ridge regression; `logistic` is one that is started from a logistic regression.
        views: augmented versions of each training image beside the plain one, drawn once and kept; FRESH draws a new
            one for every epoch and keeps none.
        degradation: of the augmented versions: none, or `half`: every other one is compressed, scaled, blurred or noisy.
        rare: how a class with fewer training images comes to count as much: by `weights` in the loss, or by `views`: its
            images are used several times, each time augmented in another way, and weights make up for the rest.
        batch_norm: `frozen` (its statistics are used as they are, in every stage) or `trained`.
        unfreeze_from: first block that the partial stage trains.
        label_smoothing: 0 to 1, how far targets move from 0 and 1 towards 0.5.
    """

    name: str
    view: str
    pooling: str
    head: str
    phase1: Phase
    partial: Phase
    full: Phase
    views: int = 2
    degradation: str = ""
    rare: str = "weights"
    image_size: int = 224
    batch_size: int = 32
    unfreeze_from: int = 6
    label_smoothing: float = 0.0
    batch_norm: str = "frozen"

    def __post_init__(self):
        _check_choices(self, CHOICES)

    def phase(self, stage: str) -> Phase:
        """The settings of stage `phase1`, `partial` or `full`."""
        return getattr(self, stage)

    def quick(self) -> Recipe:
        """The same recipe made small: no fine-tuning, which takes longest, and one augmented view at most."""
        return dataclasses.replace(
            self,
            views=min(self.views, 1),
            partial=dataclasses.replace(self.partial, epochs=0),
            full=dataclasses.replace(self.full, epochs=0),
        )


RECIPES = {
    # Learning rates, head, augmentation, class weights: the original study's. It states no number of epochs; 20, 3
    # and 2 are ours, long enough for phase 1's validation AUC to stop rising. One augmented view is kept of each image: two,
    # three and fresh ones for every epoch are no better on validation (tests/benchmarks/cached_views.py, docs/experiments.md).
    "original": Recipe(
        name="original",
        view="resize",
        pooling="average",
        head="study",
        views=1,
        phase1=Phase(epochs=20, learning_rate=1e-3),
        partial=Phase(epochs=3, learning_rate=1e-5),
        full=Phase(epochs=2, learning_rate=1e-8),
    ),
    # Each choice has a row in the ablation table (`run_all.py --also ablation`, docs/experiments.md). The partial stage is left
    # out, because the full one alone does as well; an epoch of it has a fixed number of images, so that a larger dataset
    # does not take longer.
    "tuned": Recipe(
        name="tuned",
        view="crop",
        pooling="multilevel",
        head="linear",
        degradation="half",
        rare="views",
        phase1=Phase(epochs=15, learning_rate=1e-4, schedule="cosine", patience=5),
        partial=Phase(epochs=0, learning_rate=1e-4, schedule="cosine", margin=1.645),
        full=Phase(epochs=1, learning_rate=1e-4, schedule="cosine", images=1200, margin=1.645),
    ),
}
# A larger window sees more of a picture, for 1.3 times the computation. What it gave: docs/experiments.md.
RECIPES["wide"] = dataclasses.replace(RECIPES["tuned"], name="wide", image_size=256)
# Of both classes together. With them the interval of the test AUC of dataset 1 began above 0.75 for each of five seeds (7 to
# 11), with 300 of them at 0.53 for one; with 160 the AUC was at chance.
QUICK_IMAGES = 400
# What a person is told of a quick run.
QUICK_WORDS = (
    f"a sample of at most {QUICK_IMAGES} images, and no fine-tuning. Expect an AUC above 0.5 on stand-ins (on the control: "
    "around it) with a wide interval, and more of a full run"
)


# ------------------------------------------------------------------------------------------------- places and files


def home() -> Path:
    """Where datasets/, models/, results/ and cache/ lie: the project's folder, or $STUDY_HOME."""
    return Path(os.environ.get("STUDY_HOME") or PROJECT).resolve()


def cache_folder(kind: str) -> Path:
    """Folder for what can be computed again (`features`, `engines`), made if it is not there."""
    folder = home() / "cache" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on leaving without an error it is renamed to `path`.

    The temporary name keeps the suffix, because Keras and matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; a result should be as readable as any other file of the user's.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict) -> None:
    """Write JSON whole; NaN is refused, because JSON has none and readers would choke on it."""
    write_text(path, _json_text(content))


def _json_text(content: dict) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file whole."""
    with written_whole(path) as temporary:
        frame.to_csv(temporary, index=False)


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal hash of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def text_hash(*parts: object) -> str:
    """Hexadecimal sha256 of the parts' JSON, for keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def read_cached_table(kind: str, key: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table from the cache, computed and put there where it is missing."""
    path = cache_folder(kind) / f"{key}.csv"
    if not path.exists():
        write_table(path, compute())
    return pd.read_csv(path)


def as_int(labels: pd.Series) -> pd.Series:
    """Labels `real` and `synthetic` as 0 and 1; synthetic is the positive class."""
    return labels.map({"real": 0, "synthetic": 1}).astype("int64")


def independent_groups(images: pd.DataFrame) -> pd.Series:
    """The group of each image (a person, say); an image without one is a group of its own, named by its image_id."""
    return images["group"].where(images["group"] != "", images["image_id"])


# --------------------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class Reading:
    """What the user states about folders and tables of images, where what they say themselves is not enough.

    Attributes:
        labels: `WORD=CLASS,…`: what a folder's name or a value in a table's label column stands for: real, synthetic, or
            none for files that are left out.
        groups: what must stay on one side of the split: `none`; `folder`, the folders below the classes'; `name`, files
            whose names differ in their last number; "" takes a table's groups, or folders where they look like groups.
        split: `anew` draws a split although one is given; "" takes one that is given.
        follow_links: whether links are followed out of the data folder, and into folders.

    Raises:
        UserError: a value that is not known.
    """

    labels: str = ""
    groups: str = ""
    split: str = ""
    follow_links: bool = False

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) for text in (self.labels, self.groups, self.split)):
            raise UserError(
                f"READING: found {self.as_dict()}, expected texts, as --labels, --groups and --split have them"
            )
        if any(label not in (*LABELS, "none") or not word for word, label in self._pairs()):
            raise UserError(
                f"--labels {self.labels}: expected WORD=CLASS,…, such as 1=real,0=synthetic; CLASS may be none"
            )
        if self.groups not in ("", *GROUPINGS):
            raise UserError(f"--groups {self.groups}: expected one of {', '.join(GROUPINGS)}")
        if self.split not in ("", "anew"):
            raise UserError(f"--split {self.split}: expected anew, or nothing to take the split that is given")

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Reading:
        """From a notebook's parameter, such as {"groups": "none", "follow_links": True}."""
        unknown = set(options) - {known.name for known in dataclasses.fields(cls)}
        if unknown:
            known = ", ".join(known.name for known in dataclasses.fields(cls))
            raise UserError(f"READING: found {', '.join(sorted(unknown))}, expected some of {known}")
        return cls(**options)

    @property
    def stated(self) -> dict[str, str]:
        """Word, in small letters, to real, synthetic or none."""
        return dict(self._pairs())

    def _pairs(self) -> list[tuple[str, str]]:
        parts = [part.rpartition("=") for part in self.labels.split(",") if part.strip()]
        return [(word.strip().lower(), label.strip().lower()) for word, _, label in parts]

    def as_dict(self) -> dict[str, object]:
        """What is stated, by name; empty for nothing."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    def as_options(self) -> str:
        """What is stated, as options of run_all.py."""
        flags = {name: f"--{name.replace('_', '-')}" for name in self.as_dict()}
        return " ".join(
            flag if name == "follow_links" else f"{flag} {getattr(self, name)}" for name, flag in flags.items()
        )


@dataclass(frozen=True)
class Run:
    """One dataset trained by one recipe: its options, and its place in `results/` and `models/`.

    Attributes:
        name: `dataset_1` … `dataset_4`, `control`, or the name given to the user's own data.
        dataset: `1` … `4`, `control`, or "" where `data` is given.
        data: the user's own folder or table, or "".
        normalise: `SIZE,QUALITY` where both classes are rewritten by one encoder first, or "".
        costs: `FALSE_ALARM,MISS,PREVALENCE` where the threshold of least expected cost is wanted too, or "".
        compare: what notebook 05 compares, names of finished runs, and paths of scores files or DATASET=PATH; () for every finished run.
        reading: what the user states about folders and tables of images.
    """

    name: str
    dataset: str
    data: str
    recipe: Recipe
    backbone: str
    weights: str
    quick: bool
    seed: int
    results: Path
    models: Path = field(repr=False)
    results_option: str = ""
    normalise: str = ""
    costs: str = ""
    compare: tuple[str, ...] = ()
    reading: Reading = Reading()

    @property
    def folder(self) -> Path:
        """`results/<name>`."""
        return self.results / self.name

    @property
    def recipe_folder(self) -> Path:
        """`results/<name>/<recipe>`."""
        return self.folder / self.recipe.name

    @property
    def comparison_folder(self) -> Path:
        """Where notebook 05 leaves what it makes: `results`, or `results/compared` where a choice of runs was given."""
        return self.results / COMPARED if self.compare else self.results

    def model_path(self, stage: str) -> Path:
        """`models/<name>/<recipe>/<stage>.keras`."""
        return self.model_folder / f"{stage}.keras"

    @property
    def model_folder(self) -> Path:
        """`models/<name>/<recipe>`."""
        return self.models / self.name / self.recipe.name

    # What 01 leaves, whatever the recipe

    def write_audit(self, images: pd.DataFrame, pairs: pd.DataFrame, audit: dict) -> None:
        """Store images.csv, pairs.csv and audit.json; audit.json last, as the sign that all three are there.

        Where images, labels, groups, split or the words about them are others than before, what was made of them goes.
        """
        path, before = self.folder / "audit.json", self._audited()
        with written_whole(self.folder / "images.csv") as temporary:
            images[list(IMAGE_COLUMNS)].to_csv(temporary, index=False)
            if before != (_images_key(temporary), *_audit_words(audit)):
                self.outdate("01_data_audit")
                path.unlink(missing_ok=True)
        write_table(self.folder / "pairs.csv", pairs[PAIR_COLUMNS])
        write_json(path, {"schema": 1, **audit})

    def _audited(self) -> tuple[str, ...]:
        """What later results depend on of the last audit; () where there is none."""
        there = (self.folder / "audit.json").is_file() and (self.folder / "images.csv").is_file()
        return (_images_key(self.folder / "images.csv"), *_audit_words(self.audit())) if there else ()

    def claim(self) -> None:
        """Note whose results this folder holds, before the first of them is there: another dataset of this name is refused.

        Raises:
            UserError: as `open_run`.
        """
        refuse_other_data(self)
        if self.data:
            write_json(self.folder / "dataset.json", {"schema": 1, "data": self.data, "normalise": self.normalise})

    # What becomes untrue

    def outdate(self, notebook: str) -> None:
        """Remove what a notebook and those after it showed and measured, because what they stand on is being replaced.

        Scores and models stay: they say themselves what they were made from, and are trained anew where that has changed. The
        last results go first, so that a run that is killed in between leaves none that is older than what it depends on. To
        be called before anything new is written.

        Args:
            notebook: of `STEPS`, whose own tables and records are about to be written.
        """
        first = next(number for number, step in enumerate(STEPS) if step.notebook == notebook)
        # A new audit is new to all recipes, and to the experiments.
        whole = STEPS[first].scope == "dataset"
        names = [name for name in RECIPES if (self.folder / name).is_dir()] if whole else [self.recipe.name]
        runs = [dataclasses.replace(self, recipe=RECIPES[name]) for name in names]
        self._outdate_comparisons()
        for step in (*(EXPERIMENTS.values() if whole else ()), *reversed(STEPS[first:])):
            if step.scope != "all":
                for run in runs if step.scope == "recipe" else [self]:
                    step.remove(run, outputs=step.notebook != notebook)

    def _outdate_comparisons(self) -> None:
        (step,) = (step for step in STEPS if step.scope == "all")
        for compare in ((), (COMPARED,)):
            other = dataclasses.replace(self, compare=compare)
            path = other.comparison_folder / "comparison.csv"
            with contextlib.suppress(FileNotFoundError):
                names = pd.read_csv(path, usecols=["trained_on", "tested_on"], dtype=str)
                if self.name in names.to_numpy():
                    step.remove(other)

    def unfinished(self) -> str:
        """Why this run is not finished, and what to do, in words; empty where every result is of the one before it."""
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
        return _images_key(path) if path.is_file() else ""

    def _known(self) -> dict:
        path = self.recipe_folder / "run.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def images(self) -> pd.DataFrame:
        """images.csv: one row per file found, columns IMAGE_COLUMNS; `split` is empty for files set aside."""
        return self._table(self.folder / "images.csv", "01_data_audit")

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
        """image_id to split of the images that the last audit with this seed placed, if their files are the same still.

        Images added later must leave these where they were. Empty before the first audit, and where folders or tables were
        read otherwise then: their groups or their split were others.

        Args:
            images: the image table of now (columns image_id, sha256).
        """
        if not (self.folder / "audit.json").is_file():
            return pd.Series(dtype=object)
        audit = self.audit()
        if (audit.get("seed"), audit.get("dataset", {}).get("reading")) != (self.seed, self.reading.as_dict()):
            return pd.Series(dtype=object)
        known = self.used_images().set_index("image_id")
        now = images.set_index("image_id")["sha256"].reindex(known.index)
        return known.loc[known["sha256"] == now, "split"]

    def siblings(self) -> list[Run]:
        """A run for every other dataset audited so far under the same results folder.

        Left out is this dataset in another form (as it came, or normalised), which is the same images.
        """
        mine = base_name(self.name, self.normalise)
        return [found for found in self.audited() if base_name(found.name, found.normalise) != mine]

    def audited(self) -> list[Run]:
        """A run for every dataset audited so far under the same results folder, this one too, by name."""
        found = []
        for path in sorted(self.results.glob("*/audit.json")):
            known = json.loads(path.read_text(encoding="utf-8"))["dataset"]
            options = {key: known[key] for key in ("dataset", "data", "normalise")}
            options["reading"] = Reading(**known.get("reading", {}))
            found.append(dataclasses.replace(self, name=path.parent.name, **options))
        return found

    # What 02, 03 and 04 leave, for each recipe

    def add_stage(self, scores: pd.DataFrame, history: pd.DataFrame) -> None:
        """Put a stage's rows into scores.csv and history.csv in place of that stage's and later ones' old rows.

        What was made of the old rows goes first; run.json notes of which images the new ones are.
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

    def scores(self) -> pd.DataFrame:
        """scores.csv: one row per image of validation and test and stage, columns SCORE_COLUMNS."""
        return self._table(self.recipe_folder / "scores.csv", "02_phase1_training")

    def scored(self, through: str | None = None) -> pd.DataFrame:
        """scores.csv with y (0 real, 1 synthetic) and group (the image itself where it has no group) of each image.

        Args:
            through: a stage that must have been trained.

        Raises:
            UserError: images or scores are not there yet, not those of the stage, or scores of images as they were before.
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
        group = scores["image_id"].map(dict(zip(images["image_id"], group)))
        return scores.assign(y=as_int(scores["label"]), group=group)

    def history(self) -> pd.DataFrame:
        """history.csv: one row per epoch and stage, the columns of `training.train_head`'s history."""
        return self._table(self.recipe_folder / "history.csv", "02_phase1_training")

    def write_metrics(self, metrics: dict, thresholds: dict, report: str) -> None:
        """Store metrics.json, thresholds.json and classification_report.txt, each with the source of the images.

        Where they are others than before, what was made of the old ones goes first. metrics.json is written last, as the sign
        that all are there, and says of which scores they are.
        """
        folder, source = self.recipe_folder, {"schema": 1, "source": self.source()}
        scores = folder / "scores.csv"
        made_of = {"scores_sha256": file_hash(scores)} if scores.is_file() else {}
        texts = {
            "thresholds.json": _json_text({**source, "stages": thresholds}),
            "classification_report.txt": f"{self.name}: {self.source()}\n\n{report}",
            "metrics.json": _json_text({**source, **made_of, "stages": metrics}),
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
        text = _json_text({"schema": 1, "source": self.source(), "stages": calibrations})
        if not _holds(path, text):
            # It goes into the detector.
            (self.model_folder / DETECTOR_FILES[0]).unlink(missing_ok=True)
            write_text(path, text)

    def calibration(self) -> dict:
        """calibration.json."""
        return self._json(self.recipe_folder / "calibration.json", "04_threshold_analysis")

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

    def write_experiment(self, name: str, table: pd.DataFrame) -> None:
        """Store the table of an experiment as `<name>.csv`, with the source of its images in a column."""
        self._replace(table, self.folder / f"{name}.csv", _maker_of(name).notebook, f"{name}*")

    def _replace(self, table: pd.DataFrame, path: Path, notebook: str, figures: str = "*") -> None:
        """Write a table; where it is another than before, the notebook and the figures that showed the old one go first."""
        text = table.assign(source=self.source()).to_csv(index=False)
        if not _holds(path, text):
            step = next(step for step in (*STEPS, *EXPERIMENTS.values()) if step.notebook == notebook)
            step.remove(self, outputs=False, figures=figures)
            write_text(path, text)

    def train_again(self, step: Step) -> None:
        """Have the experiments of a step train anew what their kept trainings would give."""
        for path in step.outputs_of(self):
            write_text(self.trials / f"{path.stem}.again", "Trainings that are older than this file are done again.\n")

    @property
    def trials(self) -> Path:
        """Where the trainings of experiments are kept."""
        return self.folder / "trials"

    def experiment(self, name: str) -> pd.DataFrame:
        """`<name>.csv` of an experiment (wrong_turns, ablation, imbalance), with a column source."""
        self.require(self.folder / f"{name}.csv", _maker_of(name).notebook)
        return _measured(self.folder / f"{name}.csv", "turn", "what", "choice", "setting", "case")

    def save_figure(self, figure, name: str, *, per_recipe: bool = True):
        """Save a matplotlib Figure as figures/<name>.png and .svg, and return the first as a picture that a notebook shows."""
        folder = (self.recipe_folder if per_recipe else self.folder) / "figures"
        return picture(save_figure(figure, folder / name), figure.get_suptitle())

    def remove_figures(self, *names: str) -> None:
        """Remove figures of an earlier run that are not true of this one."""
        for name in names:
            for suffix in (".png", ".svg"):
                (self.recipe_folder / "figures" / f"{name}{suffix}").unlink(missing_ok=True)

    def figures(self, *, per_recipe: bool = True) -> dict[str, Path]:
        """The figures saved so far as PNG: name to path, by name."""
        return saved_figures(self.recipe_folder if per_recipe else self.folder)

    def files(self, *, per_recipe: bool = True) -> list[Path]:
        """The tables and records made so far (CSV, JSON, text), by name; notebooks and figures are not among them."""
        folder = self.recipe_folder if per_recipe else self.folder
        return sorted(path for path in folder.glob("*.*") if path.suffix in (".csv", ".json", ".txt") and _shown(path))

    # Words

    def source(self) -> str:
        """Where the images come from, in the words every figure shows, with the audit's warning if there is one."""
        return self.audit()["dataset"]["source"] + (f" · WARNING: {self.warning()}" if self.warning() else "")

    def warning(self) -> str:
        """What the audit has to say beside every score of this dataset; empty where it found no shortcut to the label."""
        return self.audit()["shortcut"]["warning"]

    def marked(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of this run's numbers, with the audit's warning in a column where there is one."""
        return table.assign(warning=self.warning()) if self.warning() else table

    def title(self, what: str, images: int | None = None, *, recipe: bool = True) -> str:
        """Title of a figure: what it shows, then dataset, source, number of images and recipe."""
        used = images if images is not None else self.audit()["used"]
        parts = [self.name, self.source(), f"n = {used:,}"]
        if recipe:
            parts.append(f"{self.recipe.name} recipe" + (", quick" if self.quick else ""))
        return f"{what}\n{' · '.join(parts)}"

    def _table(self, path: Path, maker: str) -> pd.DataFrame:
        self.require(path, maker)
        names = ("issue", "group", "split", "path", "phash", "format", "image_id", "mode", "subsampling")
        text = {column: "string" for column in names}
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={c: [""] for c in _NUMBERS})
        return frame.astype({column: object for column in text if column in frame})

    def _json(self, path: Path, maker: str) -> dict:
        self.require(path, maker)
        return json.loads(path.read_text(encoding="utf-8"))

    def require(self, path: Path, maker: str) -> None:
        """Raise unless a result is there, naming the notebook that makes it, and those before it that have not been run.

        Raises:
            UserError: it is not there.
        """
        if path.is_file():
            return
        steps = [*itertools.takewhile(lambda step: step.notebook != maker, STEPS)] if maker[:2] < "07" else STEPS[:1]
        missing = [step.notebook for step in steps if not all(out.is_file() for out in step.outputs_of(self))]
        more = f", and before it {' and '.join(missing)}" if missing else ""
        raise UserError(f"{path} is not there yet: run notebook {maker} with the same parameters first{more}")


def _images_key(path: Path) -> str:
    """Of images.csv: what training and measures see of it, beside the pictures' pixels, which the hash stands for."""
    columns = ["image_id", "sha256", "label", "group", "split"]
    images = pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)[columns]
    return text_hash(images[images["split"] != ""].to_numpy().tolist())


def _audit_words(audit: dict) -> tuple[str, str]:
    """What the audit says beside every score."""
    return audit.get("dataset", {}).get("source", ""), audit.get("shortcut", {}).get("warning", "")


def _holds(path: Path, text: str) -> bool:
    """Whether a file holds this very text already."""
    return path.is_file() and path.read_bytes() == text.encode("utf-8")


def _maker_of(experiment: str) -> Step:
    return next(step for step in EXPERIMENTS.values() if f"{experiment}.csv" in step.outputs)


def step_of(stage: str) -> str:
    """The notebook that trains a stage."""
    return next(step.notebook for step in STEPS if stage in step.stages)


def _shown(path: Path) -> bool:
    """Whether a file is whole: not one that is being written, or a notebook that did not reach its end."""
    return path.is_file() and not path.name.startswith(".") and ".partial" not in path.suffixes


def _measured(path: Path, *text: str) -> pd.DataFrame:
    """A table of measures: an empty cell is a number that is not known, in the columns `text` an empty text."""
    frame = pd.read_csv(path, dtype=dict.fromkeys(text, "string"), keep_default_na=False, na_values=[""])
    columns = [column for column in text if column in frame]
    return frame.fillna(dict.fromkeys(columns, "")).astype(dict.fromkeys(columns, object))


_NUMBERS = (
    *("width", "height", "bytes", "quantisation", "exif", "icc"),
    *("score", "distance", "loss", "val_loss", "roc_auc", "val_roc_auc", "weight_change", "score_change"),
)


# Dots an inch of saved figures.
SAVED_DPI = 150


def save_figure(figure, path: Path) -> Path:
    """Save a Figure as `path`.png (SAVED_DPI) and `path`.svg, each whole, and return the path of the first."""
    # Drawn once for the layout, which would otherwise be worked out for each file, and twice for its edges.
    figure.set_dpi(SAVED_DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    edges = figure.get_tightbbox().padded(0.1)
    for suffix in (".png", ".svg"):
        with written_whole(path.with_name(path.name + suffix)) as temporary:
            # No date in the SVG, so that the same figure is the same file.
            metadata = {"Date": None} if suffix == ".svg" else {}
            figure.savefig(temporary, dpi=SAVED_DPI, bbox_inches=edges, metadata=metadata)
    return path.with_name(path.name + ".png")


def saved_figures(folder: Path) -> dict[str, Path]:
    """The figures below `folder`/figures as PNG: name to path, by name."""
    return {path.stem: path for path in sorted((Path(folder) / "figures").glob("*.png")) if _shown(path)}


def open_run(
    *,
    dataset: str | int = "1",
    data: str = "",
    name: str | int = "",
    recipe: str = "tuned",
    backbone: str = "auto",
    weights: str = "auto",
    quick: bool | str = False,
    seed: int | str = 7,
    results: str = "",
    normalise: str = "",
    costs: str = "",
    compare: Sequence[str] | str = (),
    reading: Reading | Mapping[str, object] | None = None,
) -> Run:
    """The run that these options name; they are the parameters of the notebooks and options of run_all.py.

    Quick runs live in `results/quick` and `models/quick`, so that they never stand in the place of a full one. With a
    results folder of the user's own, the models go to its `models` folder.

    papermill makes numbers, True and None of what it can (`-p DATASET 1`, `-p NAME 2024`) and leaves the rest text (`-p COMPARE
    dataset_1`); all of that is taken as it was meant.

    Raises:
        UserError: an option has a value that is not known, or a name that another folder of the user's has results under.
    """
    dataset, data, name = _text("dataset", dataset), _text("data", data), _text("name", name)
    recipe, backbone, weights = _text("recipe", recipe), _text("backbone", backbone), _text("weights", weights)
    results, normalise, costs = _text("results", results), _text("normalise", normalise), _text("costs", costs)
    quick, seed = _yes_or_no("quick", quick), _whole("seed", seed)
    if not data and dataset not in DATASETS:
        raise UserError(f"--dataset {dataset}: expected one of {', '.join(DATASETS)}")
    if recipe not in RECIPES:
        raise UserError(f"--recipe {recipe}: expected one of {', '.join(RECIPES)}")
    costs_of(costs)
    chosen = RECIPES[recipe].quick() if quick else RECIPES[recipe]
    results_folder = Path(results).resolve() if results else home() / "results"
    models = results_folder / "models" if results else home() / "models"
    run = Run(
        name=run_name(dataset, data, name, normalise),
        normalise=normalise,
        dataset="" if data else dataset,
        data=str(Path(data).resolve()) if data else "",
        recipe=chosen,
        backbone=backbone,
        weights=weights if weights in ("auto", "imagenet") else str(Path(weights).resolve()),
        results_option=str(results_folder) if results else "",
        quick=quick,
        seed=seed,
        results=results_folder / QUICK_FOLDER if quick else results_folder,
        models=models / QUICK_FOLDER if quick else models,
        costs=costs,
        # A notebook is executed in another folder than the one the user is in.
        compare=tuple(map(_absolute, _texts("compare", compare))),
        reading=reading if isinstance(reading, Reading) else Reading.of(reading or {}),
    )
    refuse_other_data(run)
    return run


def refuse_other_data(run: Run) -> None:
    """Raise where the folder of a run of the user's own images holds results of other images.

    Raises:
        UserError: names the other folder and the option.
    """
    if not run.data:
        return
    # The second is of a run that was stopped before its audit was done.
    for path in (run.folder / "audit.json", run.folder / "dataset.json"):
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content.get("dataset", content)
        other, form = known.get("data", run.data), known.get("normalise", run.normalise)
        if (other, form) != (run.data, run.normalise):
            what = f"{other or 'another dataset'}{f' with --normalise {form}' if form else ''}"
            raise UserError(
                f"--data {run.data}: {run.folder} holds the results of {what}; give these images another name with --name "
                "(or delete that folder, if its images have only been moved)"
            )


def _text(option: str, value: object) -> str:
    """An option's value as text; None is none given."""
    if value is None:
        return ""
    if not isinstance(value, str | int | float | os.PathLike):
        raise UserError(f"--{option} {value!r}: expected a text, found {type(value).__name__}")
    return str(value)


def _texts(option: str, value: object) -> list[str]:
    """An option's values, of a list, of one written as JSON, or a single one."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in (_text(option, one) for one in values) if text]


def _yes_or_no(option: str, value: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = known.get(str(value).strip().lower())
    if found is None:
        raise UserError(f"--{option} {value!r}: expected True or False")
    return found


def _whole(option: str, value: object) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value).strip()):
        raise UserError(f"--{option} {value!r}: expected a whole number, 0 or more")
    return int(str(value))


def _absolute(name: str) -> str:
    """A path, or DATASET=PATH, that names a file wherever one is; anything else as it is."""
    # os.path.isfile says False of a name that is too long for a file, where Path.is_file raises.
    if os.path.isfile(name):
        return str(Path(name).resolve())
    dataset, equals, path = name.partition("=")
    return f"{dataset}={Path(path).resolve()}" if equals and os.path.isfile(path) else name


def costs_of(text: str) -> dict[str, float] | None:
    """`FALSE_ALARM,MISS,PREVALENCE` of --costs as numbers by name; None where none are given.

    Raises:
        UserError: not three numbers in their ranges.
    """
    if not text.strip():
        return None
    try:
        false_alarm, miss, prevalence = map(float, text.split(","))
    except ValueError:
        false_alarm = miss = prevalence = math.nan
    if not (0 < false_alarm < math.inf and 0 < miss < math.inf and 0 < prevalence < 1):
        raise UserError(
            f"--costs {text}: expected FALSE_ALARM,MISS,PREVALENCE, such as 1,5,0.01 (what each error costs, above 0 in "
            "one unit, and the share of synthetic images in use, above 0 and below 1)"
        )
    return {"false_alarm": false_alarm, "miss": miss, "prevalence": prevalence}


def run_name(dataset: str, data: str, name: str, normalise: str = "") -> str:
    """Name of a run's folder in results/; a normalised dataset has one of its own, so that both can be compared.

    Raises:
        UserError: a name that is not a plain folder name, or one that the results folder needs for itself.
    """
    ending = "_{}_q{}".format(*normal_form(normalise)) if normalise else ""
    if not data:
        return (dataset if dataset == "control" else f"dataset_{dataset}") + ending
    path = Path(data).resolve()
    chosen = name or (path.stem if os.path.isfile(path) else path.name)
    if len(os.fsencode(chosen)) > MOST_LETTERS:
        raise UserError(
            f"--name {chosen[:20]}…: {len(chosen)} letters are too many for a results folder; expected a name of at most "
            f"{MOST_LETTERS} (fewer where they are not English ones)"
        )
    reserved = {
        QUICK_FOLDER,
        "models",
        "figures",
        "control",
        COMPARED,
        *(f"dataset_{number}" for number in DATASETS[:4]),
    }
    if not re.fullmatch(r"[^\W_][\w .()+-]*", chosen) or chosen.lower() in reserved:
        hint = "use letters, digits, spaces, . - _ and start with a letter or digit"
        raise UserError(f"--name {chosen!r}: cannot be the name of a results folder ({hint}; not {sorted(reserved)})")
    return chosen + ending


def base_name(name: str, normalise: str) -> str:
    """Name of a run without the ending that normalising adds."""
    return name.removesuffix("_{}_q{}".format(*normal_form(normalise))) if normalise else name


def normal_form(text: str) -> tuple[int, int]:
    """`SIZE,QUALITY` of --normalise as two numbers: side in pixels, and JPEG quality.

    Raises:
        UserError: not two numbers in their ranges.
    """
    found = re.fullmatch(r"\s*(\d{1,5})\s*,\s*(\d{1,3})\s*", text)
    size, quality = map(int, found.groups()) if found else (0, 0)
    if not (64 <= size <= 4096 and 1 <= quality <= 100):
        raise UserError(
            f"--normalise {text}: expected SIZE,QUALITY, such as 256,90 (64 to 4096 pixels, quality 1 to 100)"
        )
    return size, quality


def check_writable(folder: Path, option: str = "--results") -> None:
    """Raise unless files can be written in `folder` (made if it is not there), which `option` names.

    Raises:
        UserError: names the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{option} {folder}: cannot be written to ({error.strerror}); choose another folder") from None


def finished_runs(results: Path, models: Path, quick: bool) -> list[Run]:
    """Every run below a results folder that has been trained and analysed, by name and recipe (see `Run.unfinished`).

    Args:
        results: the folder that holds the runs' folders (for quick runs `results/quick`).
    """
    return [run for run in begun_runs(results, models, quick) if not run.unfinished()]


def left_out(results: Path, models: Path, quick: bool, name: str = "") -> list[str]:
    """Of every run that is begun but not finished, or of those called `name`, a line that says why it is left out."""
    return [
        f"{run.name}, {run.recipe.name} recipe: left out, because {why}"
        for run in begun_runs(results, models, quick)
        if name in ("", run.name) and (why := run.unfinished())
    ]


def begun_runs(results: Path, models: Path, quick: bool) -> list[Run]:
    """Every run below a results folder of which a stage has been trained, finished or not, by name and recipe."""
    runs = []
    for path in sorted(Path(results).glob("*/*/run.json")):
        name, recipe_name = path.parent.parent.name, path.parent.name
        known = json.loads(path.read_text(encoding="utf-8")).get("options") if recipe_name in RECIPES else None
        if not known:
            continue
        recipe = RECIPES[recipe_name].quick() if quick else RECIPES[recipe_name]
        # Where the images are and how they are read is the audit's to say, which may have found the same ones elsewhere since.
        audit = path.parent.parent / "audit.json"
        found = json.loads(audit.read_text(encoding="utf-8")).get("dataset", {}) if audit.is_file() else {}
        options = {key: found.get(key, known[key]) for key in ("dataset", "data", "normalise")}
        options["reading"] = Reading(**found.get("reading", known.get("reading", {})))
        options |= {key: known[key] for key in ("backbone", "weights", "seed")}
        runs.append(Run(name=name, recipe=recipe, quick=quick, results=Path(results), models=Path(models), **options))
    return runs


def audited_runs(results: Path) -> list[Run]:
    """A run for every dataset audited below a results folder, by name; of their options only the dataset's are known.

    Args:
        results: as in `finished_runs`.
    """
    anyone = Run(
        **{"name": "", "dataset": "1", "data": "", "recipe": RECIPES["tuned"], "backbone": "auto", "weights": "auto"},
        **{"quick": is_quick(results), "seed": 0, "results": Path(results), "models": Path(results) / "models"},
    )
    return anyone.audited()


def is_quick(results: Path) -> bool:
    """Whether a results folder is the one that quick runs have to themselves."""
    return Path(results).name == QUICK_FOLDER


def executed_notebooks(results: Path) -> list[Path]:
    """Every executed notebook of a results folder that reached its end: across datasets, of datasets, of recipes."""
    found = (path for depth in ("*", "*/*", "*/*/*") for path in Path(results).glob(f"{depth}.ipynb"))
    others = (QUICK_FOLDER, "models", ".ipynb_checkpoints")
    return [path for path in sorted(found) if _shown(path) and not {*path.relative_to(results).parts} & {*others}]


def notebook_page(notebook: Path) -> Path:
    """Where the HTML of an executed notebook belongs: beside it."""
    return notebook.with_suffix(".html")


def report_page(results: Path) -> Path:
    """Where the report of a results folder belongs."""
    return Path(results) / "index.html"


def home_scores(runs: list[Run]) -> pd.DataFrame:
    """Test scores of each run at home, in the columns that `comparison.compare` reads."""
    columns = ["stage", "image_id", "y", "group", "score"]
    frames = []
    for run in runs:
        rows = run.scored().query("split == 'test'")[columns]
        names = {"trained_on": run.name, "recipe": run.recipe.name, "tested_on": run.name}
        frames.append(rows.assign(overlap_removed=0, **names))
    if not frames:
        columns = ["trained_on", "recipe", "tested_on", "overlap_removed", *columns]
        return pd.DataFrame(columns=columns).astype({"overlap_removed": int, "y": int, "score": float})
    return pd.concat(frames, ignore_index=True)


def all_thresholds(runs: list[Run]) -> dict[tuple[str, str, str], dict[str, float]]:
    """(trained_on, recipe, stage) to policy to threshold, as chosen on each run's own validation images."""
    return {
        (run.name, run.recipe.name, stage): {policy: found["threshold"] for policy, found in policies.items()}
        for run in runs
        for stage, policies in run.thresholds()["stages"].items()
    }


def sizes_of_one_kind(runs: list[Run]) -> list[Run]:
    """The runs of datasets 1 to 4 whose images come from one source, the most there are of one: what only differs in size.

    A learning curve through datasets of different kinds would show their difficulty and not their size.
    """
    kinds: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.dataset in DATASETS[:4]:
            kinds.setdefault((run.audit()["dataset"]["source"], run.normalise), []).append(run)
    return max(kinds.values(), key=lambda found: len({run.name for run in found}), default=[])


def with_warnings(compared: pd.DataFrame, runs: list[Run]) -> pd.DataFrame:
    """The comparison with a column `warning`: why a row has no numbers, and what is known of what was trained and tested on."""
    known = {run.name: f"{run.name}: {run.warning()}" for run in runs if run.warning()}
    rows = zip(compared.get("warning", [""] * len(compared)), compared["trained_on"], compared["tested_on"])
    texts = ["; ".join(filter(None, [why, *(known.get(name) for name in dict.fromkeys(pair))])) for why, *pair in rows]
    return compared.assign(warning=texts)


def write_comparison(folder: Path, compared: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Store comparison.csv and paired_tests.csv."""
    write_table(folder / "comparison.csv", compared[list(COMPARISON_COLUMNS)])
    write_table(folder / "paired_tests.csv", tests)


def read_comparison(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """comparison.csv and paired_tests.csv of notebook 05; empty tables where it has not been run.

    Args:
        folder: the results folder, or its folder COMPARED.
    """
    text = ("trained_on", "recipe", "stage", "tested_on", "policy", "first", "second", "warning")
    paths = [Path(folder) / name for name in ("comparison.csv", "paired_tests.csv")]
    return tuple(_measured(path, *text) if path.is_file() else pd.DataFrame() for path in paths)


def sources_line(sources: dict[str, str]) -> str:
    """The sources of several datasets in one line for a title, each kind once."""
    kinds = {words: [name for name in sources if sources[name] == words] for words in sources.values()}
    return " · ".join(f"{', '.join(names)}: {words}" for words, names in kinds.items())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    packages = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas")
    packages += ("pillow", "simplejpeg", "opencv-python-headless")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def device() -> str:
    """The machine in words: system, processor type, number of cores."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


# -------------------------------------------------------------------------------------------------------------- steps


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

    def executed(self, run: Run) -> Path:
        """Where the executed notebook of `run` belongs."""
        folders = {"dataset": run.folder, "experiment": run.folder, "recipe": run.recipe_folder}
        folder = run.comparison_folder if self.scope == "all" else folders[self.scope]
        return folder / f"{self.notebook}.ipynb"

    def results(self, run: Run) -> list[Path]:
        """All files the step leaves."""
        made = [run.model_folder / name for name in DETECTOR_FILES] if self.detector else []
        return [self.executed(run), *self.outputs_of(run), *(run.model_path(stage) for stage in self.stages), *made]

    def outputs_of(self, run: Run) -> list[Path]:
        """The files of `outputs`."""
        return [self.executed(run).with_name(name) for name in self.outputs]

    def remove(self, run: Run, *, outputs: bool = True, figures: str = "*") -> None:
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
        figures=("sizes", "samples", "mean_images", "spectra", "pairs", "split"),
    ),
    Step(
        "02_phase1_training",
        "recipe",
        "phase 1",
        ("scores.csv", "history.csv", "run.json"),
        ("phase1",),
        figures=("phase1_curves", "scored_pictures"),
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
