"""Fast inference on the CPU.

TFLite's converter folds normalisation into the convolutions, and OpenVINO computes. This is twice as fast as TensorFlow
with oneDNN (tests/benchmarks/extraction_speed.py), and agrees with Keras to 1e-4.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino

from lib.study.code_hash import code_hash
from lib.study.files import cache_folder, text_hash, written_whole

if TYPE_CHECKING:
    from lib.model.native import keras

STALLED = 60  # seconds without an image before the engine is checked for an error

# The code that features and converted networks depend on; its imports count too.
CODE = ("lib.model.features", "lib.model.backbone", "lib.model.network", "lib.model.pooling")

# Maximum number of converted networks in the cache, about 17 MB each. The most recently used ones stay.
MAX_ENGINES = 32


class Engine:
    """A Keras model converted for inference in float32 on all cores.

    Each image runs on one core, so a core that is busy decoding delays no other.
    """

    def __init__(self, model: keras.Model | None, size: int, *, key: str | None = None):
        """Convert `model`, from (batch, size, size, 3) to (batch, n).

        Args:
            model: may be None if the converted model is already in the cache.
            key: if given, the converted model is cached under this name. The key must change with the model's weights.
                A change of the code converts the model again.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = _converted_path(key) if key else Path(folder) / "model.tflite"
            if not path.exists():
                with written_whole(path) as temporary:
                    temporary.write_bytes(_converted(model, size))
                _forget_oldest(path.parent)
            os.utime(path)
            core, cores = openvino.Core(), os.cpu_count() or 1
            network = core.read_model(path)
            network.reshape([1, size, size, 3])
            # Set to float32, because OpenVINO chooses bfloat16 on some processors.
            settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": cores, "NUM_STREAMS": cores}
            compiled = core.compile_model(network, "CPU", settings)
            # Number of outputs per image.
            self.width = compiled.output(0).shape[1]
            # Twice as many as run at a time, so that a core always finds the next image ready.
            self._queue = openvino.AsyncInferQueue(compiled, 2 * cores)
            # A bound method would be a reference cycle through native code. Python cannot see it, so no engine would
            # ever be freed.
            self._queue.set_callback(_keep)

    @classmethod
    def kept(cls, make: Callable[[], keras.Model], size: int, *, key: str) -> Engine:
        """The engine cached under `key`; `make` gives the model if there is none."""
        return cls(None if _converted_path(key).exists() else make(), size, key=key)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Outputs (batch, n) float32 for images (batch, size, size, 3), 0-255; each image is independent of the others."""
        return next(self.stream([images]))

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Outputs of one batch after another. The next batch starts before the last one is returned, so no core waits
        for the caller.
        """
        begun = None
        for images in batches:
            outputs, done = np.empty((len(images), self.width), "float32"), threading.Semaphore(0)
            for place, image in zip(outputs, images, strict=True):
                self._queue.start_async([image[None].astype("float32")], (place, done))
            if begun:
                yield self._finished(*begun)
            begun = outputs, done
        if begun:
            yield self._finished(*begun)

    def _finished(self, outputs: np.ndarray, done: threading.Semaphore) -> np.ndarray:
        for _ in outputs:
            if not done.acquire(timeout=STALLED):
                self._queue.wait_all()  # raises the error of the computation
        return outputs


def _keep(request: openvino.InferRequest, asked: tuple[np.ndarray, threading.Semaphore]) -> None:
    place, done = asked
    place[:] = request.get_output_tensor(0).data[0]
    done.release()


def _converted_path(key: str) -> Path:
    return cache_folder("engines") / f"{text_hash(key, code_hash(*CODE))[:24]}.tflite"


def _forget_oldest(folder: Path) -> None:
    """Keep only the MAX_ENGINES most recently used networks of a folder."""
    by_use = sorted(folder.glob("*.tflite"), key=lambda path: path.stat().st_mtime_ns)
    for path in by_use[:-MAX_ENGINES]:
        path.unlink(missing_ok=True)


def _converted(model: keras.Model, size: int) -> bytes:
    # Not above: a converted network needs no TensorFlow.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from lib.model.native import quiet_native_code, tf

    signature = tf.TensorSpec((None, size, size, 3), tf.float32)
    function = tf.function(lambda images: model(images, training=False)).get_concrete_function(signature)
    # The converter does not find the variables of a Keras 3 model by itself. Without freezing it would leave them out.
    with quiet_native_code():
        frozen = convert_variables_to_constants_v2(function)
        return tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
