"""One training of an experiment: another recipe, seed, split or backbone on the images of an audited run.

The scores of validation and test are stored in `results/<name>/trials/`, under a key of everything that they depend on.
So a stopped experiment can continue, and experiments share trainings. The models are not stored.
"""

from __future__ import annotations

import dataclasses
import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.model.native import keras, layers
from lib.model.scores import run_files, run_view, saved_engine, score_images
from lib.model.training.stages import fine_tune, train_phase1
from lib.study.code_hash import code_hash
from lib.study.files import text_hash, write_table
from lib.study.names import STAGES
from lib.study.pretrained import resolve
from lib.study.recipes import Recipe
from lib.study.results import key_columns
from lib.study.run import Run

TRIAL_COLUMNS = [
    "image_id",
    "split",
    "stage",
    "y",
    "group",
    "score",
    "degraded",
    "seconds",
    "score_change",
    "weight_change",
]


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        name: shown while it runs.
        recipe: the recipe to train.
        until: the last stage.
        seed: of split, augmentation and training.
        change: applied to the pretrained backbone first, or None.
        rare: the class with few training and validation images in `images`, or "".
        left_out: column and value of the images that it neither trains nor validates on, such as ("generator", "ADM").
            Images of an unknown value are left out too, because they may be of this one. ("", "") leaves out nothing.
    """

    name: str
    recipe: Recipe
    until: str
    seed: int
    change: Callable[[keras.Model], keras.Model] | None = None
    rare: str = ""
    left_out: tuple[str, str] = ("", "")


def run_trial(run: Run, trial: Trial, images: pd.DataFrame, since: float = 0) -> pd.DataFrame:
    """Train a trial, or read its stored result.

    Args:
        run: an audited run.
        trial: the training.
        images: the run's image table, with the splits that the trial uses.
        since: time (seconds since 1970); older results are not used.

    Returns:
        Columns TRIAL_COLUMNS: a row for each image of validation and test and each stage. `degraded` is the score of a
            validation image after a random degradation, for the last stage; `seconds` is the time of the stage;
            `score_change` and `weight_change` are the largest changes of a validation score and of a weight in the
            stage.
    """
    folder = run.trials
    path = folder / f"{trial_key(run, trial, images)[:24]}.csv"
    if not path.is_file() or path.stat().st_mtime < since:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".trial-", dir=folder) as place:
            write_table(path, _train(run, trial, images, Path(place)))
        # Keras keeps every model of the process; many trainings would fill the memory.
        keras.backend.clear_session()
        gc.collect()
    return pd.read_csv(path, dtype={"image_id": object, "group": object})[TRIAL_COLUMNS]


def trial_key(run: Run, trial: Trial, images: pd.DataFrame) -> str:
    """Changes with everything that the scores of a trial depend on; arguments as in `run_trial`."""
    used = images[images["split"] != ""]
    placed = used[key_columns(used)]
    settings = dataclasses.asdict(dataclasses.replace(trial, name="", change=None))
    change = trial.change.__name__ if trial.change else ""
    weights = resolve(run.backbone, run.weights)
    return text_hash(
        code_hash(__name__), weights.backbone, weights.sha256, settings, change, placed.to_numpy().tolist()
    )


def _train(run: Run, trial: Trial, images: pd.DataFrame, place: Path) -> pd.DataFrame:
    mine = dataclasses.replace(
        run, recipe=trial.recipe, seed=trial.seed, name="trial", results=place / "results", models=place / "models"
    )
    # The paths of the images are those of the audited run, whatever the trial's name is.
    mine.write_audit(images, run.pairs(), {key: value for key, value in run.audit().items() if key != "schema"})
    seconds, degraded = {}, []
    for stage in STAGES[: STAGES.index(trial.until) + 1]:
        started = time.perf_counter()
        if stage == "phase1":
            # Many trainings share the features of a degraded view. Those of a fine-tuned network are its own.
            views = [run_view(mine, degradation="any")] if trial.until == stage else []
            degraded = train_phase1(mine, trial.change, views)
        else:
            fine_tune(mine, stage)
        seconds[stage] = time.perf_counter() - started
    last = mine.history().groupby("stage").last()
    scored = mine.scored()
    changes = {name: scored["stage"].map(last[name]) for name in ("score_change", "weight_change")}
    scored = scored.assign(seconds=scored["stage"].map(seconds), degraded=np.nan, **changes)
    validation = mine.used_images().query("split == 'validation'")
    if not degraded:
        engine, files = saved_engine(mine.model_path(trial.until), trial.recipe.image_size), run_files(mine, validation)
        degraded = [score_images(engine, files, run_view(mine, degradation="any"))]
    [scores] = degraded
    known = dict(zip(validation["image_id"], scores))
    mask = (scored["stage"] == trial.until) & (scored["split"] == "validation")
    scored.loc[mask, "degraded"] = scored.loc[mask, "image_id"].map(known).astype(float)
    return scored[TRIAL_COLUMNS]


def inputs_divided_by_255(backbone: keras.Model) -> keras.Model:
    """The backbone applied to images already divided by 255, although it rescales by itself."""
    first = next(layer for layer in backbone.layers if isinstance(layer, layers.Rescaling))
    first.scale = first.scale / 255
    return backbone


def random_weights(backbone: keras.Model) -> keras.Model:
    """The backbone with the initial weights of a new network."""
    return keras.models.clone_model(backbone)
