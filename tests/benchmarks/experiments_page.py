"""Writes docs/experiments.md from the tables that `run_all.py --also wrong_turns ablation` has left.

    python -m tests.benchmarks.experiments_page RESULTS_FOLDER "what the images are"

RESULTS_FOLDER holds one or more of wrong_turns.csv, ablation.csv, imbalance.csv and kept_views.csv (that of `cached_views`). The
tables are copied from there, no number is typed in. A section whose table is not there stays as it is, so that one experiment can
be run again without the others.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from lib import study
from lib.metrics import repeats
from lib.model.training import experiments
from tests.benchmarks import pages

PAGE = study.PROJECT / "docs" / "experiments.md"
TABLES = {
    "wrong_turns": {
        "turn": "",
        "what": "wrong turn",
        "roc_auc": "test AUC",
        "recall_real": "recall real",
        "recall_synthetic": "recall synthetic",
        "f1_synthetic": "F1",
        "degenerate": "nearly all one class",
    },
    "ablation": {
        "choice": "choice",
        "setting": "setting",
        "stage": "judged after",
        "roc_auc": "validation AUC",
        "difference": "difference",
        "degraded": "AUC, degraded",
        "seconds": "seconds",
    },
    "imbalance": {
        "case": "training and validation",
        "roc_auc": "test AUC",
        "recall_real": "recall real",
        "recall_synthetic": "recall synthetic",
    },
    "kept_views": {
        "recipe": "recipe",
        "setting": "augmented views",
        "roc_auc": "validation AUC",
        "difference": "difference",
        "degraded": "AUC, degraded",
        "seconds": "seconds",
        "ratio": "ratio",
    },
}
INTRODUCTION = """# What mistakes cost, and what each choice brings

Written by `python -m tests.benchmarks.experiments_page`, from `run_all.py --data {name} --also wrong_turns ablation`: {images} images
({source}). Backbone: {weights}. Values in brackets are 95% intervals.
Notebooks 07 and 08 show the same for your own images.
"""
SECTIONS = {
    "wrong_turns": (
        "Wrong turns",
        """The original recipe run correctly (a), and with each mistake that such studies are known to make, on the same split. The
threshold is that of best F1 on validation, as in the original; in g it is chosen on the test images themselves. `c` is one shuffle of
many: others scatter around 0.5.

{table}

{chance} The original reported 0.49 to 0.57. On scores that know nothing the threshold of best F1 calls everything synthetic or
nearly so: recalls of 1 and 0, and an F1 of about 2/3 that looks like something. What a test-chosen threshold (g) gains in F1 over the
honest one (a) is not there on new images.""",
    ),
    "ablation": (
        "Ablation",
        """The tuned recipe and variants of it, one choice changed at a time{last}; {seeds} seeds (each draws training and
validation images anew; no training sees the run's test images).
Validation images; the difference is paired, to the first row of the same stage. `degraded`: the same images after one random
degradation each (JPEG, scaling, blur or noise). Seconds are of training with what earlier rows had computed already, on a machine that
may have had other work beside it: they compare roughly.

{table}

The window of 256 pixels shows these pictures whole, for 1.3 times the computation of one of 224 pixels, the size that the backbone was
trained with. {window} `Whole image resized` is the same view here, because these pictures have 256 pixels; of larger pictures
squeezing leaves less, which these do not show.""",
    ),
    "imbalance": (
        "One class rare",
        """The tuned recipe with one class thinned to a ninth of the other in training and validation; thresholds are the balanced ones that
validation chose; the test images stay. Means over {seeds} seeds. The recipe uses the images of a rare class as often as brings it to the
other's number, each time augmented in another way{alone}.

{table}""",
    ),
    "kept_views": (
        "Kept views and fresh ones",
        """Phase 1 of a recipe with so many augmented views of each training image drawn once and kept, and with one drawn anew for every
epoch. Each trains from cold caches, for the same number of epochs; {seeds} seeds. Validation images; the difference is paired, to the
recipe's first row, and so is the ratio of seconds (`python -m tests.benchmarks.cached_views`). The machine had other work beside
it, so seconds and ratios are rough.

{table}""",
    ),
}
# Of all sections of the page; those after the first are written by benchmarks of their own.
HEADINGS = [
    *(heading for heading, _ in SECTIONS.values()),
    "Large pictures",
    "The window",
    "Degraded views",
    "What the recipe reaches",
    "Smaller features",
    "Tried without gain",
]
ALONE = "; `weights alone` lets errors on it weigh more instead, as the original recipe does"


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    rows = [table.columns, ["-"] * len(table.columns), *table.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def at_chance(table: pd.DataFrame) -> str:
    """Which wrong turns have an AUC whose interval holds 0.5."""
    held = table[table["roc_auc_low"].le(0.5) & table["roc_auc_high"].ge(0.5)]
    return f"At chance (the interval of the AUC holds 0.5): {', '.join(held['turn']) or 'none'}."


def window(table: pd.DataFrame) -> str:
    """Whether the smaller window is worse, from its row of phase 1."""
    row = table[table["setting"].eq("window of 224 pixels") & table["stage"].eq("phase1")].iloc[0]
    if row["difference_high"] < 0:
        return "The smaller one tells the classes less well here."
    return "Whether that costs anything cannot be said from these images: the interval of the difference holds 0."


def section(name: str, table: pd.DataFrame) -> str:
    """A section of the page with its table."""
    if name == "ablation":
        table["seconds"] = table["seconds"].round().astype(int)
    if name == "kept_views":
        table["seconds"], table["ratio"] = table["seconds"].round().astype(int), table["ratio"].map("{:.2f}".format)
    if name == "wrong_turns":
        table["degenerate"] = table["degenerate"].map({True: "yes", False: ""})
    chance = at_chance(table) if name == "wrong_turns" else ""
    shown_window = window(table) if name == "ablation" else ""
    seeds = table["seeds"].max() if "seeds" in table else experiments.REPEATS
    alone = ALONE if name == "imbalance" and table["case"].str.contains("weights alone").any() else ""
    last = ", and last the original recipe" if name == "ablation" and (table["choice"] == "everything").any() else ""
    shown = markdown(repeats.shown(table, TABLES[name]))
    return SECTIONS[name][1].format(
        table=shown, chance=chance, window=shown_window, seeds=seeds, alone=alone, last=last
    )


def main(folder: str, images: str) -> None:
    count = len(pd.read_csv(Path(folder) / "images.csv").query("split.notna()"))
    name = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))["dataset"]["name"]
    words = {
        "name": name,
        "images": f"{count:,}",
        "source": images,
        "weights": "EfficientNet-Lite0 with ImageNet weights",
    }
    there = {name: path for name in SECTIONS if (path := Path(folder) / f"{name}.csv").is_file()}
    written = {SECTIONS[name][0]: section(name, pd.read_csv(path)) for name, path in there.items()}
    pages.rewrite(PAGE, INTRODUCTION.format(**words), HEADINGS, written)


if __name__ == "__main__":
    main(*sys.argv[1:3])
