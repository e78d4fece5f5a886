"""Kept augmented views against augmentation drawn anew for every epoch: validation AUC and seconds of phase 1.

    python -m tests.benchmarks.cached_views FOLDER [--recipe tuned|original] [--views 2 -1] [--seeds 3] [--table FILE]

FOLDER holds real/ and synthetic/. Each number of views that is kept beside the plain one, or -1 for fresh ones, trains from
cold caches, in turn, with every seed; all run the same number of epochs. Differences and ratios are to the first number. FILE,
a CSV, gets the table that `experiments_page` shows.
"""

import argparse
import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd


def main(options: argparse.Namespace) -> None:
    home = tempfile.mkdtemp(prefix="cached-views-")
    os.environ["STUDY_HOME"] = home
    from lib import study
    from lib.metrics import repeats
    from lib.model.training.experiments import trial_images
    from lib.model.training.trials import Trial, run_trial
    from tests.auditing import write_audit

    run = study.open_run(data=options.folder, recipe=options.recipe, backbone="efficientnet-lite0")
    write_audit(run)
    phase = dataclasses.replace(run.recipe.phase1, patience=None)
    rows = []
    for seed in range(run.seed, run.seed + options.seeds):
        for views in options.views:
            setting = "fresh" if views == study.FRESH else f"{views} kept"
            recipe = dataclasses.replace(run.recipe, phase1=phase, views=views)
            shutil.rmtree(study.home() / "cache", ignore_errors=True)
            trial = Trial(f"{setting} {seed}", recipe, "phase1", seed)
            found = run_trial(run, trial, trial_images(run, trial)).query("split == 'validation'")
            words = {"variant": setting, "choice": "views", "setting": setting, "seed": seed}
            rows.append(found.assign(**words, total=found["seconds"].iloc[0]))
            print(f"seed {seed}, {setting}: {found['seconds'].iloc[0]:.0f} s", flush=True)
    table = repeats.ablation_table(pd.concat(rows, ignore_index=True))
    table["ratio"] = table["seconds"] / table["seconds"].iloc[0]
    table.insert(0, "recipe", options.recipe)
    columns = {"setting": "views", "roc_auc": "validation AUC", "difference": "difference", "degraded": "degraded"}
    rounded = table.assign(seconds=table["seconds"].round(), ratio=table["ratio"].round(2))
    print(repeats.shown(rounded, {**columns, "seconds": "seconds", "ratio": "ratio of time"}).to_string(index=False))
    if options.table:
        study.write_table(options.table, table)
    shutil.rmtree(home)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--recipe", default="tuned")
    parser.add_argument("--views", type=int, nargs="+", default=[2, -1])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path)
    main(parser.parse_args())
