"""Writes docs/speed.md from what the benchmarks have printed, kept in files.

    python -m tests.benchmarks.training_speed whole phase1 partial --plain-epochs 2 --onednn unset > training.txt
    python -m tests.benchmarks.run_memory --dataset 3 --backbone efficientnet-lite0 --seed 7 > memory.txt
    python -m tests.benchmarks.extraction_speed --pooling multilevel > extraction.txt
    python -m tests.benchmarks.speed_page --training training.txt --memory memory.txt --extraction extraction.txt

The output is copied as it is, no number is typed in. A section whose file is not given stays as it is.
"""

import argparse
from pathlib import Path

from lib import study
from lib.study.recipes import RECIPES
from tests.benchmarks import pages

PAGE = study.PROJECT / "docs" / "speed.md"
INTRODUCTION = """# What it costs, and against what

Written by `python -m tests.benchmarks.speed_page` from what the benchmarks printed. All with EfficientNet-Lite0 and its ImageNet weights,
on two cores of a server processor. Other machines take other times; the ratios differ less.
The images are stand-ins: drawings, not OmniGen.
"""
SECTIONS = {
    "training": (
        "Training, against plain Keras",
        """The study against the original's recipe as the plain Keras script that a user would write (`tests/benchmarks/plain_keras.py`:
`image_dataset_from_directory`, the frozen base inside `fit`, then unfreezing), on dataset 2 and the same split. `whole` is everything
that `run_all.py` does: audit, training, thresholds, robustness, comparison, report. Phase 1 also stores the activations from which the
partial stage starts; this time is counted for phase 1. If only some epochs of plain Keras were run, the time of the others is estimated
from all but the first, and the AUC is that of the shorter training.""",
    ),
    "memory": (
        "Memory of a whole run",
        """Dataset 3, the largest (10,905 images), with the recipe `tuned`: resident memory of all processes together, step by step.""",
    ),
    "extraction": (
        "Feature extraction",
        """Frozen features of images of {size} px by every engine for the CPU that could be installed here. `ratio to ours` is its speed
in images per second divided by the study's, paired round by round. Engines whose features differ from
Keras' by more than 1e-3 do not count.""",
    ),
}


def section(name: str, printed: str) -> str:
    """The text of a section with the output of its benchmark in it; lines outside of tables stand as paragraphs."""
    return f"{SECTIONS[name][1].format(size=RECIPES['tuned'].image_size)}\n\n{printed.strip()}"


def main(options: argparse.Namespace) -> None:
    given = {name: path for name, path in vars(options).items() if path}
    written = {SECTIONS[name][0]: section(name, path.read_text(encoding="utf-8")) for name, path in given.items()}
    pages.rewrite(PAGE, INTRODUCTION, [heading for heading, _ in SECTIONS.values()], written)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in SECTIONS:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help="what the benchmark printed")
    main(parser.parse_args())
