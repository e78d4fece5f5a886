"""The window of 256 pixels against 224 on several sources: writes the section "The window" of docs/experiments.md.

    python -m tests.benchmarks.window RUN [RUN ...] [--seeds 3]

RUN is the folder of an audited run, such as results/dataset_1. Each seed draws training and validation images anew; the run's test images
are not looked at. Both windows train phase 1 on the same images, so differences are paired.
"""

import argparse
import dataclasses
from pathlib import Path

import pandas as pd

from lib.metrics import repeats
from lib.model.training.experiments import trial_images
from lib.model.training.trials import Trial, run_trial
from lib.study.recipes import RECIPES
from lib.study.run import audited_runs
from tests.benchmarks import experiments_page, pages

HEADING = "The window"
SIZES = (256, 224)
FIRST_SEED = 7
COLUMNS = {
    "source": "images",
    "setting": "window",
    "roc_auc": "validation AUC",
    "difference": "difference",
    "degraded": "AUC, degraded",
    "seconds": "seconds",
}
TEXT = """Phase 1 of `tuned` with a window of 256 pixels, and of 224, on every source at hand; {seeds} seeds, validation images, differences
paired (`python -m tests.benchmarks.window`). Seconds are rough.

{table}"""


def rows_of(folder: Path, seeds: int) -> pd.DataFrame:
    run = next(found for found in audited_runs(folder.resolve().parent) if found.name == folder.resolve().name)
    run, frames = dataclasses.replace(run, seed=FIRST_SEED), []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for size in SIZES:
            recipe = dataclasses.replace(RECIPES["tuned"], image_size=size)
            trial = Trial(f"{size} {seed}", recipe, "phase1", seed)
            found = run_trial(run, trial, trial_images(run, trial)).query("split == 'validation'")
            setting = f"{size} pixels"
            words = {"variant": setting, "choice": "window", "setting": setting, "seed": seed}
            frames.append(found.assign(**words, total=found["seconds"].iloc[0]))
            print(f"{run.name}, seed {seed}, {setting}: {found['seconds'].iloc[0]:.0f} s", flush=True)
    table = repeats.ablation_table(pd.concat(frames, ignore_index=True))
    return table.assign(source=f"{run.name}: {run.source()}", seconds=table["seconds"].round().astype(int))


def main(options: argparse.Namespace) -> None:
    table = pd.concat([rows_of(folder, options.seeds) for folder in options.runs], ignore_index=True)
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
