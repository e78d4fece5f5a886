"""A dataset in the report: its source, the audit's results, its models' results, its images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from lib import study
from lib.metrics import by_value, comparison, evaluation, fairness, unseen
from lib.metrics.checks import Interval, decimals
from lib.metrics.figures.style import POLICY_NAMES
from lib.metrics.robustness import NONE
from lib.metrics.stages import TRAINED
from lib.report import words
from lib.report.parts import (
    POLICY,
    STAND_IN,
    Dataset,
    Experiment,
    ImageTable,
    Model,
    Table,
    cell,
    executed_in,
    figure_of,
    link,
    names_of,
    notebook_links,
)
from lib.study.names import ASIDE, STAGES, UserError
from lib.study.run import Run

# Rows of a dataset's image table that a page holds; all of them are in images.csv.
MOST_IMAGES = 2000
# Shown open; the others are folded away.
FIRST_FIGURES = ("roc", "scores", "confusion", "robustness", "errors_most_certain")
EXPERIMENTS = {
    "wrong_turns": (
        "What mistakes cost (wrong turns)",
        "The original recipe run correctly (a), and with one mistake each, on the same images; thresholds of best F1.",
        {
            "turn": "",
            "what": "wrong turn",
            "roc_auc": "test AUC",
            "recall_real": "recall real",
            "recall_synthetic": "recall synthetic",
            "f1_synthetic": "F1",
            "degenerate": "nearly all one class",
        },
    ),
    "ablation": (
        "What each choice brings (ablation)",
        "The tuned recipe with one choice made otherwise at a time, on validation images; differences to the first row of "
        "the same stage.",
        {
            "choice": "choice",
            "setting": "setting",
            "stage": "judged after",
            "seeds": "seeds",
            "roc_auc": "validation AUC",
            "difference": "difference",
            "degraded": "AUC, degraded images",
        },
    ),
    "imbalance": (
        "When one class is rare",
        "The tuned recipe with one class thinned to a ninth of the other in training and validation; the test images stay. "
        "Weights alone: without using the images of the rare class more often, each time augmented in another way.",
        {
            "case": "training and validation",
            "roc_auc": "test AUC",
            "recall_real": "recall real",
            "recall_synthetic": "recall synthetic",
        },
    ),
    "generators": (
        "On generators that it has not seen",
        "Phase 1 trained without one generator at a time, or without one source of photographs, and tested on it; the lowest AUC first. "
        "Everything, the balanced threshold too, is chosen without it. The difference is to the detector that has seen it, on "
        "the same images. Numbers of images, and what that detector gives, stand in notebook 09.",
        {
            "column": "left out",
            "value": "value",
            "roc_auc": "AUC",
            "difference": "difference",
            "recall_real": "recall real",
            "recall_synthetic": "recall synthetic",
            "why": "not measured",
        },
    ),
}


def read_dataset(place: int, audited: Run, runs: list[Run], left_out: list[str]) -> Dataset:
    """The dataset's part of the report.

    Args:
        place: its number on the page.
        runs: its finished runs.
        left_out: the text on the runs that have begun and are not finished.
    """
    audit = audited.audit()
    stand_in = bool(audit["dataset"]["stand_in"])
    mark = f"{audited.name} ({STAND_IN})" if stand_in else audited.name
    images = audited.images()
    models = [_model(run, mark) for run in runs]
    probe = Interval.from_dict(audit["shortcut"]["roc_auc"])
    generators = _there(lambda: audited.experiment("generators"), None)
    sentences = [
        f"{audit['found']:,} files found, {audit['used']:,} used, {audit['set_aside']:,} set aside.",
        f"A probe that sees no pixel, only the files' outside (format, size, compression), has an AUC of {probe}: "
        f"{_probe_says(audit, probe)}.",
    ]
    if not models:
        sentences.append("Audited only: no recipe has been trained and analysed on it yet.")
    sentences += [f"{_upper(text)}." for text in left_out]
    said = _alts_of_data(audited, audit, images)
    figures = [
        figure_of(path, audited.results, f"{mark}: {audited.source()}. {said.get(name, '')}")
        for name, path in audited.figures(per_recipe=False).items()
        if not name.startswith(tuple(EXPERIMENTS))
    ]
    return Dataset(
        anchor=f"dataset-{place}",
        name=audited.name,
        source=audit["dataset"]["source"],
        stand_in=stand_in,
        control=audited.dataset == "control",
        counts=images.loc[images["split"] != "", "split"].value_counts().to_dict(),
        headline="" if generators is None else unseen.headline(generators),
        sentences=sentences,
        warnings=_warnings(audit),
        models=models,
        tables=[_set_aside(mark, images)] if audit["set_aside"] else [],
        figures=figures,
        experiments=[found for name in EXPERIMENTS if (found := _experiment(audited, mark, name))],
        images=_image_table(audited, images, models),
        notebooks=notebook_links(executed_in(audited.folder), audited.results),
    )


def _there(read: Callable, default: object) -> object:
    """The result of a reader, or the default if its file has not been made yet."""
    try:
        return read()
    except UserError:
        return default


def _probe_says(audit: Mapping, probe: Interval) -> str:
    found = words.standing(probe)
    if found != comparison.BETTER:
        return found
    return "see the warning" if audit["shortcut"]["warning"] else f"{found}, by too little for a warning"


def _warnings(audit: Mapping) -> list[str]:
    """The audit's warnings that stand beside every score."""
    said = [f"{audit['shortcut']['warning']}."] if audit["shortcut"]["warning"] else []
    said += [f"{text}." for text in audit.get("understood", {}).get("warnings", ())]
    pairs = audit.get("pairs", {})
    if pairs.get("two_labels"):
        said.append(f"{pairs['two_labels']:,} pairs of copies stand in both classes: their label is not known.")
    if pairs.get("across_split"):
        said.append(f"{pairs['across_split']:,} pairs of copies are on two sides of the split.")
    for name, count in pairs.get("other_datasets", {}).items():
        said.append(f"{count:,} pairs of copies with {name}.")
    return [text[0].upper() + text[1:] for text in said]


