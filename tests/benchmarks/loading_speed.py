"""Loading (decode to a batch of 224 px) against `keras.utils.image_dataset_from_directory`: images a second.

    python -m tests.benchmarks.loading_speed [IMAGES]

Run from the project's folder. Both views of the recipes, in turn with the baseline, on drawn stand-ins of 256 px.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lib.data.standin import draw as standin

ROUNDS = 7


def main(images: int = 2000) -> None:
    import keras

    from lib import model  # noqa: F401
    from lib.data.images.batches import load_views
    from lib.data.images.views import ImageFile, View
    from lib.study.files import file_hash

    with tempfile.TemporaryDirectory() as folder:
        people = standin.write(Path(folder), {"real": images // 2, "synthetic": images // 2}, seed=9)
        files = [ImageFile(Path(folder) / path, file_hash(Path(folder) / path)) for path in people["path"]]
        options = {"label_mode": "binary", "image_size": (224, 224), "batch_size": 32, "shuffle": False}
        dataset = keras.utils.image_dataset_from_directory(folder, verbose=False, **options)
        ways = {
            "image_dataset_from_directory": lambda: sum(len(batch) for batch, _ in dataset),
            "crop (tuned)": lambda: sum(len(batch) for batch in load_views(files, View("crop"), 32)),
            "resize (original)": lambda: sum(len(batch) for batch in load_views(files, View("resize"), 32)),
        }
        speeds = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                speed = timed(way, images)
                if number:  # the first round warms up
                    speeds[name].append(speed)
    baseline = speeds["image_dataset_from_directory"]
    for name, found in speeds.items():
        ratio = statistics.median(mine / other for mine, other in zip(found, baseline))
        print(f"{name}: {statistics.median(found):.0f} images/s ({min(found):.0f}-{max(found):.0f}), ratio {ratio:.2f}")


def timed(way: Callable[[], int], images: int) -> float:
    started = time.perf_counter()
    assert way() == images
    return images / (time.perf_counter() - started)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
