"""Frozen features of Lite0 by every CPU engine that can be imported: images a second, against the study's `Engine`.

    python -m tests.benchmarks.extraction_speed [--rounds 5] [--images 128] [--batches 1 8 16 32] [--engine NAME ...]

Run from the project's folder. Each engine lives in a process of its own, so that none meets another's threads or memory;
they are asked in turn, round after round, and medians are compared. CPU time, of all threads, is what a busy machine
disturbs least. All get the same uint8 images, of the size that `tuned` has, and give float32 features: `multilevel` (17,920) and `average`
(1,280). An engine counts if its features differ from Keras' by at most 1e-3 of the feature's largest value. Packages
that the study does not need (onnxruntime, tf2onnx, openvino, ai-edge-litert) are listed as not installed where they are
not: install them beside the lock in an environment of their own.
"""

import argparse
import functools
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lib import study
from lib.data.standin import draw as standin
from lib.study.recipes import RECIPES

SIZE = RECIPES["tuned"].image_size
CORES = os.cpu_count() or 1
POOLINGS = {"multilevel": "tuned", "average": "original"}  # and a recipe that has it
MOST = 1e-3  # relative difference from Keras
Extract = Callable[[np.ndarray], np.ndarray]


# ----------------------------------------------------------------------------------------------------- model, by all


def extractor(pooling: str):
    """The frozen part of the network, as training uses it."""
    from lib.model import backbone, pooling
    from lib.study import pretrained

    weights = pretrained.Weights("efficientnet-lite0", pretrained.lite0_file())
    return pooling.pooled(backbone.build_backbone(weights), study.RECIPES[POOLINGS[pooling]])


def make_files(pooling: str, folder: Path) -> None:
    """The model in the form of each kind of engine, and Keras' features; needs TensorFlow, once for each pooling."""
    from lib.model.engine import Engine

    model = extractor(pooling)
    np.save(folder / "keras.npy", np.concatenate([model(part, training=False) for part in batches(folder, 8)]))
    Engine(model, SIZE, key=f"benchmark_{pooling}")  # leaves the .tflite file in the cache
    model.export(folder / "saved", verbose=False)
    if importlib.util.find_spec("tf2onnx"):
        model.export(folder / "model.onnx", format="onnx", verbose=False)


def batches(folder: Path, size: int) -> list[np.ndarray]:
    images = np.load(folder / "images.npy")
    return [images[start : start + size] for start in range(0, len(images), size)]


# ----------------------------------------------------------------------------------------------------------- engines


def study_engine(pooling: str, folder: Path, size: int) -> Extract:
    from lib.model.engine import Engine

    return Engine(extractor(pooling), SIZE, key=f"benchmark_{pooling}")


def keras_predict(pooling: str, folder: Path, size: int) -> Extract:
    model = extractor(pooling)
    return lambda images: model.predict_on_batch(images.astype("float32"))


def tf_function(pooling: str, folder: Path, size: int) -> Extract:
    import tensorflow as tf

    model = extractor(pooling)
    call = tf.function(lambda images: model(images, training=False), reduce_retracing=True)
    return lambda images: call(tf.constant(images.astype("float32"))).numpy()


def onnx_runtime(pooling: str, folder: Path, size: int) -> Extract:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images.astype("float32")})[0]


def openvino(pooling: str, folder: Path, size: int, *, form: str, streams: int = 1) -> Extract:
    import openvino

    model = openvino.convert_model(folder / form)
    model.reshape([size, SIZE, SIZE, 3])
    # float32 is asked for: on a CPU with AMX it would take bfloat16 by itself.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": CORES, "NUM_STREAMS": streams}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    if streams == 1:
        return lambda images: compiled(images.astype("float32"))[0]
    requests = [compiled.create_infer_request() for _ in range(streams)]
    return together(
        [functools.partial(lambda request, part: request.infer([part])[0], request) for request in requests]
    )


def litert(pooling: str, folder: Path, size: int, *, side_by_side: int = 1) -> Extract:
    from ai_edge_litert.interpreter import Interpreter

    return tflite(Interpreter, pooling, size, side_by_side)


def tf_lite(pooling: str, folder: Path, size: int, *, side_by_side: int = 1) -> Extract:
    import tensorflow as tf

    return tflite(tf.lite.Interpreter, pooling, size, side_by_side)


