"""Run the study: the notebooks in order, with papermill, for one or more datasets.

examples:
  python run_all.py --dataset 1                  dataset 1, the tuned recipe
  python run_all.py --dataset 1 --quick          the same in about a minute and a half: fewer images, no fine-tuning
  python run_all.py --dataset 1 2 control --recipe original
  python run_all.py --data "my pictures"         a folder of your own that holds real/ and synthetic/ (or fake/, ai/, …)
  python run_all.py --dataset 1 --also wrong_turns   also what each mistake costs; ablation: what each choice brings;
                                                 generators: what happens on a generator that it has not seen
  python run_all.py --dataset 1 --from 04        run notebook 04 and what follows again
  python run_all.py --generate --references people --dataset 1
                                                 make it with OmniGen from people/<person>/*.jpg (needs a GPU)
  python run_all.py --compare dataset_1 other.csv    finished runs, and another detector's scores (a CSV file), side by side
  python run_all.py --list                       datasets, where their images come from, what has been run

exit codes: 0 done, 1 a notebook failed, 2 wrong use or wrong data, 130 stopped with Ctrl-C
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lib import study
from lib.data.omnigen.generate import left
from lib.data.omnigen.job import describe, open_job
from lib.data.omnigen.pipeline import OFFLOADS, check_options, obstacle
from lib.data.source import detectors, listing, sources
from lib.show.display import Board, Task, files_to_open
from lib.study import kernels, pretrained
from lib.study.code_hash import code_hash, notebook_imports
from lib.study.names import UserError, reason_of
from lib.study.run import Run
from lib.study.steps import GENERATE, STEPS, Step

# Paths and messages are shown as they are: no markup in them, no guessing of what to colour, no wrapping of a log line.
console = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


class StepFailed(Exception):
    """A notebook failed; the text names it, its error and the partly executed file."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; wrong use ends with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="run_all.py",
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", nargs="+", metavar="N", default=[], help="1, 2, 3, 4, control or all; several may be given")
    add(
        "--data",
        metavar="FOLDER",
        help="your own images: a folder that holds real/ and synthetic/, or a CSV, Parquet or JSON table "
        "path,label[,group,split,generator]",
    )
    add(
        "--labels",
        metavar="WORD=CLASS,…",
        default="",
        help="what folders' names or a table's labels mean, such as 1=real,0=synthetic (or none: left out)",
    )
    add(
        "--groups",
        choices=study.GROUPINGS,
        default="",
        help="what stays on one side of the split: none, folders below the classes' (folder), numbered names (name)",
    )
    add("--split", choices=["anew"], default="", help="anew: draw a split although folders or table give one")
    add("--follow-links", action="store_true", help="follow links out of the data folder, and to folders")
    add("--name", metavar="NAME", default="", help="name of the results folder for --data (default: the folder's name)")
    add(
        "--normalise",
        metavar="SIZE,QUALITY",
        default="",
        help="rewrite both classes through one crop, size and JPEG encoder first, such as 256,90",
    )
    add(
        "--download",
        action="store_true",
        help="datasets 3 and 4: fetch their public twin from Kaggle, after showing what it is",
    )
    add("--recipe", choices=list(study.RECIPES), default="tuned", help="default: tuned")
    add(
        "--backbone",
        choices=["auto", *pretrained.BACKBONES],
        default="auto",
        help="default: auto, B0 where it can be had",
    )
    add("--weights", metavar="auto|imagenet|PATH", default="auto", help="pretrained weights; default: auto")
    add(
        "--also",
        nargs="+",
        choices=list(study.EXPERIMENTS),
        default=[],
        help="experiments to run too: wrong_turns (about a quarter of an hour for 2,000 images), ablation (an hour or two), "
        "generators (each generator left out once; seconds for each)",
    )
    add(
        "--costs",
        metavar="FALSE_ALARM,MISS,PREVALENCE",
        default="",
        help="also choose the threshold of least expected cost, such as 1,5,0.01: what each error costs, share of synthetic "
        "images in use",
    )
    add(
        "--by",
        metavar="COLUMN,…",
        default="",
        help="compare groups of people: columns of your own table, such as sex,age_band; nothing is inferred from pictures",
    )
    add(
        "--compare",
        nargs="+",
        metavar="NAME",
        default=[],
        help="notebook 05 alone, over finished runs (dataset_1, dataset_1/original, …) and scores files of other detectors: "
        "a CSV (or dataset_1=CSV) with the columns image_id,label,split,score[,stage][,group]",
    )
    add("--quick", action="store_true", help=f"about a minute and a half, not five or more: {study.QUICK_WORDS}")
    add("--seed", type=int, default=7, help="of split, augmentation and training; default: 7")
    add("--results", metavar="FOLDER", default="", help="where results go; default: results/")
    add(
        "--from",
        dest="start",
        metavar="STEP",
        default="",
        help="run this notebook (01 to 06, 10) and what follows again",
    )
    add("--force", action="store_true", help="run everything again, also what has not changed")
    add(
        "--copy-notebooks",
        metavar="FOLDER",
        default="",
        help="copy the notebooks there, to try things in; those of the project stay as they are",
    )
    add("--list", action="store_true", help="show datasets, where their images come from and what has been run")
    make = parser.add_argument_group(
        "make a dataset with OmniGen (needs a GPU and requirements-generate.lock)"
    ).add_argument
    make("--generate", action="store_true", help="plan, show the cost, generate into datasets/N, stop")
    make("--references", metavar="FOLDER", help="photographs, a folder for each person: FOLDER/<person>/*.jpg")
    make("--images", type=int, metavar="N", help="images to generate; default: as many as dataset N has")
    make("--prompts", metavar="FILE", help="words and settings; default: prompts.toml")
    make("--batch", type=int, metavar="N", help="images drawn at once; default: 1")
    make("--offload", choices=OFFLOADS, help="what leaves the GPU's memory while idle; default: model")
    make("--yes", action="store_true", help="carry the plan out without asking")
    make(
        "--tiny", action="store_true", help="a tiny random model draws noise into datasets/tiny: shows the way, no GPU"
    )
    options = parser.parse_args(argv)
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: expected 0 or more")
    if options.name and not options.data:
        parser.error("--name names the results of --data; give --data too")
    if (options.generate or options.compare) and (
        options.labels or options.groups or options.split or options.follow_links
    ):
        parser.error("--labels, --groups, --split and --follow-links say how --data is read; give them with --data")
    if options.generate:
        others = ("data", "download", "list", "quick", "normalise", "start", "force", "compare", "costs", "also", "by")
        if any(getattr(options, name) for name in others) or len(options.dataset) != (0 if options.tiny else 1):
            parser.error(
                "--generate only makes a dataset: give --references and one --dataset, 1 to 4 (none with --tiny)"
            )
        return options
    for name in ("references", "images", "prompts", "batch", "offload", "yes", "tiny"):
        if getattr(options, name) not in (None, False):
            parser.error(f"--{name} goes with --generate; give --generate too")
    if options.compare and any(getattr(options, name) for name in ("dataset", "data", "also", "start", "costs", "by")):
        parser.error(
            "--compare runs notebook 05 alone; give it without --dataset, --data, --also, --from, --costs and --by"
        )
    if not (options.dataset or options.data or options.list or options.compare or options.copy_notebooks):
        parser.error("nothing to run; give --dataset 1, --data FOLDER, --compare or --list (--help shows examples)")
    if options.copy_notebooks and (options.dataset or options.data or options.compare or options.list):
        parser.error("--copy-notebooks only copies; give it alone")
    return options


