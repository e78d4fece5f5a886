"""Scores of trained models on other datasets."""

from __future__ import annotations

import pandas as pd

from lib.model import network
from lib.model.training import run_files, score_images
from lib.study import STAGES, Run, file_hash, read_cached_table, text_hash


def other_test_images(trained: Run, tested: Run) -> tuple[pd.DataFrame, int]:
    """Test images of `tested` that no image of `trained` gives away.

    Returns:
        The rows of its image table, and how many were removed because the same file is in the training dataset.
    """
    test = tested.used_images().query("split == 'test'")
    known = set(trained.images()["sha256"])
    overlap = test["sha256"].isin(known)
    return test[~overlap].reset_index(drop=True), int(overlap.sum())


def cross_scores(trained: Run, tested: Run, images: pd.DataFrame) -> pd.DataFrame:
    """Scores of each stage of a trained model on images of another dataset; computed once and kept.

    Returns:
        Columns image_id, label, group, stage, score.
    """
    frames = []
    for stage in STAGES:
        path = trained.model_path(stage)
        key = text_hash("cross", file_hash(path), list(images["sha256"]))[:24]

        def compute(path=path) -> pd.DataFrame:
            scores = score_images(network.load(path), run_files(tested, images), trained.recipe)
            return pd.DataFrame({"image_id": images["image_id"], "score": scores})

        scores = read_cached_table("scores", key, compute)
        frames.append(images[["image_id", "label", "group"]].assign(stage=stage, score=scores["score"].to_numpy()))
    return pd.concat(frames, ignore_index=True)
