"""run_all.py as a person meets it: exit codes, one clear line for a mistake, nothing run twice."""

import json

import pandas as pd
import pytest
from PIL import Image
from support import HOME, PROJECT, finish, finish_stages, run_study

import run_all
from lib import study
from lib.study import kernels
from lib.study.names import UserError


@pytest.fixture(autouse=True)
def no_kernel_ahead(monkeypatch):
    """Where no notebook is executed, no kernel is to be started for one."""
    monkeypatch.setattr(kernels.Kernels, "prepare", lambda *_: None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to run"),
        (["--dataset", "7"], "expected one of 1, 2, 3, 4, control"),
        (["--datset", "1"], "unrecognized arguments"),
        (["--dataset", "1", "--recipe", "best"], "invalid choice"),
        (["--dataset", "1", "--from", "09"], "expected one of 01_data_audit"),
        (["--dataset", "1", "--seed", "x"], "invalid int"),
        (["--dataset", "1", "--backbone", "efficientnet-b0"], "ImageNet weights are not in"),
        (["--dataset", "1", "--weights", "nowhere.h5"], "no such file"),
        (["--data", "nowhere"], "no such folder"),
        (["--dataset", "1", "--name", "x"], "give --data too"),
        (["--dataset", "1", "--download"], "only datasets 3 and 4"),
        (["--dataset", "1", "--normalise", "big"], "expected SIZE,QUALITY"),
        (["--data", str(PROJECT / "LICENSE")], "expected a folder"),
        (["--dataset", "1", "--costs", "1,5"], "expected FALSE_ALARM,MISS,PREVALENCE"),
        (["--compare", "dataset_1", "--by", "sex"], "--compare runs notebook 05 alone"),
        (["--generate", "--dataset", "1", "--by", "sex"], "--generate only makes a dataset"),
        (["--compare", "nothing"], "neither a finished run in"),
        (["--compare", str(PROJECT / "data_manifest.csv")], "column image_id is missing"),
        (["--compare", "dataset_1", "--dataset", "1"], "--compare runs notebook 05 alone"),
        (["--compare", "dataset_1", "--groups", "none"], "say how --data is read"),
        (["--dataset", "1", "--labels", "1=real"], "--labels 1=real: says how your own folders or tables are read"),
        (["--data", ".", "--labels", "1=cat"], "expected WORD=CLASS"),
        (["--data", ".", "--groups", "all"], "invalid choice"),
        (["--copy-notebooks", "x", "--dataset", "1"], "--copy-notebooks only copies"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(options, said, capsys):
    try:
        code = run_all.main(options)
    except SystemExit as stop:  # argparse's own way out
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert said in error and "Traceback" not in error


def test_results_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_all.main(["--dataset", "1", "--results", str(tmp_path / "file" / "results")]) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_empty_class_and_one_class_only(folder_of_images, capsys):
    root = folder_of_images(2)
    for path in (root / "real").iterdir():
        path.unlink()
    assert run_all.main(["--data", str(root)]) == 2
    assert "empty; expected the real images" in capsys.readouterr().err
    (root / "real").rmdir()
    assert run_all.main(["--data", str(root)]) == 2
    assert "no folder for the real images" in capsys.readouterr().err


def test_too_few_images_end_with_exit_code_2_from_inside_the_notebook(folder_of_images):
    done = run_study("--data", str(folder_of_images(4)), "--quick", "--name", "few")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "expected at least 10" in done.stderr and "Traceback" not in done.stderr


def test_failing_cell_ends_with_exit_code_1_and_names_the_partial_notebook(folder_of_images, monkeypatch, capsys):
    root = folder_of_images(12)
    broken = HOME / "broken.ipynb"
    notebook = json.loads(study.STEPS[0].source.read_text(encoding="utf-8"))
    last = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"][-1]
    last["source"] = "raise ZeroDivisionError('on purpose')"
    broken.write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.setattr(study.Step, "source", property(lambda step: broken))
    assert run_all.main(["--data", str(root), "--quick", "--name", "breaks"]) == 1
    error = capsys.readouterr().err
    partial = HOME / "results" / "quick" / "breaks" / "01_data_audit.partial.ipynb"
    assert "01_data_audit failed" in error and "ZeroDivisionError: on purpose" in error and str(partial) in error
    assert "on purpose" in partial.read_text(encoding="utf-8")


def test_steps_depend_on_seed_and_on_the_step_before():
    run, other = (study.open_run(dataset="1", quick=True, seed=seed) for seed in (7, 8))
    step = study.STEPS[1]
    assert run_all.step_key(step, run, "a") == run_all.step_key(step, run, "a")
    assert run_all.step_key(step, run, "a") != run_all.step_key(step, run, "b")
    assert run_all.step_key(step, run, "a") != run_all.step_key(step, other, "a")


def test_a_notebook_gets_the_parameters_that_it_declares_and_the_rest_in_options(folder_of_images):
    sources = {step.notebook[:2]: step.source for step in (*study.STEPS, *study.EXPERIMENTS.values())}
    plain = run_all.parameters(study.open_run(dataset="2", quick=True, seed=9))
    common = {"DATASET": "2", "QUICK": True, "SEED": 9, "OPTIONS": {}}
    assert run_all.declared(sources["01"], plain) == run_all.declared(sources["07"], plain) == common
    assert run_all.declared(sources["04"], plain) == {**common, "RECIPE": "tuned", "COSTS": ""}
    assert run_all.declared(sources["05"], plain) == {"QUICK": True, "COMPARE": [], "OPTIONS": {}}
    root = str(folder_of_images(2))
    stated = {
        "data": root,
        "name": "mine",
        "normalise": "80,90",
        "reading": {"groups": "none"},
        "backbone": "efficientnet-lite0",
    }
    run = study.open_run(**stated, costs="1,5,0.1", recipe="original")
    given = run_all.declared(sources["02"], run_all.parameters(run))
    assert given["OPTIONS"] == {**stated, "costs": "1,5,0.1"} and given["RECIPE"] == "original"
    assert run_all.declared(sources["04"], run_all.parameters(run))["OPTIONS"] == stated
    # What a notebook makes of them is the run that was asked for.
    again = study.open_run(recipe=given["RECIPE"], quick=given["QUICK"], seed=given["SEED"], options=given["OPTIONS"])
    assert again == run


def test_notebooks_are_copied_and_nothing_of_the_users_is_replaced(tmp_path, capsys):
    folder = tmp_path / "to try"
    assert run_all.main(["--copy-notebooks", str(folder)]) == 0
    assert "11 notebooks copied" in capsys.readouterr().out
    source = study.STEPS[0].source
    assert (folder / source.name).read_bytes() == source.read_bytes()
    (folder / source.name).write_text("mine")
    assert run_all.main(["--copy-notebooks", str(folder)]) == 2
    assert "is there already" in capsys.readouterr().err and (folder / source.name).read_text() == "mine"


def test_a_link_whose_target_changed_is_another_image(folder_of_images):
    root = folder_of_images(12)
    [kept, other] = sorted((root / "real").glob("[01],*"))
    target = root / "kept.bin"
    kept.rename(target)
    kept.symlink_to(target)
    run = study.open_run(data=str(root))
    before = run_all.images_key(run)
    assert run_all.images_key(run) == before
    target.write_bytes(other.read_bytes() + b"more")
    assert run_all.images_key(run) != before
    target.unlink()
    assert isinstance(run_all.images_key(run), str)


def test_what_is_stated_of_folders_makes_every_step_run_again(folder_of_images):
    root = str(folder_of_images(2))
    run, other = (study.open_run(data=root, reading=reading) for reading in ({}, {"groups": "none"}))
    for step in (*study.STEPS, *study.EXPERIMENTS.values()):
        same = run_all.step_key(step, run, "") == run_all.step_key(step, other, "")
        assert same == (step.scope == "all")


def test_the_first_line_of_a_run_says_how_its_folder_was_read(folder_of_images, monkeypatch, capsys):
    root = folder_of_images(12, "0_real", "FAKE")
    (root / "notes.txt").touch()
    monkeypatch.setattr(run_all, "run_step", lambda *_, **__: None)
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    monkeypatch.setattr(run_all, "write_report", lambda *_: None)
    assert run_all.main(["--data", str(root), "--quick", "--name", "said", "--groups", "none"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("said: own images; ")]
    assert "real: 12 (folder 0_real); synthetic: 12 (folder FAKE); groups: none, by --groups none" in line
    assert "split: none given, drawn here; not opened: 1 (stands outside the folders of the classes)" in line


def test_new_costs_choose_thresholds_anew_and_train_nothing():
    run, other = (study.open_run(dataset="1", costs=costs) for costs in ("", "1,5,0.1"))
    changed = [
        step.notebook[:2]
        for step in study.STEPS
        if run_all.step_key(step, run, "") != run_all.step_key(step, other, "")
    ]
    assert changed == ["04"]


def test_new_groups_train_nothing():
    run, other = (study.open_run(dataset="1", by=by) for by in ("", "sex"))
    keys = [[run_all.step_key(step, each, "") for step in study.STEPS] for each in (run, other)]
    assert [step.notebook[:2] for step, *pair in zip(study.STEPS, *keys) if pair[0] != pair[1]] == ["04"]
    assert run_all.declared(study.STEPS[3].source, run_all.parameters(other))["OPTIONS"] == {"by": "sex"}


def test_a_name_that_is_no_column_is_refused_before_anything_is_trained(own_home, tmp_path, monkeypatch, capsys):
    results = tmp_path / "results"
    finish(study.open_run(dataset="1", results=str(results)))
    done = []
    monkeypatch.setattr(run_all, "is_done", lambda step, run, key: done.append(step.notebook) or True)
    assert run_all.main(["--dataset", "1", "--by", "sex,age", "--results", str(results)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith(
        "--by sex,age: found sex, expected columns of your own table; the images have no columns of their own"
    )
    assert "\n" not in error and done == ["01_data_audit"]


def test_compare_runs_notebook_05_alone_with_another_detectors_scores(own_home, tmp_path):
    results = tmp_path / "my results"
    run = study.open_run(dataset="1", results=str(results))
    images = finish(run, shift=2.0)
    rows = images[images["split"] == "test"]
    lines = [f"{row.image_id},{row.label},test,{(row.Index * 37) % 97}" for row in rows.itertuples()]
    path = tmp_path / "other detector.csv"
    path.write_text("\n".join(["image_id,label,split,score", *lines]))
    done = run_study("--compare", "1", str(path), "--results", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no validation images, hence no thresholds" in done.stdout
    folder = results / "compared"
    compared, tests = (pd.read_csv(folder / name) for name in ("comparison.csv", "paired_tests.csv"))
    other = compared[compared["trained_on"] == "other detector"].iloc[0]
    assert (other["tested_on"], other["images"], other["policy"]) == ("dataset_1", 80, "no threshold")
    assert other["recall_real":"recall_synthetic_high"].isna().all() and set(compared["recipe"]) == {
        "tuned",
        "scores file",
    }
    # Phase 1 and the last stage, the last stage and the other detector, on the same images.
    assert len(tests) == 2 and (tests["images"] == 80).all() and tests["home"].all()
    said = (folder / "05_cross_dataset_comparison.ipynb").read_text(encoding="utf-8")
    assert "other detector (scores file) on dataset_1: **at chance**" in said
    assert sorted(path.name for path in (folder / "figures").glob("*.png")) == [
        "auc_matrix_tuned.png",
        "auc_scores_files.png",
        "learning_curve.png",
    ]
    # What all finished runs came to is not touched, and the report shows both.
    assert not (results / "comparison.csv").exists()
    page = (results / "index.html").read_text(encoding="utf-8")
    assert str(results / "index.html") in done.stdout and "The comparison asked for last (--compare)" in page
    assert "other detector" in page and "05_cross_dataset_comparison.html" in page


def test_list_names_every_dataset_and_says_stand_in(capsys):
    assert run_all.main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in study.DATASETS)
    assert "stand-in" in shown


def test_help_shows_examples_and_exit_codes(capsys):
    with pytest.raises(SystemExit) as stop:
        run_all.main(["--help"])
    assert stop.value.code == 0
    assert "python run_all.py --dataset 1 --quick" in (shown := capsys.readouterr().out) and "exit codes" in shown


def test_a_download_is_described_before_it_is_tried_and_never_leaves_a_traceback(monkeypatch, capsys):
    def offline(handle, folder):
        raise UserError("no network here")

    monkeypatch.setattr("lib.data.source.download._with_kagglehub", offline)
    assert run_all.main(["--dataset", "3", "--download"]) == 2
    shown = capsys.readouterr()
    assert "10,905" in shown.out and "licence" in shown.out and "not shown to be the original's" in shown.out
    assert "no network here" in shown.err and "Traceback" not in shown.err


def test_a_leak_warns_wherever_the_source_is_named_and_is_gone_after_normalising(
    folder_of_images, own_home, monkeypatch, capsys
):
    root = folder_of_images(30)
    for path in list((root / "synthetic").iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    # The audit, which finds the leak, and the comparison; the trainings in between are made up, their notebooks name the source.
    audit, *_, compare = study.STEPS
    summary = run_all.summary
    monkeypatch.setattr(run_all, "STEPS", (audit,))
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    options = ["--data", str(root), "--quick", "--name", "leaky"]
    assert run_all.main(options) == 0
    said = "the files' outside alone tells the classes apart"
    leaky = study.open_run(data=str(root), quick=True, name="leaky")
    assert said in leaky.audit()["shortcut"]["warning"] and said in leaky.source()
    assert said in (leaky.folder / "01_data_audit.ipynb").read_text(encoding="utf-8")
    assert run_all.main([*options, "--normalise", "72,90"]) == 0
    shortcut = json.loads((leaky.results / "leaky_72_q90" / "audit.json").read_text())["shortcut"]
    assert shortcut["before"]["low"] > 0.8
    assert shortcut["roc_auc"]["value"] < 0.8 and shortcut["warning"] == ""
    finish_stages(leaky, leaky.used_images())
    monkeypatch.setattr(run_all, "STEPS", (compare,))
    monkeypatch.setattr(run_all, "summary", summary)
    capsys.readouterr()
    assert run_all.main(options) == 0
    assert said in capsys.readouterr().out and said in (leaky.results / "comparison.csv").read_text()


@pytest.mark.parametrize("step", study.STEPS, ids=lambda step: step.notebook)
def test_every_notebook_that_shows_a_run_names_its_source(step):
    notebook = json.loads(step.source.read_text(encoding="utf-8"))
    code = "".join(line for cell in notebook["cells"] if cell["cell_type"] == "code" for line in cell["source"])
    assert "source()" in code


def test_what_is_run_again_is_trained_again(monkeypatch):
    run = study.open_run(dataset="2", quick=True)
    for stage in study.STAGES:
        run.model_path(stage).parent.mkdir(parents=True, exist_ok=True)
        run.model_path(stage).write_bytes(b"a model")
    steps = []
    monkeypatch.setattr(run_all, "run_step", lambda step, *_, **__: steps.append(step.notebook[:2]))
    monkeypatch.setattr(run_all, "write_report", lambda *_: None)
    monkeypatch.setattr(run_all, "is_done", lambda *_: True)
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    assert run_all.main(["--dataset", "2", "--quick"]) == 0 and steps == []
    assert run_all.main(["--dataset", "2", "--quick", "--from", "03"]) == 0 and steps == ["03", "04", "06", "05"]
    assert [run.model_path(stage).exists() for stage in study.STAGES] == [True, False, False]
    assert run_all.main(["--dataset", "2", "--quick", "--force"]) == 0 and steps[4:] == [
        "01",
        "02",
        "03",
        "04",
        "06",
        "05",
    ]
    assert not run.model_path("phase1").exists()


def test_the_summary_names_the_files_to_open_and_the_page_where_there_is_one(own_home, capsys, monkeypatch):
    monkeypatch.chdir(own_home)
    run = study.open_run(dataset="1")
    finish(run)
    for path in (run.recipe_folder / "04_threshold_analysis.ipynb", run.recipe_folder / "figures" / "roc.png"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run_all.summary([run], 61)
    shown = capsys.readouterr().out.splitlines()
    paths = [line.split()[0] for line in shown[shown.index("To open (notebooks with jupyter lab):") + 1 :]]
    assert paths == ["results/dataset_1/tuned/04_threshold_analysis.ipynb", "results/dataset_1/tuned/figures"]
    (run.results / "index.html").touch()
    run_all.summary([run], 61)
    assert "results/index.html" in capsys.readouterr().out


def test_ctrl_c_ends_with_130_and_names_a_command_that_goes_on(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_all, "run_step", interrupted)
    for options, command in (
        (["--dataset", "2", "--quick"], "python run_all.py --dataset 2 --quick"),
        (["--dataset", "2", "--from", "01", "--quick"], "python run_all.py --dataset 2 --quick"),
        (["--from=01", "--dataset", "2", "--force"], "python run_all.py --dataset 2"),
    ):
        assert run_all.main(options) == 130
        assert (
            capsys.readouterr().err
            == f"run_all.py: stopped; what is finished is kept. To go on from there: {command}\n"
        )


def test_what_is_to_be_run_again_is_still_to_be_run_after_ctrl_c(own_home, monkeypatch):
    run = study.open_run(dataset="2", quick=True)
    finish(run)
    for path in (path for step in study.STEPS for path in step.results(run) if not path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    steps = []

    def stopped_at_06(step, *_, **__):
        if step.notebook[:2] == "06" and "06" not in steps:
            steps.append("06")
            raise KeyboardInterrupt
        steps.append(step.notebook[:2])

    monkeypatch.setattr(run_all, "run_step", stopped_at_06)
    monkeypatch.setattr(run_all, "is_done", lambda step, run, key: step.executed(run).exists())
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    monkeypatch.setattr(run_all, "write_report", lambda *_: None)
    assert run_all.main(["--dataset", "2", "--quick", "--from", "04"]) == 130 and steps == ["04", "06"]
    study.STEPS[3].executed(run).write_text("{}")
    assert run_all.main(["--dataset", "2", "--quick"]) == 0 and steps[2:] == ["06", "05"]


def test_models_that_are_trained_again_take_their_results_with_them(own_home, monkeypatch):
    run = study.open_run(dataset="2", quick=True)
    finish(run)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_all, "run_step", interrupted)
    assert study.finished_runs(run.results, run.models, True) == [run]
    assert run_all.main(["--dataset", "2", "--quick", "--from", "03"]) == 130
    # Stopped in notebook 01, which has not been run: what is there is still of the model that is there.
    assert study.finished_runs(run.results, run.models, True) == [run]
    monkeypatch.setattr(run_all, "is_done", lambda step, *_: step.notebook[:2] < "03")
    assert run_all.main(["--dataset", "2", "--quick", "--from", "03"]) == 130
    assert study.finished_runs(run.results, run.models, True) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/no/such/python", "-m", "ipykernel_launcher"], "starts /no/such/python, which is no Python"),
        (None, "cannot be used"),
    ],
)
def test_a_kernel_of_another_python_is_named_before_anything_runs(argv, said, tmp_path, monkeypatch, capsys):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    content = json.dumps({"argv": argv, "display_name": "x", "language": "python"}) if argv else "{"
    (kernel / "kernel.json").write_text(content)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert run_all.main(["--dataset", "2", "--quick"]) == 2
    error = capsys.readouterr().err
    assert (
        "Jupyter's kernel python3" in error
        and said in error
        and "ipykernel install" in error
        and error.count("\n") == 1
    )


def test_the_kernel_of_this_python_is_taken():
    run_all.check_kernel()


@pytest.mark.parametrize("option", ["--name", "--weights", "--data", "--compare", "--references", "--results"])
def test_paths_and_names_too_long_for_a_file_are_one_line(option, tmp_path, capsys):
    others = {"--name": ["--data", str(tmp_path)], "--weights": ["--dataset", "1"], "--results": ["--dataset", "1"]}
    others["--references"] = ["--generate", "--dataset", "1"]
    assert run_all.main([option, "x" * 300, *others.get(option, [])]) == 2
    error = capsys.readouterr().err
    assert error.startswith("run_all.py: ") and error.count("\n") == 1


def test_a_second_folder_of_the_same_name_is_refused_before_anything_is_written(folder_of_images, own_home, capsys):
    root = folder_of_images(2)
    run = study.open_run(data=str(root), name="mine", quick=True)
    run.claim()
    other = root.parent / "other"
    root.rename(other)
    assert run_all.main(["--data", str(other), "--name", "mine", "--quick"]) == 2
    error = capsys.readouterr().err
    assert str(root) in error and "give these images another name with --name" in error


def test_force_has_experiments_trained_again(own_home, monkeypatch):
    run = study.open_run(dataset="2", quick=True)
    monkeypatch.setattr(run_all, "run_step", lambda *_, **__: None)
    monkeypatch.setattr(run_all, "is_done", lambda *_: True)
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    monkeypatch.setattr(run_all, "write_report", lambda *_: None)
    assert run_all.main(["--dataset", "2", "--quick", "--also", "ablation"]) == 0 and not run.trials.exists()
    assert run_all.main(["--dataset", "2", "--quick", "--also", "ablation", "--force"]) == 0
    assert sorted(path.name for path in run.trials.iterdir()) == ["ablation.again", "imbalance.again"]


def test_the_list_says_what_is_not_finished(own_home, capsys):
    run = study.open_run(dataset="2")
    finish(run)
    run.add_stage(run.scores().query("stage == 'full'"), run.history())
    assert run_all.main(["--list"]) == 0 and "not finished" in " ".join(capsys.readouterr().out.split())
