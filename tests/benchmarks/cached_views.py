"""Kept augmented views against augmentation drawn anew for every epoch: validation AUC and seconds of phase 1.

    python -m tests.benchmarks.cached_views FOLDER [SEEDS]

FOLDER holds real/ and synthetic/. The recipe `tuned` as it is, with as many views as it keeps, and with fresh ones; each
trains from cold caches, in turn, with SEEDS (3) seeds. Both run the same number of epochs.
"""

import dataclasses
import os
import shutil
import sys
import tempfile

import pandas as pd


def main(data: str, seeds: int = 3) -> None:
    home = tempfile.mkdtemp(prefix="cached-views-")
    os.environ["STUDY_HOME"] = home
    from lib import study
    from lib.metrics import repeats
    from lib.model.experiments import Trial, run_trial
    from tests.auditing import write_audit

    run = study.open_run(data=data, backbone="efficientnet-lite0")
    write_audit(run)
    phase = dataclasses.replace(run.recipe.phase1, patience=None)
    kept = dataclasses.replace(run.recipe, phase1=phase)
    rows = []
    for seed in range(run.seed, run.seed + seeds):
        for setting, recipe in (("kept", kept), ("fresh", dataclasses.replace(kept, views=study.FRESH))):
            shutil.rmtree(study.home() / "cache", ignore_errors=True)
            found = run_trial(run, Trial(f"{setting} {seed}", recipe, "phase1", seed)).query("split == 'validation'")
            words = {"variant": setting, "choice": "views", "setting": setting, "seed": seed}
            rows.append(found.assign(**words, total=found["seconds"].iloc[0]))
            print(f"seed {seed}, {setting}: {found['seconds'].iloc[0]:.0f} s", flush=True)
    table = repeats.ablation_table(pd.concat(rows, ignore_index=True))
    columns = {"setting": "views", "roc_auc": "validation AUC", "difference": "difference", "seconds": "seconds"}
    print(repeats.shown(table, columns).to_string(index=False))
    print(f"ratio of time, fresh / kept: {table['seconds'].iloc[1] / table['seconds'].iloc[0]:.2f}")
    shutil.rmtree(home)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