def _alts_of_data(run: Run, audit: Mapping, images: pd.DataFrame) -> dict[str, str]:
    """Figure of the audit to its alternative text."""
    used = images[images["split"] != ""]
    labels = words.listed({label: f"{(used['label'] == label).sum():,} images" for label in study.LABELS})
    splits = "; ".join(
        f"{split} {(rows['label'] == 'real').sum():,} real and {(rows['label'] == 'synthetic').sum():,} synthetic"
        for split in study.SPLITS
        if len(rows := used[used["split"] == split])
    )
    formats = words.listed(
        {f"{label} {kind}": f"{count:,}" for (label, kind), count in used.groupby(["label", "format"]).size().items()}
    )
    probe = Interval.from_dict(audit["shortcut"]["roc_auc"])
    pairs = audit.get("pairs", {})
    return {
        **dict.fromkeys(("samples", "mean_images", "spectra"), f"Of {labels}."),
        "sizes": f"{formats}. AUC of the probe of the files' outside {probe}.",
        "split": f"{splits}.",
        "pairs": f"{pairs.get('exact', 0):,} exact and {pairs.get('near', 0):,} near pairs of copies were found.",
    }


def _set_aside(mark: str, images: pd.DataFrame) -> Table:
    reasons = images.loc[images["split"] == "", "issue"].str.removeprefix(ASIDE).value_counts()
    rows = [[reason or "no reason noted", f"{count:,}"] for reason, count in list(reasons.items())[:20]]
    note = f"{len(reasons) - 20} more reasons are in images.csv." if len(reasons) > 20 else ""
    return Table(f"Files of {mark} set aside, and why", ["Reason", "Files"], rows, note)


def _experiment(run: Run, mark: str, name: str) -> Experiment | None:
    table = _there(lambda: run.experiment(name), None)
    if table is None or table.empty:
        return None
    title, how, columns = EXPERIMENTS[name]
    known = {column: heading for column, heading in columns.items() if column in table}
    rows = [[cell(row, column, table) for column in known] for row in table.to_dict("records")]
    shown = Table(f"{title}, {mark}", [_upper(text) or "Turn" for text in known.values()], rows, heads=2)
    lowest, highest = map(words.number, (table["roc_auc"].min(), table["roc_auc"].max()))
    said = f"{mark}: {run.source()}. {len(table)} rows; AUC from {lowest} to {highest}."
    figures = [
        figure_of(path, run.results, said)
        for found, path in run.figures(per_recipe=False).items()
        if found.startswith(name)
    ]
    return Experiment(title, how, shown, figures)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# -------------------------------------------------------------------------------------------------------------- a model


