"""How large pictures are best looked at: writes the section "Large pictures" of docs/experiments.md.

    python -m tests.benchmarks.large_pictures [--images 600] [--size 1024]

No large pictures of people are at hand, so these are stand-ins: drawn by the program, enlarged, and then photographed or generated at
1,024 pixels, so that camera noise and the traces of the generator have the scale of large pictures; a first stage of the generator leaves
traces at a quarter of that scale. They show what a way of looking costs and
whether it works; they say nothing about real generators. The small ones are the same pictures, reduced to 256 pixels.

Each way of looking trains a head on frozen features of the same training pictures, and is read on the same test pictures.
"""

import argparse
import dataclasses
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.data.images.batches import load_views
from lib.data.images.parts import Parts, parts_of
from lib.data.images.views import WHOLE, ImageFile, View, training_scale
from lib.data.standin import draw, head, people, pipelines
from lib.metrics.delong import auc_interval, paired_test
from lib.model import pooling
from lib.model.backbone import build_backbone
from lib.model.engine import Engine
from lib.model.features import features_kind, frozen_features
from lib.model.training.fitting import inference, make_deterministic, probabilities
from lib.model.training.heads import train_head
from lib.study.files import file_hash
from lib.study.names import LABELS
from lib.study.pretrained import resolve
from lib.study.recipes import RECIPES
from tests.benchmarks import experiments_page, pages

SMALL = 256
# Strength of the traces: stronger than those of the study's stand-ins, so that some hundred pictures are enough to learn them.
TRACES = (0.2, 0.26)
RECIPE = RECIPES["tuned"]
WINDOWS = ("1", "2", "3", "4", "5")
MIDDLE = "5"
# Way of looking to the parts and the weight of each.
WAYS = {
    "the middle window": {MIDDLE: 1.0},
    "five windows": dict.fromkeys(WINDOWS, 1 / 5),
    "the whole, squeezed": {WHOLE: 1.0},
    "five windows and the whole, each counted once": dict.fromkeys((*WINDOWS, WHOLE), 1 / 6),
    "five windows and the whole, counted three times": {**dict.fromkeys(WINDOWS, 1 / 8), WHOLE: 3 / 8},
}