def chosen_runs(options: argparse.Namespace) -> list[Run]:
    """The runs that the options name, each checked before anything is computed."""
    names = list(study.DATASETS) if "all" in options.dataset else list(dict.fromkeys(options.dataset))
    names_of_options = ("recipe", "backbone", "weights", "quick", "seed", "results", "normalise", "costs", "by")
    shared = {key: getattr(options, key) for key in names_of_options}
    shared["reading"] = study.Reading(options.labels, options.groups, options.split, options.follow_links)
    runs = [study.open_run(dataset=name, **shared) for name in names]
    if options.data is not None:
        if not options.data:
            raise UserError("--data '': expected a folder that holds real/ and synthetic/, or a table of paths")
        runs.append(study.open_run(data=options.data, name=options.name, **shared))
    if options.download and not any(sources.fetchable(run.dataset) for run in runs):
        known = [dataset for dataset in study.DATASETS if sources.fetchable(dataset)]
        raise UserError(f"--download: only datasets {' and '.join(known)} have a public set to fetch")
    for run in runs:
        study.check_writable(run.results)
        for kind in sources.fetchable(run.dataset) if options.download else []:
            # Shown before anything is fetched: what it is, how large, whose licence.
            console.print(kind.describe(run.dataset))
            kind.fetch(run.dataset, on_line=console.print)
        sources.source_of(run)
    return runs


