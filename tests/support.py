"""What tests share: an offline home folder of their own, run_all.py as a user runs it, small data sets and refusals."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from lib.data.source import listing, sources
from lib.metrics import evaluation
from lib.study.names import NOT_OMNIGEN, STAGES, UserError, as_int
from lib.study.run import Run
from lib.study.steps import IMAGE_COLUMNS, PAIR_COLUMNS

PROJECT = Path(__file__).resolve().parent.parent
# A space and an accent, because users' folders have them.
HOME = Path(tempfile.mkdtemp(prefix="study ét-"))
os.environ["STUDY_OFFLINE"] = "1"
os.environ["STUDY_HOME"] = str(HOME)

GOOD_TABLE = ["path,label", "real/a.jpg,real", "fake/a.jpg,fake"]


def run_study(*options: str, timeout: float = 900) -> subprocess.CompletedProcess:
    """run_all.py as a user runs it."""
    command = [sys.executable, str(PROJECT / "run_all.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=HOME, check=False)


def refused(call: Callable, *arguments) -> str:
    """The one line with which a call refuses its arguments."""
    with pytest.raises(UserError) as error:
        call(*arguments)
    text = str(error.value)
    assert "\n" not in text
    return text


def images(root: Path, *names: str) -> Path:
    """Puts empty files below a folder, and returns the folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def issues(data: Path) -> dict[str, str]:
    """Path to issue of every file of a user's folder or table."""
    files = listing.image_files(sources.find_source("", str(data), "test"))
    assert list(files.columns) == ["label", "path", "group", "split", "issue"]
    return dict(zip(files["path"], files["issue"]))


def schema(name: str) -> dict:
    """A schema of docs/schemas, itself checked."""
    content = json.loads((PROJECT / "docs" / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return content


def complaints(name: str, content: dict) -> list[str]:
    """Where a file is not as its schema says."""
    return [error.json_path for error in jsonschema.Draft202012Validator(schema(name)).iter_errors(content)]


def finish(
    run: Run, shift: float = 1.0, count: int = 240, evaluated: bool = True, stand_in: bool = False
) -> pd.DataFrame:
    """Leaves what a finished run of `count` made-up images leaves, models aside, and returns its image table.

    Half of the images are synthetic, two of each person; a third each train, validation and test.

    Args:
        shift: how far apart the classes score, in standard deviations.
        evaluated: whether metrics.json and thresholds.json say something.
        stand_in: whether the images are said to be drawn ones.
    """
    number = np.arange(count)
    images = pd.DataFrame(dict.fromkeys(IMAGE_COLUMNS, ""), index=number).assign(
        image_id=[f"{run.name}-{at:04}" for at in number],
        label=np.where(number % 2, "synthetic", "real"),
        group=[f"p{at // 4 * 2 + at % 2}" for at in number],
        split=np.repeat(["train", "validation", "test"], count // 3),
        sha256=[f"{at:064}" for at in number],
        **dict.fromkeys(("width", "height", "bytes", "quantisation", "exif", "icc"), 1),
    )
    known = {"name": run.name, "source": NOT_OMNIGEN if stand_in else "made-up images", "stand_in": stand_in}
    known |= {"dataset": run.dataset, "data": run.data, "normalise": "", "reading": run.reading.as_dict()}
    audit = {"dataset": known, "seed": run.seed, "found": count, "used": count, "set_aside": 0}
    audit["shortcut"] = {"roc_auc": {"value": 0.5, "low": 0.45, "high": 0.55}, "warning": "", "before": None}
    run.write_audit(images, pd.DataFrame(columns=PAIR_COLUMNS), audit)
    finish_stages(run, images, shift, evaluated)
    return images


def finish_stages(run: Run, images: pd.DataFrame, shift: float = 1.0, evaluated: bool = True) -> None:
    """Leaves what trained stages leave of an audited run, models aside, with scores as `finish` makes them up."""
    names = ("dataset", "data", "normalise", "backbone", "weights", "seed")
    options = {key: getattr(run, key) for key in names}
    options["reading"] = run.reading.as_dict()
    run.record(options=options)
    scored = images[images["split"] != "train"]
    random = np.random.default_rng(0)
    for stage in STAGES:
        logits = random.normal(size=len(scored)) + shift * as_int(scored["label"])
        scores = scored[["image_id", "label", "split"]].assign(stage=stage, score=1 / (1 + np.exp(-logits)))
        run.add_stage(scores, pd.DataFrame({"stage": [stage], "epoch": [1], "loss": [0.5]}))
    run.write_metrics(*(evaluation.evaluate(run.scored()) if evaluated else ({}, {})), "report")


def made_up_trial(trial, images: pd.DataFrame) -> pd.DataFrame:
    """What a training of an experiment would leave, with scores from its seed instead of a network."""
    from lib.model.training.trials import TRIAL_COLUMNS

    rows = images[images["split"].isin(("validation", "test"))]
    stages = STAGES[: STAGES.index(trial.until) + 1]
    found = pd.concat(
        [rows[["image_id", "split"]].assign(stage=stage, y=as_int(rows["label"])) for stage in stages],
        ignore_index=True,
    )
    scores = np.random.default_rng(trial.seed).uniform(size=len(found)) * 0.5 + found["y"] * 0.3
    found = found.assign(group=found["image_id"], score=scores, degraded=scores / 2, seconds=1.0)
    return found.assign(score_change=0.1, weight_change=1e-8)[TRIAL_COLUMNS]
