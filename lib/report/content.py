"""What a results folder says, as plain data for the page: every number is read from the files, none is computed anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from lib import study
from lib.metrics import comparison, evaluation
from lib.metrics.checks import Interval
from lib.metrics.figures.style import POLICY_NAMES, STAGE_NAMES
from lib.metrics.robustness import NONE
from lib.metrics.thresholds import NEARLY_NONE
from lib.report import pictures, words
from lib.study import ASIDE, RECIPES, STAGES, Run, UserError

# The threshold that notebooks and figures read recalls at.
POLICY = "balanced"
# Rows of a dataset's image table that a page holds; all of them are in images.csv.
MOST_IMAGES = 2000
STAND_IN = "stand-in"
# Shown open; the others are folded away.
FIRST_FIGURES = ("roc", "scores", "confusion", "robustness", "errors_most_certain")
EXPERIMENTS = {
    "wrong_turns": (
        "What mistakes cost (wrong turns)",
        "The original recipe run correctly (a), and with one mistake each, on the same images; thresholds of best F1.",
        {
            **{"turn": "", "what": "wrong turn", "roc_auc": "test AUC", "recall_real": "recall real"},
            **{"recall_synthetic": "recall synthetic", "f1_synthetic": "F1", "degenerate": "nearly all one class"},
        },
    ),
    "ablation": (
        "What each choice brings (ablation)",
        "The tuned recipe with one choice made otherwise at a time, on validation images; differences to the first row of "
        "the same stage.",
        {
            **{"choice": "choice", "setting": "setting", "stage": "judged after", "seeds": "seeds"},
            **{"roc_auc": "validation AUC", "difference": "difference", "degraded": "AUC, degraded images"},
        },
    ),
    "imbalance": (
        "When one class is rare",
        "The tuned recipe with one class thinned to a ninth of the other in training and validation; the test images stay. "
        "Weights alone: without using the images of the rare class more often, each time augmented in another way.",
        {
            **{"case": "training and validation", "roc_auc": "test AUC", "recall_real": "recall real"},
            "recall_synthetic": "recall synthetic",
        },
    ),
}


@dataclass(frozen=True)
class Link:
    """A link to a file of the results folder: `href` relative to the page, and its words."""

    href: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table of texts; the first `heads` cells of a row name it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    heads: int = 1


@dataclass(frozen=True)
class Figure:
    """A figure with what it shows in words (`alt`), how to read it, and the file it was made small from."""

    title: str
    alt: str
    how: str
    source: str
    width: int
    height: int
    href: str


@dataclass(frozen=True)
class Model:
    """A dataset trained by one recipe: what it came to.

    Attributes:
        auc: test AUC of the last stage.
        standing: what its interval allows to say.
        sentences: what the numbers mean.
        more_tables, more: tables and figures that are folded away.
        called: threshold by which the image table calls images, the last stage's of `POLICY`.
    """

    recipe: str
    auc: Interval
    standing: str
    real: Interval
    synthetic: Interval
    sentences: list[str]
    warnings: list[str]
    tables: list[Table]
    more_tables: list[Table]
    figures: list[Figure]
    more: list[Figure]
    notebooks: list[Link]
    called: float
    run: Run = field(repr=False)

    @property
    def short_warnings(self) -> list[str]:
        """The warnings in one line, for where the headline is."""
        count = len(self.warnings)
        if not count:
            return []
        said = "One threshold calls" if count == 1 else f"{count} thresholds call"
        return [f"{said} (nearly) everything one class, or tell{'s' if count == 1 else ''} nothing apart: see below."]


@dataclass(frozen=True)
class Experiment:
    """An experiment's table and figures."""

    title: str
    how: str
    table: Table
    figures: list[Figure]


@dataclass(frozen=True)
class ImageTable:
    """The images of a dataset for a table that sorts and filters.

    Attributes:
        columns: heading and kind (`text`, `number`) of each.
        rows: values in the columns' order; None where there is none.
        note: how many of how many are here, and why these.
        file: the whole table.
    """

    columns: list[dict[str, str]]
    rows: list[list[str | float | None]]
    note: str
    file: Link


