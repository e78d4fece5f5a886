"""Scores, thresholds, sizes and warnings of several runs together."""

from __future__ import annotations

import pandas as pd

from lib.study.names import DATASETS
from lib.study.run import Run


def home_scores(runs: list[Run]) -> pd.DataFrame:
    """Test scores of each run on its own dataset, in the columns that `comparison.compare` reads."""
    columns = ["stage", "image_id", "y", "group", "score"]
    frames = []
    for run in runs:
        rows = run.scored().query("split == 'test'")[columns]
        names = {"trained_on": run.name, "recipe": run.recipe.name, "tested_on": run.name}
        frames.append(rows.assign(overlap_removed=0, **names))
    if not frames:
        columns = ["trained_on", "recipe", "tested_on", "overlap_removed", *columns]
        return pd.DataFrame(columns=columns).astype({"overlap_removed": int, "y": int, "score": float})
    return pd.concat(frames, ignore_index=True)


def all_thresholds(runs: list[Run]) -> dict[tuple[str, str, str], dict[str, float]]:
    """The thresholds of each run: (trained_on, recipe, stage) to policy to threshold.

    Each run chose them on its own validation images.
    """
    return {
        (run.name, run.recipe.name, stage): {policy: found["threshold"] for policy, found in policies.items()}
        for run in runs
        for stage, policies in run.thresholds()["stages"].items()
    }


def generators(runs: list[Run]) -> dict[str, dict[str, str]]:
    """Dataset to the generator of each used image by image_id; without datasets whose generators are not known."""
    images = {run.name: run.used_images() for run in runs}
    return {
        name: dict(zip(each["image_id"], each["generator"])) for name, each in images.items() if "generator" in each
    }


def sizes_of_one_kind(runs: list[Run]) -> list[Run]:
    """Runs of datasets 1 to 4 that differ only in size: those of the most common source of images.

    A learning curve over datasets of different kinds would show their difficulty, not their size.
    """
    kinds: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.dataset in DATASETS[:4]:
            kinds.setdefault((run.audit()["dataset"]["source"], run.normalise), []).append(run)
    return max(kinds.values(), key=lambda found: len({run.name for run in found}), default=[])


def with_warnings(compared: pd.DataFrame, runs: list[Run]) -> pd.DataFrame:
    """The comparison with a column `warning`.

    It states why a row has no numbers, and the warnings of the run's own dataset and of the dataset it is tested on.
    """
    known = {run.name: f"{run.name}: {run.warning()}" for run in runs if run.warning()}
    rows = zip(compared.get("warning", [""] * len(compared)), compared["trained_on"], compared["tested_on"])
    texts = ["; ".join(filter(None, [why, *(known.get(name) for name in dict.fromkeys(pair))])) for why, *pair in rows]
    return compared.assign(warning=texts)


def sources_line(sources: dict[str, str]) -> str:
    """The sources of several datasets in one line for a title; each kind appears once."""
    kinds = {words: [name for name in sources if sources[name] == words] for words in sources.values()}
    return " · ".join(f"{', '.join(names)}: {words}" for words, names in kinds.items())
