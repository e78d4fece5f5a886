"""The baseline of `training_speed`: the original study's recipe as the plain Keras script that a user would write.

    python -m tests.benchmarks.plain_keras FOLDER [--epochs 20 3 2] [--base lite0|b0] [--seed 7]

FOLDER holds {train,validation,test}/{real,synthetic}. Head on the frozen base (Adam 1e-3), then the base from block 6
on (1e-5), then all of it (1e-8), BatchNormalization staying in inference mode. The shape is that of keras.io's "Image
classification from scratch" (augmentation by `Dataset.map`, which it recommends on a CPU) and "Image classification via
fine-tuning with EfficientNet". Of the study it takes nothing but the Lite0 base with its ImageNet weights, so that AUC
can be compared; `--base b0` is Keras' own B0 with random weights, and takes nothing.

Prints one line of JSON: seconds of each epoch (with its validation) and of the rest, test ROC AUC after each stage, peak
memory up to its end. Whether TensorFlow uses oneDNN is left to the environment, and said.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from sklearn.utils.class_weight import compute_class_weight
from tensorflow.python.util import _pywrap_util_port

SIZE, BATCH = 224, 32
STAGES = ("phase1", "partial", "full")
RATES = {"phase1": 1e-3, "partial": 1e-5, "full": 1e-8}


def main(folder: str, epochs: dict[str, int], base_name: str, seed: int) -> None:
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    train, validation, test = (load(folder, split, seed) for split in ("train", "validation", "test"))
    labels, truth = labels_of(train), labels_of(test)
    weights = dict(enumerate(compute_class_weight("balanced", classes=np.unique(labels), y=labels)))
    augmentation = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.03)]
    augment = keras.Sequential([*augmentation, keras.layers.RandomZoom(0.2)])
    train = train.map(lambda x, y: (augment(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    train, validation, test = (dataset.prefetch(tf.data.AUTOTUNE) for dataset in (train, validation, test))
    base = build_base(base_name)
    model = build_model(base)
    found = {"onednn": _pywrap_util_port.IsMklEnabled(), "images": {"train": len(labels), "test": len(truth)}}
    found |= {"epoch_seconds": {}, "test_roc_auc": {}, "predict_seconds": {}, "stage_peak_megabytes": {}}
    found["setup_seconds"] = time.perf_counter() - started
    for stage in (stage for stage in STAGES if epochs[stage]):
        unfreeze(base, stage)
        model.compile(
            keras.optimizers.Adam(RATES[stage]),
            "binary_crossentropy",
            metrics=["accuracy", keras.metrics.Precision(), keras.metrics.Recall(), keras.metrics.AUC()],
        )
        clock = Clock()
        options = {"validation_data": validation, "class_weight": weights, "verbose": 0, "callbacks": [clock]}
        model.fit(train, epochs=epochs[stage], **options)
        found["epoch_seconds"][stage] = clock.seconds
        started = time.perf_counter()
        found["test_roc_auc"][stage] = roc_auc_score(truth, model.predict(test, verbose=0)[:, 0])
        found["predict_seconds"][stage] = time.perf_counter() - started
        found["stage_peak_megabytes"][stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def load(folder: str, split: str, seed: int) -> tf.data.Dataset:
    """Batches of images 0-255 and labels (synthetic is 1); only the training images are shuffled."""
    return keras.utils.image_dataset_from_directory(
        f"{folder}/{split}",
        class_names=["real", "synthetic"],
        label_mode="binary",
        image_size=(SIZE, SIZE),
        batch_size=BATCH,
        shuffle=split == "train",
        seed=seed,
        verbose=False,
    )


def labels_of(dataset: tf.data.Dataset) -> np.ndarray:
    """0 or 1 of each file, in the order in which an unshuffled dataset gives them."""
    return np.array([int(Path(path).parent.name == "synthetic") for path in dataset.file_paths])


def build_base(name: str) -> keras.Model:
    """The network without its top."""
    if name == "b0":
        return keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    given = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    import lib  # noqa: F401

    if given is None:
        # The study switches oneDNN on at its import; a plain script leaves it as it comes.
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
    from lib.model import backbone
    from lib.study import pretrained

    return backbone.build_lite0(pretrained.lite0_file())


def build_model(base: keras.Model) -> keras.Model:
    """The base in inference mode and the original study's head."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(inputs, training=False))
    for units, dropout in ((1024, 0.5), (512, 0.4), (256, 0.4)):
        x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def unfreeze(base: keras.Model, stage: str) -> None:
    """Nothing of the base in phase 1, block 6 and what follows in the partial stage, all in the full one."""
    base.trainable = stage != "phase1"
    opened = stage == "full"
    for layer in base.layers if stage != "phase1" else []:
        opened = opened or layer.name.startswith("block6a")
        layer.trainable = opened and not isinstance(layer, keras.layers.BatchNormalization)


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, its validation included."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._started)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, nargs=3, default=(20, 3, 2), help="of each stage; 0 leaves it out")
    parser.add_argument("--base", choices=("lite0", "b0"), default="lite0")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    main(options.folder, dict(zip(STAGES, options.epochs)), options.base, options.seed)
