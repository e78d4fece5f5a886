"""Training a head on frozen features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from lib.data.images.parts import Parts
from lib.model import heads
from lib.model.features import Rows, chunks
from lib.model.native import keras, tf
from lib.model.training.checkpoint import Checkpoint
from lib.model.training.fitting import fit_stage, inference, probabilities
from lib.model.training.sampling import TOGETHER, Views, feature_batches, row_labels
from lib.study.recipes import Recipe
from lib.study.registry import Registry

# Strengths of the logistic regression that starts a head; validation chooses one. Those of the ridge are `heads.PENALTIES`.
INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)

# The regression holds its rows in memory, in float32, with a matrix of their products. If there are more rows (images
# and their views), it uses a sample; the epochs that follow use all.
MAX_REGRESSION_ROWS = 5_000

# Rows that are read at a time where features may lie on disk: 300 MB in float32.
CHUNK = 4096


# Features (rows, n), in memory or on disk.
Features = np.ndarray | Rows


@dataclass(frozen=True)
class Samples:
    """The data that a head may start from.

    Attributes:
        train: features (rows, n) of the training images' plain view, in memory or on disk; a row is an image, or a part of
            one.
        views: features of every kept view, the plain one first.
        labels: 0 or 1 of each row.
        weights: how much each row counts, with a mean of 1; None if all count the same.
        validation: features (images, n) of the validation images; of an image with several parts their weighted mean, which
            a linear head scores as it scores the parts.
        validation_labels: their labels.
        seed: of all random draws.
    """

    train: Features
    views: Sequence[Features]
    labels: np.ndarray
    weights: np.ndarray | None
    validation: Features
    validation_labels: np.ndarray
    seed: int


# A recipe's `head` to a function that makes the Keras model before the first epoch, from features (batch, n) to
# probabilities (batch, 1).
HEADS: Registry[Callable[[Samples], keras.Model]] = Registry("head")


def train_head(
    train: Features,
    views: Views,
    labels: np.ndarray,
    validation: Features,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint | None = None,
    groups: np.ndarray | None = None,
    parts: tuple[Parts, Parts] | None = None,
    image_weights: np.ndarray | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a head on frozen features.

    Args:
        train: features (rows, n) of the training images' plain view, in memory or on disk.
        views: the views that the epochs use. If they are kept, the regression that starts a linear head uses them too.
        labels: 0 or 1 of each training image.
        validation: features (rows, n) of the validation images.
        validation_labels: label of each validation image.
        checkpoint: the file of the progress, so that a killed training can continue.
        groups: name of the group (a person, say) of each validation image; None if images are independent.
        parts: of the training and of the validation images, which the rows of features belong to; None if each image is one
            row.
        image_weights: how much each training image counts within its class (`sampling.generator_weights`); None if all
            count the same.

    Returns:
        The head with the weights of its best epoch by validation AUC, and the history: one row per epoch, where 0 is
            the head at the start. Its columns are the training measures, `val_loss`, `val_roc_auc`, `weight_change` and
            `score_change` (the largest change of any weight and of any validation score since the start), and `kept`,
            true for the best epoch.
    """
    keras.utils.set_random_seed(seed)
    of_train, of_validation = parts or (None, None)
    labels, weights = row_labels(labels, of_train, image_weights)
    kept = [train] if callable(views) else views
    counts = of_train.loss_weight() if of_train and of_train.several else None
    if image_weights is not None:
        counts = image_weights if counts is None else image_weights[of_train.image] * counts
    means = of_validation.mean_features(validation) if of_validation else validation
    head = HEADS[recipe.head](Samples(train, kept, labels, counts, means, validation_labels, seed))
    images = recipe.phase1.epoch_images(len(labels))
    steps = -(-images // recipe.batch_size)
    infer = inference(head)

    def data(done: int) -> tf.data.Dataset:
        batches = (views, labels, weights, recipe.batch_size, seed, done)
        return feature_batches(*batches, width=validation.shape[1], images=images)

    def score() -> np.ndarray:
        found = probabilities(infer, validation)
        return of_validation.combined(found) if of_validation else found

    # Must divide the steps, or the last group would run past the end of the epoch.
    together = max(count for count in range(1, TOGETHER + 1) if steps % count == 0)
    judged = (score, validation_labels, groups)
    history = fit_stage(head, data, steps, judged, recipe, "phase1", checkpoint, together=together)
    return head, history


def _study_head(samples: Samples) -> keras.Model:
    return heads.study_head(samples.validation.shape[1])


def _small_head(samples: Samples) -> keras.Model:
    scaler = _scaler(samples.train, samples.weights)
    return heads.small_head(scaler.mean_, np.square(scaler.scale_))


def _linear_head(samples: Samples, regression: Callable) -> keras.Model:
    """A linear head that starts as the regression that does best on the validation images; each view of an image is a
    row.

    Args:
        regression: gives the coefficients for each strength of regularisation in turn, from features, labels and the weight
            of each row (None if all count the same).
    """
    views, labels, validation = samples.views, samples.labels, samples.validation
    validation_labels, seed = samples.validation_labels, samples.seed
    chosen = np.random.default_rng(seed).permutation(len(views) * len(labels))[:MAX_REGRESSION_ROWS]
    version, image = np.divmod(chosen, len(labels))
    train = np.empty((len(chosen), validation.shape[1]), "float32")
    for number, view in enumerate(views):
        train[version == number] = view[image[version == number]]
    counts = None if samples.weights is None else samples.weights[image]
    scaler = _scaler(train, counts)
    train = scaler.transform(train, copy=False)
    found = list(regression(train, labels[image], counts))
    parts = [
        [check @ coefficients for coefficients in found]
        for check in (scaler.transform(rows.astype("float32"), copy=False) for rows in chunks(validation, CHUNK))
    ]
    raw = [np.concatenate(scores) for scores in zip(*parts)]
    best = int(np.argmax([roc_auc_score(validation_labels, scores) for scores in raw]))
    slope, intercept = heads.logit_line(raw[best], validation_labels)
    return heads.linear_head(scaler.mean_, np.square(scaler.scale_), slope * found[best], intercept)


def _ridge(rows: np.ndarray, labels: np.ndarray, counts: np.ndarray | None) -> Iterator[np.ndarray]:
    """Coefficients of ridge regressions on the labels.

    They are Fisher's discriminant with a shrunk covariance, which uses the scatter of all images. A logistic regression
    depends on the few images nearest to the other class. So a rare class gains here from the images of the other one.
    """
    # Fewer rows than features: solved through the rows' products, which all penalties share.
    products, targets = rows @ rows.T, labels - np.average(labels, weights=counts)
    for penalty in heads.PENALTIES:
        ridge = KernelRidge(alpha=penalty * rows.shape[1], kernel="precomputed").fit(products, targets, counts)
        yield rows.T @ ridge.dual_coef_.astype("float32")


def _logistic(rows: np.ndarray, labels: np.ndarray, counts: np.ndarray | None) -> Iterator[np.ndarray]:
    """Coefficients of logistic regressions, with equal weight for both classes."""
    for strength in INVERSE_PENALTIES:
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=200).fit(rows, labels, counts)
        yield regression.coef_[0].astype("float32")


HEADS.register("study", _study_head)
HEADS.register("small", _small_head)
HEADS.register("linear", functools.partial(_linear_head, regression=_ridge))
HEADS.register("logistic", functools.partial(_linear_head, regression=_logistic))


def _scaler(features: Features, counts: np.ndarray | None = None) -> StandardScaler:
    scaler, done = StandardScaler(), 0
    for rows in chunks(features, CHUNK):
        mine = None if counts is None else counts[done : done + len(rows)]
        scaler.partial_fit(rows.astype("float32"), sample_weight=mine)
        done += len(rows)
    # A channel that is (nearly) constant on few training images would explode on others.
    scaler.scale_ = np.maximum(scaler.scale_, 1e-3)
    return scaler
