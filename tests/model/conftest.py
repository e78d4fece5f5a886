"""A small detector, and a run that has it as a trained stage, without training anything."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import study
from lib.data.audit import audit
from lib.metrics import evaluation
from lib.model import heads, network, pooling
from lib.model.backbone import build_backbone
from lib.model.engine import Engine
from lib.model.scores import run_files, run_view, score_images
from lib.model.use.detector import write_detector
from lib.study.pretrained import resolve

SIDE = 64


@pytest.fixture(scope="session")
def lite0():
    """EfficientNet-Lite0 with its ImageNet weights; not to be changed."""
    return build_backbone(resolve("efficientnet-lite0"))


@pytest.fixture(scope="session")
def linear_detector():
    """Makes a detector with a linear head; without coefficients, with some that split noise images about evenly."""

    def make(backbone: keras.Model, recipe: study.Recipe, coefficients=None, mean=0.0, std=1.0) -> keras.Model:
        width = pooling.pooled(backbone, recipe).output_shape[1]
        if coefficients is None:
            coefficients = np.random.default_rng(0).normal(0, 3 / np.sqrt(width), width)
        mean, variance = np.zeros(width) + mean, np.zeros(width) + np.square(std)
        return network.assemble(backbone, heads.linear_head(mean, variance, coefficients, 0.1), recipe)

    return make


@pytest.fixture(scope="session")
def detectors(lite0, linear_detector):
    """Pooling to (recipe, detector), 64 pixels."""
    recipes = {
        recipe.pooling: dataclasses.replace(recipe, image_size=SIDE, head="linear") for recipe in study.RECIPES.values()
    }
    return {pooling: (recipe, linear_detector(lite0, recipe)) for pooling, recipe in recipes.items()}


@pytest.fixture(scope="session")
def engine(detectors):
    """The average-pooling detector, converted: that takes longer than all scoring here."""
    recipe, detector = detectors["average"]
    return Engine(detector, recipe.image_size)


@pytest.fixture
def trained_run(own_home, folder_of_images, detectors, engine):
    """A quick run of 24 noise images, all of its test split, whose stage `full` is the average-pooling detector."""
    recipe, detector = detectors["average"]
    root = folder_of_images(12)
    run = dataclasses.replace(study.open_run(data=str(root), name="small", quick=True), recipe=recipe)
    paths = sorted(root.rglob("*.png"))
    rows = [
        {
            **dict.fromkeys(study.IMAGE_COLUMNS, ""),
            "image_id": f"{path.parent.name}{number}",
            "path": path.relative_to(root).as_posix(),
            "label": path.parent.name,
            "split": "test",
            "sha256": study.file_hash(path),
            "width": 80,
            "height": 80,
            "format": "PNG",
            "bytes": 1,
            "mode": "RGB",
            "exif": 0,
            "icc": 0,
        }
        for number, path in enumerate(paths)
    ]
    source = {"name": run.name, "source": "noise for a test", "images": 24, "stand_in": False}
    content = {"dataset": source, "found": 24, "used": 24, "set_aside": 0, "shortcut": {"warning": ""}}
    run.write_audit(pd.DataFrame(rows), pd.DataFrame(columns=study.PAIR_COLUMNS), content)
    network.save(detector, run.model_path("full"))
    images = run.used_images()
    scores = score_images(engine, run_files(run, images), run_view(run))
    table = images[["image_id", "label", "split"]].assign(stage="full", score=scores)
    run.add_stage(table, pd.DataFrame({"stage": ["full"], "epoch": [0], "loss": [0.0]}))
    return run


@pytest.fixture(scope="session")
def scored_run(tmp_path_factory, detectors, engine):
    """A run of 72 noise images, 24 in each split, evaluated as notebook 04 does; its detector is not written yet."""
    root = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(72):
        label, split = study.LABELS[number % 2], study.SPLITS[number // 24]
        path = root / label / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).normal(128, 20 + number % 7, (80, 96, 3)).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(path, quality=80 + number % 10)
        found = audit.inspect_file(path)
        rows.append(
            {"image_id": f"i{number:02}", "path": f"{label}/{number}.jpg", "label": label, "split": split, **found}
        )
    recipe, detector = detectors["average"]
    run = study.open_run(data=str(root), name="small", quick=True, results=str(tmp_path_factory.mktemp("results")))
    run = dataclasses.replace(run, recipe=recipe)
    source = {"name": run.name, "source": "noise for a test", "images": 72, "stand_in": False}
    content = {"dataset": source, "found": 72, "used": 72, "set_aside": 0, "shortcut": {"warning": ""}}
    images = pd.DataFrame(rows).assign(group="")
    run.write_audit(images, pd.DataFrame(columns=study.PAIR_COLUMNS), content)
    run.record(backbone="efficientnet-lite0", weights="EfficientNet-Lite0 with ImageNet weights", weights_sha256="0")
    network.save(detector, run.model_path("full"))
    rows = run.used_images().query("split != 'train'")
    scores = score_images(engine, run_files(run, rows), run_view(run))
    table = rows[["image_id", "label", "split"]].assign(stage="full", score=scores)
    run.add_stage(table, pd.DataFrame({"stage": ["full"], "epoch": [0], "loss": [0.0]}))
    scored = run.scored()
    run.write_calibration(evaluation.calibrate(scored))
    run.write_metrics(*evaluation.evaluate(scored), "report")
    return run


@pytest.fixture(scope="session")
def written_folder(scored_run):
    """The folder of `scored_run`'s complete detector; not to be changed."""
    write_detector(scored_run)
    return scored_run.model_folder


@pytest.fixture
def detector_folder(written_folder, tmp_path):
    """A copy of a complete detector's folder."""
    return Path(shutil.copytree(written_folder, tmp_path / "a detector é"))
