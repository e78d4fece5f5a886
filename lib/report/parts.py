"""The parts of the report: plain data for the page, and functions for links, figures and cells of tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from lib import study
from lib.metrics.checks import Interval
from lib.metrics.stages import STAGE_NAMES, stage_names
from lib.report import pictures, words
from lib.study.names import UserError
from lib.study.run import Run

# The threshold of the recalls in notebooks and figures.
POLICY = "balanced"
STAND_IN = "stand-in"


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
    """A figure with its alternative text (`alt`), how to read it, and the file it was reduced from."""

    title: str
    alt: str
    how: str
    source: str
    width: int
    height: int
    href: str


@dataclass(frozen=True)
class Model:
    """A dataset trained by one recipe: its results.

    Attributes:
        auc: test AUC of the last stage.
        standing: the verdict that its interval allows.
        sentences: the meaning of the numbers.
        more_tables, more: tables and figures that are folded away.
        called: threshold of the decisions in the image table, the last stage's of `POLICY`.
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
        """The warnings in one line, for the headline."""
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
        rows: values in the columns' order; None for a missing value.
        note: number of rows shown and in total, and why these were chosen.
        file: the whole table.
    """

    columns: list[dict[str, str]]
    rows: list[list[str | float | None]]
    note: str
    file: Link


@dataclass(frozen=True)
class Dataset:
    """A dataset: its source, the audit's results, its models.

    Attributes:
        control: both classes come from one pipeline, so a model at chance is right.
        counts: split to number of images.
        headline: what a detector does on the worst of the generators that it has not seen; "" if nobody has tried it.
    """

    anchor: str
    name: str
    source: str
    stand_in: bool
    control: bool
    counts: Mapping[str, int]
    headline: str
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
        """The name, with the word stand-in if it is one: it never appears without it."""
        return f"{self.name} ({STAND_IN})" if self.stand_in else self.name

    @property
    def label(self) -> str:
        """The text beside its headings and figures: the source's words for a stand-in, otherwise empty."""
        return self.source if self.stand_in else ""


@dataclass(frozen=True)
class Comparison:
    """Results of notebook 05: models on every test set; `stand_ins` names the datasets that are stand-ins."""

    title: str
    text: str
    stand_ins: str
    tables: list[Table]
    figures: list[Figure]
    notebooks: list[Link]


@dataclass(frozen=True)
class Report:
    """The whole page; `quick` describes its runs if they are quick ones, otherwise ""."""

    quick: str
    datasets: list[Dataset]
    overview: Table
    recipes: Table | None
    comparisons: list[Comparison]
    curve: Comparison | None
    made: list[Table]
    files: Table


def link(path: Path, results: Path, text: str = "") -> Link:
    place = path.relative_to(results)
    # A colon in the first part would be read as a scheme.
    return Link("./" + quote(place.as_posix()), text or place.as_posix())


def notebook_links(paths: Iterable[Path], results: Path) -> list[Link]:
    """The notebook and, if it exists, its HTML."""
    links = []
    for path in paths:
        page = study.notebook_page(path)
        if page.is_file():
            links.append(link(page, results, f"{path.stem} (HTML)"))
        links.append(link(path, results, f"{path.stem}.ipynb"))
    return links


def executed_in(folder: Path) -> list[Path]:
    return [path for path in study.executed_notebooks(folder) if path.parent == folder]


def names_of(run: Run, stages: Iterable[str]) -> dict[str, str]:
    """The stages of a run that changed the model, with their names; all of them if its history does not show it."""
    stages = list(stages)
    try:
        history = run.history()
    except UserError:
        history = pd.DataFrame({"stage": []})
    known = history[history["stage"].isin(stages)]
    return stage_names(known) if len(known) else {stage: STAGE_NAMES[stage] for stage in stages}


def figure_of(path: Path, results: Path, said: str) -> Figure:
    title, how = words.figure_words(path.stem)
    source, width, height = pictures.embedded(path)
    return Figure(title, f"{title}. {said}".strip(), how, source, width, height, link(path, results).href)


def cell(row: Mapping, column: str, table: pd.DataFrame) -> str:
    value = row[column]
    if f"{column}_low" in table:
        found = Interval.of(row, column)
        if math.isnan(value):
            return ""
        return words.shares(found) if column.startswith("recall") else str(found)
    if column == "stage":
        return STAGE_NAMES.get(value, value)
    if column == "degenerate":
        return "yes" if value else ""
    return str(value)