def first_step(start: str) -> int:
    """Position of the step that `--from` names by its number or its notebook's name."""
    matching = [number for number, step in enumerate(STEPS) if start and step.notebook.startswith(start.zfill(2))]
    if start and len(matching) != 1:
        raise UserError(f"--from {start}: expected one of {', '.join(step.notebook for step in STEPS)}, or its number")
    return matching[0] if matching else len(STEPS)


# ------------------------------------------------------------------------------------------------ what has been done


def parameters(run: Run) -> dict:
    """Everything that a run can be asked for, by the names of the notebooks' parameters."""
    return {
        "DATASET": run.dataset or "1",
        "DATA": run.data,
        "NAME": study.base_name(run.name, run.normalise) if run.data else "",
        "RECIPE": run.recipe.name,
        "BACKBONE": run.backbone,
        "WEIGHTS": run.weights,
        "QUICK": run.quick,
        "SEED": run.seed,
        "RESULTS": run.results_option,
        "NORMALISE": run.normalise,
        "COSTS": run.costs,
        "COMPARE": list(run.compare),
        "READING": run.reading.as_dict(),
        "BY": run.by,
    }


def declared(notebook: Path, values: dict) -> dict:
    """The parameters as papermill puts them into a notebook.

    Args:
        notebook: in the project.
        values: of `parameters`.

    Returns:
        Those that the notebook's parameters cell declares, and OPTIONS: the rarer ones among the others that are not as they
        are where nothing is said. A notebook that declares no RECIPE has one of its own.
    """
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    given = {name: value for name, value in values.items() if name in known}
    others = {name.lower(): value for name, value in values.items() if name not in known}
    usual = study.RARE_OPTIONS
    # None, "", [] and () all say nothing.
    stated = {
        name: value for name, value in others.items() if name in usual and (value or None) != (usual[name] or None)
    }
    return {**given, "OPTIONS": stated}


def step_key(step: Step, run: Run, before: str) -> str:
    """Changes with everything that a step's answer depends on: notebook, library, parameters, images, earlier steps."""
    if step.scope == "all":
        # A new detector has to be told what it gives on the other datasets.
        finished = study.compared_files(run.results, run.models)
        return study.text_hash(_source(step), [(str(path), study.file_hash(path)) for path in finished])
    wanted = parameters(run)
    if not step.costs:
        # New costs or groups train nothing anew.
        del wanted["COSTS"], wanted["BY"]
    if step.scope in ("dataset", "experiment"):
        # The audit is the same for every recipe and backbone; experiments choose recipes themselves.
        same = ("RECIPE", "BACKBONE", "WEIGHTS") if step.scope == "dataset" else ("RECIPE",)
        wanted = {name: value for name, value in wanted.items() if name not in same}
        before = images_key(run)
    return study.text_hash(_source(step), wanted, before)


