"""Scores of a run's own test images after the usual changes to pictures online (lib/data/images/degrade.py)."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd

from lib.data.images.degrade import DEGRADATIONS
from lib.model.scores import image_scores, run_files, run_view, saved_engine, scores_key
from lib.model.use.transfer import test_images
from lib.show.progress import progress
from lib.study.files import read_cached_table, text_hash
from lib.study.names import UserError
from lib.study.run import Run

# Value of the column `degradation` for unchanged images.
NONE = "none"


def degradations(run: Run) -> list[tuple[str, float]]:
    """Kinds and levels of the curves, mildest first; a quick run uses the last level of the kinds that are for it."""
    found = []
    for kind, known in DEGRADATIONS.items():
        levels = known.levels[-1:] if run.quick else known.levels
        if known.quick or not run.quick:
            found += [(kind, float(level)) for level in levels]
    return found


def degraded_scores(run: Run, stage: str) -> pd.DataFrame:
    """Scores of a stage on at most 2,000 of the run's test images, unchanged and after each degradation.

    Pictures are degraded while they are read; only scores are stored. Each degradation has its own table, so a killed
    run continues with the next one.

    Returns:
        Columns image_id, degradation (`none` first, with the scores of scores.csv), level, y, group, score.

    Raises:
        UserError: the stage has not been trained, or an image has changed since the audit.
    """
    path = run.model_path(stage)
    if not path.is_file():
        raise UserError(f"{path} is not there yet: run the training notebooks with the same parameters first")
    images, _ = test_images(run, run)
    files = run_files(run, images)
    clean = run.scored().query("stage == @stage and split == 'test'").set_index("image_id").loc[images["image_id"]]
    rows = clean.reset_index()[["image_id", "y", "group", "score"]]
    frames = [rows.assign(degradation=NONE, level=np.nan)]
    # Built at its first use: not needed if all scores are cached.
    engine = functools.cache(lambda: saved_engine(path, run.recipe.image_size))
    plain = run_view(run)
    settings = scores_key(path, plain, images)
    asked = degradations(run)
    with progress(len(asked) * len(files), "degraded images") as advance:
        for kind, level in asked:
            degradation, scores = f"{kind} {level:g}", []

            def compute(degradation=degradation, scores=scores) -> pd.DataFrame:
                view = dataclasses.replace(plain, degradation=degradation)
                scores.append(image_scores(engine(), files, view, advance))
                return pd.DataFrame({"image_id": images["image_id"], "score": scores[0]})

            kept = read_cached_table("scores", text_hash("degraded", settings, degradation)[:24], compute)
            advance(len(files) - sum(map(len, scores)))
            frames.append(rows.assign(score=kept["score"].to_numpy(), degradation=kind, level=level))
    return pd.concat(frames, ignore_index=True)[["image_id", "degradation", "level", "y", "group", "score"]]
