"""A run: one dataset trained by one recipe, its options, its folders and its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lib.study.files import home, write_json
from lib.study.names import DATASETS, UserError
from lib.study.options import (
    Reading,
    absolute,
    columns_of,
    costs_of,
    list_option,
    run_name,
    text_option,
    whole_number,
    yes_or_no,
)
from lib.study.recipes import RECIPES, Recipe
from lib.study.results import Results, is_quick, trained_folders
from lib.study.steps import (
    COMPARED,
    QUICK_FOLDER,
)

# What the parameter OPTIONS of the notebooks may hold, each with its value where nothing is said: rarer arguments of `open_run`.
RARE_OPTIONS = {
    "data": "",
    "name": "",
    "backbone": "auto",
    "weights": "auto",
    "results": "",
    "normalise": "",
    "costs": "",
    "compare": (),
    "reading": None,
    "by": "",
}


@dataclass(frozen=True)
class Run(Results):
    """One dataset trained by one recipe: its options, and its place in `results/` and `models/`.

    Attributes:
        name: `dataset_1` … `dataset_4`, `control`, or the name given to the user's own data.
        dataset: `1` … `4`, `control`, or "" where `data` is given.
        data: the user's own folder or table, or "".
        normalise: `SIZE,QUALITY` where both classes are rewritten by one encoder first, or "".
        costs: `FALSE_ALARM,MISS,PREVALENCE` where the threshold of least expected cost is wanted too, or "".
        compare: what notebook 05 compares, names of finished runs, and paths of scores files or DATASET=PATH; () for every finished run.
        reading: what the user states about folders and tables of images.
        by: `COLUMN,…` of the user's table where groups of people are to be compared, or "".
    """

    name: str
    dataset: str
    data: str
    recipe: Recipe
    backbone: str
    weights: str
    quick: bool
    seed: int
    results: Path
    models: Path = field(repr=False)
    results_option: str = ""
    normalise: str = ""
    costs: str = ""
    compare: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    by: str = ""

    @property
    def folder(self) -> Path:
        """`results/<name>`."""
        return self.results / self.name

    @property
    def recipe_folder(self) -> Path:
        """`results/<name>/<recipe>`."""
        return self.folder / self.recipe.name

    @property
    def comparison_folder(self) -> Path:
        """Where notebook 05 leaves what it makes: `results`, or `results/compared` where a choice of runs was given."""
        return self.results / COMPARED if self.compare else self.results

    def model_path(self, stage: str) -> Path:
        """`models/<name>/<recipe>/<stage>.keras`."""
        return self.model_folder / f"{stage}.keras"

    @property
    def model_folder(self) -> Path:
        """`models/<name>/<recipe>`."""
        return self.models / self.name / self.recipe.name

    def claim(self) -> None:
        """Note whose results this folder holds, before the first of them is there: another dataset of this name is refused.

        Raises:
            UserError: as `open_run`.
        """
        refuse_other_data(self)
        if self.data:
            write_json(self.folder / "dataset.json", {"schema": 1, "data": self.data, "normalise": self.normalise})


def open_run(
    *,
    dataset: str | int = "1",
    data: str = "",
    name: str | int = "",
    recipe: str = "tuned",
    backbone: str = "auto",
    weights: str = "auto",
    quick: bool | str = False,
    seed: int | str = 7,
    results: str = "",
    normalise: str = "",
    costs: str = "",
    compare: Sequence[str] | str = (),
    reading: Reading | Mapping[str, object] | None = None,
    by: Sequence[str] | str = "",
    options: Mapping[str, object] | str | None = None,
) -> Run:
    """The run that these options name; they are the parameters of the notebooks and options of run_all.py.

    Args:
        options: rarer ones by name, as the notebooks' parameter OPTIONS has them: keys of `RARE_OPTIONS`, or such a dictionary
            as JSON text. What stands here counts, whatever the argument of that name says.

    Quick runs live in `results/quick` and `models/quick`, so that they never stand in the place of a full one. With a
    results folder of the user's own, the models go to its `models` folder.

    papermill makes numbers, True and None of what it can (`-p DATASET 1`, `-p NAME 2024`) and leaves the rest text (`-p COMPARE
    dataset_1`); all of that is taken as it was meant.

    Raises:
        UserError: an option has a value that is not known, or a name that another folder of the user's has results under; or
            `options` holds a key that is not known.
    """
    given = options_of(options)
    data, name = given.get("data", data), given.get("name", name)
    backbone, weights = given.get("backbone", backbone), given.get("weights", weights)
    results, normalise = given.get("results", results), given.get("normalise", normalise)
    costs, compare, reading = (
        given.get("costs", costs),
        given.get("compare", compare),
        given.get("reading", reading),
    )
    by = ",".join(list_option("by", given.get("by", by)))
    dataset, data, name = text_option("dataset", dataset), text_option("data", data), text_option("name", name)
    recipe, backbone, weights = (
        text_option("recipe", recipe),
        text_option("backbone", backbone),
        text_option("weights", weights),
    )
    results, normalise, costs = (
        text_option("results", results),
        text_option("normalise", normalise),
        text_option("costs", costs),
    )
    quick, seed = yes_or_no("quick", quick), whole_number("seed", seed)
    if not data and dataset not in DATASETS:
        raise UserError(f"--dataset {dataset}: expected one of {', '.join(DATASETS)}")
    if recipe not in RECIPES:
        raise UserError(f"--recipe {recipe}: expected one of {', '.join(RECIPES)}")
    costs_of(costs)
    chosen = RECIPES[recipe].quick() if quick else RECIPES[recipe]
    results_folder = Path(results).resolve() if results else home() / "results"
    models = results_folder / "models" if results else home() / "models"
    run = Run(
        name=run_name(dataset, data, name, normalise),
        normalise=normalise,
        dataset="" if data else dataset,
        data=str(Path(data).resolve()) if data else "",
        recipe=chosen,
        backbone=backbone,
        weights=weights if weights in ("auto", "imagenet") else str(Path(weights).resolve()),
        results_option=str(results_folder) if results else "",
        quick=quick,
        seed=seed,
        results=results_folder / QUICK_FOLDER if quick else results_folder,
        models=models / QUICK_FOLDER if quick else models,
        costs=costs,
        # A notebook is executed in another folder than the one the user is in.
        compare=tuple(map(absolute, list_option("compare", compare))),
        reading=reading if isinstance(reading, Reading) else Reading.of(reading or {}),
        by=",".join(columns_of(by)),
    )
    refuse_other_data(run)
    return run


def options_of(given: Mapping[str, object] | str | None) -> dict[str, object]:
    """The notebooks' parameter OPTIONS as a dictionary; papermill's `-p` hands it over as JSON text.

    Args:
        given: keys of `RARE_OPTIONS` to values; None and an empty text are an empty dictionary.

    Raises:
        UserError: not a dictionary, or a key that is not known.
    """
    found = given or {}
    if isinstance(given, str) and given.strip():
        try:
            found = json.loads(given)
        except ValueError:
            found = None
    if not isinstance(found, Mapping):
        raise UserError(f'OPTIONS: found {given!r}, expected a dictionary such as {{"data": "my pictures"}}')
    unknown = [str(key) for key in found if key not in RARE_OPTIONS]
    if unknown:
        raise UserError(f"OPTIONS: found {', '.join(unknown)}, expected some of {', '.join(RARE_OPTIONS)}")
    return dict(found)


def refuse_other_data(run: Run) -> None:
    """Raise where the folder of a run of the user's own images holds results of other images.

    Raises:
        UserError: names the other folder and the option.
    """
    if not run.data:
        return
    # The second is of a run that was stopped before its audit was done.
    for path in (run.folder / "audit.json", run.folder / "dataset.json"):
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content.get("dataset", content)
        other, form = known.get("data", run.data), known.get("normalise", run.normalise)
        if (other, form) != (run.data, run.normalise):
            what = f"{other or 'another dataset'}{f' with --normalise {form}' if form else ''}"
            raise UserError(
                f"--data {run.data}: {run.folder} holds the results of {what}; give these images another name with --name "
                "(or delete that folder, if its images have only been moved)"
            )


def finished_runs(results: Path, models: Path, quick: bool) -> list[Run]:
    """Every run below a results folder that has been trained and analysed, by name and recipe (see `Run.unfinished`).

    Args:
        results: the folder that holds the runs' folders (for quick runs `results/quick`).
    """
    return [run for run in begun_runs(results, models, quick) if not run.unfinished()]


def left_out(results: Path, models: Path, quick: bool, name: str = "") -> list[str]:
    """Of every run that is begun but not finished, or of those called `name`, a line that says why it is left out."""
    return [
        f"{run.name}, {run.recipe.name} recipe: left out, because {why}"
        for run in begun_runs(results, models, quick)
        if name in ("", run.name) and (why := run.unfinished())
    ]


def begun_runs(results: Path, models: Path, quick: bool) -> list[Run]:
    """Every run below a results folder of which a stage has been trained, finished or not, by name and recipe."""
    runs = []
    for folder in trained_folders(results):
        name, recipe_name = folder.parent.name, folder.name
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        known = record.get("options") if recipe_name in RECIPES else None
        if not known:
            continue
        recipe = RECIPES[recipe_name].quick() if quick else RECIPES[recipe_name]
        # Where the images are and how they are read is the audit's to say, which may have found the same ones elsewhere since.
        audit = folder.parent / "audit.json"
        found = json.loads(audit.read_text(encoding="utf-8")).get("dataset", {}) if audit.is_file() else {}
        options = {key: found.get(key, known[key]) for key in ("dataset", "data", "normalise")}
        options["reading"] = Reading(**found.get("reading", known.get("reading", {})))
        options |= {key: known[key] for key in ("backbone", "weights", "seed")}
        runs.append(Run(name=name, recipe=recipe, quick=quick, results=Path(results), models=Path(models), **options))
    return runs


def audited_runs(results: Path) -> list[Run]:
    """A run for every dataset audited below a results folder, by name; of their options only the dataset's are known.

    Args:
        results: as in `finished_runs`.
    """
    anyone = Run(
        name="",
        dataset="1",
        data="",
        recipe=RECIPES["tuned"],
        backbone="auto",
        weights="auto",
        quick=is_quick(results),
        seed=0,
        results=Path(results),
        models=Path(results) / "models",
    )
    return anyone.audited()
