"""The content of an epoch: images, their weights, and batches of their features."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight

from lib.data.images.parts import Parts
from lib.model.features import Rows
from lib.model.native import tf
from lib.study.names import generators_of
from lib.study.recipes import Recipe
from lib.study.run import Run

# Maximum number of feature batches read at once, and of a head's steps that Keras takes per call. A step takes a few
# milliseconds; returning to Python takes one more.
TOGETHER = 16

# Maximum number of uses of a rare image in an epoch: its views become more and more alike.
MAX_USES = 10

# The source of a stage's features: arrays (images, n), one for each view, or a function from the epoch (from 1) to such
# arrays.
Views = Sequence[np.ndarray | Rows] | Callable[[int], Sequence[np.ndarray]]


def class_weights(labels: np.ndarray) -> dict[int, float]:
    """Weights that make both classes count equally: images / (2 * images of the class), as scikit-learn's `balanced`.

    Args:
        labels: 0 or 1 of each training image.

    Raises:
        ValueError: a class is missing.
    """
    counts = np.bincount(labels, minlength=2)
    if (counts == 0).any():
        raise ValueError(f"training images of both classes are needed, found {counts[0]} real, {counts[1]} synthetic")
    return {label: len(labels) / (2 * counts[label]) for label in (0, 1)}


def generator_weights(images: pd.DataFrame, recipe: Recipe) -> np.ndarray | None:
    """Weights that make all generators count equally within the synthetic class, scikit-learn's `balanced`.

    Real images have weight 1, and so have synthetic ones on average. Images of an unknown generator count as those of
    one more.

    Args:
        images: rows of the training images.

    Returns:
        One number for each image; None if the recipe does not ask for them, or there are fewer than two generators.
    """
    if recipe.generators != "even" or len(generators_of(images)) < 2:
        return None
    weights, synthetic = np.ones(len(images)), (images["label"] == "synthetic").to_numpy()
    weights[synthetic] = compute_sample_weight("balanced", images["generator"].to_numpy()[synthetic])
    return weights


def row_labels(
    labels: np.ndarray, parts: Parts | None, image_weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights in the loss of the rows of features: both classes count equally, and the parts of an image by their
    weights.

    Args:
        labels: 0 or 1 of each training image.
        parts: of the images; None if each image is one row.
        image_weights: of `generator_weights`; None if all images of a class count the same.
    """
    weight = class_weights(labels)
    weights = np.array([weight[label] for label in labels])
    weights = weights if image_weights is None else weights * image_weights
    if parts is None or not parts.several:
        return labels, weights
    return labels[parts.image], weights[parts.image] * parts.loss_weight()


def split_rows(run: Run) -> dict[str, pd.DataFrame]:
    """Split to the rows of its images; the training rows are those of `training_rows`."""
    parts = {split: rows.reset_index(drop=True) for split, rows in run.used_images().groupby("split")}
    return {**parts, "train": training_rows(parts["train"], run.recipe)}


def training_rows(images: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The training images as an epoch uses them. If the recipe requests it, images of a rare class appear several
    times.

    Args:
        images: rows of the training images.

    Returns:
        The rows, then further uses of some of them, numbered from 1 in the column `copy`. Their number brings the rare
        class nearest to the size of the other one, with at most MAX_USES - 1 for each image.
    """
    counts = images["label"].value_counts()
    uses = min(MAX_USES, round(counts.max() / counts.min())) if recipe.rare == "views" and len(counts) == 2 else 1
    rare = images[images["label"] == counts.idxmin()]
    return pd.concat([images.assign(copy=0), *(rare.assign(copy=use) for use in range(1, uses))], ignore_index=True)


def feature_batches(
    views: Views,
    labels: np.ndarray,
    weights: np.ndarray,
    batch_size: int,
    seed: int,
    done: int = 0,
    *,
    width: int,
    images: int | None = None,
) -> tf.data.Dataset:
    """Endless batches of features of the training images.

    Args:
        views: the views of the images; an epoch uses one view of each image.
        labels, weights: of each image.
        done: number of finished epochs; the next batch is the first one after them.
        width: number of features.
        images: number of images in an epoch, drawn anew each time; None uses all.

    Returns:
        Dataset of float32 (features (batch, n), labels (batch, 1), weights (batch, 1)), at most `batch_size` rows each.
    """
    steps = -(-(images or len(labels)) // batch_size)
    kept = "float32" if callable(views) else "float16"

    def together():
        """Groups of batches: passing each one from Python would slow the training."""
        for epoch in itertools.count(done + 1):
            given = views(epoch) if callable(views) else views
            order, version = drawn(len(labels), len(given), seed, epoch, images)
            # array_split makes the last batches one row smaller; batches of one size are read together.
            for _, same in itertools.groupby(np.array_split(order, steps), len):
                batches = np.stack(list(same))
                for rows in np.split(batches, range(TOGETHER, len(batches), TOGETHER)):
                    features = np.empty((*rows.shape, width), kept)
                    for number, view in enumerate(given):
                        mine = version[rows] == number
                        features[mine] = view[rows[mine]]
                    yield features, labels[rows, None], weights[rows, None]

    kinds = ((width, kept), (1, "float32"), (1, "float32"))
    spec = tuple(tf.TensorSpec((None, None, columns), kind) for columns, kind in kinds)
    data = tf.data.Dataset.from_generator(together, output_signature=spec).prefetch(1).unbatch()
    return data.map(lambda features, *rest: (tf.cast(features, "float32"), *rest)).prefetch(2)


def drawn(count: int, views: int, seed: int, epoch: int, images: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The images of an epoch in their order, and the view of every image in that epoch."""
    rng = np.random.default_rng([seed, epoch])
    return rng.permutation(count)[:images], rng.integers(views, size=count)