def tflite(interpreter_class, pooling: str, size: int, side_by_side: int) -> Extract:
    """The study's converted file in some interpreter, or in several that work at once with a share of the cores each."""
    content = (study.cache_folder("engines") / f"benchmark_{pooling}.tflite").read_bytes()

    def one() -> Extract:
        interpreter = interpreter_class(model_content=content, num_threads=max(1, CORES // side_by_side))
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, (size, SIZE, SIZE, 3))
        interpreter.allocate_tensors()
        output = interpreter.get_output_details()[0]["index"]

        def extract(images: np.ndarray) -> np.ndarray:
            interpreter.set_tensor(index, images)
            interpreter.invoke()
            return interpreter.get_tensor(output)

        return extract

    if side_by_side == 1:
        extract = one()
        return lambda images: extract(images.astype("float32"))
    return together([one() for _ in range(side_by_side)])


def together(workers: list[Extract]) -> Extract:
    """Several engines at once, each in a thread with a batch of its own; `extract` then takes a batch for each."""
    pool = ThreadPoolExecutor(len(workers))

    def extract(*images: np.ndarray) -> np.ndarray:
        parts = (part.astype("float32") for part in images)
        return np.concatenate(list(pool.map(lambda job: job[0](job[1]), zip(workers, parts))))

    extract.workers = len(workers)
    return extract


# Name to function, the package it needs beside the study's, and TF_ENABLE_ONEDNN_OPTS (None: as it comes).
ENGINES: dict[str, tuple[Callable, tuple[str, ...], str | None]] = {
    "Engine (ours: OpenVINO, by way of TFLite)": (study_engine, (), "1"),
    f"TFLite, {CORES} x 1 thread": (functools.partial(tf_lite, side_by_side=CORES), (), "1"),
    "LiteRT": (litert, ("ai_edge_litert",), None),
    f"LiteRT, {CORES} x 1 thread": (functools.partial(litert, side_by_side=CORES), ("ai_edge_litert",), None),
    "tf.function, oneDNN off": (tf_function, (), "0"),
    "tf.function, oneDNN on": (tf_function, (), "1"),
    "Keras predict, oneDNN off": (keras_predict, (), "0"),
    "Keras predict, oneDNN on": (keras_predict, (), "1"),
    "ONNX Runtime": (onnx_runtime, ("onnxruntime", "tf2onnx"), None),
    "OpenVINO from ONNX": (functools.partial(openvino, form="model.onnx"), ("openvino", "tf2onnx"), None),
    "OpenVINO from SavedModel": (functools.partial(openvino, form="saved"), ("openvino",), None),
    f"OpenVINO, {CORES} streams": (functools.partial(openvino, form="saved", streams=CORES), ("openvino",), None),
}
OURS = next(iter(ENGINES))


# ------------------------------------------------------------------------------------- a process of its own for each


def serve(name: str, pooling: str, folder: Path) -> None:
    """Answer lines `batch size` on standard input with seconds for all images, and the first with features as well."""
    # Replies go where standard output was; what engines print does not.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    make, current, extract = ENGINES[name][0], None, None
    for line in sys.stdin:
        size = int(line)
        if size != current:
            current, extract = size, make(pooling, folder, size)
        parts = batches(folder, size)
        abreast = getattr(extract, "workers", 1)
        jobs = [parts[start : start + abreast] for start in range(0, len(parts), abreast)]
        extract(*jobs[0])  # warms up
        started, spent = time.perf_counter(), time.process_time()
        features = [extract(*job) for job in jobs]
        reply = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - spent}
        reply |= {"difference": difference(features, folder)}
        reply |= {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        print(json.dumps(reply), file=replies, flush=True)


def difference(features: list[np.ndarray], folder: Path) -> float:
    """Largest difference from Keras, relative to the feature's largest value over the images.

    Channels that (nearly) never fire have no scale of their own: 1% of the root mean square of all features is the least.
    """
    expected = np.load(folder / "keras.npy")
    scale = np.maximum(np.abs(expected).max(axis=0), 0.01 * np.sqrt(np.mean(np.square(expected))))
    return float((np.abs(np.concatenate(features) - expected) / scale).max())


class Served:
    """An engine's process, seen from outside."""

    def __init__(self, name: str, pooling: str, folder: Path):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
        if ENGINES[name][2] is not None:
            environment["TF_ENABLE_ONEDNN_OPTS"] = ENGINES[name][2]
        command = [sys.executable, "-m", "tests.benchmarks.extraction_speed", "serve", name, pooling, str(folder)]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def ask(self, size: int) -> dict:
        """Seconds, difference from Keras and peak memory (MB); `error` where the engine failed."""
        try:
            print(size, file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        return {"error": (self._errors.read().strip().splitlines() or ["ended"])[-1][:150]}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


# -------------------------------------------------------------------------------------------------------------- main


def main(options: argparse.Namespace) -> None:
    print(f"{study.device()}; {options.images} images, median of {options.rounds} rounds (least-most)", flush=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"STUDY_HOME": name}
        edge = (standin.SIZE - SIZE) // 2
        drawn = [standin.draw(standin.LABELS[index % 2], index // 2) for index in range(options.images)]
        images = np.stack([image[edge : edge + SIZE, edge : edge + SIZE] for image in drawn])
        for pooling in options.pooling:
            folder = Path(name) / pooling
            folder.mkdir()
            np.save(folder / "images.npy", images)
            command = [sys.executable, "-m", "tests.benchmarks.extraction_speed", "files", pooling, str(folder)]
            subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, stdout=sys.stderr)
            compare(pooling, folder, options)


def compare(pooling: str, folder: Path, options: argparse.Namespace) -> None:
    """All engines on one kind of features, batch size by batch size, each row printed as soon as it is known."""
    wanted = [OURS, *(name for name in options.engine or ENGINES if name != OURS)]
    missing = {
        name: [package for package in ENGINES[name][1] if not importlib.util.find_spec(package)] for name in wanted
    }
    engines = {name: Served(name, pooling, folder) for name in wanted if not missing[name]}
    print(
        f"\n| {pooling}: engine | batch | images/s | ratio to ours | CPU ms an image | difference from Keras | peak MB |\n{'|-' * 7}|"
    )
    for size in options.batches:
        answers = {name: [] for name in engines}
        for _ in range(options.rounds):
            for name, engine in engines.items():
                if not any("error" in answer for answer in answers[name]):
                    answers[name].append(engine.ask(size))
        for name, found in answers.items():
            print(f"| {name} | {size} | {row(found, answers[OURS], options.images)} |", flush=True)
    for engine in engines.values():
        engine.close()
    for name in wanted:
        if missing[name]:
            print(f"| {name} | - | not installed: {', '.join(missing[name])} | - | - | - | - |", flush=True)


def row(found: list[dict], ours: list[dict], images: int) -> str:
    """Cells of an engine at one batch size."""
    if "error" in found[-1]:
        return f"failed: {found[-1]['error']} | - | - | - | -"
    speeds = [images / answer["seconds"] for answer in found]
    ratio = statistics.median(mine["seconds"] / other["seconds"] for mine, other in zip(ours, found))
    apart = max(answer["difference"] for answer in found)
    counts = f"{ratio:.2f}" if apart <= MOST else f"({ratio:.2f}: other features)"
    speed = f"{statistics.median(speeds):.1f} ({min(speeds):.1f}-{max(speeds):.1f})"
    cpu = 1000 / images * statistics.median(answer["cpu_seconds"] for answer in found)
    return f"{speed} | {counts} | {cpu:.1f} | {apart:.1e} | {max(answer['megabytes'] for answer in found):.0f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    elif sys.argv[1:2] == ["files"]:
        make_files(sys.argv[2], Path(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--images", type=int, default=128, help="a multiple of every batch size times the cores")
        parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
        parser.add_argument("--pooling", nargs="+", choices=list(POOLINGS), default=list(POOLINGS))
        parser.add_argument("--engine", nargs="+", choices=list(ENGINES), metavar="NAME", help=f"of {list(ENGINES)}")
        options = parser.parse_args()
        if any(options.images % (size * CORES) for size in options.batches):
            parser.error(f"--images {options.images}: expected a multiple of {CORES} times each batch size")
        main(options)