@dataclass(frozen=True)
class Dataset:
    """A dataset: what it is, what the audit found, its models.

    Attributes:
        counts: split to number of images.
    """

    anchor: str
    name: str
    source: str
    stand_in: bool
    counts: Mapping[str, int]
    sentences: list[str]
    warnings: list[str]
    models: list[Model]
    tables: list[Table]
    figures: list[Figure]
    experiments: list[Experiment]
    images: ImageTable
    notebooks: list[Link]

    @property
    def mark(self) -> str:
        """The name, with the word stand-in where it is one: it never stands without."""
        return f"{self.name} ({STAND_IN})" if self.stand_in else self.name

    @property
    def label(self) -> str:
        """What stands beside its headings and figures: the source's words where it is a stand-in, else nothing."""
        return self.source if self.stand_in else ""


@dataclass(frozen=True)
class Comparison:
    """What notebook 05 found: models on every test set; `stand_ins` names those of its datasets that are stand-ins."""

    title: str
    text: str
    stand_ins: str
    tables: list[Table]
    figures: list[Figure]
    notebooks: list[Link]


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    quick: bool
    datasets: list[Dataset]
    overview: Table
    recipes: Table | None
    comparisons: list[Comparison]
    curve: Comparison | None
    made: list[Table]
    files: Table


def gather(results: Path) -> Report:
    """Read all finished runs of a results folder.

    Raises:
        UserError: no dataset has been audited there yet.
    """
    results = Path(results)
    audited = study.audited_runs(results)
    if not audited:
        raise UserError(f"{results}: no dataset has been audited there, so there is nothing to report; run run_all.py")
    runs = study.finished_runs(results, results / "models", study.is_quick(results))
    of_name: dict[str, list[Run]] = {found.name: [] for found in audited}
    for run in runs:
        of_name.setdefault(run.name, []).append(run)
    datasets = [_dataset(place, found, of_name[found.name]) for place, found in enumerate(audited, start=1)]
    marks = {found.name: found.mark for found in datasets}
    compared, tests = study.read_comparison(results)
    comparisons = [_comparison(results, results, marks, "Every model on every test set")]
    chosen = _comparison(results, results / study.COMPARED, marks, "The comparison asked for last (--compare)")
    return Report(
        quick=study.is_quick(results),
        datasets=datasets,
        overview=_overview(audited, datasets),
        recipes=_recipes(datasets, tests),
        comparisons=[found for found in (*comparisons, chosen) if found],
        curve=_curve(results, runs, compared, marks, {found.name: found.counts["train"] for found in datasets}),
        made=_made(datasets),
        files=_files(results, audited, runs),
    )


def _there(read: Callable, default: object) -> object:
    """What a reader gives, or the default where its file has not been made yet."""
    try:
        return read()
    except UserError:
        return default


def _link(path: Path, results: Path, text: str = "") -> Link:
    place = path.relative_to(results)
    # A colon in the first part would be read as a scheme.
    return Link("./" + quote(place.as_posix()), text or place.as_posix())


def _notebooks(paths: Iterable[Path], results: Path) -> list[Link]:
    """The notebook and, where it has one, its HTML."""
    links = []
    for path in paths:
        page = study.notebook_page(path)
        if page.is_file():
            links.append(_link(page, results, f"{path.stem} (HTML)"))
        links.append(_link(path, results, f"{path.stem}.ipynb"))
    return links


def _executed(folder: Path) -> list[Path]:
    return [path for path in study.executed_notebooks(folder) if path.parent == folder]


# --------------------------------------------------------------------------------------------------------- a dataset


def _dataset(place: int, audited: Run, runs: list[Run]) -> Dataset:
    audit = audited.audit()
    stand_in = bool(audit["dataset"]["stand_in"])
    mark = f"{audited.name} ({STAND_IN})" if stand_in else audited.name
    images = audited.images()
    models = [_model(run, mark) for run in runs]
    probe = Interval.from_dict(audit["shortcut"]["roc_auc"])
    sentences = [
        f"{audit['found']:,} files found, {audit['used']:,} used, {audit['set_aside']:,} set aside.",
        f"A probe that sees no pixel, only the files' outside (format, size, compression), has an AUC of {probe}: "
        f"{_probe_says(audit, probe)}.",
    ]
    if not models:
        sentences.append("Audited only: no recipe has been trained and analysed on it yet.")
    said = _alts_of_data(audited, audit, images)
    figures = [
        _figure(path, audited.results, f"{mark}: {audited.source()}. {said.get(name, '')}")
        for name, path in audited.figures(per_recipe=False).items()
        if not name.startswith(tuple(EXPERIMENTS))
    ]
    return Dataset(
        anchor=f"dataset-{place}",
        name=audited.name,
        source=audit["dataset"]["source"],
        stand_in=stand_in,
        counts=images.loc[images["split"] != "", "split"].value_counts().to_dict(),
        sentences=sentences,
        warnings=_warnings(audit),
        models=models,
        tables=[_set_aside(mark, images)] if audit["set_aside"] else [],
        figures=figures,
        experiments=[found for name in EXPERIMENTS if (found := _experiment(audited, mark, name))],
        images=_image_table(audited, images, models),
        notebooks=_notebooks(_executed(audited.folder), audited.results),
    )


