"""Adapting a detector to a new source of pictures with few labelled ones: its head is refitted, its backbone stays.

What is chosen (source and target or target alone, weight, penalty, thresholds) is chosen on the new pictures by
cross-validation. What is reported of them is of pictures that the refit did not see. The detector's own test images are
read once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from lib.data.audit import shortcut
from lib.data.audit.duplicates import find_overlap
from lib.data.audit.new_pictures import Pictures
from lib.data.images.parts import Parts, parts_of
from lib.data.images.views import ImageFile
from lib.data.source.checks import printable
from lib.metrics import evaluation, evidence, figures, measures
from lib.metrics.checks import Interval, UndefinedMeasure
from lib.metrics.delong import paired_test
from lib.metrics.resampling import percentile_interval
from lib.model import heads, network
from lib.model.features import Rows as FeatureRows
from lib.model.features import features_kind, frozen_features
from lib.model.native import keras
from lib.model.scores import run_files, saved_engine
from lib.model.use import explanation, transfer
from lib.model.use.detector import (
    CONTENT,
    ELSEWHERE,
    USUAL,
    BeforeHead,
    Detector,
    Statistics,
    file_facts,
    image_distances,
    kept_features,
    mean_square,
    pixel_range,
    read_detector,
    spread,
    store,
    store_elsewhere,
    threshold_with_test,
)
from lib.model.use.refit import ALONE, DRAWS, LEFT, MODES, TOGETHER, Images, Refit
from lib.show.progress import progress
from lib.study.files import file_hash, text_hash, versions, write_table
from lib.study.names import LABELS, UserError, as_int, independent_groups, reason_of
from lib.study.recipes import Phase, Recipe
from lib.study.results import save_figure
from lib.study.run import Run, begun_runs
from lib.study.steps import QUICK_FOLDER

# The detector's own images that are used at most: those that hold the head in a refit, whose equations grow with them, and
# those of the other splits.
MOST_HELD, MOST = 1000, 2000
# Of its validation images, as many of each class choose the threshold as there are new ones, and at least this many.
LEAST_JUDGED = 50
# New pictures of each class in the average map that explanations are compared with.
MAPPED = 4
POLICY = "balanced"
MODEL = "adapted.keras"
CURVE = "how_many"


# ------------------------------------------------------------------------------------------------------ images at home


class Rows(NamedTuple):
    """Some images with the features of their parts.

    Attributes:
        images: of an image table.
        features: float32 (rows, n), as the head receives them; a row is a part of an image.
        parts: which image each row belongs to.
    """

    images: pd.DataFrame
    features: np.ndarray
    parts: Parts

    def standard(self, statistics: Statistics) -> Images:
        """The images as a refit takes them."""
        features = self.parts.mean_features(self.features)
        standard = ((features - statistics.mean) / statistics.scale).astype("float32")
        return Images(standard, as_int(self.images["label"]).to_numpy(), independent_groups(self.images).to_numpy())

    def scores(self, head: keras.Model) -> np.ndarray:
        """Scores (images,) by a head, 0 to 1."""
        return self.parts.combined(head.predict(self.features, batch_size=1024, verbose=0)[:, 0])


def run_of(detector: Detector) -> Run | None:
    """The run that a detector's folder belongs to, with the recipe that the detector records; None if it is not there."""
    folder = Path(os.path.realpath(detector.folder))
    models = folder.parents[1]
    quick = models.name == QUICK_FOLDER
    above = models.parent.parent if quick else models.parent
    for results in (above / "results", above):
        results = results / QUICK_FOLDER if quick else results
        for run in begun_runs(results, models, quick):
            if (run.name, run.recipe.name) == (folder.parent.name, folder.name):
                return dataclasses.replace(run, recipe=_recipe(detector))
    return None


def _recipe(detector: Detector) -> Recipe:
    known = dict(detector.training["recipe"])
    try:
        phases = {name: Phase(**content) for name, content in known.items() if isinstance(content, dict)}
        return Recipe(**(known | phases))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{printable(detector.folder / CONTENT)}: training.recipe is none of this version ({reason_of(error)}); train "
            "the detector again (run_all.py --from 02)"
        ) from None