def cascade(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Traces of a generator of two stages: one makes a picture of a quarter of the size, the next makes it large."""
    height, width = photo.shape[:2]
    small = cv2.resize(photo, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    left = cv2.resize(pipelines.generate(small, rng, TRACES) - small, (width, height), interpolation=cv2.INTER_CUBIC)
    return pipelines.generate(photo + left, rng, TRACES)


def write_pair(task: tuple[Path, str, int, int]) -> None:
    """Writes one large stand-in and its small copy."""
    folder, label, index, size = task
    key = (LABELS.index(label), index)
    person = people.make_person(np.random.default_rng([7, 1, index // 2]))
    scene_rng, rng = np.random.default_rng([7, 2, *key]), np.random.default_rng([7, 3, *key])
    where = draw.sitting(label, index)
    scene = head.paint(person, people.make_look(where.expression, where.angle, scene_rng), scene_rng)
    photo = pipelines.camera(cv2.resize(scene, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1), rng)
    if label == "synthetic":
        photo = cascade(photo, rng)
    large = pipelines.finish(photo, rng)
    quality = int(rng.integers(60, 96))
    for name, picture in (("large", large), ("small", cv2.resize(large, (SMALL, SMALL), interpolation=cv2.INTER_AREA))):
        path = folder / name / label / f"{index:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.encode(picture, quality))


def table_of(folder: Path) -> pd.DataFrame:
    """Rows of image files: path, label (0 or 1), group, split; people 3:1:1 over the splits."""
    rows = []
    for label in LABELS:
        for path in sorted((folder / label).glob("*.jpg")):
            person = int(path.stem) // 2
            split = ("train", "train", "train", "validation", "test")[person % 5]
            rows.append({"path": path, "y": LABELS.index(label), "group": f"p{person}", "split": split})
    return pd.DataFrame(rows)


def restricted(parts: Parts, weights: dict[str, float]) -> tuple[Parts, np.ndarray]:
    """The parts with these names and weights, and the rows that they have in `parts`."""
    rows = np.array([row for row, file in enumerate(parts.files) if file.part in weights])
    files = [parts.files[row] for row in rows]
    return Parts(files, parts.image[rows], np.array([weights[file.part] for file in files])), rows


class Extractor:
    """Frozen features of files under a view."""

    def __init__(self):
        self.weights = resolve("efficientnet-lite0")
        model = pooling.pooled(build_backbone(self.weights), RECIPE)
        self.kinds = {features_kind(RECIPE, self.weights.sha256): model.output_shape[1]}
        self.engine = Engine(model, RECIPE.image_size)
        self.width = model.output_shape[1]

    def __call__(self, files: list[ImageFile], view: View) -> np.ndarray:
        options = {"kinds": self.kinds, "engine": lambda: self.engine, "on_progress": lambda count: None}
        return frozen_features(files, view, **options)[0][:]


def files_of(rows: pd.DataFrame, size: int) -> list[ImageFile]:
    return [ImageFile(path, file_hash(path), size=(size, size)) for path in rows["path"]]


def learn(extract: Extractor, rows: pd.DataFrame, size: int, ways: dict, scale: tuple) -> dict:
    """Way of looking to a function that scores features (rows, n)."""
    found, train, validation = {}, rows[rows["split"] == "train"], rows[rows["split"] == "validation"]
    view = View("crop", RECIPE.image_size, scale=scale)
    augmented = [
        dataclasses.replace(view, version=number, seed=7, degradation=RECIPE.degradation)
        for number in range(1, RECIPE.views + 1)
    ]
    parts = [parts_of(files_of(some, size), view) for some in (train, validation)]
    plain = [extract(each.files, view) for each in parts]
    kept = [plain[0], *(extract(parts[0].files, other) for other in augmented)]
    for words, weights in ways.items():
        (mine, of_train), (judged, of_validation) = (restricted(each, weights) for each in parts)
        make_deterministic(7)
        head_model, _ = train_head(
            plain[0][of_train],
            [features[of_train] for features in kept],
            train["y"].to_numpy(),
            plain[1][of_validation],
            validation["y"].to_numpy(),
            RECIPE,
            7,
            groups=validation["group"].to_numpy(),
            parts=(mine, judged),
        )
        found[words] = inference(head_model)
    return found


def measured(y: np.ndarray, scores: np.ndarray, groups: np.ndarray, base: np.ndarray | None) -> dict:
    """AUC with its interval, and the paired difference to `base`."""
    auc = auc_interval(y, scores, groups)
    row = {"test AUC": f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]", "difference": "-"}
    if base is not None:
        gain = paired_test(y, base, scores, groups).difference
        row["difference"] = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return row


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="large-pictures-") as name:
        folder, each = Path(name), options.images // 2
        tasks = [(folder, label, index, options.size) for label in LABELS for index in range(each)]
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(write_pair, tasks, chunksize=8))
        large, small = table_of(folder / "large"), table_of(folder / "small")
        print("drawn", len(large), flush=True)
        extract = Extractor()
        large_scale, small_scale = ((size, size, size) for size in (options.size, SMALL))
        assert training_scale(np.full(10, SMALL)) == small_scale
        test = large["split"] == "test"
        y, groups = large.loc[test, "y"].to_numpy(), large.loc[test, "group"].to_numpy()
        large_files, small_files = files_of(large[test], options.size), files_of(small[test], SMALL)

        def scored(infer, files, view, weights=None):
            parts = parts_of(files, view)
            if weights:
                parts, _ = restricted(parts, weights)
            return parts.combined(probabilities(infer, extract(parts.files, view)))

        heads, rows, base = learn(extract, large, options.size, WAYS, large_scale), [], None
        own = View("crop", RECIPE.image_size, scale=large_scale)
        for words, infer in heads.items():
            scores = scored(infer, large_files, own, WAYS[words])
            rows.append(
                {"trained on": "large", "tested on": "large", "looked at": words, **measured(y, scores, groups, base)}
            )
            base = scores if base is None else base
        # Small to large, and large to small: with the scale known, and each picture as it is.
        (infer,) = learn(extract, small, SMALL, {"": {"": 1.0}}, small_scale).values()
        known, unknown = (View("crop", RECIPE.image_size, scale=scale) for scale in (small_scale, None))
        at_home = scored(infer, small_files, known)
        rows.append(
            {
                "trained on": "small",
                "tested on": "small",
                "looked at": "the one window",
                **measured(y, at_home, groups, None),
            }
        )
        middle = scored(infer, large_files, unknown, {MIDDLE: 1.0})
        rows.append(
            {
                "trained on": "small",
                "tested on": "large",
                "looked at": "the middle window as it is",
                **measured(y, middle, groups, None),
            }
        )
        brought = scored(infer, large_files, known)
        rows.append(
            {
                "trained on": "small",
                "tested on": "large",
                "looked at": "brought to 256 pixels first",
                **measured(y, brought, groups, middle),
            }
        )
        before = scored(heads["the middle window"], small_files, own)
        rows.append(
            {
                "trained on": "large, the middle window",
                "tested on": "small",
                "looked at": "the one window",
                **measured(y, before, groups, None),
            }
        )
        after = scored(heads["five windows and the whole, counted three times"], small_files, own)
        rows.append(
            {
                "trained on": "large, five windows and the whole",
                "tested on": "small",
                "looked at": "the one window",
                **measured(y, after, groups, before),
            }
        )
        seconds = cost(extract, large_files[:60], small_files[:60], own)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    print(seconds)
    text = TEXT.format(
        images=f"{2 * each:,}",
        size=f"{options.size:,}",
        tests=int(test.sum()),
        table=experiments_page.markdown(table),
        cost=seconds,
    )
    introduction = experiments_page.PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    pages.rewrite(experiments_page.PAGE, introduction, experiments_page.HEADINGS, {HEADING: text})


def cost(extract: Extractor, large: list[ImageFile], small: list[ImageFile], view: View) -> str:
    """Seconds for a picture, decoding included, of one window and of all parts."""
    found = []
    for files in (small, large):
        parts, times = parts_of(files, view), []
        for _ in range(3):
            began = time.perf_counter()
            for _ in extract.engine.stream(load_views(parts.files, view, 64)):
                pass
            times.append((time.perf_counter() - began) / len(files))
        found.append((len(parts.files) / len(files), np.median(times)))
    (_, one), (count, several) = found
    return (
        f"{1000 * one:.1f} ms for a picture of one window, {1000 * several:.1f} ms for one of {count:.0f} parts: "
        f"{several / one:.1f} times as much"
    )


HEADING = "Large pictures"
TEXT = """A window of 256 pixels shows a sixteenth of a picture of 1,024. {images} **stand-ins** drawn at {size} pixels (half of them
synthetic; camera noise and the traces of a generator of two stages, at that scale and at a quarter of it), {tests} of them for the
test; `small` are the same pictures reduced to 256 pixels. They say nothing about real generators. Each row is a head on the same training
pictures;
differences are paired, to the row of the middle window on the same test pictures (`python -m tests.benchmarks.large_pictures`).

{table}

Cost, decoding included, median of three on two cores: {cost}."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--size", type=int, default=1024)
    main(parser.parse_args())
