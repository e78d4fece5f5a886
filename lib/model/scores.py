"""Scores of image files by a whole model, on the fast engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.data.audit.normalise import image_root
from lib.data.images.batches import load_views
from lib.data.images.views import ImageFile, View, recipe_view
from lib.model import network
from lib.model.engine import Engine
from lib.model.features import BATCH
from lib.show.progress import progress
from lib.study.code_hash import code_hash
from lib.study.files import file_hash, text_hash
from lib.study.recipes import Recipe
from lib.study.run import Run


def run_files(run: Run, images: pd.DataFrame) -> list[ImageFile]:
    """The image files of rows of this run's image table."""
    root = image_root(run)
    copies = images["copy"] if "copy" in images else itertools.repeat(0)
    rows = zip(images["path"], images["sha256"], copies)
    return [ImageFile(root / path, key, copy) for path, key, copy in rows]


def saved_engine(path: Path, size: int, sha256: str = "") -> Engine:
    """A saved model that also returns the input of its head, as `network.with_features`, on the fast engine.

    It is cached, so later scoring with the same file converts nothing.

    Args:
        path: the `.keras` file.
        size: side of its input images, in pixels.
        sha256: of the file, if it is known.
    """
    key = text_hash("with features", sha256 or file_hash(path), size)
    return Engine.kept(lambda: network.with_features(network.load(path)), size, key=key)


def image_scores(
    engine: Engine, files: Sequence[ImageFile], view: View, advance: Callable[[int], None] = lambda count: None
) -> np.ndarray:
    """Scores (images,) of image files under a view, decoded while the network computes.

    Args:
        advance: called with the number of images just done.
    """
    chunks = []
    for outputs in engine.stream(load_views(files, view, BATCH)):
        chunks.append(outputs[:, 0])
        advance(len(outputs))
    return np.concatenate(chunks)


def score_images(
    model: keras.Model | Engine, files: Sequence[ImageFile], recipe: Recipe, degradation: str = ""
) -> np.ndarray:
    """Scores of image files by a whole model, on the fast engine.

    Args:
        model: a detector, or its engine if it is used more than once.
        files: the images.
        degradation: applied to the pictures first, as in `View`.

    Returns:
        float32 (images,), probabilities of `synthetic`, 0-1.
    """
    engine = model if isinstance(model, Engine) else Engine(model, recipe.image_size)
    with progress(len(files), "scoring") as advance:
        return image_scores(engine, files, recipe_view(recipe, degradation=degradation), advance)


def scores_key(model: Path, recipe: Recipe, images: pd.DataFrame) -> str:
    """Changes with everything that the scores of images by a saved model depend on.

    Args:
        model: the `.keras` file.
        recipe: defines the view of an image.
        images: rows of an image table, in the order of the scores.
    """
    view = vars(recipe_view(recipe))
    return text_hash(code_hash(__name__), file_hash(model), view, images["sha256"].tolist())
