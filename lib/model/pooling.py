"""Poolings: how the activations of a backbone become features."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lib.model.native import keras, layers, ops
from lib.study.recipes import Recipe
from lib.study.registry import Registry


@dataclass(frozen=True)
class Pooling:
    """Turns activations into features. Registered in `POOLINGS`; a recipe's `pooling` is the name.

    Attributes:
        every_block: whether it uses the depthwise output of every block, or only the last activation.
        values: from one activation (batch, height, width, channels) to its parts, each (batch, channels).
        places: from an activation and its parts to one map for each part, (batch, height, width, channels). The mean of
            the map over space is the part, so it shows where the part comes from (see `explanation.explain`).
    """

    every_block: bool
    values: Callable[[Any], list]
    places: Callable[[Any, list], list]

    def features(self, activations: Sequence) -> list:
        """The parts of all activations, in their order, each (batch, channels)."""
        parts = []
        for activation in activations:
            parts += self.values(activation)
        return parts

    def outputs(self, backbone: keras.Model) -> list:
        """The outputs of a backbone that are pooled. Layers after them have no effect and are left out."""
        return backbone.outputs[:-1] if self.every_block else backbone.outputs[-1:]


POOLINGS: Registry[Pooling] = Registry("pooling")
# The layer that gives the features is named `<pooling>_pooling`, so that a saved model records its pooling.
_LAYER = "_pooling"


def pooled(backbone: keras.Model, recipe: Recipe) -> keras.Model:
    """The frozen part of the network: RGB images (batch, size, size, 3) 0-255 to features (batch, number of features).

    Raises:
        ValueError: a pooling that is not registered.
    """
    pooling = POOLINGS[recipe.pooling]
    image = keras.Input((recipe.image_size, recipe.image_size, 3), name="image")
    # training=False fixes BatchNormalization and stochastic depth permanently, even if the weights are unfrozen later.
    mode = {"training": False} if recipe.batch_norm == "frozen" else {}
    part = keras.Model(backbone.input, pooling.outputs(backbone), name="backbone")
    features = _joined(pooling.features(_as_list(part(image, **mode))), f"{recipe.pooling}{_LAYER}")
    return keras.Model(image, features, name="features")


def pooling_layer(detector: keras.Model) -> tuple[Pooling, keras.layers.Layer]:
    """The pooling of a detector and the layer that gives its features; works for a saved model too."""
    layer = next(layer for layer in detector.layers if layer.name.endswith(_LAYER))
    return POOLINGS[layer.name.removesuffix(_LAYER)], layer


def _joined(parts: list, name: str | None = None):
    """Parts side by side: (batch, all channels)."""
    return layers.Concatenate(name=name)(parts) if len(parts) > 1 else layers.Identity(name=name)(parts[0])


def _mean(activation) -> list:
    return [ops.mean(activation, (1, 2))]


def _place_of_mean(activation, parts: list) -> list:
    return [activation]


def _mean_and_deviation(activation) -> list:
    # `moments` computes the mean once for both. 1e-5 keeps the gradient of the root finite if a channel is constant.
    mean, variance = ops.moments(activation, (1, 2))
    return [mean, ops.sqrt(variance + 1e-5)]


def _places_of_mean_and_deviation(activation, parts: list) -> list:
    mean, deviation = (part[:, None, None] for part in parts)
    return [activation, (activation - mean) ** 2 / deviation]


# Global average pooling of the last activation: 1,280 features.
POOLINGS.register("average", Pooling(False, _mean, _place_of_mean))
# Mean and standard deviation over space of every block's depthwise output: 17,920 features for B0's layout. Traces of
# generators are fine statistics in early layers; the last layer no longer contains them.
POOLINGS.register("multilevel", Pooling(True, _mean_and_deviation, _places_of_mean_and_deviation))


def split_at_boundary(backbone: keras.Model, recipe: Recipe) -> tuple[keras.Model, keras.Model]:
    """The model of `pooled`, split in two before the first block that the partial stage trains; all weights are shared.

    The lower half never changes in that stage, so its output is computed once for each image and view.

    Args:
        backbone: the pretrained one, or that of a detector.

    Returns:
        Lower half: from RGB images (batch, size, size, 3) 0-255 to (batch, n), the flattened activation at the
            boundary, then the pooled features of the blocks before it. Upper half: from these to the features of
            `pooled`.
    """
    pooling = POOLINGS[recipe.pooling]
    boundary = backbone.get_layer(f"block{recipe.unfreeze_from}a_expand_conv").input
    names = [layer.name for layer in backbone.layers if re.fullmatch(r"block\d[a-z]_dwconv", layer.name)]
    below = [backbone.get_layer(name).output for name in names if block_of(name) < recipe.unfreeze_from]
    # The backbone also ends in its last activation, which this pooling does not use.
    above = backbone.outputs[len(below) : len(names)] if pooling.every_block else backbone.outputs[-1:]
    image = keras.Input((recipe.image_size, recipe.image_size, 3), name="image")
    lower = keras.Model(backbone.input, [boundary, *(below if pooling.every_block else [])], name="backbone_below")
    activation, *depthwise = _as_list(lower(image, training=False))
    flat = layers.Flatten()(activation)
    kept = _joined([flat, *pooling.features(depthwise)])
    given = keras.Input((kept.shape[1],), name="kept")
    again = ops.reshape(given[:, : flat.shape[1]], (-1, *activation.shape[1:]))
    outputs = _as_list(keras.Model(boundary, above, name="backbone_above")(again, training=False))
    pooled_below = [given[:, flat.shape[1] :]] if depthwise else []
    features = _joined([*pooled_below, *pooling.features(outputs)])
    return keras.Model(image, kept, name="lower"), keras.Model(given, features, name="upper")


def pooled_with_boundary(backbone: keras.Model, recipe: Recipe) -> keras.Model:
    """`pooled` that also returns the output of its lower half, computed once: images to (batch, features + n)."""
    lower, upper = split_at_boundary(backbone, recipe)
    return keras.Model(lower.input, layers.Concatenate()([upper(lower.output), lower.output]))


def _as_list(outputs) -> list:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def block_of(name: str) -> int:
    """Number of the block of a layer; 0 before the first block, 8 after the last."""
    found = re.match(r"block(\d)", name)
    return int(found.group(1)) if found else 8 if name.startswith("top_") else 0