class Home:
    """A detector's own images, without those that are copies of the new pictures.

    Attributes:
        run: the run of the detector.
        overlap: split to number of its images that are copies of new pictures.
        copied: number of new pictures that are copies of its images.
    """

    def __init__(self, detector: Detector, run: Run, new: pd.DataFrame):
        self.detector, self.run = detector, run
        images = run.used_images()
        pairs = find_overlap(new, {run.name: images})
        copies = images["image_id"].isin(pairs["image_b"])
        self.overlap = {split: int(count) for split, count in images.loc[copies, "split"].value_counts().items()}
        self.copied = int(pairs["image_a"].nunique())
        self._images = images[~copies]

    def rows(self, split: str) -> Rows:
        """The images of a split, at most MOST or MOST_HELD, by content: a fair sample and always the same one.

        Raises:
            UserError: features are not in the cache, and their image is missing.
        """
        images = self._images[self._images["split"] == split].sort_values("sha256")
        images = images.head(MOST_HELD if split == "train" else MOST).reset_index(drop=True)
        return features_of(self.detector, self.run, images, run_files(self.run, images))

    @cached_property
    def splits(self) -> dict[str, Rows]:
        return {split: self.rows(split) for split in ("train", "validation", "test")}


def features_of(detector: Detector, run: Run | None, images: pd.DataFrame, files: Sequence[ImageFile]) -> Rows:
    """Images with their features, from the cache or by the detector's engine."""
    parts, model = parts_of(files, detector.view), detector.content["model"]
    width, sha256 = len(detector.statistics.mean), detector.content["files"][model]
    with progress(len(parts.files), "features") as advance:
        if run is not None:
            found = kept_features(run, width, detector.content["stage"], sha256, parts.files, advance)
        else:
            found = _own_features(detector, parts.files, width, sha256, advance)
    return Rows(images, found[:].astype("float32"), parts)


def _own_features(
    detector: Detector, files: Sequence[ImageFile], width: int, sha256: str, advance: Callable[[int], None]
) -> FeatureRows:
    """Features of files by a detector whose run is not there."""
    kind = features_kind(_recipe(detector), sha256)
    path, size = detector.folder / detector.content["model"], detector.view.size
    return frozen_features(
        files,
        detector.view,
        kinds={kind: width},
        engine=lambda: BeforeHead(saved_engine(path, size, sha256)),
        on_progress=advance,
    )[0]


# -------------------------------------------------------------------------------------------------------------- adapting


class Adapted(NamedTuple):
    """An adapted detector, and what it was made of.

    Attributes:
        detector: complete, with its lineage; not written yet.
        model: the network with the new head.
        home: results on the detector's own test images, as in elsewhere.json; empty if they are not there.
        curve: of `Refit.curve`, with a first row of no pictures.
        notes: sentences that a person should read.
    """

    detector: Detector
    model: keras.Model
    home: dict
    curve: pd.DataFrame
    notes: list[str]

    @property
    def lineage(self) -> dict:
        return self.detector.content["lineage"]


def adapt(
    detector: Detector, run: Run | None, pictures: Pictures, modes: Sequence[str] = MODES, folder: Path = Path()
) -> Adapted:
    """Refit a detector's head on new pictures.

    Args:
        detector: complete, with a head of any kind; the new one is linear.
        run: of the detector; None if it is not there.
        pictures: the new ones.
        modes: of MODES, what cross-validation chooses from.
        folder: of the new detector.

    Raises:
        UserError: TOGETHER is the only mode, and the detector's own images are not there; or the detector is adapted itself.
    """
    if "lineage" in detector.content:
        raise UserError(
            f"--model {printable(detector.folder)}: is adapted itself; adapt the detector that it comes from, with all new pictures"
        )
    new = features_of(detector, run, pictures.images, pictures.files)
    notes, home = [], None
    if run is not None:
        try:
            home = Home(detector, run, pictures.images)
            home.splits  # noqa: B018 (read now, so that a missing image is known before anything is fitted)
        except (UserError, OSError) as error:
            home, run = None, None
            notes.append(f"the detector's own images cannot be read ({error})")
    else:
        notes.append("the results of the detector's run are not there, so neither are its own images")
    if home is None:
        notes[-1] += f": {ALONE} is the only way, and nothing is known about home"
        if ALONE not in modes:
            raise UserError(f"--source-and-target: {notes[-1]}")
        modes = (ALONE,)
    elif home.copied:
        splits = ", ".join(f"{split} {count}" for split, count in home.overlap.items())
        notes.append(
            f"{home.copied} of the new pictures are copies of images of the detector's own dataset ({splits}): what it gives on the "
            "new source before is partly memory, and these images are left out at home"
        )
    # The equations are small. Where other programs use the cores, two threads that wait for each other take twenty times as
    # long as one (0.1 s and 2 s for 1,000 of them).
    with threadpool_limits(1, "blas"):
        return _Adapting(detector, pictures, new, home, modes, folder, notes).finished()


