"""The study's training against `plain_keras`, on the same files and the same split: seconds, test AUC, peak memory.

    python -m tests.benchmarks.training_speed [phase1] [partial] [whole] [--images 5517] [--plain-epochs 3]

Run from the project's folder, on a machine that does nothing else. Stand-ins of dataset 2 are drawn once, audited and
split; then each run is a process of its own and prints a row of a Markdown table as it ends:

- phase1: plain Keras' first stage, its frozen base inside `fit`, against `train_phase1` of the recipe `original` with cold caches;
  both with as many epochs, and with the scores of the test images.
- partial: its second stage, the base from block 6 on, against `fine_tune(run, "partial")` of both recipes, the cache of activations cold;
  as many epochs of each.
- whole: plain Keras' three stages against `run_all.py` with the recipe `tuned` in a new home: audit, training, report.
  Drawing the stand-ins is in neither; start-up is in both.

Plain Keras runs once, and every part reads from that run the stages it is compared with. Its epochs cost the same, so
`--plain-epochs` of each stage are run and the rest is reckoned from all but the first, which also warms up (0 runs all, and
its AUC is then that of all). Both use Lite0 with its ImageNet weights. The study
switches oneDNN on by itself; plain Keras runs as it comes (`unset`: TensorFlow looks at the CPU) and with it on.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from lib import study
from lib.data.source import sources
from lib.data.standin import dataset
from tests.auditing import write_audit

# The stages of plain Keras that each part is compared with.
PARTS = {"phase1": ("phase1",), "partial": ("partial",), "whole": study.STAGES}
IMAGES = 5_517
DATASET, SEED, BACKBONE = "2", 7, "efficientnet-lite0"
SAMPLED = 0.3  # seconds between two looks at the memory


# ------------------------------------------------------------------------------------------- what a new process does


def ours(stage: str, recipe: str, epochs: int) -> None:
    """One stage of the study in this process, by the notebooks' calls; prints JSON."""
    from sklearn.metrics import roc_auc_score

    from lib.model.training.stages import fine_tune, train_phase1

    run = open_run(recipe)
    # As many epochs as plain Keras: nothing stops early.
    phase = dataclasses.replace(getattr(run.recipe, stage), epochs=epochs, patience=None)
    run = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **{stage: phase}))
    started = time.perf_counter()
    train_phase1(run) if stage == "phase1" else fine_tune(run, stage)
    found = {"seconds": time.perf_counter() - started}
    scores = run.scored().query("stage == @stage and split == 'test'")
    found |= {"test_roc_auc": {stage: roc_auc_score(scores["y"], scores["score"])}}
    found |= {"peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(found))


def open_run(recipe: str) -> study.Run:
    return study.open_run(dataset=DATASET, recipe=recipe, backbone=BACKBONE, seed=SEED)


# ------------------------------------------------------------------------------------------------------- preparation


def prepare(images: int) -> None:
    """Draw, audit and split in $STUDY_HOME as notebook 01 does, without its probe and figures; lay out for plain Keras."""
    run = open_run("original")
    source = sources.find_source(run.dataset)
    limit = None if images == IMAGES else images
    dataset.draw_standins(source, run, limit, lambda count: None)
    write_audit(run, limit)
    shutil.rmtree(plain_folder(), ignore_errors=True)
    for row in run.used_images().itertuples():
        target = plain_folder() / row.split / row.label / Path(row.path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.root / row.path, target)


def plain_folder() -> Path:
    return study.home() / "plain"


def forget(recipe: str) -> None:
    """Cold caches, and no stage of the recipe done."""
    run = open_run(recipe)
    for folder in (study.home() / "cache", run.model_path("phase1").parent, run.recipe_folder):
        shutil.rmtree(folder, ignore_errors=True)


# --------------------------------------------------------------------------------------------------------- measuring


def measured(command: list[str], *, onednn: str = "unset", home: Path | None = None) -> dict:
    """Run Python with these arguments; its JSON, if it prints any, with wall seconds and peak MB of its process tree."""
    environment = {**os.environ, "STUDY_HOME": str(home or study.home()), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)  # set by importing lib
    environment |= {} if onednn == "unset" else {"TF_ENABLE_ONEDNN_OPTS": onednn}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started, peak = time.perf_counter(), 0.0
        options = {"cwd": study.PROJECT, "env": environment, "stdout": output, "stderr": errors}
        process = psutil.Popen([sys.executable, *command], **options)
        while process.poll() is None:
            peak = max(peak, tree_megabytes(process))
            time.sleep(SAMPLED)
        wall = time.perf_counter() - started
        output.seek(0), errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed\n{output.read()[-2000:]}\n{errors.read()[-4000:]}")
        last = (output.read().splitlines() or [""])[-1]
    found = json.loads(last) if last.startswith("{") else {}
    return {**found, "wall": wall, "peak_megabytes": max(peak, found.get("peak_megabytes", 0))}


def tree_megabytes(process: psutil.Process) -> float:
    """Resident memory of a process and all below it; what they share counts once for each."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total / 2**20


@functools.cache
def plain(epochs: tuple[int, int, int], onednn: str) -> dict:
    command = ["-m", "tests.benchmarks.plain_keras", str(plain_folder()), "--seed", str(SEED)]
    return measured([*command, "--epochs", *map(str, epochs)], onednn=onednn)


def stage_seconds(found: dict, stage: str, epochs: int) -> float:
    """Seconds of a stage of plain Keras with set-up and scoring; epochs that were left out cost what the later ones did."""
    run = found["epoch_seconds"][stage]
    rest = statistics.mean(run[1:] or run) * (epochs - len(run))
    return found["setup_seconds"] + sum(run) + rest + found["predict_seconds"][stage]


class Table:
    """Prints a row as soon as it is known, so that a killed benchmark loses nothing."""

    def __init__(self, settings: list[str]):
        self._settings = settings
        ratios = " | ".join(f"plain, oneDNN {setting} / this" for setting in settings)
        columns = f"part | what | oneDNN | epochs | seconds | {ratios} | test AUC | peak MB"
        print(f"| {columns} |\n|{'-|' * (columns.count('|') + 1)}", flush=True)

    def begin(self, part: str) -> None:
        self._part, self._plain = part, {}

    def row(self, what: str, onednn: str, epochs: str, seconds: float, auc: str, found: dict, *, plain: bool) -> None:
        if plain:
            self._plain[onednn] = seconds
        ratios = [f"{self._plain[name] / seconds:.2f}" if name in self._plain else "-" for name in self._settings]
        cells = [self._part, what, onednn, epochs, f"{seconds:.1f}", *ratios, auc, f"{found['peak_megabytes']:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)

    def same(self, what: str, onednn: str, why: str) -> None:
        cells = [self._part, what, onednn, "-", why, *("-" for _ in self._settings), "-", "-"]
        print(f"| {' | '.join(cells)} |", flush=True)


def plain_epochs(options: argparse.Namespace) -> tuple[int, ...]:
    """Epochs that plain Keras runs of each stage: none of those that no part looks at."""
    needed = {stage for part in options.parts for stage in PARTS[part]}
    return tuple(
        min(epochs, options.plain_epochs or epochs) if stage in needed else 0
        for stage, epochs in zip(study.STAGES, options.epochs, strict=True)
    )


def plain_runs(table: Table, options: argparse.Namespace):
    """Each setting and what plain Keras gave; a run that would repeat another is left out."""
    on = False
    for setting in options.onednn:
        if setting == "1" and on:
            table.same("plain Keras", setting, "as unset: on this CPU oneDNN is on as it comes")
            continue
        found = plain(plain_epochs(options), setting)
        on = on or found["onednn"]
        yield setting, found


def plain_stage(table: Table, options: argparse.Namespace, stage: str) -> None:
    """The rows of one stage of plain Keras."""
    epochs = options.epochs[study.STAGES.index(stage)]
    for setting, found in plain_runs(table, options):
        some = len(found["epoch_seconds"][stage])
        # With few epochs of phase 1, or none, the AUC that later stages go on from says nothing.
        auc = found["test_roc_auc"][stage] if some == epochs and stage == "phase1" else None
        shown = "-" if auc is None else aucs({stage: auc})
        peak = {"peak_megabytes": found["stage_peak_megabytes"][stage]}
        seconds = stage_seconds(found, stage, epochs)
        table.row("plain Keras", setting, f"{epochs} ({some} run)", seconds, shown, peak, plain=True)


def aucs(stages: dict[str, float]) -> str:
    return ", ".join(f"{stage} {auc:.3f}" for stage, auc in stages.items())


# ------------------------------------------------------------------------------------------------------------- parts


def phase1(table: Table, options: argparse.Namespace) -> None:
    epochs = options.epochs[0]
    plain_stage(table, options, "phase1")
    forget("original")
    found = ours_measured("phase1", "original", epochs)
    auc = aucs(found["test_roc_auc"])
    table.row("train_phase1, original", "1", str(epochs), found["seconds"], auc, found, plain=False)


def partial(table: Table, options: argparse.Namespace) -> None:
    epochs = options.epochs[1]
    plain_stage(table, options, "partial")
    for recipe in ("original", "tuned"):
        forget(recipe)
        ours_measured("phase1", recipe, 1)  # something to start from; not measured
        found = ours_measured("partial", recipe, epochs)
        table.row(f"fine_tune, {recipe}", "1", str(epochs), found["seconds"], "-", found, plain=False)


def ours_measured(stage: str, recipe: str, epochs: int) -> dict:
    return measured(["-m", "tests.benchmarks.training_speed", "ours", stage, recipe, str(epochs)])


def whole(table: Table, options: argparse.Namespace) -> None:
    epochs, run = ("+".join(map(str, numbers)) for numbers in (options.epochs, plain_epochs(options)))
    for setting, found in plain_runs(table, options):
        left_out = [
            statistics.mean(spent[1:] or spent) * (count - len(spent))
            for count, spent in zip(options.epochs, found["epoch_seconds"].values(), strict=True)
        ]
        seconds, auc = found["wall"] + sum(left_out), aucs(found["test_roc_auc"])
        table.row("plain Keras", setting, f"{epochs} ({run} run)", seconds, auc, found, plain=True)
    with tempfile.TemporaryDirectory(dir=study.home()) as folder:
        found, auc = run_all(Path(folder), options.images)
    table.row("run_all.py, tuned", "1", "its own", found["wall"], auc, found, plain=False)


def run_all(home: Path, images: int) -> tuple[dict, str]:
    """run_all.py in a home that holds nothing but the images; its test AUC of each stage."""
    prepared = open_run("tuned")
    root = sources.find_source(DATASET).root
    copy = home / root.relative_to(study.home())
    shutil.copytree(root, copy)
    name, which = prepared.name, ["--dataset", DATASET]
    if images != IMAGES:
        # A part of a dataset is no dataset of its own: it comes as a table, with the same people.
        name, which = "benchmark", ["--data", str(copy / "table.csv"), "--name", "benchmark"]
        table = prepared.used_images()[["path", "label", "group", "split"]]
        study.write_table(copy / "table.csv", table)
    options = ["--recipe", "tuned", "--backbone", BACKBONE, "--seed", str(SEED)]
    found = measured(["run_all.py", *which, *options], home=home)
    run = dataclasses.replace(prepared, name=name, results=home / "results")
    split = [images.set_index("path")["split"].to_dict() for images in (run.used_images(), prepared.used_images())]
    assert split[0] == split[1], "plain Keras and run_all.py have seen different splits"
    return found, aucs(
        {stage: content["test"]["roc_auc"]["value"] for stage, content in run.metrics()["stages"].items()}
    )


def main(options: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        os.environ |= {"STUDY_HOME": str(Path(folder).resolve()), "STUDY_OFFLINE": "1"}
        prepare(options.images)
        counts = open_run("original").used_images()["split"].value_counts()
        print(f"{study.device()}; {', '.join(f'{counts[split]:,} {split}' for split in study.SPLITS)} images")
        table = Table(options.onednn)
        for part in options.parts:
            table.begin(part)
            {"phase1": phase1, "partial": partial, "whole": whole}[part](table, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        ours(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        add = parser.add_argument
        add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all where none is given")
        add("--images", type=int, default=IMAGES)
        add(
            "--epochs",
            type=int,
            nargs=3,
            default=[20, 3, 2],
            help="of plain Keras' stages, and of ours in phase1, partial",
        )
        add("--plain-epochs", type=int, default=3, help="that plain Keras runs of each stage; 0 for all")
        add("--onednn", nargs="+", choices=("unset", "0", "1"), default=["unset", "1"], help="of plain Keras")
        add("--folder", help="where everything is put and kept (default: a temporary folder)")
        options = parser.parse_args()
        options.parts = options.parts or list(PARTS)
        if unknown := set(options.parts) - set(PARTS):
            parser.error(f"{', '.join(unknown)}: expected {', '.join(PARTS)}")
        main(options)
