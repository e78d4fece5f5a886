"""Heads: from features to the probability of `synthetic`."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from lib.model.native import keras, layers
from lib.model.pooling import pooling_layer

# Strengths of the ridge regressions that make a linear head, as penalty per feature; validation chooses one.
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)


def study_head(features: int) -> keras.Model:
    """The original study's head: 1024, 512 and 256 units with ReLU and dropout .5, .4, .4, then a sigmoid."""
    x = inputs = keras.Input((features,), name="features")
    for units, dropout in ((1024, 0.5), (512, 0.4), (256, 0.4)):
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(x), name="head")


def small_head(mean: np.ndarray, variance: np.ndarray) -> keras.Model:
    """64 units with ReLU and dropout .4 on standardised features, then a sigmoid; `mean` and `variance` as in `linear_head`."""
    inputs = keras.Input((len(mean),), name="features")
    x = layers.Normalization(mean=mean.astype("float32"), variance=variance.astype("float32"))(inputs)
    x = layers.Dropout(0.4)(layers.Dense(64, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(x), name="head")


def linear_head(mean: np.ndarray, variance: np.ndarray, weights: np.ndarray, bias: float) -> keras.Model:
    """A head that is a linear model of standardised features with a sigmoid.

    Args:
        mean, variance: of each feature on the training images.
        weights: one coefficient for each standardised feature.
        bias: intercept.
    """
    inputs = keras.Input((len(mean),), name="features")
    x = layers.Normalization(mean=mean.astype("float32"), variance=variance.astype("float32"))(inputs)
    dense = layers.Dense(1, activation="sigmoid", dtype="float32")
    head = keras.Model(inputs, dense(x), name="head")
    dense.set_weights([weights.reshape(-1, 1).astype("float32"), np.array([bias], "float32")])
    return head


def logit_line(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that make logits of raw scores, with equal weight for both classes (Platt 1999).

    Args:
        scores: raw scores (images,) of images that the regression was not fitted on.
        labels: 0 real, 1 synthetic; both classes.
    """
    centre, spread = scores.mean(), max(scores.std(), 1e-6)
    logistic = LogisticRegression(class_weight="balanced").fit((scores[:, None] - centre) / spread, labels)
    # If higher scores are not more synthetic, keep the direction from training.
    slope = max(float(logistic.coef_[0, 0]), 0.1) / spread
    return slope, float(logistic.intercept_[0]) - slope * centre


def line_of(head: keras.Model) -> tuple[np.ndarray, float] | None:
    """Coefficients (n,) and intercept of the logit of a `linear_head`, of features as they are; None for another head."""
    if [type(layer) for layer in head.layers[1:]] != [layers.Normalization, layers.Dense]:
        return None
    normal, dense = head.layers[1:]
    weights, bias = dense.get_weights()
    mean, variance = (np.asarray(each, "float64").ravel() for each in (normal.mean, normal.variance))
    coefficients = weights[:, 0] / np.sqrt(variance)
    return coefficients, float(bias[0] - coefficients @ mean)


def with_head(detector: keras.Model, head: keras.Model) -> keras.Model:
    """A detector with another head; the backbone and its pooling are shared.

    Args:
        detector: as `network.assemble` makes it, before or after it was saved.
        head: from features (batch, n) to probabilities (batch, 1).
    """
    _, pooling = pooling_layer(detector)
    return keras.Model(detector.input, head(pooling.output), name="detector")
