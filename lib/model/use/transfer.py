"""Scores of trained models on other datasets."""

from __future__ import annotations

import itertools

import pandas as pd

from lib.data.audit.duplicates import find_overlap
from lib.data.images.views import OTHER_SCALE
from lib.model import scores
from lib.study.across import home_scores
from lib.study.files import read_cached_table, text_hash
from lib.study.names import STAGES, UserError, as_int, independent_groups
from lib.study.options import base_name
from lib.study.run import Run

# Enough for an interval of about 0.02; a large test split would take hours for every model.
MAX_TEST_IMAGES = 2000


def test_images(trained: Run, tested: Run) -> tuple[pd.DataFrame, int]:
    """Test images of `tested` that `trained` has not seen, at most MAX_TEST_IMAGES of them.

    Another form of the training dataset (as it came, or normalised) has the same images, even if it looks different.

    Returns:
        Rows of the image table, and how many were removed because the training dataset holds them or a near copy.
    """
    test = tested.used_images().query("split == 'test'")
    others = {} if tested.name == trained.name else {trained.name: trained.used_images()}
    overlap = test["image_id"].isin(find_overlap(test, others)["image_a"])
    if others and base_name(tested.name, tested.normalise) == base_name(trained.name, trained.normalise):
        overlap[:] = True
    kept = test[~overlap]
    # Ordered by content, so that a part is a fair sample and always the same one.
    return kept.sort_values("sha256").head(MAX_TEST_IMAGES).sort_index().reset_index(drop=True), int(overlap.sum())


def cross_scores(trained: Run, tested: Run, unseen: tuple[pd.DataFrame, int] | None = None) -> pd.DataFrame:
    """Scores of each stage of a trained model on a dataset's test images; on its own dataset, those of scores.csv.

    Args:
        unseen: `test_images` of the two datasets, if already known.

    Returns:
        Columns trained_on, recipe, stage, tested_on, overlap_removed, image_id, y, group, score.

    Raises:
        UserError: a model is missing, an image has changed, or no image is left.
    """
    names = {"trained_on": trained.name, "recipe": trained.recipe.name, "tested_on": tested.name}
    if trained.name == tested.name:
        return home_scores([trained])
    images, removed = unseen or test_images(trained, tested)
    group = independent_groups(images)
    frames, view = [], scores.run_view(trained)
    for stage in STAGES:
        path = trained.model_path(stage)
        if not path.is_file():
            raise UserError(
                f"{path} is not there, which scores {tested.name} by the model of {trained.name}: run its notebooks from 02 on "
                "again"
            )
        if images.empty:
            raise UserError(f"no test image of {tested.name} is left that {trained.name} does not hold too")
        key = text_hash("cross", scores.scores_key(path, view, images))[:24]

        def compute(path=path) -> pd.DataFrame:
            engine = scores.saved_engine(path, trained.recipe.image_size)
            found = scores.score_images(engine, scores.run_files(tested, images), view)
            return pd.DataFrame({"image_id": images["image_id"], "score": found})

        score = read_cached_table("scores", key, compute)["score"].to_numpy()
        rows = pd.DataFrame({"image_id": images["image_id"], "y": as_int(images["label"]), "group": group})
        frames.append(rows.assign(stage=stage, score=score, overlap_removed=removed, **names))
    return pd.concat(frames, ignore_index=True)


def scale_sentences(runs: list[Run]) -> list[str]:
    """What was done where the pictures of a dataset have another scale than those that a model was trained on.

    Returns:
        A sentence for each model and dataset of which half of the test pictures or more are seen at another scale.
    """
    datasets, found = {run.name: run for run in runs}, []
    for run, (name, other) in itertools.product(runs, datasets.items()):
        least, median, most = scores.scale_of(run)
        test = other.used_images().query("split == 'test'")
        shorter = int(test[["height", "width"]].min(axis=1).median())
        pair = f"{run.name} ({run.recipe.name}) on {name}: another scale, shorter sides of {shorter:,} pixels (median)"
        if name == run.name or run.recipe.view != "crop":
            continue
        if shorter > OTHER_SCALE * most:
            found.append(f"{pair}, at most {most:,} in training; larger pictures were brought to {median:,} first.")
        elif OTHER_SCALE * shorter < least:
            found.append(f"{pair}, at least {least:,} in training; each picture was looked at as a whole.")
    return found


def all_cross_scores(runs: list[Run], missing: list[dict] | None = None) -> pd.DataFrame:
    """`cross_scores` of every trained model on every dataset.

    Args:
        missing: gets an entry for `comparison.compare` for each stage of a model that could not be scored on a dataset.
            So a problem in one run does not stop the others.
    """
    datasets = {run.name: run for run in runs}
    # Once for each pair of datasets, because the images do not depend on the recipe.
    pairs = [(mine, other) for mine in datasets for other in datasets if mine != other]
    unseen = {pair: test_images(*(datasets[name] for name in pair)) for pair in pairs}
    frames = []
    for run, name in itertools.product(runs, datasets):
        pair = unseen.get((run.name, name))
        try:
            frames.append(cross_scores(run, datasets[name], pair))
        except UserError as error:
            if missing is None:
                raise
            names = {"trained_on": run.name, "recipe": run.recipe.name, "tested_on": name}
            removed = pair[1] if pair else 0
            missing += [{**names, "stage": stage, "overlap_removed": removed, "why": str(error)} for stage in STAGES]
    return pd.concat(frames, ignore_index=True)
