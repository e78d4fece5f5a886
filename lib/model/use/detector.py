"""A detector: a folder that holds everything needed to score pictures, and a record of its training.

`detector.json` names the model, the sha256 of every file that it needs, and its own hash. A folder that was changed by
accident or copied only in part is refused. (A person who changes a file and all hashes on purpose is not detected:
hashes are no signature.) Results on other datasets are in `elsewhere.json`, which comes later and may be missing.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from lib.data.audit.appearance import sample_rows
from lib.data.images.batches import ahead
from lib.data.images.parts import Parts, parts_of
from lib.data.images.pictures import jpeg_quality
from lib.data.images.pixels import blocking, fineness
from lib.data.images.views import ImageFile, View
from lib.data.source.checks import printable
from lib.metrics import abstention, calibration, evaluation, evidence
from lib.metrics.checks import Interval
from lib.metrics.words import evidence as evidence_words
from lib.model.engine import Engine
from lib.model.features import BATCH, Rows, features_kind, frozen_features
from lib.model.scores import run_files, run_view, saved_engine, scale_of
from lib.show.progress import progress
from lib.study.files import file_hash, home, text_hash, versions, write_json, written_whole
from lib.study.limits import MOST_CONFIG, MOST_MODEL, MOST_STATISTICS, check_schema, check_size, check_zip, read_json
from lib.study.names import LABELS, STAGES, UserError, as_int, reason_of, short
from lib.study.run import Run
from lib.study.steps import DETECTOR_FILES, ELSEWHERE_FILE

if TYPE_CHECKING:
    from lib.model.native import keras

SCHEMA = 2
CONTENT, STATISTICS = DETECTOR_FILES
ELSEWHERE = ELSEWHERE_FILE
# Maximum number of training images, and of validation images, that describe the training data to the network.
MOST = 2000
# Share of validation images that count as similar to the training data.
USUAL = 0.99
# Number of validation images of each class in the average map that explanations are compared with.
MAPPED, QUICK_MAPPED = 50, 4
# Added to the deviations of the features, as a part of the median deviation; and the smallest deviation allowed. A
# channel that is (nearly) constant on the training images would explode on others.
_ADDED_SCALE, _LEAST_SCALE = 0.1, 1e-3
# Share of the training images outside of each limit of `pixel_range`; number of them that set the limits.
OUTSIDE, MEASURED = 0.01, 1000
UNLIKENESS = (
    "mean squared z-score of the features before the head, by mean and standard deviation of the training images, divided "
    "by its 99% quantile on validation images"
)


@dataclass(frozen=True)
class Statistics:
    """Statistics of the training images' features.

    Attributes:
        mean, scale: float32 (features,), of the features before the head.
        limit: mean squared z-score that 99% of the validation images do not exceed.
        average_map: float32 (side, side), the map of contributions of the average validation image.
    """

    mean: np.ndarray
    scale: np.ndarray
    limit: float
    average_map: np.ndarray

    def unlikeness(self, features: np.ndarray) -> np.ndarray:
        """How unlike the training images the pictures are to the network; above 1 they are beyond the limit.

        The squared Mahalanobis distance per feature, with a diagonal covariance. It is as good here as one with
        principal components (docs/scoring.md), with 17,920 numbers instead of millions. Lee et al. 2018 ("A simple
        unified framework for detecting out-of-distribution samples") and Rippel et al. 2020 ("Modeling the distribution
        of normal data in pre-trained deep features", EfficientNet's levels) use it with a full covariance.

        Args:
            features: (pictures, features).

        Returns:
            float (pictures,), from 0 upwards.
        """
        return mean_square(features, self.mean, self.scale) / self.limit


def image_distances(distances: np.ndarray, parts: Parts) -> np.ndarray:
    """The distance of each image (images,) from those of its parts (rows,): their weighted mean."""
    return parts.mean(distances) if parts.several else distances


def mean_square(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Mean squared z-score (rows,) of features (rows, n)."""
    scores = (features - mean) / scale
    return np.einsum("ij,ij->i", scores, scores, dtype="float64") / features.shape[1]


@dataclass(frozen=True)
class Detector:
    """A model with everything needed to interpret its scores.

    Attributes:
        folder: its folder.
        content: the content of detector.json (docs/schemas/detector.schema.json).
        statistics: of its training images.
        elsewhere: name of another dataset to the results there, as in elsewhere.json; empty if not known.
    """

    folder: Path
    content: dict
    statistics: Statistics
    elsewhere: dict

    @property
    def training(self) -> dict:
        """The training summary."""
        return self.content["training"]

    @property
    def view(self) -> View:
        """The view that turns a picture into the network's input."""
        known = self.content["preprocessing"]
        return View(known["view"], known["image_size"], scale=self.scale if known["view"] == "crop" else None)

    @property
    def scale(self) -> tuple[int, int, int]:
        """Smallest, median and largest shorter side of the training pictures, pixels, as `View.scale`."""
        return tuple(self.content["preprocessing"]["scale"])

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of the thresholds."""
        return tuple(self.content["thresholds"])

    def threshold(self, policy: str) -> float:
        """A picture is called synthetic from this score on.

        Raises:
            UserError: a policy that was not chosen for this detector.
        """
        if policy not in self.policies:
            raise UserError(f"--policy {policy}: expected one of {', '.join(self.policies)}")
        return self.content["thresholds"][policy]["threshold"]

    def band(self, policy: str) -> tuple[float, float]:
        """Scores from the first number up to, not including, the second are undecided; equal numbers: none are."""
        band = self.content["thresholds"][policy]["band"]
        return band["low"], band["high"]

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of synthetic from the network's scores 0-1, by the calibration that validation recommends."""
        method = self.content["calibration"]
        if method["method"] == calibration.UNCALIBRATED:
            return np.asarray(scores, "float64")
        return calibration.from_dict(method)(scores)

    def strength(self) -> evidence.Strength | None:
        """Prior and bounds of its likelihood ratios; None for a detector of an earlier version, which has none."""
        return evidence.Strength.from_dict(self.content["evidence"]) if "evidence" in self.content else None

    def refusal(self) -> str:
        """Why it gives no likelihood ratio; empty where it gives one."""
        if self.strength() is None:
            return "No likelihood ratio: the detector does not record its bounds; run notebook 04 of its run again."
        known = self.training
        auc = Interval.from_dict(known["test"]["roc_auc"])
        return evidence_words.refusal(auc, stand_in=known["stand_in"], quick=known["quick"])

    def log10_lr(self, probability: float) -> float | None:
        """Bounded log10 likelihood ratio of a calibrated probability of synthetic; None where `refusal` says why not."""
        return None if self.refusal() else float(self.strength().of_probabilities(probability))

    def lr_words(self) -> str:
        """What its likelihood ratios compare, or why there are none."""
        return self.refusal() or evidence_words.strength_words(self.strength())

    def model(self) -> keras.Model:
        """The network, loaded in Keras' safe mode."""
        # Here and below not at the top: a converted network scores without TensorFlow.
        from lib.model import network

        return network.load(self.folder / self.content["model"])

    def engine(self) -> Engine:
        """The network and its features, as `network.with_features`, on the fast engine; cached after the first
        conversion.

        Raises:
            UserError: it is no network of this study, or the statistics are of another one.
        """
        model, width = self.content["model"], len(self.statistics.mean)
        try:
            engine = saved_engine(self.folder / model, self.view.size, self.content["files"][model])
        except (UserError, OSError):
            raise
        except Exception as error:  # of another kind for each way in which a network can be none of this study
            raise _refused(self.folder / model, f"is no network of this study ({reason_of(error)})") from error
        if engine.width != 1 + width:
            raise _refused(
                self.folder / STATISTICS, f"describes {width:,} features, but {model} has {engine.width - 1:,}"
            )
        return engine

    def describe(self) -> str:
        """The detector and its results in one line."""
        known = self.training
        quick = ", quick" if known["quick"] else ""
        return (
            f"{known['name']}, {known['recipe']['name']} recipe{quick}, {known['weights']}; trained on "
            f"{sum(known['images']['train'].values()):,} images ({known['source']}); test AUC {_interval(known['test']['roc_auc'])}"
        )

    def warnings(self, policy: str) -> dict[str, str]:
        """Reasons not to trust any of its scores: stable code to a sentence; empty if there are none."""
        known, found = self.training, {}
        if known["stand_in"]:
            found["stand_ins"] = (
                "undecided: the model was trained on drawn stand-ins: its scores say nothing about real generators"
            )
        if known["quick"]:
            found["quick"] = "the model comes from a quick run, on few images and epochs"
        auc = known["test"]["roc_auc"]
        if _is_chance(auc):
            found["at_chance"] = f"undecided: the model is at chance on its own test images: AUC {_interval(auc)}"
        if known["warning"]:
            found["shortcut"] = f"the audit of its training data warns: {known['warning']}"
        # If both classes are alike, every detector is at chance.
        failed = [
            f"{name} (AUC {_interval(row['roc_auc'])})"
            for name, row in self.elsewhere.items()
            if not row["control"] and _is_chance(row["roc_auc"])
        ]
        if failed:
            found["chance_elsewhere"] = f"the model is at chance on other data: {', '.join(failed)}"
        if why := self.content["thresholds"][policy]["why"]:
            found["one_class"] = f"the threshold {policy} {why}"
        if few := self.content["thresholds"][policy]["too_few"]:
            found["too_few_real"] = f"the threshold {policy}: {few}"
        if missed := self.content["thresholds"][policy]["band"]["why"]:
            found["error_not_reached"] = f"the threshold {policy}: {missed}"
        return found


def _is_chance(auc: dict) -> bool:
    # None: an undefined interval, such as that of images of one person.
    return auc["low"] is not None and auc["low"] <= 0.5


def _interval(numbers: dict) -> str:
    value, low, high = ("-" if numbers[name] is None else f"{numbers[name]:.3f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


# ------------------------------------------------------------------------------------------------------------- making


def write_detector(run: Run) -> Detector:
    """Turn the folder of a run's models into a complete detector, with the last stage.

    Reads the files of notebook 04 (thresholds.json, calibration.json, metrics.json), and training and validation images
    once. Test images are not used.

    Raises:
        UserError: a model or a file of results is missing, or an image has changed since the audit.
    """
    stage = STAGES[-1]
    metrics, thresholds = run.metrics()["stages"][stage], run.thresholds()["stages"][stage]
    made = _of_stage(run, stage, metrics, thresholds, run.calibration()["stages"][stage])
    store(made)
    return made


def store(made: Detector) -> None:
    """Write a detector's statistics and detector.json to its folder, which holds its model already."""
    with written_whole(made.folder / STATISTICS) as temporary:
        found = made.statistics
        np.savez(temporary, mean=found.mean, scale=found.scale, limit=found.limit, average_map=found.average_map)
    made.content["files"][STATISTICS] = file_hash(made.folder / STATISTICS)
    # Last, to mark that everything is complete.
    write_json(made.folder / CONTENT, _sealed(made.content))


def unfinished_detector(run: Run, stage: str) -> Detector:
    """A detector of any trained stage, in memory only; its thresholds and calibration are computed here."""
    scored = run.scored().query("stage == @stage")
    metrics, thresholds = evaluation.evaluate(scored)
    return _of_stage(run, stage, metrics[stage], thresholds[stage], evaluation.calibrate(scored)[stage])


def _of_stage(run: Run, stage: str, metrics: dict, thresholds: dict, calibrations: dict) -> Detector:
    from lib.model import network

    path = run.model_path(stage)
    model, sha256 = network.load(path), file_hash(path)
    images, recommended = run.used_images(), calibrations["recommended"]
    known = run.scored().query("stage == @stage and split == 'validation'")
    statistics = _statistics(run, model, stage, sha256, images)
    content = {
        "schema": SCHEMA,
        "model": path.name,
        "stage": stage,
        "files": {path.name: sha256},
        "preprocessing": {
            "view": run.recipe.view,
            "image_size": run.recipe.image_size,
            "scale": list(scale_of(run)),
            "pixels": "RGB, 0-255",
        },
        "thresholds": {
            policy: threshold_with_test(found, metrics["policies"][policy]) for policy, found in thresholds.items()
        },
        "calibration": calibrations["methods"].get(recommended, {"method": recommended}),
        "evidence": evidence.settle(known["y"], known["score"], known["group"], recommended).as_dict(),
        "unlikeness": {"measure": UNLIKENESS, "limit": statistics.limit, "quantile": USUAL},
        "pixels": _pixel_range(run, images),
        "training": _summary(run, images, metrics),
    }
    return Detector(path.parent, content, statistics, {})


def threshold_with_test(chosen: dict, read: dict) -> dict:
    """A threshold as in detector.json: how it was chosen, its band, and what both do on test."""
    decided = read["decided"]
    return {
        "threshold": chosen["threshold"],
        "interval": chosen["interval"],
        "degenerate": chosen["degenerate"],
        "why": chosen["why"],
        "too_few": chosen["too_few"],
        "band": chosen["band"],
        "test_recall_real": read["recall_real"],
        "test_recall_synthetic": read["recall_synthetic"],
        "test_confusion": read["confusion"],
        "test_decided": {name: decided[name] for name in abstention.READ},
    }


def pixel_statistics(picture: np.ndarray, prepared: np.ndarray) -> dict[str, float]:
    """`fineness` and `blocking` of the pixels that the network looks at.

    Args:
        picture: uint8 (height, width, 3).
        prepared: the same as `View.prepared` gives it. If that is larger than the picture, the picture is measured: the
            enlargement is the program's own, and `too_small` warns of it.
    """
    pixels = prepared if prepared.size <= picture.size else picture
    return {"fineness": fineness(pixels), "blocking": blocking(pixels)}


def _pixel_range(run: Run, images: pd.DataFrame) -> dict:
    """The limits of both pixel statistics on training images, for detector.json."""
    training = images[images["split"] == "train"].sort_values("sha256").head(MEASURED)
    return pixel_range(run_files(run, training), run_view(run), set(training["format"]))


def pixel_range(some: Sequence[ImageFile], view: View, formats: set[str]) -> dict:
    """The limits of both pixel statistics that OUTSIDE of the image files lie beyond, as in detector.json.

    Args:
        formats: of the files, as Pillow names them.
    """

    def measure(files: list[ImageFile]) -> list[dict[str, float]]:
        pictures = [file.read() for file in files]
        return [pixel_statistics(picture, view.prepared(picture, "")) for picture in pictures]

    found = []
    with progress(len(some), "pixels of training images") as advance:
        for files, values in ahead(measure, some, BATCH):
            found += values
            advance(len(files))
    table = pd.DataFrame(found)
    # A JPEG has blocks of its own; those of an earlier one cannot be told from them (docs/scoring.md).
    without_blocks = "JPEG" not in formats
    return {
        "images": len(found),
        "least_fineness": float(table["fineness"].quantile(OUTSIDE)),
        "most_blocking": float(table["blocking"].quantile(1 - OUTSIDE)) if without_blocks else None,
    }


def _statistics(run: Run, model: keras.Model, stage: str, sha256: str, images: pd.DataFrame) -> Statistics:
    from lib.model.use import explanation

    # Ordered by content, so that these are a fair sample and always the same one.
    parts = {
        split: parts_of(
            run_files(run, images[images["split"] == split].sort_values("sha256").head(MOST)), run_view(run)
        )
        for split in ("train", "validation")
    }
    mapped = sample_rows(images[images["split"] == "validation"], QUICK_MAPPED if run.quick else MAPPED)
    with progress(sum(len(each.files) for each in parts.values()), "features of training images") as advance:
        width = model.get_layer("head").input_shape[1]
        train, validation = (kept_features(run, width, stage, sha256, each.files, advance) for each in parts.values())
    count, total, squares = len(train), 0.0, 0.0
    for features in train.chunks(BATCH):
        features = features.astype("float64")
        total, squares = total + features.sum(0), squares + np.square(features).sum(0)
    mean = total / count
    mean, scale = mean.astype("float32"), spread(squares / count - np.square(mean)).astype("float32")
    distances = [mean_square(features.astype("float32"), mean, scale) for features in validation.chunks(BATCH)]
    _, maps = explanation.explain_images(run, model, mapped)
    average = explanation.average_map(maps.contributions.sum(axis=1), as_int(mapped["label"]).to_numpy())
    limit = float(np.quantile(image_distances(np.concatenate(distances), parts["validation"]), USUAL))
    return Statistics(mean, scale, limit, average.astype("float32"))


def kept_features(
    run: Run, width: int, stage: str, sha256: str, files: Sequence[ImageFile], advance: Callable[[int], None]
) -> Rows:
    """Features (images, width) of files, as the head receives them, from the cache where they are there. While the backbone
    is the pretrained one, they are phase 1's.

    Args:
        run: whose model it is; the files may be of another dataset.
        sha256: of the model of the stage.
        advance: called with the number of files just done.

    Raises:
        UserError: features are not in the cache, and their file is missing or has changed.
    """
    history = run.history()
    later = history["stage"].isin(STAGES[1 : STAGES.index(stage) + 1])
    is_pretrained = "kept" in history and not (later & history["kept"] & history["epoch"].gt(0)).any()
    kind = features_kind(run.recipe, run.recorded()["weights_sha256"] if is_pretrained else sha256)
    return frozen_features(
        files,
        run_view(run),
        kinds={kind: width},
        engine=lambda: BeforeHead(saved_engine(run.model_path(stage), run.recipe.image_size, sha256)),
        on_progress=advance,
    )[0]


class BeforeHead:
    """A saved model's engine that gives the input of the head, without the score."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Features (batch, n) of one batch after another."""
        for outputs in self._engine.stream(batches):
            yield outputs[:, 1:]


def spread(variances: np.ndarray) -> np.ndarray:
    """The scale that divides differences of features."""
    variances = np.maximum(variances, 0)
    added = np.square(_ADDED_SCALE * np.sqrt(np.median(variances)))
    return np.maximum(np.sqrt(variances + added), _LEAST_SCALE)


def _summary(run: Run, images: pd.DataFrame, metrics: dict) -> dict:
    """The summary of the training in detector.json: source and properties of the images, and results."""
    audit, known = run.audit(), run.recorded()
    counts = images.groupby(["split", "label"]).size()
    return {
        "name": run.name,
        "dataset": run.dataset,
        "source": run.source(),
        "warning": run.warning(),
        "stand_in": bool(audit["dataset"]["stand_in"]),
        "recipe": dataclasses.asdict(run.recipe),
        "quick": run.quick,
        "seed": run.seed,
        "backbone": known["backbone"],
        "weights": known["weights"],
        "weights_sha256": known["weights_sha256"],
        "images": {
            split: {label: int(counts.get((split, label), 0)) for label in LABELS} for split in images["split"].unique()
        },
        **file_facts(images),
        "test": {"roc_auc": metrics["test"]["roc_auc"]},
        "versions": versions(),
    }


def file_facts(images: pd.DataFrame) -> dict:
    """Sizes, formats and JPEG qualities of the files of an image table, as in the training summary."""
    steps = images.loc[images["quantisation"].notna(), "quantisation"]
    return {
        "shorter_side": _range(images[["width", "height"]].min(axis=1)),
        "formats": images["format"].value_counts().to_dict(),
        "jpeg_quality": _range(steps.map(jpeg_quality)) if len(steps) else None,
    }


def _range(values: pd.Series) -> dict:
    return {"least": int(values.min()), "median": float(values.median()), "most": int(values.max())}


def _sealed(content: dict) -> dict:
    """Content of a JSON file with its hash added."""
    content = json.loads(json.dumps(content))  # as it will be read: no tuples, only JSON values
    return {**content, "sha256": text_hash(content)}


# ------------------------------------------------------------------------------------------------------- other datasets


def write_elsewhere(runs: Sequence[Run], compared: pd.DataFrame) -> list[str]:
    """Write each complete detector's results on other datasets to its folder; earlier results on more datasets stay.

    Args:
        runs: finished runs.
        compared: from `comparison.compare`; rows of the last stage on another run's dataset are used.

    Returns:
        A sentence for each detector that gets none, because it cannot be read: one of an earlier version, say. It must not
        stop the comparison of the others.
    """
    datasets, left = {run.name: run for run in runs}, []
    for run in runs:
        if not (run.model_folder / CONTENT).is_file():
            continue
        try:
            model = read_detector(run.model_folder).content["files"][f"{STAGES[-1]}.keras"]
            found = _elsewhere(run.model_folder, model)
        except UserError as error:
            left.append(
                f"The detector of {run.name} ({run.recipe.name}) is not told what it gives on other data: {error}."
            )
            continue
        mine = (compared["trained_on"] == run.name) & (compared["recipe"] == run.recipe.name)
        rows = compared[mine & (compared["stage"] == STAGES[-1]) & (compared["tested_on"] != run.name)]
        rows = rows[rows["roc_auc"].notna()]
        for name, tests in rows[rows["tested_on"].isin(datasets)].groupby("tested_on"):
            first = tests.iloc[0]
            found[name] = {
                "source": datasets[name].source(),
                "control": datasets[name].dataset == "control",
                "images": int(first["images"]),
                "roc_auc": Interval.of(first, "roc_auc").as_dict(),
                "policies": {
                    row["policy"]: {recall: Interval.of(row, recall).as_dict() for recall in evaluation.RECALLS}
                    for _, row in tests.iterrows()
                },
            }
        if found:
            store_elsewhere(run.model_folder, model, found)
    return left


def store_elsewhere(folder: Path, model: str, tested_on: dict) -> None:
    """Write elsewhere.json: name of another dataset to the results there, of the model with this sha256."""
    write_json(folder / ELSEWHERE, _sealed({"schema": SCHEMA, "model_sha256": model, "tested_on": tested_on}))


# ------------------------------------------------------------------------------------------------------------- reading


def find_detector(folder: str = "") -> Detector:
    """The detector in a folder, or the only complete one below models/; full runs come before quick ones.

    Raises:
        UserError: no detector there, or several to choose from.
    """
    if folder:
        return read_detector(Path(folder))
    models = home() / "models"
    found = [path.parent for path in sorted(models.glob(f"*/*/{CONTENT}"))]
    found = found or [path.parent for path in sorted(models.glob(f"quick/*/*/{CONTENT}"))]
    if not found:
        raise UserError(
            f"no detector in {printable(models)}: train one first (python run_all.py --dataset 1, or --data with images of "
            "your own), or name its folder with --model"
        )
    if len(found) > 1:
        raise UserError(f"several detectors: choose one with --model: {', '.join(map(printable, found))}")
    return read_detector(found[0])


def read_detector(folder: Path) -> Detector:
    """A detector from its folder; every file is checked.

    Raises:
        UserError: a file is missing, was changed, or was written by another version of this program.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"--model {printable(folder)}: no folder; expected one such as models/dataset_1/tuned that holds {CONTENT}"
        )
    if not (folder / CONTENT).is_file():
        below = ", ".join(printable(path.parent) for path in sorted(folder.glob(f"**/{CONTENT}"))[:6])
        hint = (
            f"did you mean {below}?" if below else "run notebook 04 of its run again, which makes the folder complete"
        )
        raise UserError(
            f"--model {printable(folder)}: {CONTENT} is missing, which holds thresholds, calibration and the training summary; {hint}"
        )
    content = _unsealed(folder / CONTENT, "detector")
    files = content["files"]
    names = {content["model"], STATISTICS}
    if not names <= set(files) or any(Path(name).name != name for name in files):
        raise _refused(folder / CONTENT, "does not say which files it relies on")
    for name, expected in files.items():
        if not (folder / name).is_file():
            raise _refused(folder / name, "is missing")
        try:
            check_size(folder / name, MOST_STATISTICS if name == STATISTICS else MOST_MODEL)
        except ValueError as error:
            raise _refused(folder / name, str(error)) from None
        if file_hash(folder / name) != expected:
            raise _refused(folder / name, f"is not the file that {CONTENT} was written for (sha256 differs)")
    at_fault = content["model"]
    try:
        check_zip(folder / content["model"], MOST_MODEL, MOST_CONFIG)
        at_fault = STATISTICS
        statistics = _read_statistics(folder / STATISTICS)
        at_fault = CONTENT
        found = Detector(folder, content, statistics, _elsewhere(folder, files[content["model"]]))
        # Checked now, so that an error does not come after the first picture.
        least, median, most = found.scale
        if not least <= median <= most:
            raise ValueError(f"preprocessing.scale is {[least, median, most]}, expected three numbers that do not fall")
        found.probabilities(np.array([0.5]))
        for policy in found.policies:
            low, high = found.band(policy)
            if low > high:
                raise ValueError(f"the band of {short(policy)} ends at {high} before it begins, at {low}")
            found.warnings(policy)
        found.describe()
        found.refusal()
    except _UNUSABLE as error:
        raise _refused(folder / at_fault, f"cannot be used ({reason_of(error)})") from None
    return found


# What numpy, zipfile and the metrics raise for content that was written by something else.
_UNUSABLE = (
    OSError,
    BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
)


def _read_statistics(path: Path) -> Statistics:
    """The statistics of a detector, as `store` has written them."""
    check_zip(path, MOST_STATISTICS)
    with np.load(path, allow_pickle=False) as stored:
        mean, scale, limit, average_map = (stored[name] for name in ("mean", "scale", "limit", "average_map"))
    shapes = [each.shape for each in (mean, scale, limit, average_map)]
    if mean.ndim != 1 or not mean.size or scale.shape != mean.shape or limit.ndim or average_map.ndim != 2:
        raise ValueError(f"arrays of shape {short(shapes)}, expected (n,), (n,), () and (side, side)")
    for name, values in {"mean": mean, "scale": scale, "limit": limit, "average_map": average_map}.items():
        above = name in ("scale", "limit")
        if values.dtype.kind != "f" or not np.isfinite(values).all() or (above and values.min() <= 0):
            raise ValueError(f"{name}: expected finite numbers{', above 0' if above else ''}")
    return Statistics(mean, scale, float(limit), average_map)


def _unsealed(path: Path, schema: str, cure: str = "") -> dict:
    """A JSON file without its hash; the hash is checked, and that it is as its schema says."""
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise _refused(path, f"cannot be read ({reason_of(error)})", cure) from None
    found = content.get("schema") if isinstance(content, dict) else None
    if found is True or found != SCHEMA:
        raise _refused(path, f"is of version {short(found)}, this program reads version {SCHEMA}", cure)
    sealed = {name: value for name, value in content.items() if name != "sha256"}
    if content.get("sha256") != text_hash(sealed):
        raise _refused(path, "was changed after it was written (its own sha256 differs)", cure)
    try:
        check_schema(content, schema)
    except ValueError as error:
        raise _refused(path, f"cannot be used ({error})", cure) from None
    return sealed


def _elsewhere(folder: Path, model: str) -> dict:
    """Results on other datasets; those of an older model in this folder do not count."""
    if not (folder / ELSEWHERE).is_file():
        return {}
    content = _unsealed(folder / ELSEWHERE, "elsewhere", "delete it, and run notebook 05 again")
    return content["tested_on"] if content["model_sha256"] == model else {}


def _refused(path: Path, what: str, cure: str = "") -> UserError:
    cure = cure or "run notebook 04 of its run again (run_all.py --from 04), or copy the whole folder anew"
    return UserError(f"{printable(path)}: {what}; {cure}")
