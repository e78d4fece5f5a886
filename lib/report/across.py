"""Datasets and recipes side by side, and how the results were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lib import study
from lib.metrics import comparison
from lib.metrics.checks import Interval, decimals
from lib.metrics.stages import STAGE_NAMES
from lib.metrics.thresholds import NEARLY_NONE
from lib.report import words
from lib.report.parts import POLICY, Comparison, Dataset, Table, cell, executed_in, figure_of, names_of, notebook_links
from lib.study.names import STAGES
from lib.study.recipes import RECIPES
from lib.study.run import Run


def overview(audited: list[Run], datasets: list[Dataset]) -> Table:
    rows = []
    for run, dataset in zip(audited, datasets):
        audit = run.audit()
        pairs = audit.get("pairs", {})
        rows.append(
            [
                dataset.mark,
                dataset.source,
                f"{audit['found']:,}",
                f"{audit['set_aside']:,}",
                " / ".join(f"{dataset.counts.get(split, 0):,}" for split in study.SPLITS),
                f"{pairs.get('exact', 0):,} / {pairs.get('near', 0):,}",
                str(Interval.from_dict(audit["shortcut"]["roc_auc"])),
            ]
        )
    columns = ["Dataset", "Source", "Found", "Set aside", "Training / validation / test", "Copies, exact / near"]
    note = "The probe sees only the files' outside: clearly above 0.5, and a detector may have learnt that instead of the pixels."
    return Table("The datasets and where their images come from", [*columns, "AUC of the probe"], rows, note)


def recipes(datasets: list[Dataset], tests: pd.DataFrame) -> Table | None:
    """The original recipe against the other ones on the same test images, if both are finished."""
    one, *others = RECIPES
    rows = []
    for dataset in datasets:
        models = {model.recipe: model for model in dataset.models}
        beside = [other for other in others if other in models]
        if one in models and beside:
            added = {one: ("", "")} | {other: _paired(tests, dataset.name, one, other) for other in beside}
            for recipe, differs in added.items():
                model = models[recipe]
                recalls = [words.shares(found) for found in (model.real, model.synthetic)]
                rows.append([dataset.mark, recipe, str(model.auc), *differs, *recalls])
    columns = [
        "Dataset",
        "Recipe",
        "Test AUC",
        f"Difference from {one}",
        "p (Holm)",
        "Recall real",
        "Recall synthetic",
    ]
    note = "Last stages on the same test images; DeLong's paired test. Recalls at the balanced threshold of each."
    return Table("The original study's recipe against the others", columns, rows, note, heads=2) if rows else None


def _paired(tests: pd.DataFrame, name: str, one: str, two: str) -> tuple[str, str]:
    """Difference of two recipes' last stages with its interval, and p, from paired_tests.csv; a dash if they are
    missing.
    """
    keys = [f"{name}, {recipe}, {STAGES[-1]}" for recipe in (one, two)]
    for row in tests.to_dict("records"):
        if row["tested_on"] == name and {row["first"], row["second"]} == set(keys):
            ends = (row["difference"], row["low"], row["high"])
            # The file has the difference of second from first, whichever recipe that is.
            value, low, high = ends if row["second"] == keys[1] else (-ends[0], -ends[2], -ends[1])
            return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", f"{row['p_holm']:.2g}"
    return "–", "–"


def compared_models(results: Path, folder: Path, marks: Mapping[str, str], title: str) -> Comparison | None:
    compared, tests = study.read_comparison(folder)
    if compared.empty:
        return None
    last = comparison.last_stage(compared)
    once = last.drop_duplicates(["trained_on", "recipe", "tested_on"])
    tested = list(dict.fromkeys(once["tested_on"]))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    at_home, away = [], []
    for row in once.to_dict("records"):
        auc = Interval.of(row, "roc_auc")
        home = row["trained_on"] == row["tested_on"]
        if row["policy"] == comparison.NOT_MEASURED:
            cells.setdefault((row["trained_on"], row["recipe"]), {})[row["tested_on"]] = comparison.NOT_MEASURED
            continue
        (at_home if home else away).append(row["roc_auc"])
        found = words.standing(auc)
        notes = [text for text in ("home" if home else "", found if found != comparison.BETTER else "") if text]
        cells.setdefault((row["trained_on"], row["recipe"]), {})[row["tested_on"]] = f"{auc} {', '.join(notes)}".strip()
    matrix = Table(
        "Test AUC of the last stage: trained on (rows), tested on (columns)",
        ["Trained on", "Recipe", *(marks.get(name, name) for name in tested)],
        [
            [marks.get(name, name), recipe, *(found.get(name_tested, "–") for name_tested in tested)]
            for (name, recipe), found in cells.items()
        ],
        "“At chance”: the 95% interval holds 0.5, what guessing gives; “uninformative”: it lies below.",
        heads=2,
    )
    shown = [POLICY, comparison.NO_THRESHOLD, comparison.NOT_MEASURED]
    recalls = [
        [
            marks.get(row["trained_on"], row["trained_on"]),
            row["recipe"],
            marks.get(row["tested_on"], row["tested_on"]),
            f"{row['images']:,.0f}",
            f"{row['overlap_removed']:,.0f}",
            *(cell(row, f"recall_{label}", last) or row["policy"] for label in study.LABELS),
            _remark(row),
        ]
        for row in last[last["policy"].isin(shown)].to_dict("records")
    ]
    columns = ["Trained on", "Recipe", "Tested on", "Images", "Left out", "Recall real", "Recall synthetic", "Remark"]
    note = "Left out: images that the model's own dataset holds too."
    tables = [matrix, Table("Both recalls at the balanced threshold chosen at home", columns, recalls, note, heads=3)]
    if home_tests := _tests(tests, marks):
        tables.append(home_tests)
    several = (once["trained_on"] != once["tested_on"]).any()
    text = (
        "Does what was learnt on one dataset hold on another? A model at home on its diagonal and at chance elsewhere has "
        "learnt that dataset, not how to tell synthetic images."
        if several
        else "One dataset so far, so nothing is known yet about other data: these are the models at home. Run another "
        "dataset into the same results folder, and this becomes a matrix."
    )
    spans = [
        f"AUC {where} from {decimals(min(values))} to {decimals(max(values))}"
        for where, values in (("at home", at_home), ("away from home", away))
        if values
    ]
    said = f"{'; '.join(spans)}. Datasets: {', '.join(marks.get(name, name) for name in tested)}."
    figures = [
        figure_of(path, results, said)
        for name, path in study.saved_figures(folder).items()
        if name != "learning_curve" and (several or name == "auc_scores_files")
    ]
    stand_ins = _stand_ins([*once["trained_on"], *tested], marks)
    return Comparison(title, text, stand_ins, tables, figures, notebook_links(executed_in(folder), results))


def _remark(row: Mapping) -> str:
    """The remark on a model on a test set, beside its recalls."""
    if row["policy"] == comparison.NOT_MEASURED:
        return row["warning"].removeprefix(f"{comparison.NOT_MEASURED}: ")
    return "nearly all one class" if min(row["recall_real"], row["recall_synthetic"]) < NEARLY_NONE else ""


def _tests(tests: pd.DataFrame, marks: Mapping[str, str]) -> Table | None:
    """The paired tests of models on their own datasets, or None."""
    shown = comparison.paired_table(tests) if len(tests) else tests
    if shown.empty:
        return None
    rows = []
    for row in shown.to_dict("records"):
        # Models are named "dataset, recipe, stage".
        models = [
            ", ".join([marks.get(name, name), *rest]) for name, *rest in (row[side].split(", ") for side in _SIDES)
        ]
        numbers = [f"{row['images']:,}", row["difference"], row["p_holm"], "yes" if row["different"] else ""]
        rows.append([marks.get(row["tested_on"], row["tested_on"]), *models, *numbers])
    columns = ["Tested on", "First", "Second", "Images", "Second minus first, AUC", "p (Holm)", "Told apart"]
    return Table("Which models differ (DeLong's paired test on the same images)", columns, rows, heads=3)


_SIDES = ("first", "second")


def _stand_ins(names: Iterable[str], marks: Mapping[str, str]) -> str:
    """Which of some datasets are stand-ins, for a figure of all of them; empty if none is."""
    found = [name for name in dict.fromkeys(names) if marks.get(name, name) != name]
    return f"{study.NOT_OMNIGEN}: {', '.join(found)}" if found else ""


def learning_curve(
    results: Path, runs: list[Run], compared: pd.DataFrame, marks: Mapping[str, str], training_images: Mapping[str, int]
) -> Comparison | None:
    """AUC on the model's own dataset against training images, for datasets 1 to 4 of one source."""
    counts = {run.name: training_images[run.name] for run in study.sizes_of_one_kind(runs)}
    if compared.empty or not counts:
        return None
    curve = comparison.learning_curve(compared[compared["trained_on"].isin(counts)], counts)
    names = {(run.name, run.recipe.name): names_of(run, run.metrics()["stages"]) for run in runs}
    curve = comparison.ends_of_training(curve, names)
    rows = [
        [
            marks[row["trained_on"]],
            f"{row['training_images']:,}",
            row["recipe"],
            STAGE_NAMES[row["stage"]],
            cell(row, "roc_auc", curve),
        ]
        for row in curve.to_dict("records")
    ]
    table = Table(
        "AUC at home by number of training images",
        ["Dataset", "Training images", "Recipe", "Stage", "Test AUC"],
        rows,
    )
    sizes = len(set(counts.values()))
    text = (
        f"{sizes} sizes of one kind of images."
        if sizes > 2
        else f"Only {sizes} size{'s' if sizes > 1 else ''} so far: a curve needs three (datasets 1 to 4)."
    )
    last = curve[curve["stage"] == STAGES[-1]]
    said = words.listed(
        {
            f"{marks[row['trained_on']]}, {row['recipe']} recipe, {row['training_images']:,} images:": decimals(
                row["roc_auc"]
            )
            for row in last.to_dict("records")
        }
    )
    path = study.saved_figures(results).get("learning_curve")
    # With one size it would show a single point.
    figures = [figure_of(path, results, f"Last stage: {said}.")] if path and sizes > 1 else []
    return Comparison("Learning curve", text, _stand_ins(counts, marks), [table], figures, [])


