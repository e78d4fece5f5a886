"""Fast inference on the CPU, and frozen features computed once and kept.

Networks go through TFLite's converter, which folds normalisation into the convolutions, to OpenVINO, which computes: twice
as fast as TensorFlow with oneDNN (tests/benchmarks/extraction_speed.py), in agreement with Keras to 1e-4.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import openvino
import tensorflow as tf
from filelock import FileLock
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from lib.code_hash import code_hash
from lib.data.loading import ImageFile, View, load_views
from lib.model import quiet_native_code
from lib.study.files import cache_folder, text_hash, written_whole
from lib.study.names import UserError
from lib.study.recipes import Recipe

BATCH = 64
STALLED = 60  # seconds without an image, after which the engine is asked whether something went wrong
# The code that features and converted networks depend on, with all that it imports.
_CODE = ("lib.model.features", "lib.model.backbone", "lib.model.network")
# Converted networks of about 17 MB that are kept, at most: those that were used last.
MAX_ENGINES = 32
# Share of the features that may lose their differences between images by rounding to float16. Of ImageNet's none does.
MAX_LOST = 0.05


class Engine:
    """A Keras model converted for inference in float32 on all cores.

    Every core works on an image of its own: a core that decodes the next pictures then holds up none of the others, as
    it would if they shared an image.
    """

    def __init__(self, model: keras.Model | None, size: int, *, key: str | None = None):
        """Convert `model`, from (batch, size, size, 3) to (batch, n).

        Args:
            model: None where it is known to be kept under `key`.
            key: where given, the converted model is kept in the cache under this name, which must change with the
                model's weights. Where the code changes, the model is converted again.
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
            # float32 is asked for: on some processors OpenVINO would take bfloat16 by itself.
            settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": cores, "NUM_STREAMS": cores}
            compiled = core.compile_model(network, "CPU", settings)
            # Number of outputs of an image.
            self.width = compiled.output(0).shape[1]
            # Twice as many as work at a time: the next image is there when a core has done with one.
            self._queue = openvino.AsyncInferQueue(compiled, 2 * cores)
            # A bound method would be a circle through native code, which Python cannot see: no engine would ever be freed.
            self._queue.set_callback(_keep)

    @classmethod
    def kept(cls, make: Callable[[], keras.Model], size: int, *, key: str) -> Engine:
        """The engine that is kept under `key`; `make` gives the model where there is none yet."""
        return cls(None if _converted_path(key).exists() else make(), size, key=key)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Outputs (batch, n) float32 for images (batch, size, size, 3), 0-255; none depends on the other images."""
        return next(self.stream([images]))

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same of batch after batch. One is begun before the last is given, so that the caller's work on it holds no core
        up."""
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
                self._queue.wait_all()  # raises what went wrong
        return outputs


def _keep(request: openvino.InferRequest, asked: tuple[np.ndarray, threading.Semaphore]) -> None:
    place, done = asked
    place[:] = request.get_output_tensor(0).data[0]
    done.release()


def _converted_path(key: str) -> Path:
    return cache_folder("engines") / f"{text_hash(key, code_hash(*_CODE))[:24]}.tflite"


def _forget_oldest(folder: Path) -> None:
    """Leave the MAX_ENGINES networks of a folder that were used last."""
    by_use = sorted(folder.glob("*.tflite"), key=lambda path: path.stat().st_mtime_ns)
    for path in by_use[:-MAX_ENGINES]:
        path.unlink(missing_ok=True)


def _converted(model: keras.Model, size: int) -> bytes:
    signature = tf.TensorSpec((None, size, size, 3), tf.float32)
    function = tf.function(lambda images: model(images, training=False)).get_concrete_function(signature)
    # The converter does not find the variables of a Keras 3 model by itself; unfrozen, it would leave them out.
    with quiet_native_code():
        frozen = convert_variables_to_constants_v2(function)
        return tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()