def _model(run: Run, mark: str) -> Model:
    metrics, thresholds = run.metrics()["stages"], run.thresholds()["stages"]
    calibration = _there(lambda: run.calibration()["stages"], {})
    robust = _there(run.robustness, None)
    groups = _there(run.groups, None)
    stage = [name for name in STAGES if name in metrics][-1]
    last, chosen = metrics[stage], thresholds[stage]
    history = _there(run.history, None)
    names = names_of(run, metrics)
    policies = last["policies"]
    auc = Interval.from_dict(last["test"]["roc_auc"])
    recalls = {
        policy: tuple(Interval.from_dict(found[f"recall_{label}"]) for label in study.LABELS)
        for policy, found in policies.items()
    }
    sentences = [words.ranking(auc), words.deciding(POLICY, policies[POLICY]["threshold"], *recalls[POLICY])]
    if "cost" in policies:
        sentences.append(words.deciding("cost", policies["cost"]["threshold"], *recalls["cost"]))
    warnings = [
        f"{_upper(POLICY_NAMES[policy])}, on validation: {found['why']}."
        for policy, found in chosen.items()
        if found.get("degenerate")
    ]
    unset = [
        f"{_upper(said)}."
        for said in evaluation.unset({POLICY_NAMES[policy]: found for policy, found in chosen.items()})
    ]
    name = f"{mark}, {run.recipe.name} recipe"
    said = _alts_of_model(history, metrics, calibration, robust, names)
    figures = {
        found: figure_of(path, run.results, f"{name}: {run.source()}. {said.get(found, '')}")
        for found, path in run.figures().items()
    }
    tables = [_stage_table(name, metrics, names), _policy_table(name, policies, unset)]
    tables += [_generator_table(name, last["generators"])] if last.get("generators") else []
    more_tables = [_calibration_table(name, calibration[stage])] if stage in calibration else []
    more_tables += [_robustness_table(name, robust)] if robust is not None else []
    more_tables += [_groups_table(name, groups)] if groups is not None else []
    first = [found for found in FIRST_FIGURES if found in figures]
    return Model(
        recipe=run.recipe.name,
        auc=auc,
        standing=words.standing(auc),
        real=recalls[POLICY][0],
        synthetic=recalls[POLICY][1],
        sentences=sentences,
        warnings=warnings,
        tables=tables,
        more_tables=more_tables,
        figures=[figures[found] for found in first],
        more=[figure for found, figure in figures.items() if found not in first],
        notebooks=notebook_links(executed_in(run.recipe_folder), run.results),
        called=policies[POLICY]["threshold"],
        run=run,
    )


def _stage_table(name: str, metrics: Mapping, names: Mapping[str, str]) -> Table:
    measures = {
        "roc_auc": "AUC",
        "average_precision": "Average precision",
        "equal_error_rate": "Equal error rate",
        "recall_at_fpr_5": "Recall at 5% false positives",
        "brier_score": "Brier score",
    }
    rows = [
        [said, *(str(Interval.from_dict(metrics[stage]["test"][measure])) for measure in measures)]
        for stage, said in names.items()
    ]
    note = "Stages that changed nothing have no row: they had no epochs, or none of theirs was better on validation."
    return Table(f"After each stage of training, on test: {name}", ["Stage", *measures.values()], rows, note)


def _policy_table(name: str, policies: Mapping, unset: Sequence[str]) -> Table:
    rows = []
    for policy, found in policies.items():
        confusion = found["confusion"]
        rows.append(
            [
                POLICY_NAMES.get(policy, policy),
                decimals(found["threshold"]),
                words.shares(Interval.from_dict(found["recall_real"])),
                words.shares(Interval.from_dict(found["recall_synthetic"])),
                str(Interval.from_dict(found["balanced_accuracy"])),
                f"{confusion['false_synthetic']:,} of {confusion['false_synthetic'] + confusion['true_real']:,}",
                f"{confusion['false_real']:,} of {confusion['false_real'] + confusion['true_synthetic']:,}",
            ]
        )
    columns = ["Threshold", "Value", "Recall real", "Recall synthetic", "Balanced accuracy", "False alarms", "Misses"]
    note = "Chosen on validation, read on test. False alarms are real images called synthetic, misses synthetic ones called real."
    return Table(f"Thresholds of the final model: {name}", columns, rows, " ".join([note, *unset]))


