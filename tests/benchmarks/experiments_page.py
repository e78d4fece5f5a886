"""Writes docs/experiments.md from the tables that `run_all.py --also wrong_turns ablation` has left.

    python -m tests.benchmarks.experiments_page RESULTS_FOLDER "what the images are"

RESULTS_FOLDER holds wrong_turns.csv, ablation.csv and, where it is done, imbalance.csv. The tables are copied from there, no
number is typed in.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from lib import study
from lib.metrics import repeats

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
}
WORDS = """# What mistakes cost, and what each choice brings

Written by `python -m tests.benchmarks.experiments_page`, from `run_all.py --data {name} --also wrong_turns ablation`: {images} images
({source}). Backbone: {weights}. Values in brackets are 95% intervals.
Notebooks 07 and 08 show the same for your own images.

## Wrong turns

The original recipe run correctly (a), and with each mistake that such studies are known to make, on the same split. The threshold is
that of best F1 on validation, as in the original; in g it is chosen on the test images themselves. `c` is one shuffle of many: others
scatter around 0.5.

{wrong_turns}

b, d and e are what the original reported: an AUC that cannot be told from chance. On scores that know nothing (c, d, e) the threshold of
best F1 calls everything synthetic: recall 1 and 0, and an F1 of 0.667 that looks like something. What a test-chosen threshold (g) gains
in F1 over the honest one (a) is not there on new images.

## Ablation

The tuned recipe and variants of it, one choice changed at a time, {seeds} seeds (each with a split of its own). Validation images; the
difference is paired, to the first row of the same stage. `degraded`: the same images after one random degradation each (JPEG, scaling,
blur or noise). Seconds are of training with what earlier rows had computed already.

{ablation}

"""
RARE = """
## One class rare

The tuned recipe with one class thinned to a ninth of the other in training and validation; thresholds are the balanced ones that
validation chose; the test images stay. Means over {seeds} seeds. The recipe uses the images of a rare class as often as brings it to the
other's number, each time augmented in another way; `weights alone` lets errors on it weigh more instead, as the original recipe does.

{imbalance}
"""


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    rows = [table.columns, ["-"] * len(table.columns), *table.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(folder: str, images: str) -> None:
    there = [name for name in TABLES if (Path(folder) / f"{name}.csv").is_file()]
    found = {name: pd.read_csv(Path(folder) / f"{name}.csv", keep_default_na=True) for name in there}
    found["ablation"]["seconds"] = found["ablation"]["seconds"].round().astype(int)
    found["wrong_turns"]["degenerate"] = found["wrong_turns"]["degenerate"].map({True: "yes", False: ""})
    tables = {name: markdown(repeats.shown(found[name], columns)) for name, columns in TABLES.items() if name in found}
    count = len(pd.read_csv(Path(folder) / "images.csv").query("split.notna()"))
    name = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))["dataset"]["name"]
    words = {"name": name, "images": f"{count:,}", "source": images, "seeds": found["ablation"]["seeds"].max()}
    weights = "EfficientNet-Lite0 with ImageNet weights"
    text = WORDS + (RARE if "imbalance" in tables else "")
    study.write_text(PAGE, text.format(**words, weights=weights, **tables))
    print(f"{PAGE} written")


if __name__ == "__main__":
    main(*sys.argv[1:3])