def _source(step: Step) -> list[str]:
    return [code_hash(*notebook_imports(step.source)), study.file_hash(step.source)]


def images_key(run: Run) -> str:
    """Names, sizes and times of a dataset's files; for stand-ins their numbers."""
    source = sources.source_of(run)
    if source.stand_in:
        return study.text_hash(source.counts)
    files = listing.image_files(source)
    root = str(source.root)
    outside = [_outside(os.path.join(root, path)) for path in files["path"].tolist()]
    return study.text_hash([[name, study.text_hash(files[name].tolist())] for name in files], outside)


def _outside(path: str) -> list[tuple[int, int]]:
    """Size and time of what stands at a path, and of what it points to where it is a link; nothing of what is missing."""
    found = []
    with contextlib.suppress(OSError):
        found.append(os.lstat(path))
        if stat.S_ISLNK(found[0].st_mode):
            found.append(os.stat(path))
    return [(each.st_size, each.st_mtime_ns) for each in found]


def is_done(step: Step, run: Run, key: str) -> bool:
    """Whether the step's files are all there and were made from the same inputs."""
    if not all(path.exists() for path in step.results(run)):
        return False
    notebook = json.loads(step.executed(run).read_text(encoding="utf-8"))
    return notebook["metadata"].get("study", {}).get("key") == key


# ------------------------------------------------------------------------------------------------------------ running


