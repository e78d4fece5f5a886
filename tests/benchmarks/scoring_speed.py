"""Pictures scored a second, against frozen feature extraction of the same files, in pairs within one run.

    python -m tests.benchmarks.scoring_speed [--model FOLDER] [--images 512] [--rounds 5]

Run from the project's folder. Both decode the same JPEG files on all cores; extraction gives the features that training
keeps on disk (17,920 numbers for multi-level pooling), scoring gives scores, probabilities, decisions, unlikeness and
warnings. Rounds alternate, and ratios are medians over them; CPU time, of all threads, is what a busy machine disturbs
least.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

from lib import study
from lib.data.images.views import ImageFile
from lib.data.standin import draw as standin
from lib.model.engine import Engine
from lib.model.features import frozen_features
from lib.model.use.detector import find_detector
from lib.model.use.scorer import Scorer, score_pictures


def main(options: argparse.Namespace) -> None:
    import keras

    detector = find_detector(options.model)
    model = detector.model()
    pooling = next(layer for layer in model.layers if layer.name.endswith("_pooling"))
    extract = Engine(keras.Model(model.input, pooling.output), detector.view.size)
    scorer = Scorer(detector)
    scorer.engine  # noqa: B018 (built outside of what is timed)
    with tempfile.TemporaryDirectory() as name:
        os.environ["STUDY_HOME"] = name
        paths = [Path(name) / f"{number}.jpg" for number in range(options.images)]
        drawn = [standin.draw(study.LABELS[number % 2], number // 2) for number in range(32)]
        for number, path in enumerate(paths):
            picture = drawn[number % 32].copy()
            picture[:16, :16] = (
                16 * (number // 32 % 16),
                number // 512,
                0,
            )  # no two files alike: features of copies are computed once
            path.write_bytes(standin.encode(picture, 95))
        files = [ImageFile(path, study.file_hash(path)) for path in paths]
        assert len({file.key for file in files}) == options.images

        kinds = itertools.count()

        def extraction() -> int:
            # Of a kind of its own each time: nothing is in the cache.
            kind = {"kinds": {str(next(kinds)): extract.width}, "engine": lambda: extract}
            return len(frozen_features(files, detector.view, **kind, on_progress=lambda count: None)[0])

        def scoring() -> int:
            return sum(row["error"] is None for row in score_pictures(scorer, paths))

        rates, spent = {extraction: [], scoring: []}, {extraction: [], scoring: []}
        for number in range(options.rounds + 1):
            for work in rates:
                started, before = time.perf_counter(), time.process_time()
                assert work() == options.images
                if number:  # the first round warms up
                    rates[work].append(options.images / (time.perf_counter() - started))
                    spent[work].append(1000 * (time.process_time() - before) / options.images)
    for work, found in rates.items():
        cpu = f"{statistics.median(spent[work]):.2f} ms of CPU an image ({min(spent[work]):.2f}-{max(spent[work]):.2f})"
        print(f"{work.__name__}: {statistics.median(found):.1f} images/s ({min(found):.1f}-{max(found):.1f}), {cpu}")
    ratios = [mine / other for mine, other in zip(rates[scoring], rates[extraction])]
    cpu = statistics.median(mine / other for mine, other in zip(spent[scoring], spent[extraction]))
    least, most = min(ratios), max(ratios)
    print(f"rate, scoring / extraction: {statistics.median(ratios):.2f} ({least:.2f}-{most:.2f}); CPU time: {cpu:.2f}")
    print(f"{os.cpu_count()} cores, {options.images} images, {detector.describe()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="folder of a detector; default: the only one below models/")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args())