def _probe_says(audit: Mapping, probe: Interval) -> str:
    found = words.standing(probe)
    if found != comparison.BETTER:
        return found
    return "see the warning" if audit["shortcut"]["warning"] else f"{found}, by too little for a warning"


def _warnings(audit: Mapping) -> list[str]:
    """What the audit has to say beside every score."""
    said = [f"{audit['shortcut']['warning']}."] if audit["shortcut"]["warning"] else []
    pairs = audit.get("pairs", {})
    if pairs.get("two_labels"):
        said.append(f"{pairs['two_labels']:,} pairs of copies stand in both classes: their label is not known.")
    if pairs.get("across_split"):
        said.append(f"{pairs['across_split']:,} pairs of copies are on two sides of the split.")
    for name, count in pairs.get("other_datasets", {}).items():
        said.append(f"{count:,} pairs of copies with {name}.")
    return [text[0].upper() + text[1:] for text in said]


def _alts_of_data(run: Run, audit: Mapping, images: pd.DataFrame) -> dict[str, str]:
    """Figure of the audit to what its numbers say."""
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


def _figure(path: Path, results: Path, said: str) -> Figure:
    title, how = words.figure_words(path.stem)
    source, width, height = pictures.embedded(path)
    return Figure(title, f"{title}. {said}".strip(), how, source, width, height, _link(path, results).href)


def _set_aside(mark: str, images: pd.DataFrame) -> Table:
    reasons = images.loc[images["split"] == "", "issue"].str.removeprefix(ASIDE).value_counts()
    rows = [[reason or "no reason noted", f"{count:,}"] for reason, count in list(reasons.items())[:20]]
    note = f"{len(reasons) - 20} more reasons are in images.csv." if len(reasons) > 20 else ""
    return Table(f"Files of {mark} set aside, and why", ["Reason", "Files"], rows, note)


def _experiment(run: Run, mark: str, name: str) -> Experiment | None:
    table = _there(lambda: run.experiment(name), None)
    if table is None:
        return None
    title, how, columns = EXPERIMENTS[name]
    known = {column: heading for column, heading in columns.items() if column in table}
    rows = [[_cell(row, column, table) for column in known] for row in table.to_dict("records")]
    shown = Table(f"{title}, {mark}", [_upper(text) or "Turn" for text in known.values()], rows, heads=2)
    best = table.sort_values("roc_auc").iloc[[0, -1]]
    said = f"{mark}: {run.source()}. {len(table)} rows; AUC from {best['roc_auc'].iloc[0]:.3f} to {best['roc_auc'].iloc[1]:.3f}."
    figures = [
        _figure(path, run.results, said)
        for found, path in run.figures(per_recipe=False).items()
        if found.startswith(name)
    ]
    return Experiment(title, how, shown, figures)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(row: Mapping, column: str, table: pd.DataFrame) -> str:
    value = row[column]
    if f"{column}_low" in table:
        found = Interval(value, row[f"{column}_low"], row[f"{column}_high"])
        if math.isnan(value):
            return ""
        return words.shares(found) if column.startswith("recall") else str(found)
    if column == "stage":
        return STAGE_NAMES.get(value, value)
    if column == "degenerate":
        return "yes" if value else ""
    return str(value)


# ----------------------------------------------------------------------------------------------------------- a model


