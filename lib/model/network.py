"""The study's network: backbone, pooling and head in one Keras model from pixels to the probability of `synthetic`."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from lib.model.h5_file import check_h5
from lib.model.native import keras, layers
from lib.model.pooling import block_of, pooled, pooling_layer
from lib.study.files import written_whole
from lib.study.limits import MOST_CONFIG, MOST_MODEL, check_zip
from lib.study.names import STAGES, UserError, reason_of, short
from lib.study.recipes import Recipe

# Most units or filters of a layer; the widest one of the study has 1,280.
MOST_WIDE = 4096


def assemble(backbone: keras.Model, head: keras.Model, recipe: Recipe) -> keras.Model:
    """One model from RGB images 0-255 to probabilities (batch, 1), sharing the weights of `backbone` and `head`."""
    features = pooled(backbone, recipe)
    return keras.Model(features.input, head(features.output), name="detector")


def with_features(model: keras.Model) -> keras.Model:
    """A detector that also returns the input of its head: images to (batch, 1 + n), probability, then features.

    Args:
        model: as `assemble` makes it, before or after it was saved.
    """
    _, pooling = pooling_layer(model)
    return keras.Model(model.input, layers.Concatenate()([model.output, pooling.output]), name="detector_and_features")


def unfreeze(model: keras.Model, recipe: Recipe, stage: str) -> None:
    """Set the layers that a stage trains: `phase1` the head alone, `partial` also the last blocks, `full` all.

    BatchNormalization stays frozen in every stage unless the recipe trains it. With few images, its statistics would
    drift away from the weights.
    """
    model.trainable = True
    backbone = model.get_layer("backbone")
    for layer in backbone.layers:
        block = block_of(layer.name)
        opened = stage == "full" or (stage == "partial" and block >= recipe.unfreeze_from)
        fixed = recipe.batch_norm == "frozen" and isinstance(layer, layers.BatchNormalization)
        layer.trainable = opened and not fixed


def described(model: keras.Model, recipe: Recipe) -> dict:
    """What run.json says of a network, so that nobody loads the whole of it to count.

    The model is left as the last stage trains it.

    Returns:
        features (width of the head's input), weights (number of all), opened (stage to its `blocks`, as `none` or `3 to 8`,
        and the number of `weights` that it trains).
    """
    opened = {}
    for stage in STAGES:
        unfreeze(model, recipe, stage)
        blocks = {block_of(layer.name) for layer in model.get_layer("backbone").layers if layer.trainable_variables}
        opened[stage] = {
            "blocks": f"{min(blocks)} to {max(blocks)}" if blocks else "none",
            "weights": sum(int(np.prod(weight.shape)) for weight in model.trainable_variables),
        }
    width = model.get_layer("head").input_shape[1]
    return {"features": width, "weights": model.count_params(), "opened": opened}


def save(model: keras.Model, path: Path) -> None:
    """Save the whole model (architecture, weights, preprocessing) as a `.keras` file."""
    with written_whole(path) as temporary:
        model.save(temporary)


def load(path: Path) -> keras.Model:
    """Load a model saved by `save`, in Keras' safe mode: a file that contains code is refused.

    Raises:
        UserError: the file is missing or is not such a model.
    """
    if not Path(path).is_file():
        raise UserError(f"{path} is not there yet: run the training notebooks with the same parameters first")
    try:
        _check_archive(Path(path))
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of every kind where a file is not as it expects
        raise UserError(f"{path}: cannot be loaded as a model of this study ({reason_of(error)})") from error


def _check_archive(path: Path) -> None:
    """Raise a ValueError where a model would take more memory than one of this study can."""
    check_zip(path, MOST_MODEL, MOST_CONFIG)
    with zipfile.ZipFile(path) as archive:
        check_h5(io.BytesIO(archive.read("model.weights.h5")), MOST_MODEL)
        _check_widths(json.loads(archive.read("config.json")))


def _check_widths(config: object) -> None:
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if isinstance(value, dict | list):
            _check_widths(value)
        elif key in ("units", "filters") and not (isinstance(value, int) and 0 < value <= MOST_WIDE):
            raise ValueError(f"a layer has {short(value)} {key}, expected at most {MOST_WIDE:,}")
