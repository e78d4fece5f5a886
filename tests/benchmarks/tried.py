"""What was tried and did not help: writes the section "Tried without gain" of docs/experiments.md.

    python -m tests.benchmarks.tried RUN [--seeds 3]

RUN is the folder of an audited run, such as results/ffhq_stylegan. Each row is a linear head (a regression, without epochs) on frozen
features of the same images; each seed draws training and validation anew, and the run's test images are not looked at.
"""

import argparse
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from lib.data.images.degrade import degrade_at_random
from lib.data.images.views import ImageFile
from lib.metrics import repeats
from lib.model.scores import run_files, run_view
from lib.model.training.experiments import trial_images
from lib.model.training.fitting import inference, make_deterministic, probabilities
from lib.model.training.heads import train_head
from lib.model.training.trials import Trial
from lib.study.names import as_int, independent_groups
from lib.study.recipes import RECIPES
from lib.study.run import audited_runs
from tests.benchmarks import experiments_page, pages
from tests.benchmarks.large_pictures import Extractor

HEADING = "Tried without gain"
FIRST_SEED = 7
COLUMNS = {"setting": "tried", "roc_auc": "validation AUC", "difference": "difference", "degraded": "AUC, degraded"}
TEXT = """Ideas that others report, on the same frozen features and a linear head without epochs; {seeds} seeds, validation images
of {source}, differences paired to the first row (`python -m tests.benchmarks.tried`). Masked views are rows of the
ablation. What an idea brings on
generators that training has not seen is not measured here: one generator is at hand.

{table}"""
FLOOR = 1e-3
CHAIN_KERNELS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def upsampled(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photograph after one to three halvings and as many doublings by random kernels, as in a decoder."""
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 4)):
        scale = rng.uniform(0.5, 0.9)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=CHAIN_KERNELS[rng.integers(len(CHAIN_KERNELS))])
        if rng.random() < 0.5:
            image = cv2.GaussianBlur(image, (3, 3), 0.6)
    return image


class Features:
    """Features of the images of one trial."""

    def __init__(self, run, images: pd.DataFrame):
        self.run, self.extract = run, Extractor()
        self.rows = {
            split: images[images["split"] == split].reset_index(drop=True) for split in ("train", "validation")
        }
        self.files = {split: run_files(run, rows) for split, rows in self.rows.items()}
        self.y = {split: as_int(rows["label"]).to_numpy() for split, rows in self.rows.items()}
        self.train = [self.of("train", version) for version in range(RECIPES["tuned"].views + 1)]
        self.validation, self.degraded = self.of("validation", 0), self.changed("validation", degrade_at_random)

    def of(self, split: str, version: int) -> np.ndarray:
        return self.extract(self.files[split], run_view(self.run, version))

    def changed(self, split: str, change, only: int | None = None) -> np.ndarray:
        """Features of the images of a split (of class `only`) after a random change to their plain view."""
        view = run_view(self.run)
        files = [file for file, y in zip(self.files[split], self.y[split]) if only is None or y == only]
        return np.concatenate(list(self.extract.engine.stream(self._batches(files, view, change))))

    @staticmethod
    def _batches(files: list[ImageFile], view, change):
        for first in range(0, len(files), 32):
            batch = [
                change(view.apply(file.read(), file.use), np.random.default_rng(int(file.key[:8], 16)))
                for file in files[first : first + 32]
            ]
            yield np.stack(batch)


def regression(found: Features, views: list[np.ndarray], y: np.ndarray):
    """Scores of rows by the study's linear head without epochs."""
    recipe = RECIPES["tuned"]
    recipe = dataclasses.replace(recipe, phase1=dataclasses.replace(recipe.phase1, epochs=0))
    make_deterministic(7)
    head, _ = train_head(views[0], views, y, found.validation, found.y["validation"], recipe, 7)
    infer = inference(head)
    return lambda features: probabilities(infer, features)


def as_it_is(found: Features):
    return regression(found, found.train, found.y["train"])


def simulated(found: Features):
    """Photographs after random up-sampling chains are more synthetic images."""
    more = found.changed("train", upsampled, only=0)
    views = [np.concatenate([view, more]) for view in found.train]
    return regression(found, views, np.concatenate([found.y["train"], np.ones(len(more), int)]))


def blended(found: Features):
    """Features half way to those of a photograph are more synthetic images (latent blending)."""
    y, rng = found.y["train"], np.random.default_rng(7)
    views = []
    for view in found.train:
        synthetic, real = view[y == 1].astype("float32"), view[y == 0].astype("float32")
        share = rng.uniform(0.5, 1, (len(synthetic), 1)).astype("float32")
        mixed = share * synthetic + (1 - share) * real[rng.integers(len(real), size=len(synthetic))]
        views.append(np.concatenate([view, mixed.astype(view.dtype)]))
    return regression(found, views, np.concatenate([y, np.ones(len(mixed), int)]))


def non_negative(found: Features):
    """Weights of the last layer are not below 0: only what is there may speak for synthetic, nothing for real."""
    rows = np.concatenate([view.astype("float32") for view in found.train])
    scaler = StandardScaler().fit(rows)
    scaler.scale_ = np.maximum(scaler.scale_, FLOOR)
    targets = np.tile(found.y["train"], len(found.train)).astype("float32")
    ridge = Ridge(alpha=0.3 * rows.shape[1], positive=True, max_iter=300)
    ridge.fit(scaler.transform(rows, copy=False), targets)
    return lambda features: expit(4 * (ridge.predict(scaler.transform(features.astype("float32"))) - 0.5))


TRIED = {
    "as `tuned`, without epochs": as_it_is,
    "synthetic images simulated from photographs by random up-sampling chains, added": simulated,
    "latent blending: features between a synthetic image and a photograph, added": blended,
    "non-negative last layer": non_negative,
}


def main(options: argparse.Namespace) -> None:
    folder = options.run.resolve()
    run = next(found for found in audited_runs(folder.parent) if found.name == folder.name)
    run, frames = dataclasses.replace(run, seed=FIRST_SEED), []
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        images = trial_images(run, Trial("", RECIPES["tuned"], "phase1", seed))
        found = Features(dataclasses.replace(run, seed=seed), images)
        rows = found.rows["validation"]
        for setting, train in TRIED.items():
            score = train(found)
            scores, degraded = score(found.validation), score(found.degraded)
            known = {"image_id": rows["image_id"], "split": "validation", "stage": "phase1", "y": found.y["validation"]}
            words = {"variant": setting, "choice": "tried", "setting": setting, "seed": seed, "total": 0.0}
            columns = {"group": independent_groups(rows), "score": scores, "degraded": degraded, "seconds": 0.0}
            frames.append(pd.DataFrame(known | columns | {"score_change": 0.0, "weight_change": 0.0}).assign(**words))
            print(f"seed {seed}, {setting}: done", flush=True)
    table = repeats.ablation_table(pd.concat(frames, ignore_index=True))
    shown = repeats.shown(table, COLUMNS)
    print(shown.to_string(index=False))
    text = TEXT.format(seeds=options.seeds, source=run.name, table=experiments_page.markdown(shown))
    introduction = experiments_page.PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    pages.rewrite(experiments_page.PAGE, introduction, experiments_page.HEADINGS, {HEADING: text})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args())