def _model(run: Run, mark: str) -> Model:
    metrics, thresholds = run.metrics()["stages"], run.thresholds()["stages"]
    calibration = _there(lambda: run.calibration()["stages"], {})
    robust = _there(run.robustness, None)
    stage = [name for name in STAGES if name in metrics][-1]
    last, chosen = metrics[stage], thresholds[stage]
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
    name = f"{mark}, {run.recipe.name} recipe"
    said = _alts_of_model(run, metrics, calibration, robust, stage)
    figures = {
        found: _figure(path, run.results, f"{name}: {run.source()}. {said.get(found, '')}")
        for found, path in run.figures().items()
    }
    more_tables = [_calibration_table(name, calibration[stage])] if stage in calibration else []
    more_tables += [_robustness_table(name, robust)] if robust is not None else []
    first = [found for found in FIRST_FIGURES if found in figures]
    return Model(
        recipe=run.recipe.name,
        auc=auc,
        standing=words.standing(auc),
        real=recalls[POLICY][0],
        synthetic=recalls[POLICY][1],
        sentences=sentences,
        warnings=warnings,
        tables=[_stage_table(name, metrics), _policy_table(name, policies, stage)],
        more_tables=more_tables,
        figures=[figures[found] for found in first],
        more=[figure for found, figure in figures.items() if found not in first],
        notebooks=_notebooks(_executed(run.recipe_folder), run.results),
        called=policies[POLICY]["threshold"],
        run=run,
    )


def _stage_table(name: str, metrics: Mapping) -> Table:
    measures = {
        "roc_auc": "AUC",
        "average_precision": "Average precision",
        "equal_error_rate": "Equal error rate",
        "recall_at_fpr_5": "Recall at 5% false positives",
        "brier_score": "Brier score",
    }
    rows = [
        [STAGE_NAMES[stage], *(str(Interval.from_dict(content["test"][measure])) for measure in measures)]
        for stage, content in metrics.items()
    ]
    note = "A stage that its recipe gives no epochs is the one before it."
    return Table(f"After each stage of training, on test: {name}", ["Stage", *measures.values()], rows, note)


def _policy_table(name: str, policies: Mapping, stage: str) -> Table:
    rows = []
    for policy, found in policies.items():
        confusion = found["confusion"]
        rows.append(
            [
                POLICY_NAMES.get(policy, policy),
                f"{found['threshold']:.3g}",
                words.shares(Interval.from_dict(found["recall_real"])),
                words.shares(Interval.from_dict(found["recall_synthetic"])),
                str(Interval.from_dict(found["balanced_accuracy"])),
                f"{confusion['false_synthetic']:,} of {confusion['false_synthetic'] + confusion['true_real']:,}",
                f"{confusion['false_real']:,} of {confusion['false_real'] + confusion['true_synthetic']:,}",
            ]
        )
    columns = ["Threshold", "Value", "Recall real", "Recall synthetic", "Balanced accuracy", "False alarms", "Misses"]
    note = "Chosen on validation, read on test. False alarms are real images called synthetic, misses synthetic ones called real."
    return Table(f"Thresholds of the last stage ({STAGE_NAMES[stage]}): {name}", columns, rows, note)


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
    rows = [[_degradation(row), *(_cell(row, column, table) for column in columns)] for row in table.to_dict("records")]
    return Table(f"Degraded test images, threshold of clean ones: {name}", ["Degradation", *columns.values()], rows)


def _degradation(row: Mapping) -> str:
    return "as they are" if row["degradation"] == NONE else f"{row['degradation']} {row['level']:g}"