def check_kernel() -> None:
    """Raise unless notebooks are executed by this very Python, which has the packages and this copy of lib.

    Raises:
        UserError: the kernel `python3` is missing or starts another Python.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    cure = "python -m ipykernel install --user --name python3 sets it right, in the environment of the study"
    try:
        found = KernelSpecManager().get_kernel_spec("python3")
    except (NoSuchKernel, ValueError, OSError) as error:
        said = reason_of(error)
        raise UserError(
            f"Jupyter's kernel python3, which executes the notebooks, cannot be used ({said}): {cure}"
        ) from None
    program = found.argv[0]
    # Jupyter puts its own Python in the place of these names.
    if program in ("python", "python3", f"python{sys.version_info[0]}.{sys.version_info[1]}", sys.executable):
        return
    try:
        asked = [program, "-c", "import sys; print(sys.prefix)"]
        prefix = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        prefix = ""
    if not prefix or not os.path.samefile(prefix, sys.prefix):
        raise UserError(
            f"Jupyter's kernel python3 ({found.resource_dir}) starts {program}, which is {prefix or 'no Python'}; the "
            f"notebooks need this one, {sys.prefix}: {cure}"
        )


def run_step(step: Step, run: Run, key: str, values: dict | None = None, kernel=None) -> None:
    """Execute a notebook beside its place, with the run's parameters or the values given; when it is done, put it there.

    Args:
        kernel: a kernel manager of its own that was started before (`lib.study.kernels`), or None.
    """
    import nbformat
    import papermill

    values = values or declared(step.source, parameters(run))
    unknown = set(values) - set(papermill.inspect_notebook(str(step.source)))
    if unknown:
        raise RuntimeError(f"{step.source}: its parameters cell lacks {', '.join(sorted(unknown))}")
    target = step.executed(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.partial.ipynb")
    started = time.time()
    try:
        papermill.execute_notebook(
            str(step.source),
            str(partial),
            values,
            progress_bar=False,
            cwd=str(target.parent),
            extra_arguments=[kernels.QUIET],
            # On a computer that is busy with other things, a kernel can take more than papermill's minute to start.
            start_timeout=kernels.PATIENCE,
            km=kernel,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "UserError":
            raise UserError(error.evalue) from None
        raise StepFailed(
            f"{step.notebook} failed for {run.name} in cell {error.cell_index}: {error.ename}: {error.evalue}\n"
            f"  executed so far, with the whole error: {partial}"
        ) from None
    except (RuntimeError, OSError) as error:  # the kernel died or could not be started
        raise StepFailed(f"{step.notebook} failed for {run.name}: {error}\n  executed so far: {partial}") from None
    finally:
        if kernel:
            kernels.end(kernel)
    notebook = nbformat.read(partial, as_version=4)
    # papermill notes absolute paths and times; an executed notebook is to be shown around.
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    notebook.metadata["study"] = {"key": key}
    nbformat.write(notebook, partial)
    partial.replace(target)
    if step.scope == "recipe":
        run.record(seconds={step.notebook: round(time.time() - started, 1)})


def run_all(options: argparse.Namespace) -> None:
    """Run what is asked for and is not done yet."""
    runs = chosen_runs(options)
    check_kernel()
    weights = pretrained.resolve(options.backbone, options.weights)
    console.print(f"backbone: {weights.describe()}; recipe: {options.recipe}")
    if options.quick:
        console.print(f"quick: {study.QUICK_WORDS}")
    start = 0 if options.force else first_step(options.start)
    asked = [study.EXPERIMENTS[name] for name in study.EXPERIMENTS if name in options.also]
    series = [step for step in STEPS if step.quick or not options.quick]
    plan = [(run, step) for run in runs for step in (*series, *asked) if step.scope != "all"]
    plan += [(runs[-1], step) for step in STEPS if step.scope == "all"]
    for run in runs:
        source = sources.source_of(run)
        console.print(f"{run.name}: {source.words}; {source.understood.line()}")
    tasks = [Task("all datasets" if step.scope == "all" else run.name, step.notebook, step.title) for run, step in plan]
    began = time.time()
    wanted = {(run, step) for run, step in plan if (options.force if step in asked else STEPS.index(step) >= start)}
    for run, step in wanted:
        # Now, so that a run that is stopped goes on with them when the command is given again without --from and --force.
        step.executed(run).unlink(missing_ok=True)
        if step in asked:
            run.train_again(step)
    with Board(console, tasks) as board, kernels.Kernels() as waiting, Pages(runs[-1].results) as pages:
        key, again, current = "", False, None
        for number, ((run, step), task) in enumerate(zip(plan, tasks)):
            if run is not current:
                # A step that ran again makes those after it run again, of its own dataset.
                current, again, key = run, False, ""
            if run.by and step.scope == "recipe":
                # Before anything is trained: a name that is no column.
                study.group_columns(run.by, run.used_images())
            key = step_key(step, run, key)
            if (run, step) in wanted and step.stages:
                # What the user wants run again is trained again, not taken over from the finished stages.
                run.outdate(step.notebook)
                for stage in step.stages:
                    run.model_path(stage).unlink(missing_ok=True)
            # Experiments depend on the images alone, not on what was trained before them.
            again = (run, step) in wanted or not is_done(step, run, key) or (again and step not in asked)
            if not again:
                board.kept(task)
                continue
            with board.running(task):
                if options.quick:
                    # Small runs wait for kernels more than for anything else; of large ones the memory counts.
                    for _, soon in plan[number : number + 2]:
                        # What completes a detector imports TensorFlow late, when it is needed.
                        further = ["lib.model.native"] if soon.detector else []
                        waiting.prepare(soon.source, run.results, *further)
                run_step(step, run, key, kernel=waiting.take(step.source))
            pages.write()
    try:
        write_report(runs[-1].results)
    finally:
        summary(runs, time.time() - began)


def compare(options: argparse.Namespace) -> None:
    """Run notebook 05 alone, over what the user names."""
    run = study.open_run(quick=options.quick, results=options.results, compare=options.compare)
    # Before anything is computed: names and files that are wrong.
    runs, others = detectors.compared(run)
    for found in runs:
        console.print(f"{found.name}, {found.recipe.name} recipe: {found.source()}")
    for other in others:
        console.print(other.describe())
    step = next(step for step in STEPS if step.scope == "all")
    check_kernel()
    study.check_writable(step.executed(run).parent)
    task = Task(study.COMPARED, step.notebook, step.title)
    with Board(console, [task]) as board, board.running(task):
        run_step(step, run, "")
    try:
        write_report(run.results)
    finally:
        page = (study.report_page(run.results), "all finished runs on one page")
        to_open([page, (step.executed(run), step.title), (step.executed(run).parent / "figures", "its figures")])


class Pages:
    """Makes pages of the notebooks that are done while others run, for this program only waits then.

    What goes wrong is said by `write_report` at the end, which writes those that are not there.
    """

    def __init__(self, results: Path):
        self._results = results
        self._worker = ThreadPoolExecutor(1)

    def __enter__(self) -> Pages:
        self.write()
        return self

    def __exit__(self, *_) -> None:
        self._worker.shutdown(cancel_futures=True)

    def write(self) -> None:
        """Begin to write the pages that are not there, and return."""
        self._worker.submit(self._write)

    def _write(self) -> None:
        with contextlib.suppress(Exception):
            from lib.report.notebooks import write_pages

            write_pages(self._results)


def write_report(results: Path) -> None:
    """Write the page of all finished runs; whatever happens to it, what the run came to is kept."""
    try:
        # Not above: a wrong option is refused without waiting for what draws the page.
        from lib import report

        report.write(results)
    except Exception as error:
        said = reason_of(error)
        raise StepFailed(f"the report was not written ({said}); all results are kept in {results}") from error


def summary(runs: list[Run], seconds: float) -> None:
    """What came out, and the files to open."""
    for line in study.left_out(runs[-1].results, runs[-1].models, runs[-1].quick):
        console.print(line)
    for run in runs:
        auc = run.metrics()["stages"][study.STAGES[-1]]["test"]["roc_auc"]
        text = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
        console.print(f"{run.name}, {run.recipe.name} recipe, {run.source()}: test AUC of the final model {text}")
    results = runs[-1].results
    places = [(study.report_page(results), "all of it on one page")]
    for run in runs:
        steps = [step for step in (*STEPS, *study.EXPERIMENTS.values()) if step.scope != "all"]
        places += [(step.executed(run), step.title) for step in steps]
        places += [(folder / "figures", "figures") for folder in (run.folder, run.recipe_folder)]
    places += [(step.executed(runs[-1]), step.title) for step in STEPS if step.scope == "all"]
    console.print(f"done in {seconds:.0f} s")
    to_open(places)


def to_open(places: list[tuple[Path, str]]) -> None:
    """Name the files that are there to be opened."""
    console.print("To open (notebooks with jupyter lab):")
    for line in files_to_open(places):
        console.print(line)


def generate(options: argparse.Namespace) -> None:
    """Draw the plan of a generated dataset, show it with its cost and, when it is agreed to, carry it out."""
    asked = {
        "dataset": "" if options.tiny else options.dataset[0],
        "references": options.references or "",
        "images": options.images or 0,
        "prompts": options.prompts or "",
        "seed": options.seed,
        "tiny": options.tiny,
    }
    job = open_job(**asked)
    console.print(describe(job))
    console.print(f"  to read or edit before: {job.place / 'plan.csv'}" if not job.is_finished else f"  {job.target}")
    use = f"--data {shlex.quote(str(job.target))} --name tiny" if options.tiny else f"--dataset {options.dataset[0]}"
    if job.is_finished:
        console.print(f"{job.target}: all is there already; python run_all.py {use} uses it")
        return
    if problem := obstacle(job):
        raise UserError(f"--generate: {problem}")
    check_options(options.batch or 1, options.offload or "model")
    if not options.yes:
        if not sys.stdin.isatty():
            raise UserError("--generate: there is no terminal to agree in; give --yes to carry the plan out")
        if input(f"Generate {left(job):,} images? [y/N] ").strip().lower() not in ("y", "yes"):
            console.print("nothing generated")
            return
    place = {"data": str(job.target), "name": "tiny"} if options.tiny else {"dataset": options.dataset[0]}
    run = study.open_run(**place, results=options.results)
    study.check_writable(run.results)
    paths = {name: str(Path(asked[name]).resolve()) if asked[name] else "" for name in ("references", "prompts")}
    values = {name.upper(): value for name, value in {**asked, **paths}.items()}
    values |= {"BATCH": options.batch or 1, "OFFLOAD": options.offload or "model"}
    task = Task(job.name, GENERATE.notebook, GENERATE.title)
    with Board(console, [task]) as board, board.running(task):
        run_step(GENERATE, run, "", values)
    to_open([(GENERATE.executed(run), GENERATE.title)])
    console.print(f"{job.target}: done; python run_all.py {use} uses it")


def copy_notebooks(options: argparse.Namespace) -> None:
    """Copy the notebooks to a folder of the user's, whose own files are never replaced."""
    folder = Path(options.copy_notebooks).resolve()
    sources = sorted((study.PROJECT / "notebooks").glob("*.ipynb"))
    there = [path.name for path in sources if (folder / path.name).exists()]
    if there:
        raise UserError(f"--copy-notebooks {folder}: {there[0]} is there already; name another folder")
    study.check_writable(folder)
    for path in sources:
        shutil.copyfile(path, folder / path.name)
    console.print(f"{len(sources)} notebooks copied; open them with: jupyter lab {shlex.quote(str(folder))}")


