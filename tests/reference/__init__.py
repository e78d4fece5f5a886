"""Figures of full runs, with the spread over seeds they were measured with, and the commands that make and use them.

    python -m tests.reference.measure RESULTS … --out tests/reference/dataset_1_tuned.json
    python -m tests.reference.check results/dataset_1/tuned
    python -m tests.reference.readme results/ffhq_stylegan/tuned/metrics.json

A reference is the mean over runs with different seeds (split, augmentation and training differ). Its tolerance is three
standard deviations over the seeds, and at least `FLOOR`: repeated runs on another machine differ in the last digits, and
a standard deviation of few seeds can be small by luck. A figure whose tolerance would be wider than `WIDEST` is left out
and named, because nearly any run would pass it.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

from lib.study.names import UserError
from lib.study.recipes import RECIPES

FOLDER = Path(__file__).resolve().parent
FLOOR = 0.01
WIDEST = 0.15
FEWEST_SEEDS = 3
RULE = f"mean over seeds; tolerance 3 standard deviations over seeds, at least {FLOOR}, left out where above {WIDEST}"
# What must be the same for two runs to be compared.
SAME = ("name", "recipe", "source", "backbone", "weights_sha256")


def reference_path(name: str, recipe: str) -> Path:
    """Where the reference of a dataset and recipe lies."""
    return FOLDER / f"{name}_{recipe}.json"


def read_run(folder: Path) -> dict:
    """What a finished run says: what it is (SAME, seed, dataset, side of the recipe's window now), and its figures by name.

    Args:
        folder: `results/<name>/<recipe>`.

    Raises:
        UserError: not the folder of a finished run, or that of a quick one.
    """
    folder = Path(folder).resolve()
    contents = []
    for file in ("metrics.json", "run.json"):
        if not (folder / file).is_file():
            raise UserError(
                f"{folder}: {file} is not there; expected the folder of a finished run, results/NAME/RECIPE"
            )
        try:
            contents.append(json.loads((folder / file).read_text(encoding="utf-8")))
        except ValueError as error:
            raise UserError(f"{folder / file}: cannot be read as JSON ({error}); run notebook 04 again") from None
    metrics, run = contents
    options = run["options"]
    if options["quick"]:
        raise UserError(f"{folder}: a quick run; references are of full ones")
    return {
        "name": folder.parent.name,
        "recipe": folder.name,
        "source": metrics["source"],
        "backbone": run["backbone"],
        "weights_sha256": run["weights_sha256"],
        "seed": options["seed"],
        "dataset": options["dataset"],
        "window": getattr(RECIPES.get(folder.name), "image_size", None),
        "figures": figures(metrics),
    }


def figures(metrics: dict) -> dict[str, float]:
    """The figures of metrics.json that a reference holds, all from 0 to 1."""
    found = {}
    for stage, content in metrics["stages"].items():
        found[f"{stage}, validation, roc_auc"] = content["validation"]["roc_auc"]["value"]
        for measure in ("roc_auc", "average_precision", "brier_score"):
            found[f"{stage}, test, {measure}"] = content["test"][measure]["value"]
        for measure in ("balanced_accuracy", "recall_real", "recall_synthetic"):
            found[f"{stage}, test, {measure} (balanced)"] = content["policies"]["balanced"][measure]["value"]
    return {name: value for name, value in found.items() if value is not None}


def command(run: dict) -> str:
    """What makes a run like one of `read_run`."""
    what = f"--dataset {run['dataset']}" if run["dataset"] else f"--data FOLDER --name {run['name']}"
    return f"python run_all.py {what} --recipe {run['recipe']} --seed {run['seed']}"


def measured(runs: list[dict]) -> dict:
    """The reference that runs with different seeds make.

    Args:
        runs: of `read_run`, one per seed.

    Raises:
        UserError: too few runs, runs of different things, or a seed twice.
    """
    if len(runs) < FEWEST_SEEDS:
        raise UserError(f"{len(runs)} runs: expected at least {FEWEST_SEEDS} with different seeds")
    for key in (*SAME, "dataset"):
        values = list(dict.fromkeys(run[key] for run in runs))
        if len(values) > 1:
            raise UserError(f"runs of different {key}: {', '.join(map(repr, values))}; expected one")
    seeds = [run["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds {seeds}: expected each once")
    names = list(runs[0]["figures"])
    if any(set(run["figures"]) != set(names) for run in runs):
        raise UserError("the runs do not have the same figures; run notebook 04 of all of them again")
    kept, left_out = {}, {}
    for name in names:
        values = [run["figures"][name] for run in runs]
        tolerance = max(3 * stdev(values), FLOOR)
        entry = {"value": round(mean(values), 4), "tolerance": round(tolerance, 4), "values": values}
        (kept if tolerance <= WIDEST else left_out)[name] = entry
    return {
        "schema": 1,
        "rule": RULE,
        "command": command(runs[0]),
        "window": runs[0]["window"],
        **{key: runs[0][key] for key in SAME},
        "seeds": seeds,
        "figures": kept,
        "left_out": left_out,
    }


def compared(run: dict, reference: dict) -> list[tuple[str, float, float, float, bool]]:
    """Each figure of a reference: name, value, tolerance, what the run found, and whether that is within the tolerance.

    Raises:
        UserError: the run is of another dataset, recipe, source or backbone, or lacks a figure.
    """
    for key in SAME:
        if run[key] != reference[key]:
            raise UserError(
                f"cannot be compared: {key} of the run is {run[key]!r}, of the reference {reference[key]!r}"
            )
    rows = []
    for name, known in reference["figures"].items():
        if name not in run["figures"]:
            raise UserError(f"the run lacks the figure {name!r}; run notebook 04 again")
        found = run["figures"][name]
        # Rounding must not decide.
        inside = abs(found - known["value"]) <= known["tolerance"] + 1e-9
        rows.append((name, known["value"], known["tolerance"], found, inside))
    return rows