class _Adapting:
    """The steps of `adapt`, with what they share."""

    def __init__(
        self,
        detector: Detector,
        pictures: Pictures,
        new: Rows,
        home: Home | None,
        modes: Sequence[str],
        folder: Path,
        notes: list[str],
    ):
        self.old, self.pictures, self.new, self.home = detector, pictures, new, home
        self.folder, self.notes = folder, notes
        self.model = detector.model()
        self.target, source, self.validation = new.standard(detector.statistics), None, None
        if home is not None:
            source = home.splits["train"].standard(detector.statistics)
            self.validation = self._judging(home.splits["validation"])
        self.refit = Refit(self.target, source, old_line(self.model, detector.statistics, self.validation), modes)

    def _judging(self, rows: Rows) -> Images:
        """The validation images that a threshold is chosen on beside the new pictures."""
        found = rows.standard(self.old.statistics)
        most = [max(LEAST_JUDGED, self.pictures.counts[label]) for label in LABELS]
        taken = np.concatenate([np.flatnonzero(found.labels == label)[: most[label]] for label in (0, 1)])
        return Images(found.features[taken], found.labels[taken], found.groups[taken])

    def finished(self) -> Adapted:
        """The adapted detector."""
        labels, groups = self.target.labels, self.target.groups
        with progress(4, "cross-validation", "steps") as advance:
            held_out = self.refit.held_out(self.validation)
            advance(1)
            self.choice, coefficients, intercept, judged = self.refit.head(np.arange(len(labels)), self.validation)
            thresholds = evaluation.choose_thresholds(judged)
            advance(1)
            strength = evidence.settle(judged["y"], judged["score"], judged["group"])
            advance(1)
            curve = self.refit.curve()
            advance(1)
        rows = pd.DataFrame({"y": labels, "group": groups})
        read = {
            policy: evaluation.read_decisions(rows, held_out.called[policy], held_out.undecided[policy])
            for policy in thresholds
        }
        after = _results(rows.assign(score=held_out.scores), read)
        old_scores = self.new.scores(self.model.get_layer("head"))
        before = _read_at(rows.assign(score=old_scores), self.old.threshold(POLICY))
        change = _change(labels, old_scores, held_out.scores, groups)
        statistics = self.old.statistics
        head = heads.linear_head(statistics.mean, np.square(statistics.scale), coefficients, intercept)
        model = heads.with_head(self.model, head)
        home = self._home(head, {policy: found["threshold"] for policy, found in thresholds.items()})
        probe = self._probe()
        kept = self._statistics(model)
        none = {"pictures": 0, "draws": 1, **Interval.from_dict(before["roc_auc"]).columns("roc_auc")}
        curve = pd.concat([pd.DataFrame([none]), curve], ignore_index=True)
        lineage = {
            **self._origin(probe),
            "choice": self.choice._asdict(),
            "thresholds_from": self._judged_words(judged),
            "new": {"images": len(labels), "before": before, "after": after, "roc_auc_change": change.as_dict()},
            "home": home,
        }
        content = {
            "schema": self.old.content["schema"],
            "model": MODEL,
            "stage": self.old.content["stage"],
            "files": {},
            "preprocessing": self.old.content["preprocessing"],
            "thresholds": {name: threshold_with_test(found, read[name]) for name, found in thresholds.items()},
            "calibration": strength.calibrator.to_dict() if strength.calibrator else {"method": strength.method},
            "evidence": strength.as_dict(),
            "unlikeness": {**self.old.content["unlikeness"], "limit": kept.limit},
            "pixels": self._pixels(),
            "training": self._summary(after),
            "lineage": lineage,
        }
        elsewhere = self._elsewhere(home)
        return Adapted(Detector(self.folder, content, kept, elsewhere), model, elsewhere, curve, self.notes)

    def _home(self, head: keras.Model, thresholds: dict[str, float]) -> dict | None:
        """Results on the detector's own test images before and after; None if they are not there."""
        if self.home is None:
            return None
        test = self.home.splits["test"]
        rows = pd.DataFrame({"y": as_int(test.images["label"]), "group": independent_groups(test.images)})
        before = rows.assign(score=test.scores(self.model.get_layer("head")))
        after = rows.assign(score=test.scores(head))
        found = _read_at(after, thresholds[POLICY])
        found["policies"] = {name: _recalls(after, threshold) for name, threshold in thresholds.items()}
        change = _change(rows["y"], before["score"], after["score"], rows["group"])
        return {
            "images": len(rows),
            "before": _read_at(before, self.old.threshold(POLICY)),
            "after": found,
            "roc_auc_change": change.as_dict(),
        }

    def _elsewhere(self, home: dict | None) -> dict:
        if home is None:
            return {}
        known = self.old.training
        row = {
            "source": known["source"],
            "control": known["dataset"] == "control",
            "images": home["images"],
            "roc_auc": home["after"]["roc_auc"],
            "policies": home["after"].pop("policies"),
        }
        return {known["name"]: row}

    def _probe(self) -> Interval:
        """The shortcut probe of the new pictures, with a note if it tells the classes apart."""
        found = shortcut.shortcut_scores(self.pictures.images, seed=0)
        data = (found["label"], found["score"], found["group"])
        auc = measures.bootstrap_intervals(*data, measures=["roc_auc"])["roc_auc"]
        self.warning = shortcut.warning(auc.low, auc.value)
        if self.warning:
            self.warning = f"new pictures of {self.pictures.name}: {self.warning}"
            self.notes.append(
                f"{self.warning}: what is gained may be of the place that they come from, not of the generator"
            )
        return auc

    def _statistics(self, model: keras.Model) -> Statistics:
        """What tells unlike pictures: of the new ones, and of the source's if the head is fitted on both."""
        moments = [_moments(self.home.splits["train"].features)] if self.choice.mode == TOGETHER else []
        features, parts = self.new.features, self.new.parts
        distances = np.empty(len(self.target))
        for train, rest in self.refit.folds(np.arange(len(self.target))):
            mean, scale = _joined([*moments, _moments(features[np.isin(parts.image, train)])])
            distances[rest] = image_distances(mean_square(features, mean, scale), parts)[rest]
        mean, scale = _joined([*moments, _moments(features)])
        if moments:
            known = self.home.splits["validation"]
            own = image_distances(mean_square(known.features, mean, scale), known.parts)
            distances = np.concatenate([distances, own])
        first = [np.flatnonzero(self.target.labels == label)[:MAPPED] for label in (0, 1)]
        mapped = np.sort(np.concatenate(first))
        _, maps = explanation.explain_files([self.pictures.files[row] for row in mapped], self.old.view, model)
        average = explanation.average_map(maps.contributions.sum(axis=1), self.target.labels[mapped])
        return Statistics(mean, scale, float(np.quantile(distances, USUAL)), average.astype("float32"))

    def _pixels(self) -> dict:
        """The limits of the pixel statistics: the wider ones of the detector and of the new pictures."""
        old, formats = self.old.content["pixels"], set(self.pictures.images["format"])
        new = pixel_range(self.pictures.files, self.old.view, formats)
        blocking = [old["most_blocking"], new["most_blocking"]]
        return {
            "images": old["images"] + new["images"],
            "least_fineness": min(old["least_fineness"], new["least_fineness"]),
            "most_blocking": None if None in blocking else max(blocking),
        }

    def _origin(self, probe: Interval) -> dict:
        """What the adapted detector comes from, for its lineage."""
        images, model = self.pictures.images, self.old.content["model"]
        return {
            "name": self.pictures.name,
            "from": {
                "name": f"{self.old.training['name']}/{self.old.training['recipe']['name']}",
                "detector_sha256": file_hash(self.old.folder / CONTENT),
                "model_sha256": self.old.content["files"][model],
            },
            "pictures": {
                label: {"count": count, "sha256": text_hash(sorted(images.loc[images["label"] == label, "sha256"]))}
                for label, count in self.pictures.counts.items()
            },
            "left_out": {"not_usable": len(self.pictures.aside), "repeated": self.pictures.repeated},
            "known_before": None if self.home is None else {"pictures": self.home.copied, **self.home.overlap},
            "probe": probe.as_dict(),
            "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "versions": versions(),
        }

    def _judged_words(self, judged: pd.DataFrame) -> str:
        count = len(self.target)
        known = f"cross-validated scores of {count} new pictures"
        more = len(judged) - count
        return f"{known} and scores of {more} validation images of the detector's own" if more else known

    def _summary(self, after: dict) -> dict:
        old, counts = self.old.training, self.pictures.counts
        both = self.choice.mode == TOGETHER
        images = self.pictures.images
        train = counts
        if both:
            images = pd.concat([self.home.run.used_images(), images], ignore_index=True)
            train = {label: old["images"]["train"][label] + count for label, count in counts.items()}
        added = ", ".join(f"{count} {label}" for label, count in counts.items())
        change = "head refitted on" if self.choice.weight else "threshold chosen anew on"
        return {
            **old,
            "source": f"{old['source']}; {change} {added} pictures of {self.pictures.name}",
            "warning": "; ".join(filter(None, [old["warning"], self.warning])),
            "images": {"train": train, "test": counts},
            **file_facts(images),
            "test": {"roc_auc": after["roc_auc"]},
            "versions": versions(),
        }