def _alts_of_model(
    run: Run, metrics: Mapping, calibration: Mapping, robust: pd.DataFrame | None, stage: str
) -> dict[str, str]:
    """Figure of a model to what its numbers say."""
    policies = metrics[stage]["policies"]
    aucs = {
        split: words.listed(
            {STAGE_NAMES[name]: auc for name, auc in evaluation.stage_intervals(metrics, split).items()}
        )
        for split in ("validation", "test")
    }
    limits = words.listed({POLICY_NAMES[name]: f"{found['threshold']:.3g}" for name, found in policies.items()})
    counts = policies[POLICY]["confusion"]
    wrong = f"{counts['false_synthetic']:,} real images are called synthetic and {counts['false_real']:,} synthetic ones real"
    decided = (
        f"At the balanced threshold {counts['true_real']:,} of {counts['true_real'] + counts['false_synthetic']:,} real "
        f"images are called real and {counts['true_synthetic']:,} of "
        f"{counts['true_synthetic'] + counts['false_real']:,} synthetic ones synthetic."
    )
    points = {
        STAGE_NAMES[name]: "precision {}, recall {}".format(
            *(
                words.number(found["policies"]["best_f1"][key]["value"])
                for key in ("precision_synthetic", "recall_synthetic")
            )
        )
        for name, found in metrics.items()
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
    history = _there(run.history, None)
    if history is not None:
        for figure, rows in history.groupby(history["stage"].eq("phase1").map({True: "phase1", False: "fine_tuning"})):
            best = rows["val_roc_auc"].max() if "val_roc_auc" in rows else math.nan
            epochs = words.listed(
                {
                    STAGE_NAMES[name]: f"{part['epoch'].max():.0f} epochs"
                    for name, part in rows.groupby("stage", sort=False)
                }
            )
            said[f"{figure}_curves"] = f"{epochs}; best validation AUC {words.number(best)}."
    if robust is not None:
        clean = robust[robust["degradation"] == NONE].iloc[0]
        worst = robust.loc[robust["roc_auc"].idxmin()].to_dict()
        said["robustness"] = (
            f"AUC as they are {clean['roc_auc']:.3f}; lowest {worst['roc_auc']:.3f}: {_degradation(worst)}."
        )
    return said


# -------------------------------------------------------------------------------------------------------- image table


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
        table[f"Score, {model.recipe}"] = [None if score != score else round(score, 4) for score in found]
        table[f"Called, {model.recipe}"] = [
            "" if score != score else _called(score, model.called, label) for score, label in zip(found, shown["label"])
        ]
    table["Issue"] = shown["issue"].tolist()
    numbers = [heading for heading in table if heading.startswith("Score")]
    return ImageTable(
        columns=[{"name": name, "kind": "number" if name in numbers else "text"} for name in table],
        rows=[list(row) for row in zip(*table.values())],
        note=note,
        file=_link(run.folder / "images.csv", run.results),
    )


def _called(score: float, threshold: float, label: str) -> str:
    called = study.LABELS[int(score >= threshold)]
    return called if called == label else f"{called} (wrong)"


def _chosen_images(images: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows that the page holds, and how many of how many they are."""
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


# ---------------------------------------------------------------------------------------------------- across datasets


def _overview(audited: list[Run], datasets: list[Dataset]) -> Table:
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


def _recipes(datasets: list[Dataset], tests: pd.DataFrame) -> Table | None:
    """Original against tuned on the same test images, where both are finished."""
    one, two = RECIPES
    rows = []
    for dataset in datasets:
        models = {model.recipe: model for model in dataset.models}
        if one in models and two in models:
            added = {one: ("", ""), two: _paired(tests, dataset.name, one, two)}
            for recipe, differs in added.items():
                model = models[recipe]
                recalls = [words.shares(found) for found in (model.real, model.synthetic)]
                rows.append([dataset.mark, recipe, str(model.auc), *differs, *recalls])
    columns = [
        "Dataset",
        "Recipe",
        "Test AUC",
        f"Difference, {two} - {one}",
        "p (Holm)",
        "Recall real",
        "Recall synthetic",
    ]
    note = "Last stages on the same test images; DeLong's paired test. Recalls at the balanced threshold of each."
    return Table("The original study's recipe against the tuned one", columns, rows, note, heads=2) if rows else None


def _paired(tests: pd.DataFrame, name: str, one: str, two: str) -> tuple[str, str]:
    """Difference of two recipes' last stages with its interval, and p, from paired_tests.csv; a dash where it lacks them."""
    keys = [f"{name}, {recipe}, {STAGES[-1]}" for recipe in (one, two)]
    for row in tests.to_dict("records"):
        if row["tested_on"] == name and {row["first"], row["second"]} == set(keys):
            ends = (row["difference"], row["low"], row["high"])
            # The file has the difference of second from first, whichever recipe that is.
            value, low, high = ends if row["second"] == keys[1] else (-ends[0], -ends[2], -ends[1])
            return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", f"{row['p_holm']:.2g}"
    return "–", "–"


def _comparison(results: Path, folder: Path, marks: Mapping[str, str], title: str) -> Comparison | None:
    compared, tests = study.read_comparison(folder)
    if compared.empty:
        return None
    last = comparison.last_stage(compared)
    once = last.drop_duplicates(["trained_on", "recipe", "tested_on"])
    tested = list(dict.fromkeys(once["tested_on"]))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    at_home, away = [], []
    for row in once.to_dict("records"):
        auc = Interval(row["roc_auc"], row["roc_auc_low"], row["roc_auc_high"])
        home = row["trained_on"] == row["tested_on"]
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
        "“At chance”: the 95% interval holds 0.5, what guessing gives.",
        heads=2,
    )
    recalls = [
        [
            marks.get(row["trained_on"], row["trained_on"]),
            row["recipe"],
            marks.get(row["tested_on"], row["tested_on"]),
            f"{row['images']:,.0f}",
            f"{row['overlap_removed']:,.0f}",
            *(_cell(row, f"recall_{label}", last) or comparison.NO_THRESHOLD for label in study.LABELS),
            "nearly all one class" if min(row["recall_real"], row["recall_synthetic"]) < NEARLY_NONE else "",
        ]
        for row in last[last["policy"].isin([POLICY, comparison.NO_THRESHOLD])].to_dict("records")
    ]
    columns = ["Trained on", "Recipe", "Tested on", "Images", "Left out", "Recall real", "Recall synthetic", "Remark"]
    note = "Left out: images that the model's own dataset holds too."
    tables = [matrix, Table("Both recalls at the balanced threshold chosen at home", columns, recalls, note, heads=3)]
    if home_tests := _tests(tests, marks):
        tables.append(home_tests)
    several = bool(away)
    text = (
        "Does what was learnt on one dataset hold on another? A model at home on its diagonal and at chance elsewhere has "
        "learnt that dataset, not how to tell synthetic images."
        if several
        else "One dataset so far, so nothing is known yet about other data: these are the models at home. Run another "
        "dataset into the same results folder, and this becomes a matrix."
    )
    spans = [
        f"AUC {where} from {min(values):.3f} to {max(values):.3f}"
        for where, values in (("at home", at_home), ("away from home", away))
        if values
    ]
    said = f"{'; '.join(spans)}. Datasets: {', '.join(marks.get(name, name) for name in tested)}."
    figures = [
        _figure(path, results, said)
        for name, path in study.saved_figures(folder).items()
        if name != "learning_curve" and (several or name == "auc_scores_files")
    ]
    stand_ins = _stand_ins([*once["trained_on"], *tested], marks)
    return Comparison(title, text, stand_ins, tables, figures, _notebooks(_executed(folder), results))


def _tests(tests: pd.DataFrame, marks: Mapping[str, str]) -> Table | None:
    """The paired tests of models at home; None where there are none."""
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
    """Which of some datasets are stand-ins, for beside a figure of them all; empty where none is."""
    found = [name for name in dict.fromkeys(names) if marks.get(name, name) != name]
    return f"{study.NOT_OMNIGEN}: {', '.join(found)}" if found else ""


def _curve(
    results: Path, runs: list[Run], compared: pd.DataFrame, marks: Mapping[str, str], training_images: Mapping[str, int]
) -> Comparison | None:
    """AUC at home against training images, for datasets 1 to 4 of one source."""
    counts = {run.name: training_images[run.name] for run in study.sizes_of_one_kind(runs)}
    if compared.empty or not counts:
        return None
    curve = comparison.learning_curve(compared[compared["trained_on"].isin(counts)], counts)
    curve = curve[curve["stage"].isin([STAGES[0], STAGES[-1]])]
    rows = [
        [
            marks[row["trained_on"]],
            f"{row['training_images']:,}",
            row["recipe"],
            STAGE_NAMES[row["stage"]],
            _cell(row, "roc_auc", curve),
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
            f"{marks[row['trained_on']]}, {row['recipe']} recipe, {row['training_images']:,} images:": f"{row['roc_auc']:.3f}"
            for row in last.to_dict("records")
        }
    )
    path = study.saved_figures(results).get("learning_curve")
    # Of one size it would show a single point.
    figures = [_figure(path, results, f"Last stage: {said}.")] if path and sizes > 1 else []
    return Comparison("Learning curve", text, _stand_ins(counts, marks), [table], figures, [])


# ------------------------------------------------------------------------------------------------------- how it was made


def _made(datasets: list[Dataset]) -> list[Table]:
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


def _files(results: Path, audited: list[Run], runs: list[Run]) -> Table:
    """Every table and record that this page was made from, with its hash."""
    paths = [path for run in audited for path in run.files(per_recipe=False)]
    paths += [path for run in runs for path in run.files()]
    paths += [results / name for name in ("comparison.csv", "paired_tests.csv") if (results / name).is_file()]
    rows = [
        [path.relative_to(results).as_posix(), f"{path.stat().st_size:,}", study.file_hash(path)]
        for path in sorted(set(paths))
    ]
    return Table("Files behind this page", ["File", "Bytes", "sha256"], rows)
