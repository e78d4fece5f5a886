"""Backbones: EfficientNet-B0 and EfficientNet-Lite0 as Keras models from pixels 0-255 to activations."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lib.model.h5_file import check_h5
from lib.model.native import keras, layers
from lib.model.torch_file import read_torch_state_dict
from lib.study.names import UserError, reason_of
from lib.study.pretrained import MOST_WEIGHTS, Weights

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])

IMAGENET_STD = np.array([0.229, 0.224, 0.225])

# Kernel, stride of the first repeat, expansion, filters, repeats: B0 in Tan & Le 2019, table 1.
B0_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def build_backbone(weights: Weights) -> keras.Model:
    """A backbone with its weights, as a model named `backbone`.

    Returns:
        A model from RGB images (batch, height, width, 3), float, 0-255, to a list. The list holds the output of the
        depthwise convolution of each of the 16 blocks in order, before normalisation, and then the final activation
        (batch, height/32, width/32, 1280). Layer names start with `stem_`, `block1a_` … `block7a_`, `top_`.
    """
    model = build_b0(weights) if weights.backbone == "efficientnet-b0" else build_lite0(weights.path)
    depthwise = [layer.output for layer in model.layers if re.fullmatch(r"block\d[a-z]_dwconv", layer.name)]
    return keras.Model(model.input, [*depthwise, model.get_layer("top_activation").output], name="backbone")


def build_b0(weights: Weights) -> keras.Model:
    """Keras' EfficientNet-B0 without its top. Its stem input is checked to be (x/255 - mean)/std.

    Raises:
        UserError: the weight file does not fit, or its normalisation is not ImageNet's.
    """
    if weights.path is None:
        model = keras.applications.EfficientNetB0(include_top=False, weights="imagenet")
    else:
        try:
            check_h5(weights.path, MOST_WEIGHTS)
            model = keras.applications.EfficientNetB0(include_top=False, weights=None)
            model.load_weights(weights.path)
        except Exception as error:  # Keras raises errors of every kind where a file is not as it expects
            reason = reason_of(error)
            raise UserError(f"--weights {weights.path}: not weights of a B0 without its top ({reason})") from error
        _square_variance(model, weights.path)
    ramp = np.linspace(0, 255, 8 * 8 * 3, dtype="float32").reshape(1, 8, 8, 3)
    error = float(np.abs(stem_input(model, ramp) - (ramp / 255 - IMAGENET_MEAN) / IMAGENET_STD).max())
    if error > 1e-4:
        raise RuntimeError(f"B0's stem input differs from (x/255 - mean)/std by {error:.3g}, expected at most 1e-4")
    return model


def stem_input(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The input of a B0's first padding and convolution, for images (batch, height, width, 3), 0-255."""
    return np.asarray(keras.Model(model.input, model.get_layer("stem_conv_pad").input)(images, training=False))


def _square_variance(model: keras.Model, path: Path) -> None:
    # Keras' file holds standard deviations, but its Normalization expects variances. `weights="imagenet"` corrects this
    # with a second Rescaling layer, which a model built without it lacks. Squaring has the same effect.
    layer = next(found for found in model.layers if isinstance(found, layers.Normalization))
    stored = np.ravel(keras.ops.convert_to_numpy(layer.adapt_variance))
    if not np.allclose(stored, IMAGENET_STD, atol=1e-3):
        raise UserError(f"--weights {path}: normalisation is {stored}, expected ImageNet's {IMAGENET_STD}")
    layer.adapt_variance.assign(np.square(stored).reshape(layer.adapt_variance.shape))
    layer.finalize_state()


def build_lite0(path: Path, *, include_top: bool = False) -> keras.Model:
    """EfficientNet-Lite0 with the weights of a torch state dict.

    Source: tensorflow/tpu, efficientnet/lite: B0 without squeeze-excite, ReLU6, stem and top not scaled. Its input is
    (x - 127) / 128.

    Args:
        path: torch state dict (legacy format) with efficientnet-pytorch's names.
        include_top: with the 1,000-class ImageNet softmax, 4,694,024 parameters in all.
    """
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(image)
    x = _convolution(32, 3, "stem_conv", strides=2, padding="same")(x)
    x = _norm_act(x, "stem_")
    channels = 32
    for stage, (kernel, stride, expansion, filters, repeats) in enumerate(B0_STAGES, start=1):
        for repeat in range(repeats):
            name = f"block{stage}{'abcd'[repeat]}_"
            shortcut, step = x, stride if repeat == 0 else 1
            if expansion > 1:
                x = _convolution(channels * expansion, 1, name + "expand_conv")(x)
                x = _norm_act(x, name + "expand_")
            depthwise = layers.DepthwiseConv2D(
                kernel,
                strides=step,
                padding="same",
                use_bias=False,
                depthwise_initializer=_initializer(),
                name=name + "dwconv",
            )
            x = _norm_act(depthwise(x), name)
            x = _convolution(filters, 1, name + "project_conv")(x)
            x = layers.BatchNormalization(epsilon=1e-3, name=name + "project_bn")(x)
            if step == 1 and channels == filters:
                x = layers.Add(name=name + "add")([shortcut, x])
            channels = filters
    x = _norm_act(_convolution(1280, 1, "top_conv")(x), "top_")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    model = keras.Model(image, x, name="efficientnet-lite0")
    _load_lite0(model, path)
    return model


def _initializer() -> keras.initializers.Initializer:
    """EfficientNet's own initializer, as in tensorflow/tpu. With Keras' default, the features of a new network shrink
    to 1e-11.
    """
    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def _convolution(filters: int, kernel: int, name: str, **options) -> layers.Conv2D:
    return layers.Conv2D(filters, kernel, use_bias=False, kernel_initializer=_initializer(), name=name, **options)


def _norm_act(x, name: str):
    x = layers.BatchNormalization(epsilon=1e-3, name=name + "bn")(x)
    return layers.ReLU(6.0, name=name + "activation")(x)


def _load_lite0(model: keras.Model, path: Path) -> None:
    state = read_torch_state_dict(path)
    names = _torch_names()
    try:
        for layer in (layer for layer in model.layers if layer.name in names):
            layer.set_weights(_converted(layer, names[layer.name], state))
    except (KeyError, ValueError) as error:
        raise UserError(
            f"--weights {path}: not weights of EfficientNet-Lite0 in a torch state dict ({reason_of(error)})"
        ) from error


def _converted(layer: layers.Layer, name: str, state: dict[str, np.ndarray]) -> list[np.ndarray]:
    if isinstance(layer, layers.BatchNormalization):
        return [state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    if isinstance(layer, layers.DepthwiseConv2D):
        return [state[f"{name}.weight"].transpose(2, 3, 0, 1)]
    if isinstance(layer, layers.Conv2D):
        return [state[f"{name}.weight"].transpose(2, 3, 1, 0)]
    return [state[f"{name}.weight"].T, state[f"{name}.bias"]]


def _torch_names() -> dict[str, str]:
    """Pairs of our layer names and the torch state dict's names (efficientnet-pytorch) for the same layers."""
    names = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
    names["predictions"] = "_fc"
    parts = {"expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1"}
    parts |= {"project_conv": "_project_conv", "project_bn": "_bn2"}
    blocks = [f"block{stage}{'abcd'[repeat]}_" for stage, row in enumerate(B0_STAGES, 1) for repeat in range(row[-1])]
    for number, block in enumerate(blocks):
        names |= {block + ours: f"_blocks.{number}.{theirs}" for ours, theirs in parts.items()}
    return names
