"""The notebooks: as stored, as executed by a quick study, and executed a second time by nbval."""

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pandas as pd
import papermill
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from support import HOME, PROJECT, complaints, made_up_trial, run_study

from lib import study
from lib.metrics import comparison
from lib.model.training import experiments, trials
from lib.study.kernels import PATIENCE
from run_all import declared, parameters

# Notebook 00 is made otherwise: it makes a dataset.
SOURCES = sorted(set((PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb")) - {study.GENERATE.source})
GENERATE = study.GENERATE.source


@pytest.mark.parametrize("path", [GENERATE, *SOURCES], ids=lambda path: path.stem)
def test_notebook_is_stored_bare_and_thin(path):
    notebook = nbformat.read(path, 4)
    # Read as text: nbformat gives a cell that has another one's id a new id, and warns in every run.
    stored = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert len(set(stored)) == len(stored)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert len([cell for cell in code if "parameters" in cell.metadata.get("tags", [])]) == 1
    assert not [cell.source for cell in code if re.search(r"^\s*(def|class|import sys)\b", cell.source, re.M)]
    assert notebook.cells[0].source.startswith("# ") and "?" in notebook.cells[0].source.splitlines()[0]


@pytest.mark.parametrize("path", [GENERATE, *SOURCES], ids=lambda path: path.stem)
def test_notebook_says_what_comes_before_it_and_which_of_its_parameters_matter(path):
    notebook = nbformat.read(path, 4)
    last = notebook.cells[0].source.split("\n\n")[-1]
    found = re.fullmatch(r"\*\*Run before:\*\* (.+) \*\*Parameters that matter here:\*\* (.+)", last)
    known = set(papermill.inspect_notebook(str(path)))
    named = set(re.findall(r"`([A-Z]+)", found.group(2)))
    assert named and named <= known
    number = int(path.name[:2])
    assert [int(before) for before in re.findall(r"\d\d", found.group(1))] or number < 2
    assert all(int(before) < number for before in re.findall(r"\d\d", found.group(1))) or number == 0


def test_a_notebook_run_too_early_says_so_in_one_line_without_frames(own_home, tmp_path):
    notebook = nbformat.read(study.STEPS[3].source, 4)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (error,) = [out for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    assert len(error.traceback) == 1 and "\n" not in error.traceback[0]
    assert "run notebook 01_data_audit with the same parameters first" in error.traceback[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_notebook_has_four_to_six_parameters_that_run_all_gives(path):
    known = papermill.inspect_notebook(str(path))
    own = {"POLICY"} & {*known}
    assert {*known} - own == {*declared(path, parameters(study.open_run(dataset="1")))}
    assert 4 <= len(known) <= 6 and "OPTIONS" in known
    [cell] = [cell for cell in nbformat.read(path, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(cell.source.splitlines()) == len(known)
    # What it opens is one line.
    [line] = [line for cell in code_of(path) for line in cell.splitlines() if "study.open_run(" in line]
    assert line.startswith("run = study.open_run(") and line.endswith("options=OPTIONS)")
    said = re.findall(r"rarer ones: (.*)$", cell.source, re.M)[0].split(", ")
    assert {*said} == {*study.RARE_OPTIONS} - {name.lower() for name in known}


def code_of(path):
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", [GENERATE, *SOURCES], ids=lambda path: path.stem)
def test_cells_are_short_and_the_imports_are_at_the_top(path):
    cells = code_of(path)
    assert [cell for cell in cells if len(cell.splitlines()) > (17 if path == GENERATE else 12)] == []
    assert cells[1].startswith("%matplotlib inline")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_notebook_teaches(path):
    cells = nbformat.read(path, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for said in (
        "**What you will learn:**",
        "**How long it takes:**",
        "## Change this and predict",
        "## Further reading",
    ):
        assert said in text, said
    answers = text.count("<details><summary>Answer</summary>\n\n")
    assert 2 <= answers <= 3 and text.count("\n\n</details>") == answers
    # After every figure of its own comes what is seen in it, computed.
    for number, cell in enumerate(cells):
        if cell.cell_type == "code" and "save_figure(" in cell.source and "study.save_figure" not in cell.source:
            assert "words." in cell.source or "words." in cells[number + 1].source, cell.source
    # Nothing is written before it is said what.
    for number, cell in enumerate(cells):
        if re.search(r"\.write_(?!detector|elsewhere)", cell.source) and cell.cell_type == "code":
            before = [other.source for other in cells[:number] if other.cell_type == "markdown"][-1]
            assert re.search(r"`\w+\.(csv|json)`", before), cell.source


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_comment_on_a_choice_names_all_that_can_be_chosen(path):
    [cell] = [cell for cell in nbformat.read(path, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    said = dict(re.findall(r"^([A-Z]+) = .*?  # (.*)$", cell.source, re.M))
    for name, choices in (("RECIPE", study.RECIPES), ("DATASET", study.DATASETS)):
        assert name not in said or {*choices} <= {*re.findall(r"[\w-]+", said[name])}, name


def test_generating_runs_top_to_bottom_as_it_stands_and_says_what_is_missing(tmp_path, own_home, monkeypatch):
    # The kernel does not find what generates, whether it is installed or not.
    blind = tmp_path / "blind"
    blind.mkdir()
    (blind / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'diffusers' else find(name, *rest)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(blind), str(PROJECT)]))
    done = tmp_path / "done.ipynb"
    papermill.execute_notebook(str(GENERATE), str(done), progress_bar=False, cwd=str(tmp_path))
    outputs = [out for cell in nbformat.read(done, 4).cells if cell.cell_type == "code" for out in cell.outputs]
    text = "".join(out.get("text", "") + out.get("data", {}).get("text/markdown", "") for out in outputs)
    assert "24 images of 12 people" in text and "NOISE of a tiny random model" in text
    assert "Nothing generated: generating needs diffusers" in text and "requirements-generate.lock" in text
    assert not (own_home / "datasets" / "tiny").exists()


def executed(results):
    recipe = sorted(results.glob("dataset_1/tuned/0?_*.ipynb"))
    return [results / "dataset_1" / "01_data_audit.ipynb", *recipe, results / "05_cross_dataset_comparison.ipynb"]


def test_executed_notebooks_show_figures_and_say_stand_in(quick_study):
    assert len(executed(quick_study)) == 6
    for path in executed(quick_study):
        shows_figures_and_says_stand_in(path)


def shows_figures_and_says_stand_in(path):
    notebook = nbformat.read(path, 4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), path.name
    assert not [output for output in outputs if output.get("name") == "stderr"], path.name
    said = "".join(output.get("data", {}).get("text/markdown", "") for output in outputs)
    assert "stand-in images, not OmniGen" in said, path.name


def test_experiments_are_shown_from_the_trainings_that_are_kept(quick_study, tmp_path, monkeypatch):
    # The trainings themselves are tests/model/test_experiments.py's; here they are made up, and kept as real ones are.
    monkeypatch.setattr(trials, "_train", lambda run, trial, images, place: made_up_trial(trial, images))
    for recipe, experiment in (
        ("original", experiments.wrong_turns),
        ("tuned", experiments.ablation),
        ("tuned", experiments.imbalance),
    ):
        experiment(study.open_run(dataset="1", quick=True, recipe=recipe))
    done = run_study("--dataset", "1", "--quick", "--also", "wrong_turns", "ablation")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("unchanged, kept") >= 5
    folder = quick_study / "dataset_1"
    notebooks = [folder / "07_wrong_turns.ipynb", folder / "08_ablation.ipynb"]
    for path in notebooks:
        shows_figures_and_says_stand_in(path)
    for name in ("wrong_turns", "ablation", "imbalance"):
        table = pd.read_csv(folder / f"{name}.csv")
        assert set(table["source"]) == {"stand-in images, not OmniGen"}
        assert ((table["roc_auc_low"] <= table["roc_auc"]) & (table["roc_auc"] <= table["roc_auc_high"])).all()
    again = nbval(notebooks, tmp_path)
    assert again.returncode == 0, again.stdout[-6000:]


def nbval(paths, cwd):
    environment = {**os.environ, "STUDY_PROGRESS_FILE": str(cwd / "progress.json")}
    options = [
        "--nbval",
        "--nbval-sanitize-with",
        str(PROJECT / "tests" / "nbval_sanitize.cfg"),
        "--nbval-kernel-startup-timeout",
        str(PATIENCE),
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    command = [sys.executable, "-m", "pytest", *options, "-c", os.devnull, "--rootdir", str(cwd), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=900)


def test_finished_steps_are_kept_until_something_changes(quick_study):
    # Models that another test has trained anew make the comparison run once more.
    assert run_study("--dataset", "1", "--quick").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in quick_study.rglob("*.ipynb")}
    again = run_study("--dataset", "1", "--quick")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("unchanged, kept") == 6
    assert str((quick_study / "index.html").relative_to(HOME)) in again.stdout
    assert {path: path.stat().st_mtime_ns for path in quick_study.rglob("*.ipynb")} == before


def test_second_execution_agrees_with_the_first(quick_study, tmp_path):
    scores = quick_study / "dataset_1" / "tuned" / "scores.csv"
    first = scores.read_bytes()
    # Without the finished models, so that everything is trained once more.
    shutil.rmtree(HOME / "models" / "quick" / "dataset_1")
    before = {path: path.read_bytes() for path in executed(quick_study)}
    done = nbval(before, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    # A new model removes the notebooks that showed the old one; the tests that follow read them.
    for path, content in before.items():
        path.write_bytes(content)
    # Same seed, same scores to the last digit, through both trainings.
    assert scores.read_bytes() == first


def test_a_changed_number_turns_nbval_red(quick_study, tmp_path):
    # The notebook that takes least time.
    path = quick_study / "05_cross_dataset_comparison.ipynb"
    text = path.read_text(encoding="utf-8")
    metrics = json.loads((quick_study / "dataset_1" / "tuned" / "metrics.json").read_text(encoding="utf-8"))
    auc = f"{metrics['stages']['full']['test']['roc_auc']['value']:.3f}"
    other = f"{1 - float(auc):.3f}" if auc != "0.500" else "0.900"
    assert f"{auc} [" in text
    changed = path.with_name("changed.ipynb")
    changed.write_text(text.replace(f"{auc} [", f"{other} ["), encoding="utf-8")
    done = nbval([changed], tmp_path)
    changed.unlink()
    assert done.returncode == 1 and re.search(r"[1-9]\d* failed", done.stdout), done.stdout[-3000:]


def test_results_of_a_quick_study_keep_their_contract(quick_study):
    folder = quick_study / "dataset_1"
    images, scores = pd.read_csv(folder / "images.csv"), pd.read_csv(folder / "tuned" / "scores.csv")
    assert tuple(images.columns) == (*study.IMAGE_COLUMNS, "generator")
    assert list(scores.columns) == study.SCORE_COLUMNS
    assert set(scores["stage"]) == set(study.STAGES) and set(scores["split"]) == {"validation", "test"}
    assert scores["score"].between(0, 1).all()
    run = study.finished_runs(quick_study, quick_study.parent.parent / "models" / "quick", quick=True)[0]
    stages = run.metrics()["stages"]
    assert set(stages) == set(study.STAGES)
    for stage in stages.values():
        auc = stage["test"]["roc_auc"]
        # A quick run works: what it shows is no coin.
        assert 0.5 < auc["low"] <= auc["value"] <= auc["high"]
        assert {"threshold", "confusion", "recall_real", "recall_synthetic"} <= set(stage["policies"]["balanced"])
    assert list(pd.read_csv(quick_study / "comparison.csv").columns) == [*comparison.COLUMNS, "warning"]
    for name, content in {
        "metrics": run.metrics(),
        "thresholds": run.thresholds(),
        "calibration": run.calibration(),
    }.items():
        assert complaints(name, content) == [], name
    assert list(pd.read_csv(quick_study / "paired_tests.csv").columns) == list(comparison.PAIRED_COLUMNS)
    assert {"versions", "device", "backbone", "weights_sha256", "seconds"} <= set(run.recorded())


@pytest.mark.parametrize("step", [*study.STEPS, *study.EXPERIMENTS.values()], ids=lambda step: step.notebook)
def test_every_figure_of_a_notebook_is_known_to_go_with_it(step, quick_study):
    run = study.finished_runs(quick_study, quick_study.parent.parent / "models" / "quick", quick=True)[0]
    folder = step.executed(run).parent / "figures"
    known = {path.stem for name in step.figures for path in folder.glob(f"{name}.png")}
    others = [
        other for other in (*study.STEPS, *study.EXPERIMENTS.values()) if other.executed(run).parent == folder.parent
    ]
    every = {
        path.stem
        for name in (name for other in others for name in other.figures)
        for path in folder.glob(f"{name}.png")
    }
    assert set(study.saved_figures(folder.parent)) == every and (known or step.scope == "experiment" or not step.quick)