# ------------------------------------------------------------------------------------------------------ how it was made


def trainings(datasets: list[Dataset]) -> list[Table]:
    rows, versions, seconds = [], {}, []
    for dataset in datasets:
        for model in dataset.models:
            known = model.run.recorded()
            name = f"{dataset.mark}, {model.recipe}"
            rows.append(
                [
                    dataset.mark,
                    model.recipe,
                    known.get("weights", known.get("backbone", "–")),
                    known.get("weights_sha256", "–"),
                    str(model.run.seed),
                    known.get("device", "–"),
                ]
            )
            taken = known.get("seconds", {})
            seconds += [[dataset.mark, model.recipe, step, f"{passed:,.1f}"] for step, passed in taken.items()]
            versions.setdefault(tuple(known.get("versions", {}).items()), []).append(name)
    columns = ["Dataset", "Recipe", "Weights to start from", "Their sha256", "Seed", "Computed on"]
    tables = [Table("Trainings", columns, rows, heads=2)] if rows else []
    for found, names in versions.items():
        caption = "Versions" if len(versions) == 1 else f"Versions: {'; '.join(names)}"
        tables.append(Table(caption, ["Package", "Version"], [list(pair) for pair in found]))
    if seconds:
        tables.append(
            Table("Seconds that each notebook took", ["Dataset", "Recipe", "Notebook", "Seconds"], seconds, heads=3)
        )
    return tables


def files_behind(results: Path, audited: list[Run], runs: list[Run]) -> Table:
    """Every table and record behind this page, with its hash."""
    paths = [path for run in audited for path in run.files(per_recipe=False)]
    paths += [path for run in runs for path in run.files()]
    paths += [path for path in study.comparison_files(results) if path.is_file()]
    rows = [
        [path.relative_to(results).as_posix(), f"{path.stat().st_size:,}", study.file_hash(path)]
        for path in sorted(set(paths))
    ]
    return Table("Files behind this page", ["File", "Bytes", "sha256"], rows)
