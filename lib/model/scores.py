"""Scores of image files by a whole model, on the fast engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.data.audit.normalise import image_root
from lib.data.images.batches import load_views
from lib.data.images.parts import parts_of
from lib.data.images.views import ImageFile, View, recipe_view, training_scale
from lib.model.engine import Engine
from lib.model.features import BATCH
from lib.show.progress import progress
from lib.study.code_hash import code_hash
from lib.study.files import file_hash, text_hash
from lib.study.run import Run

if TYPE_CHECKING:
    from lib.model.native import keras


def run_files(run: Run, images: pd.DataFrame) -> list[ImageFile]:
    """The image files of rows of this run's image table."""
    root = image_root(run)
    copies = images["copy"] if "copy" in images else itertools.repeat(0)
    rows = zip(images["path"], images["sha256"], copies, images["height"], images["width"])
    return [ImageFile(root / path, key, copy, (int(height), int(width))) for path, key, copy, height, width in rows]


def scale_of(run: Run) -> tuple[int, int, int]:
    """The sizes of the pictures that a run trains and validates on, as `View.scale`."""
    images = run.used_images()
    known = images.query("split != 'test'")
    return training_scale((images if known.empty else known)[["height", "width"]].min(axis=1))


def run_view(run: Run, version: int = 0, degradation: str = "") -> View:
    """The view by which a run's model sees a picture, of its own dataset or of another."""
    return recipe_view(run.recipe, version, run.seed if version else 0, degradation, scale_of(run))


def saved_engine(path: Path, size: int, sha256: str = "") -> Engine:
    """A saved model that also returns the input of its head, as `network.with_features`, on the fast engine.

    It is cached, so later scoring with the same file converts nothing.

    Args:
        path: the `.keras` file.
        size: side of its input images, in pixels.
        sha256: of the file, if it is known.
    """

    def loaded() -> keras.Model:
        # Not above: a converted network needs no TensorFlow.
        from lib.model import network

        return network.with_features(network.load(path))

    return Engine.kept(loaded, size, key=text_hash("with features", sha256 or file_hash(path), size))


def image_scores(
    engine: Engine, files: Sequence[ImageFile], view: View, advance: Callable[[int], None] = lambda count: None
) -> np.ndarray:
    """Scores (images,) of image files under a view, decoded while the network computes.

    Args:
        advance: called with the number of images just done.
    """
    chunks, parts, done = [], parts_of(files, view), 0
    for outputs in engine.stream(load_views(parts.files, view, BATCH)):
        chunks.append(outputs[:, 0])
        # An image is done with its last part.
        before, done = done, done + len(outputs)
        advance(_images(parts.image, done) - _images(parts.image, before))
    return parts.combined(np.concatenate(chunks))


def _images(image: np.ndarray, rows: int) -> int:
    """How many images are whole in the first rows; `image` is the number of the image of each row."""
    return len(np.unique(image)) if rows >= len(image) else int(image[rows])


def score_images(engine: Engine, files: Sequence[ImageFile], view: View) -> np.ndarray:
    """Scores of image files by a model's engine, with progress.

    Returns:
        float32 (images,), probabilities of `synthetic`, 0-1.
    """
    with progress(len(files), "scoring") as advance:
        return image_scores(engine, files, view, advance)


def scores_key(model: Path, view: View, images: pd.DataFrame) -> str:
    """Changes with everything that the scores of images by a saved model depend on.

    Args:
        model: the `.keras` file.
        view: of an image.
        images: rows of an image table, in the order of the scores.
    """
    return text_hash(code_hash(__name__), file_hash(model), vars(view), images["sha256"].tolist())
