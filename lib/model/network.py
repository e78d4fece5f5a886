"""The study's network: backbone, pooling and head in one Keras model from pixels to the probability of `synthetic`."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from lib.study.files import written_whole
from lib.study.names import UserError
from lib.study.recipes import Recipe


def pooled(backbone: keras.Model, recipe: Recipe) -> keras.Model:
    """The frozen part of the network: RGB images (batch, size, size, 3) 0-255 to features (batch, number of features).

    `average` pooling is the global average of the last activation (1,280 features). `multilevel` is mean and standard
    deviation over space of every block's depthwise output (17,920 features for B0's layout): the traces of generators
    are early, fine statistics, which the last layer has thrown away.
    """
    image = keras.Input((recipe.image_size, recipe.image_size, 3), name="image")
    # training=False fixes BatchNormalization and stochastic depth for good, also when the weights are unfrozen later.
    mode = {"training": False} if recipe.batch_norm == "frozen" else {}
    if recipe.pooling == "average":
        last = keras.Model(backbone.input, backbone.outputs[-1], name="backbone")(image, **mode)
        features = layers.GlobalAveragePooling2D(name="average_pooling")(last)
    else:
        # Layers behind the last depthwise convolution do not matter to these features, and are left out.
        depthwise = keras.Model(backbone.input, backbone.outputs[:-1], name="backbone")(image, **mode)
        features = layers.Concatenate(name="multilevel_pooling")(means_and_deviations(depthwise))
    return keras.Model(image, features, name="features")


def means_and_deviations(activations: list) -> list:
    """Mean and standard deviation over space of each activation (batch, height, width, channels)."""
    # `moments` computes the mean once for both; 1e-5 keeps the gradient of the root finite where a channel is constant.
    moments = (ops.moments(x, (1, 2)) for x in activations)
    return [part for mean, variance in moments for part in (mean, ops.sqrt(variance + 1e-5))]


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
    """A linear model of standardised features, then a sigmoid, as a head.

    Args:
        mean, variance: of each feature on the training images.
        weights: coefficients of the standardised features, one each.
        bias: intercept.
    """
    inputs = keras.Input((len(mean),), name="features")
    x = layers.Normalization(mean=mean.astype("float32"), variance=variance.astype("float32"))(inputs)
    dense = layers.Dense(1, activation="sigmoid", dtype="float32")
    head = keras.Model(inputs, dense(x), name="head")
    dense.set_weights([weights.reshape(-1, 1).astype("float32"), np.array([bias], "float32")])
    return head


def assemble(backbone: keras.Model, head: keras.Model, recipe: Recipe) -> keras.Model:
    """One model from RGB images 0-255 to probabilities (batch, 1), sharing the weights of `backbone` and `head`."""
    features = pooled(backbone, recipe)
    return keras.Model(features.input, head(features.output), name="detector")


def with_features(model: keras.Model) -> keras.Model:
    """A detector that also shows what its head sees, computed once: images to (batch, 1 + n), probability, then features.

    Args:
        model: as `assemble` makes it, before or after it was saved.
    """
    pooling = next(layer for layer in model.layers if layer.name in ("average_pooling", "multilevel_pooling"))
    return keras.Model(model.input, layers.Concatenate()([model.output, pooling.output]), name="detector_and_features")


def split_at_boundary(backbone: keras.Model, recipe: Recipe) -> tuple[keras.Model, keras.Model]:
    """What `pooled` makes, cut in two before the first block that the partial stage trains; all of it shares its weights.

    The lower half never changes in that stage, so what it gives can be computed once for each image and view.

    Args:
        backbone: the pretrained one, or that of a detector.

    Returns:
        Lower half, from RGB images (batch, size, size, 3) 0-255 to (batch, n): the activation at the boundary,
        flattened, then the pooled features of the blocks before it. Upper half, from those to the features of `pooled`.
    """
    multilevel = recipe.pooling == "multilevel"
    boundary = backbone.get_layer(f"block{recipe.unfreeze_from}a_expand_conv").input
    names = [layer.name for layer in backbone.layers if re.fullmatch(r"block\d[a-z]_dwconv", layer.name)]
    below = [backbone.get_layer(name).output for name in names if _block(name) < recipe.unfreeze_from]
    # A backbone by itself ends in its last activation too, which this pooling does not look at.
    above = backbone.outputs[len(below) : len(names)] if multilevel else backbone.outputs[-1:]
    image = keras.Input((recipe.image_size, recipe.image_size, 3), name="image")
    lower = keras.Model(backbone.input, [boundary, *(below if multilevel else [])], name="backbone_below")
    activation, *depthwise = _as_list(lower(image, training=False))
    flat = layers.Flatten()(activation)
    kept = layers.Concatenate()([flat, *means_and_deviations(depthwise)]) if depthwise else flat
    given = keras.Input((kept.shape[1],), name="kept")
    again = ops.reshape(given[:, : flat.shape[1]], (-1, *activation.shape[1:]))
    outputs = _as_list(keras.Model(boundary, above, name="backbone_above")(again, training=False))
    if multilevel:
        features = layers.Concatenate()([given[:, flat.shape[1] :], *means_and_deviations(outputs)])
    else:
        features = layers.GlobalAveragePooling2D()(outputs[0])
    return keras.Model(image, kept, name="lower"), keras.Model(given, features, name="upper")


def pooled_with_boundary(backbone: keras.Model, recipe: Recipe) -> keras.Model:
    """`pooled` that also shows what its lower half gives, computed once: images to (batch, features + n)."""
    lower, upper = split_at_boundary(backbone, recipe)
    return keras.Model(lower.input, layers.Concatenate()([upper(lower.output), lower.output]))


def _as_list(outputs) -> list:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def unfreeze(model: keras.Model, recipe: Recipe, stage: str) -> None:
    """Set what a stage trains: `phase1` the head alone, `partial` also the last blocks, `full` all.

    BatchNormalization stays frozen in every stage unless the recipe trains it: on few images its statistics would wander
    off from the weights.
    """
    model.trainable = True
    backbone = model.get_layer("backbone")
    for layer in backbone.layers:
        block = _block(layer.name)
        opened = stage == "full" or (stage == "partial" and block >= recipe.unfreeze_from)
        fixed = recipe.batch_norm == "frozen" and isinstance(layer, layers.BatchNormalization)
        layer.trainable = opened and not fixed


def _block(name: str) -> int:
    """Number of the block that a layer belongs to; 0 for what comes before the first, 8 for what follows the last."""
    found = re.match(r"block(\d)", name)
    return int(found.group(1)) if found else 8 if name.startswith("top_") else 0


def save(model: keras.Model, path: Path) -> None:
    """Save the whole model (architecture, weights, preprocessing) as a `.keras` file."""
    with written_whole(path) as temporary:
        model.save(temporary)


def load(path: Path) -> keras.Model:
    """Load a model saved by `save`, in Keras' safe mode: a file that carries code is refused.

    Raises:
        UserError: the file is missing or is not such a model.
    """
    if not Path(path).is_file():
        raise UserError(f"{path} is not there yet: run the training notebooks with the same parameters first")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise UserError(f"{path}: cannot be loaded as a model of this study ({str(error).splitlines()[0]})") from error
