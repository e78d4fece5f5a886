"""Writes the table of docs/scoring.md: what share of pictures of many kinds a detector flags as unlike its training images.

    python -m tests.benchmarks.unlikeness RUN [RUN] [--others FOLDER ...]

RUN is results/NAME/RECIPE of a finished run whose model folder is complete; the same dataset by each recipe. Its own test
images are read as they are and degraded; OTHERS are folders of pictures of another kind, a row each. Stand-ins, noise and
plain pictures are drawn.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lib import study
from lib.data.images.batches import load_views
from lib.data.images.pictures import read_picture
from lib.data.images.views import View, recipe_view
from lib.data.standin import draw as standin
from lib.model.features import BATCH
from lib.model.scores import run_files
from lib.model.use.detector import Detector, read_detector
from lib.model.use.scorer import find_pictures

PAGE = study.PROJECT / "docs" / "scoring.md"
BETWEEN = re.compile(r"(<!-- unlikeness -->\n).*?(<!-- end -->)", re.S)
DEGRADED = {
    "jpeg 70": "the same, JPEG quality 70",
    "jpeg 30": "the same, JPEG quality 30",
    "blur 1": "the same, blurred by 1 pixel",
    "blur 2": "the same, blurred by 2 pixels",
    "noise 5": "the same with noise of 5 grey levels",
    "noise 10": "the same with noise of 10 grey levels",
    "rescale 0.5": "the same, halved and restored",
}
DRAWN = 100


def flagged(detector: Detector, batches: Iterable[np.ndarray]) -> float:
    """Share of the views (images, side, side, 3) in all batches that are unlike the training images; each is a part."""
    engine = detector.engine()
    distances = [detector.statistics.unlikeness(engine(views)[:, 1:]) for views in batches]
    return float((np.concatenate(distances) > 1).mean())


def drawn(view: View) -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    greys = [np.full((256, 256, 3), level, "uint8") for level in np.linspace(0, 255, DRAWN)]
    pictures = {
        "stand-in portraits": [standin.draw(study.LABELS[number % 2], number) for number in range(DRAWN)],
        "white noise": [rng.integers(0, 256, (256, 256, 3), "uint8") for _ in range(DRAWN)],
        "pictures of one grey": greys,
    }
    return {name: [np.stack([view.apply(picture, "") for picture in found])] for name, found in pictures.items()}


def shares(run: study.Run, others: list[Path]) -> dict[str, float]:
    """Kind of pictures to the share that the run's detector flags."""
    detector = read_detector(run.model_folder)
    files = run_files(run, run.used_images().query("split == 'test'"))
    found = {f"{len(files)} test images of the same data": load_views(files, recipe_view(run.recipe), BATCH)}
    for degradation, words in DEGRADED.items():
        found[words] = load_views(files, recipe_view(run.recipe, degradation=degradation), BATCH)
    for folder in others:
        paths = list(find_pictures([str(folder)], []))
        views = [detector.view.apply(read_picture(path).pixels, "") for path in paths]
        found[f"{len(paths)} pictures of {folder.parent.name}, {folder.name}"] = [np.stack(views)]
    return {name: flagged(detector, batches) for name, batches in {**found, **drawn(detector.view)}.items()}


def main(options: argparse.Namespace) -> None:
    runs = [open_finished(folder) for folder in options.runs]
    table = {run.recipe.name: shares(run, options.others) for run in runs}
    kinds = list(next(iter(table.values())))
    lines = ["| pictures | " + " | ".join(f"`{recipe}`" for recipe in table) + " |", "|-" * (1 + len(table)) + "|"]
    lines += [f"| {kind} | " + " | ".join(f"{found[kind]:.0%}" for found in table.values()) + " |" for kind in kinds]
    made = (
        f"Detectors of `{runs[0].name}` ({runs[0].source()}), written by `python -m tests.benchmarks.unlikeness`:\n\n"
    )
    text = PAGE.read_text(encoding="utf-8")
    assert BETWEEN.search(text), f"{PAGE} has no place for the table"
    study.write_text(PAGE, BETWEEN.sub(lambda found: found[1] + made + "\n".join(lines) + "\n" + found[2], text))
    print(f"{PAGE} written")


def open_finished(folder: Path) -> study.Run:
    results = folder.resolve().parent.parent
    runs = study.finished_runs(results, study.home() / "models", study.is_quick(results))
    return next(run for run in runs if run.recipe_folder == folder.resolve())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--others", nargs="*", type=Path, default=[], metavar="FOLDER")
    main(parser.parse_args())