class FeatureStore:
    """Feature rows on disk, one file per kind of feature; a row is computed once, whatever happens in between.

    `rows.f16` holds the rows in float16, `keys.txt` the name (`ImageFile.name`) of each, a line written after its row. A killed
    run leaves at most rows without a key, which the next one overwrites. Programs that run at the same time add rows in turn.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._keys, self._rows = folder / "keys.txt", folder / "rows.f16"
        self._turn = FileLock(folder / "turn.lock")
        # Name to row, and where in keys.txt the last whole line ends.
        self.index, self._intact = {}, 0
        self._read_on()

    def _read_on(self) -> None:
        """Take in the lines that keys.txt has gained, by whomever."""
        if not self._keys.exists():
            return
        with self._keys.open("rb") as file:
            file.seek(self._intact)
            for line in file:
                # A line that was cut short has no line break, and no valid key.
                if line.endswith(b"\n"):
                    self.index[line.decode().strip()] = len(self.index)
                    self._intact += len(line)

    def append(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Add rows (n, features), one for each key; those of keys that are there already are left out.

        Raises:
            UserError: rows that float16 cannot hold (see `_as_float16`).
        """
        kept = _as_float16(rows)
        with self._turn:
            self._read_on()
            new = [row for row, key in enumerate(keys) if key not in self.index]
            if not new:
                return
            keys, rows = [keys[row] for row in new], np.ascontiguousarray(kept[new])
            with self._rows.open("r+b" if self._rows.exists() else "w+b") as file:
                file.seek(len(self.index) * rows[0].nbytes)
                file.write(rows.tobytes())
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            with self._keys.open("r+b" if self._keys.exists() else "w+b") as file:
                file.seek(self._intact)
                file.write("".join(f"{key}\n" for key in keys).encode())
                file.truncate()
            self._read_on()

    def take(self, keys: Sequence[str], width: int) -> Rows:
        """The rows of the keys, in their order; they stay on disk until they are asked for. One that is not there is -1."""
        stored = np.memmap(self._rows, "float16", "r", shape=(len(self.index), width))
        return Rows(stored, np.array([self.index.get(key, -1) for key in keys], int))


def _as_float16(rows: np.ndarray) -> np.ndarray:
    """Rows (n, features) as float16.

    Raises:
        UserError: a number that is not finite, or more than MAX_LOST of the features differ between the images before
            rounding and not after it: what is kept would say nothing of them.
    """
    with np.errstate(over="ignore"):
        kept = rows.astype("float16")
    if not np.isfinite(kept).all():
        bad = int((~np.isfinite(kept)).any(axis=1).sum())
        raise UserError(
            f"features of {bad} of {len(rows)} images are not finite numbers of at most 65,504; expected weights of a "
            "trained network (--weights)"
        )
    differ, left = ((part != part[:1]).any(axis=0) for part in (rows, kept))
    lost = int((differ & ~left).sum())
    if lost > MAX_LOST * max(1, differ.sum()):
        raise UserError(
            f"{lost:,} of {int(differ.sum()):,} features that differ between images are alike once they are rounded to "
            f"float16 (largest feature {np.abs(rows).max():.2g}); expected weights of a trained network (--weights)"
        )
    return kept


class Rows:
    """Rows (n, width) float16 that lie on disk, in an order of their own; `rows[i]` and `rows[[i, j]]` read them.

    A row that was never computed raises KeyError when it is asked for.
    """

    def __init__(self, stored: np.ndarray, order: np.ndarray):
        self._stored, self._order = stored, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index) -> np.ndarray:
        places = self._order[index]
        if np.min(places, initial=0) < 0:
            raise KeyError("a row that was not computed")
        return np.asarray(self._stored[places])

    def chunks(self, count: int) -> Iterator[np.ndarray]:
        """All rows in their order, `count` at a time."""
        for first in range(0, len(self), count):
            yield self[first : first + count]


def features_kind(recipe: Recipe, weights_hash: str) -> str:
    """The name, for `frozen_features`, of what a recipe's pooling gives of a backbone with these weights."""
    return f"{weights_hash}/{recipe.pooling}"


def _features_folder(kind: str, width: int, view: View) -> Path:
    return cache_folder("features") / text_hash(code_hash(*_CODE), kind, width, vars(view))[:24]


def frozen_features(
    files: Sequence[ImageFile],
    view: View,
    *,
    kinds: Mapping[str, int],
    engine: Callable[[], Engine],
    on_progress: Callable[[int], None],
    wanted: Sequence[bool] | None = None,
) -> list[Rows]:
    """Features of images under one view, from the cache where they are there, else computed and put there.

    Args:
        files: the images.
        kinds: of each kind of feature that the extractor gives, side by side in this order: its name and its width. The name
            tells weights and pooling; it is part of the cache's key, together with the view, the code and the libraries.
        engine: makes the extractor; called only where something is missing.
        on_progress: called with the number of images just done.
        wanted: of each image, whether its features will be asked for; None for all.

    Returns:
        Of each kind float16 (images, width), on disk: `[:]` reads all.
    """
    stores = {kind: FeatureStore(_features_folder(kind, width, view)) for kind, width in kinds.items()}
    asked = [file for file, used in zip(files, wanted) if used] if wanted is not None else files
    missing = {file.name: file for file in asked if any(file.name not in store.index for store in stores.values())}
    on_progress(len(asked) - len(missing))
    if missing:
        todo = list(missing.values())
        extract, done = engine(), 0
        for features in extract.stream(load_views(todo, view, BATCH)):
            names = [file.name for file in todo[done : done + len(features)]]
            parts = np.split(features, np.cumsum(list(kinds.values()))[:-1], axis=1)
            for store, rows in zip(stores.values(), parts, strict=True):
                store.append(names, rows)
            done += len(features)
            on_progress(len(features))
    return [stores[kind].take([file.name for file in files], width) for kind, width in kinds.items()]
