"""Heads: from features to the probability of `synthetic`."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers


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
