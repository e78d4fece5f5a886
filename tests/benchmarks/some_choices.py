"""Some rows of the ablation on several sources: writes a section of docs/experiments.md, in minutes where the whole takes hours.

    python -m tests.benchmarks.some_choices window RUN [RUN ...] [--seeds 3]
    python -m tests.benchmarks.some_choices degraded RUN [RUN ...] [--seeds 3]

RUN is the folder of an audited run, such as results/dataset_1. Each seed draws training and validation images anew; the run's test images
are not looked at. All rows train phase 1 on the same images, so differences are paired.
"""

import argparse
import dataclasses
from pathlib import Path

import pandas as pd

from lib.metrics import repeats
from lib.model.training.experiments import Variant, trial_images, variants
from lib.model.training.trials import Trial, run_trial
from lib.study.recipes import RECIPES
from lib.study.run import audited_runs
from tests.benchmarks import experiments_page, pages

FIRST_SEED = 7
COLUMNS = {
    "source": "images",
    "setting": "setting",
    "roc_auc": "validation AUC",
    "difference": "difference",
    "degraded": "AUC, degraded",
    "seconds": "seconds",
}
# Section to its heading, the rows of the ablation that it takes after "as tuned", and what it begins with.
SECTIONS = {
    "window": ("The window", "window of 224 pixels", "A window of 256 pixels, as `tuned` has it, and of 224."),
    "degraded": (
        "Degraded views",
        "degraded views",
        "What half of the augmented training views go through. `as tuned`: compressed, scaled, blurred or noisy. "
        "`AUC, degraded`: validation images after one random degradation of these kinds.",
    ),
}
TEXT = """{what} Phase 1, {seeds} seeds, validation images; differences are paired, to `as tuned` on the same images
(`python -m tests.benchmarks.some_choices {section}`). Seconds are rough: they hold what the row before had not computed yet.

{table}"""


def chosen(section: str) -> list[Variant]:
    """The variant as tuned, and those of a section."""
    first, *others = variants(RECIPES["tuned"], fine_tuning=False)
    wanted = SECTIONS[section][1]
    return [first, *(each for each in others if wanted in (each.choice, each.setting))]


def rows_of(folder: Path, section: str, seeds: int) -> pd.DataFrame:
    """The table of one source."""
    run = next(found for found in audited_runs(folder.parent) if found.name == folder.name)
    run, frames = dataclasses.replace(run, seed=FIRST_SEED), []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for each in chosen(section):
            trial = Trial(f"{each.name} {seed}", each.recipe, "phase1", seed)
            found = run_trial(run, trial, trial_images(run, trial)).query("split == 'validation'")
            words = {"variant": each.name, "choice": each.choice, "setting": each.setting, "seed": seed}
            frames.append(found.assign(**words, total=found["seconds"].iloc[0]))
            print(f"{run.name}, seed {seed}, {each.name}: {found['seconds'].iloc[0]:.0f} s", flush=True)
    table = repeats.ablation_table(pd.concat(frames, ignore_index=True))
    return table.assign(source=f"{run.name} ({run.source()})", seconds=table["seconds"].round().astype(int))


def main(options: argparse.Namespace) -> None:
    heading, _, what = SECTIONS[options.section]
    found = [rows_of(folder.resolve(), options.section, options.seeds) for folder in options.runs]
    table = pd.concat(found, ignore_index=True)
    shown = repeats.shown(table, {name: words for name, words in COLUMNS.items() if name in table})
    print(shown.to_string(index=False))
    text = TEXT.format(what=what, seeds=options.seeds, section=options.section, table=experiments_page.markdown(shown))
    introduction = experiments_page.PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    pages.rewrite(experiments_page.PAGE, introduction, experiments_page.HEADINGS, {heading: text})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", choices=list(SECTIONS))
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args())
