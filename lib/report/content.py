"""The content of a results folder as plain data for the page: every number is read from the files, none is computed."""

from __future__ import annotations

from pathlib import Path

from lib import study
from lib.report import across
from lib.report.datasets import read_dataset
from lib.report.parts import Report
from lib.study.names import UserError
from lib.study.run import Run


def gather(results: Path) -> Report:
    """Read all finished runs of a results folder.

    Raises:
        UserError: no dataset has been audited there yet.
    """
    results = Path(results)
    audited = study.audited_runs(results)
    if not audited:
        raise UserError(f"{results}: no dataset has been audited there, so there is nothing to report; run run_all.py")
    place_of_runs = (results, results / "models", study.is_quick(results))
    runs = study.finished_runs(*place_of_runs)
    of_name: dict[str, list[Run]] = {found.name: [] for found in audited}
    for run in runs:
        of_name.setdefault(run.name, []).append(run)
    datasets = [
        read_dataset(place, found, of_name[found.name], study.left_out(*place_of_runs, found.name))
        for place, found in enumerate(audited, start=1)
    ]
    marks = {found.name: found.mark for found in datasets}
    compared, tests = study.read_comparison(results)
    comparisons = [
        across.compared_models(results, results, marks, "Every model on every test set"),
        across.compared_models(results, results / study.COMPARED, marks, "The comparison asked for last (--compare)"),
    ]
    return Report(
        quick=study.QUICK_WORDS if study.is_quick(results) else "",
        datasets=datasets,
        overview=across.overview(audited, datasets),
        recipes=across.recipes(datasets, tests),
        comparisons=list(filter(None, comparisons)),
        curve=across.learning_curve(
            results, runs, compared, marks, {found.name: found.counts["train"] for found in datasets}
        ),
        made=across.trainings(datasets),
        files=across.files_behind(results, audited, runs),
    )