def has_been_run(results: Path, name: str) -> str:
    """Recipes that a dataset has been run with, in words."""
    begun = [run for run in study.begun_runs(results, results / "models", study.is_quick(results)) if run.name == name]
    return ", ".join(f"{run.recipe.name}{' (not finished)' * bool(run.unfinished())}" for run in begun) or "-"


def show_list(options: argparse.Namespace) -> None:
    """Datasets, where their images come from, how many are there, what has been run."""
    table = Table("dataset", "source", "images", "run", title="datasets")
    results = Path(options.results or study.home() / "results")
    for name in study.DATASETS:
        source = sources.find_source(name)
        there = len(listing.image_files(source)) if source.root.is_dir() else 0
        total = f"{sum(source.counts.values()):,}, {there:,} drawn" if source.stand_in else f"{there:,}"
        table.add_row(name, source.words, total, has_been_run(results, study.run_name(name, "", "")))
    known = {study.run_name(name, "", "") for name in study.DATASETS} | {"quick", "models"}
    for run in study.audited_runs(results):
        if run.name not in known:
            audit = run.audit()
            done = has_been_run(results, run.name)
            table.add_row(f"--name {run.name}", audit["dataset"]["source"], f"{audit['found']:,}", done)
    console.print(table)


def going_on(argv: list[str]) -> list[str]:
    """A command line without --from and --force, which would do what is done already once more."""
    values = [number + 1 for number, word in enumerate(argv) if word == "--from"]
    return [
        word
        for number, word in enumerate(argv)
        if number not in values and word not in ("--from", "--force") and not word.startswith("--from=")
    ]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = arguments(argv)
    # What papermill logs, run_all says in its own words.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    try:
        chosen = {
            generate: options.generate,
            copy_notebooks: options.copy_notebooks,
            show_list: options.list,
            compare: options.compare,
            run_all: True,
        }
        action = next(action for action, wanted in chosen.items() if wanted)
        action(options)
    except UserError as error:
        errors.print(f"run_all.py: {error}")
        return 2
    except StepFailed as error:
        errors.print(f"run_all.py: {error}")
        return 1
    except OSError as error:
        # Such as a path that is too long, or a disk that is full.
        errors.print(f"run_all.py: {error.filename or 'a file'}: {error.strerror or error}")
        return 2 if error.errno == errno.ENAMETOOLONG else 1
    except KeyboardInterrupt:
        command = shlex.join(["python", "run_all.py", *going_on(sys.argv[1:] if argv is None else argv)])
        errors.print(f"run_all.py: stopped; what is finished is kept. To go on from there: {command}")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