def _generator_table(name: str, entries: Sequence[Mapping]) -> Table:
    shown = by_value.shown(entries)
    note = (
        f"At the balanced threshold, worst first; with fewer than {by_value.LEAST_IMAGES} test images nothing is "
        "measured. AUC: the generator's images against all real ones."
    )
    columns = [_upper(column) for column in shown]
    return Table(
        f"What the final model finds of each generator, on test: {name}", columns, shown.to_numpy().tolist(), note
    )


def _calibration_table(name: str, calibration: Mapping) -> Table:
    names = {"brier_score": "Brier score", "log_loss": "Log loss", "expected_calibration_error": "Calibration error"}
    rows = [
        [
            f"{method} (recommended by validation)" if method == calibration["recommended"] else method,
            *(str(Interval.from_dict(found[measure])) for measure in names),
        ]
        for method, found in calibration["test"].items()
    ]
    return Table(
        f"Scores made into probabilities, on test: {name}", ["Method", *names.values()], rows, "Lower is better."
    )


def _robustness_table(name: str, table: pd.DataFrame) -> Table:
    columns = {"roc_auc": "AUC", "roc_auc_change": "Change of AUC", "recall_real": "Recall real"}
    columns["recall_synthetic"] = "Recall synthetic"
    rows = [[_degradation(row), *(cell(row, column, table) for column in columns)] for row in table.to_dict("records")]
    return Table(f"Degraded test images, threshold of clean ones: {name}", ["Degradation", *columns.values()], rows)


def _groups_table(name: str, table: pd.DataFrame) -> Table:
    columns = ["Column", "Group", "Images", "People"]
    for ending in ("", ", difference from the rest"):
        columns += [f"{said}{ending}" for said in ("AUC", "Recall real", "Recall synthetic")]
    note = (
        "Groups are those of columns of the user's table; nothing about a person was inferred from a picture. Balanced threshold, "
        "chosen on validation. p values after Holm's correction over the whole table. Groups that are too few have no numbers."
    )
    rows = fairness.shown(table).to_numpy().tolist()
    return Table(f"Groups of people, on test: {name}", columns, rows, note, heads=2)


def _degradation(row: Mapping) -> str:
    return "as they are" if row["degradation"] == NONE else f"{row['degradation']} {row['level']:g}"


