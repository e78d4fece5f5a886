"""How few numbers a picture needs: writes the section "Smaller features" of docs/experiments.md.

    python -m tests.benchmarks.smaller_features RUN [RUN ...] [--seeds 3]

RUN is the folder of an audited run, such as results/ffhq_stylegan. Each row is a linear head (a regression, without epochs) on the same
images; what makes the features smaller is fitted on training rows alone. Each seed draws training and validation anew; the run's test
images are not looked at.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from lib.metrics import repeats
from lib.model.training.experiments import trial_images
from lib.model.training.trials import Trial
from lib.study.names import independent_groups
from lib.study.recipes import RECIPES
from lib.study.run import audited_runs
from tests.benchmarks import experiments_page, pages
from tests.benchmarks.tried import FIRST_SEED, FLOOR, Features, regression

HEADING = "Smaller features"
COLUMNS = {
    "source": "images",
    "setting": "features",
    "roc_auc": "validation AUC",
    "difference": "difference",
    "degraded": "AUC, degraded",
    "kilobytes": "kB an image and view",
}
TEXT = """Fewer numbers for each image and view, in float16. Each row is a linear head without epochs; {seeds} seeds, validation images,
differences paired to the first row of the same images (`python -m tests.benchmarks.smaller_features`). `channels`: those whose class
means differ most on training images, in standard deviations. `projection`: each feature, standardised, is added with a random sign to one
of so many sums (Weinberger et al. 2009). `principal components`: of standardised training features.

{table}"""


def channels(train: np.ndarray, y: np.ndarray, count: int):
    """The features that tell the classes of the training rows best, one by one."""
    y = np.resize(y, len(train))
    apart = np.abs(train[y == 1].mean(0) - train[y == 0].mean(0))
    kept = np.sort(np.argsort(-apart)[:count])
    return lambda rows: rows[:, kept]


def projection(train: np.ndarray, y: np.ndarray, count: int):
    """Sums of the features with random signs."""
    random = np.random.default_rng(0)
    place, sign = random.integers(count, size=train.shape[1]), random.choice([-1.0, 1.0], train.shape[1])
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(count))

    def sums(rows: np.ndarray) -> np.ndarray:
        return np.add.reduceat(rows[:, order] * sign[order].astype("float32"), starts, axis=1)

    return sums


def components(train: np.ndarray, y: np.ndarray, count: int):
    """Principal components."""
    fitted = PCA(min(count, len(train) // 2), svd_solver="randomized", random_state=0).fit(train)
    return fitted.transform


WAYS = {"as tuned": (None, 17920)}
for _count in (8192, 4096, 2048, 1024):
    WAYS[f"{_count:,} channels"] = (channels, _count)
for _count in (4096, 2048, 1024):
    WAYS[f"projection to {_count:,}"] = (projection, _count)
for _count in (1024, 256):
    WAYS[f"{_count:,} principal components"] = (components, _count)
WAYS["one view less"] = (None, 17920)


def rows_of(folder: Path, seeds: int) -> pd.DataFrame:
    """The table of one source."""
    run = next(found for found in audited_runs(folder.parent) if found.name == folder.name)
    run, frames = dataclasses.replace(run, seed=FIRST_SEED), []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        images = trial_images(run, Trial("", RECIPES["tuned"], "phase1", seed))
        found = Features(dataclasses.replace(run, seed=seed), images)
        plain = found.train[0].astype("float32")
        mean, scale = plain.mean(0), np.maximum(plain.std(0), FLOOR)
        standard = [
            ((view - mean) / scale).astype("float32") for view in (*found.train, found.validation, found.degraded)
        ]
        for setting, (make, count) in WAYS.items():
            smaller = make(np.concatenate(standard[:-2]), found.y["train"], count) if make else np.asarray
            *views, validation, degraded = (smaller(view).astype("float16") for view in standard)
            views = views[:-1] if setting == "one view less" else views
            mine = Mine(found.y, validation)
            score = regression(mine, views, found.y["train"])
            rows = found.rows["validation"]
            known = {"image_id": rows["image_id"], "split": "validation", "stage": "phase1", "y": found.y["validation"]}
            words = {"variant": setting, "choice": "features", "setting": setting, "seed": seed, "total": 0.0}
            columns = {"group": independent_groups(rows), "score": score(validation), "degraded": score(degraded)}
            frame = pd.DataFrame(known | columns).assign(seconds=0.0, score_change=0.0, weight_change=0.0, **words)
            frames.append(frame)
            print(f"{run.name}, seed {seed}, {setting}: done", flush=True)
    table = repeats.ablation_table(pd.concat(frames, ignore_index=True))
    kilobytes = {setting: f"{2 * count / 1000:.1f}" for setting, (_, count) in WAYS.items()}
    return table.assign(source=f"{run.name} ({run.source()})", kilobytes=table["setting"].map(kilobytes))


@dataclasses.dataclass
class Mine:
    """What `tried.regression` needs of features."""

    y: dict[str, np.ndarray]
    validation: np.ndarray


def main(options: argparse.Namespace) -> None:
    table = pd.concat([rows_of(folder.resolve(), options.seeds) for folder in options.runs], ignore_index=True)
    shown = repeats.shown(table, COLUMNS)
    print(shown.to_string(index=False))
    text = TEXT.format(seeds=options.seeds, table=experiments_page.markdown(shown))
    introduction = experiments_page.PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    pages.rewrite(experiments_page.PAGE, introduction, experiments_page.HEADINGS, {HEADING: text})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args())
