"""Poolings: how the activations of a backbone become features."""

from __future__ import annotations

import re

import keras
from keras import layers, ops

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
    below = [backbone.get_layer(name).output for name in names if block_of(name) < recipe.unfreeze_from]
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


def block_of(name: str) -> int:
    """Number of the block that a layer belongs to; 0 for what comes before the first, 8 for what follows the last."""
    found = re.match(r"block(\d)", name)
    return int(found.group(1)) if found else 8 if name.startswith("top_") else 0
