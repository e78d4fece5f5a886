"""What the recipe reaches on the test images of a run, as they are and degraded, with all images and with fewer: docs/experiments.md.

    python -m tests.benchmarks.targets RUN [--images 1068] [--seeds 3]

RUN is the folder of an audited run, such as results/ffhq_stylegan. Each seed draws training and validation images anew; the test images
are the run's. Nothing is chosen by these numbers: they are what the recipe, which was chosen on validation images, comes to.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lib.metrics.measures import roc_auc
from lib.model.scores import run_files, run_view, saved_engine, score_images
from lib.model.training.experiments import trial_images
from lib.model.training.stages import train_phase1
from lib.model.training.trials import Trial
from lib.study.names import as_int, independent_groups
from lib.study.recipes import RECIPES
from lib.study.run import Run, audited_runs
from tests.benchmarks import experiments_page, pages

FIRST_SEED = 7
VIEWS = {"": "as they are", "any": "one random degradation", "jpeg 30": "JPEG 30"}
HEADING = "What the recipe reaches"
TEXT = """Test images of {source}, mean AUC of {seeds} seeds, which draw training and validation images anew, the least and the largest of
them in brackets. Phase 1 of `tuned`, which on this source is what fine-tuning keeps (`python -m tests.benchmarks.targets`).

{table}"""


def fewer(images: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The table with a random share of the groups of training and validation."""
    groups = independent_groups(images)
    names = np.unique(groups)
    kept = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    dropped = (images["split"] != "test") & ~groups.isin(kept)
    return images.assign(split=images["split"].mask(dropped, ""))


def reached(run: Run, images: pd.DataFrame) -> dict[str, float]:
    """Words for a view to the AUC of the test images under it, after phase 1 on `images`."""
    with tempfile.TemporaryDirectory() as folder:
        mine = dataclasses.replace(run, name="trial", results=Path(folder) / "results", models=Path(folder) / "models")
        audited = {key: value for key, value in run.audit().items() if key != "schema"}
        mine.write_audit(images, run.pairs(), audited)
        train_phase1(mine)
        test = mine.used_images().query("split == 'test'")
        engine = saved_engine(mine.model_path("phase1"), mine.recipe.image_size)
        truth, files = as_int(test["label"]).to_numpy(), run_files(mine, test)
        return {
            words: roc_auc(truth, score_images(engine, files, run_view(mine, degradation=degradation)))
            for degradation, words in VIEWS.items()
        }


def main(options: argparse.Namespace) -> None:
    folder = options.run.resolve()
    run = next(found for found in audited_runs(folder.parent) if found.name == folder.name)
    total, rows = len(run.used_images()), []
    for count in (total, options.images):
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            mine = dataclasses.replace(run, recipe=RECIPES["tuned"], seed=seed)
            images = trial_images(dataclasses.replace(mine, seed=FIRST_SEED), Trial("", mine.recipe, "phase1", seed))
            images = fewer(images, min(1.0, count / total), seed)
            rows.append({"images": f"{count:,}", **reached(mine, images)})
            print(seed, rows[-1], flush=True)
    found = pd.DataFrame(rows).groupby("images", sort=False)
    shown = found.agg(lambda values: f"{values.mean():.3f} [{values.min():.3f}, {values.max():.3f}]").reset_index()
    print(shown.to_string(index=False))
    table = experiments_page.markdown(shown.rename(columns={"images": "images, with test"}))
    text = TEXT.format(source=run.name, seeds=options.seeds, table=table)
    introduction = experiments_page.PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    pages.rewrite(experiments_page.PAGE, introduction, experiments_page.HEADINGS, {HEADING: text})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=1068)
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args())