def old_line(model: keras.Model, statistics: Statistics, validation: Images | None) -> tuple[np.ndarray, float] | None:
    """The line of a detector's linear head as `Refit` takes it, scaled on validation images; None if there is none."""
    found = heads.line_of(model.get_layer("head"))
    if found is None or validation is None:
        return None
    coefficients, intercept = found
    intercept += float(coefficients @ statistics.mean)
    coefficients = coefficients * statistics.scale
    slope, shift = np.polyfit(validation.features @ coefficients + intercept, validation.labels - 0.5, 1)
    return slope * coefficients, float(slope * intercept + shift)


def _change(labels: ArrayLike, before: ArrayLike, after: ArrayLike, groups: ArrayLike) -> Interval:
    """Change of the AUC with its interval by DeLong's test; without limits where all pictures agree on it."""
    try:
        return paired_test(labels, before, after, groups).difference
    except UndefinedMeasure:
        return Interval(measures.roc_auc(labels, after) - measures.roc_auc(labels, before), np.nan, np.nan)


def _moments(features: np.ndarray) -> np.ndarray:
    """Mean and mean square of each feature, float64 (2, n)."""
    features = features.astype("float64")
    return np.stack([features.mean(axis=0), np.square(features).mean(axis=0)])


def _joined(moments: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of features, float32 (n,) each, if all sources count the same."""
    mean, squares = np.mean(moments, axis=0)
    return mean.astype("float32"), spread(squares - np.square(mean)).astype("float32")


def _results(rows: pd.DataFrame, read: dict) -> dict:
    auc = measures.bootstrap_intervals(rows["y"], rows["score"], rows["group"], measures=["roc_auc"])["roc_auc"]
    recalls = {name: read[POLICY][name] for name in evaluation.RECALLS}
    return {"roc_auc": auc.as_dict(), **recalls}


def _recalls(rows: pd.DataFrame, threshold: float) -> dict:
    data = (rows["y"], rows["score"], rows["group"], threshold)
    found = measures.bootstrap_intervals(*data, evaluation.RECALLS)
    return {name: interval.as_dict() for name, interval in found.items()}


def _read_at(rows: pd.DataFrame, threshold: float) -> dict:
    """AUC and both recalls at a threshold."""
    return _results(rows, {POLICY: _recalls(rows, threshold)})


# --------------------------------------------------------------------------------------------------------------- writing


def target_folder(detector: Detector, name: str, out: str = "", force: bool = False) -> Path:
    """Where an adapted detector goes: `out`, or a folder beside the old one.

    Raises:
        UserError: something is there already, or with `force` something else than an adapted detector.
    """
    folder = detector.folder
    allowed = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    target = Path(out) if out else folder.with_name(f"{folder.name}-adapted-{allowed}")
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return target
    if not force:
        raise UserError(
            f"{printable(target)}: is there already; choose another folder with --out, or replace it with --force"
        )
    if not target.is_dir() or "lineage" not in read_detector(target).content:
        raise UserError(
            f"{printable(target)}: holds no adapted detector, so --force does not replace it; choose another --out"
        )
    return target


def write_adapted(adapted: Adapted) -> None:
    """Write an adapted detector with its curve (CSV and figure) to its folder; detector.json comes last."""
    made, folder = adapted.detector, adapted.detector.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONTENT, ELSEWHERE):
        (folder / name).unlink(missing_ok=True)
    network.save(adapted.model, folder / MODEL)
    made.content["files"][MODEL] = file_hash(folder / MODEL)
    write_table(folder / f"{CURVE}.csv", adapted.curve)
    title = f"{adapted.lineage['from']['name']} adapted to {adapted.lineage['name']}: how many pictures are needed?"
    save_figure(figures.pictures_needed(adapted.curve, title), folder / CURVE)
    if adapted.home:
        store_elsewhere(folder, made.content["files"][MODEL], adapted.home)
    store(made)


# -------------------------------------------------------------------------------------------------------- several datasets


def few_pictures(runs: Sequence[Run], size: int = 10, draws: int = DRAWS) -> pd.DataFrame:
    """Each detector adapted to each other dataset with few pictures of its training split, read on its test split.

    Args:
        runs: finished runs. Left out are those without a complete detector, and pairs whose images are missing or too few.
        size: pictures of each class.
        draws: random choices of these pictures, from four times as many.

    Returns:
        Columns trained_on, recipe, adapted_to, images (test images read), then with their intervals roc_auc_before (95% of
        resamples of the test images), roc_auc_after and roc_auc_home (mean over the draws; 95% of the draws), and
        roc_auc_home_before. Empty if there is no other dataset.
    """
    datasets, rows = {run.name: run for run in runs}, []
    pairs = [(run, other) for run in runs for other in datasets.values() if other.name != run.name]
    for run, other in pairs:
        # A pair whose images are missing or too few must not stop the others.
        with contextlib.suppress(UserError, UndefinedMeasure):
            rows.append(_few(read_detector(run.model_folder), run, other, size, draws))
    return pd.DataFrame(rows)


def _few(detector: Detector, run: Run, other: Run, size: int, draws: int) -> dict:
    """A row of `few_pictures`."""
    train = other.used_images().query("split == 'train'").sort_values("sha256")
    new = train.groupby("label").head(4 * size + LEFT).reset_index(drop=True)
    home = Home(detector, run, new)
    test, _ = transfer.test_images(run, other)
    if min(new["label"].value_counts().reindex(LABELS, fill_value=0)) < size + LEFT or test["label"].nunique() < 2:
        raise UserError(f"{other.name}: too few images to adapt {run.name} with {size} pictures of each class")
    rows = {
        name: features_of(detector, run, one, run_files(other, one)) for name, one in (("new", new), ("away", test))
    }
    rows["home"] = home.rows("test")
    images = {name: one.standard(detector.statistics) for name, one in rows.items()}
    model, validation = detector.model(), home.rows("validation").standard(detector.statistics)
    old = old_line(model, detector.statistics, validation)
    refit = Refit(images["new"], home.rows("train").standard(detector.statistics), old)
    found = {"away": [], "home": []}
    for drawn in filter(None, (refit.drawn(size, draw) for draw in range(draws))):
        choice, _ = refit.choose(drawn[0])
        coefficients, _ = refit.line(choice, drawn[0])
        for name, aucs in found.items():
            aucs.append(roc_auc_score(images[name].labels, images[name].features @ coefficients))
    head, before = model.get_layer("head"), {}
    for name in found:
        data = (images[name].labels, rows[name].scores(head), images[name].groups)
        before[name] = measures.bootstrap_intervals(*data, measures=["roc_auc"])["roc_auc"]
    after = {name: percentile_interval(float(np.mean(aucs)), aucs) for name, aucs in found.items()}
    return {
        "trained_on": run.name,
        "recipe": run.recipe.name,
        "adapted_to": other.name,
        "images": len(test),
        **before["away"].columns("roc_auc_before"),
        **after["away"].columns("roc_auc_after"),
        **before["home"].columns("roc_auc_home_before"),
        **after["home"].columns("roc_auc_home"),
    }