def _alts_of_model(
    history: pd.DataFrame | None,
    metrics: Mapping,
    calibration: Mapping,
    robust: pd.DataFrame | None,
    names: Mapping[str, str],
) -> dict[str, str]:
    """Figure of a model to its alternative text."""
    stage = list(names)[-1]
    policies = metrics[stage]["policies"]
    aucs = {
        split: words.listed({said: evaluation.stage_intervals(metrics, split)[name] for name, said in names.items()})
        for split in ("validation", "test")
    }
    limits = words.listed({POLICY_NAMES[name]: decimals(found["threshold"]) for name, found in policies.items()})
    counts = policies[POLICY]["confusion"]
    wrong = f"{counts['false_synthetic']:,} real images are called synthetic and {counts['false_real']:,} synthetic ones real"
    decided = (
        f"At the balanced threshold {counts['true_real']:,} of {counts['true_real'] + counts['false_synthetic']:,} real "
        f"images are called real and {counts['true_synthetic']:,} of "
        f"{counts['true_synthetic'] + counts['false_real']:,} synthetic ones synthetic."
    )
    points = {
        said: "precision {}, recall {}".format(
            *(
                words.number(metrics[name]["policies"]["best_f1"][key]["value"])
                for key in ("precision_synthetic", "recall_synthetic")
            )
        )
        for name, said in names.items()
    }
    said = {
        "roc": f"Test AUC: {aucs['test']}.",
        "stages_validation": f"Validation AUC: {aucs['validation']}.",
        "precision_recall": f"At the threshold of best F1: {words.listed(points)}.",
        "scores": f"Thresholds: {limits}. {decided}",
        "threshold_stability": f"Thresholds of the last stage: {limits}.",
        "confusion": decided,
        **dict.fromkeys(("errors_most_certain", "errors_least_certain"), f"{wrong} at the balanced threshold."),
        **dict.fromkeys(("grad_cam", "contributions"), f"Heat maps of both classes. Test AUC: {aucs['test']}."),
    }
    if "expected_cost" in policies[POLICY]:
        costs = {
            POLICY_NAMES[name]: str(Interval.from_dict(found["expected_cost"])) for name, found in policies.items()
        }
        said["cost"] = f"Expected cost on test: {words.listed(costs)}."
    if stage in calibration:
        errors = words.listed(evaluation.calibration_errors(calibration, stage))
        said["reliability"] = f"Expected calibration error: {errors}."
    if history is not None:
        for figure, rows in history.groupby(history["stage"].eq("phase1").map({True: "phase1", False: "fine_tuning"})):
            # Histories of older versions do not record which epoch was kept.
            kept = rows[rows["kept"].eq(True)] if "kept" in rows else rows[:0]
            auc = math.nan if kept.empty else kept["val_roc_auc"].iloc[-1]
            epochs = words.listed(
                {TRAINED[name]: f"{part['epoch'].max():.0f} epochs" for name, part in rows.groupby("stage", sort=False)}
            )
            said[f"{figure}_curves"] = f"{epochs}; validation AUC of the epoch that is kept {words.number(auc)}."
    if robust is not None:
        clean = robust[robust["degradation"] == NONE].iloc[0]
        worst = robust.loc[robust["roc_auc"].idxmin()].to_dict()
        said["robustness"] = (
            f"AUC as they are {clean['roc_auc']:.3f}; lowest {worst['roc_auc']:.3f}: {_degradation(worst)}."
        )
    return said


# ---------------------------------------------------------------------------------------------------------- image table


def _image_table(run: Run, images: pd.DataFrame, models: list[Model]) -> ImageTable:
    shown, note = _chosen_images(images)
    columns = {"ID": "image_id", "File": "path", "Label": "label", "Split": "split", "Format": "format"}
    table = {heading: shown[column].tolist() for heading, column in columns.items()}
    table["Split"] = [split or "set aside" for split in table["Split"]]
    table["Size"] = [
        f"{width:.0f} × {height:.0f}" if width == width and height == height else ""
        for width, height in shown[["width", "height"]].astype(float).to_numpy()
    ]
    for model in models:
        scores = model.run.scores()
        last = scores[scores["stage"] == scores["stage"].iloc[-1]].drop_duplicates("image_id")
        found = shown["image_id"].map(dict(zip(last["image_id"], last["score"]))).astype(float)
        table[f"Score, {model.recipe}"] = [None if score != score else round(score, 8) for score in found]
        table[f"Called, {model.recipe}"] = [
            "" if score != score else _called(score, model.called, label) for score, label in zip(found, shown["label"])
        ]
    table["Issue"] = shown["issue"].tolist()
    numbers = [heading for heading in table if heading.startswith("Score")]
    return ImageTable(
        columns=[{"name": name, "kind": "number" if name in numbers else "text"} for name in table],
        rows=[list(row) for row in zip(*table.values())],
        note=note,
        file=link(run.images_file, run.results),
    )


def _called(score: float, threshold: float, label: str) -> str:
    called = study.LABELS[int(score >= threshold)]
    return called if called == label else f"{called} (wrong)"


def _chosen_images(images: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of the page, and a note on their number and the total."""
    if len(images) <= MOST_IMAGES:
        return images, f"All {len(images):,} images."
    # By their id, which is a hash: neighbours in a folder are often alike.
    mixed = images.sort_values("image_id", kind="stable")
    aside, test = mixed[mixed["split"] == ""], mixed[mixed["split"] == "test"]
    first = aside.head(max(MOST_IMAGES // 2, MOST_IMAGES - len(test)))
    second = test.head(MOST_IMAGES - len(first))
    shown = pd.concat([first, second]).sort_index()
    return shown, (
        f"{len(shown):,} of {len(images):,} images: {len(first):,} of {len(aside):,} set aside and {len(second):,} of "
        f"{len(test):,} of the test split, the rest in the order of their ids left out."
    )
