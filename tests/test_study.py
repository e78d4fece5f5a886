"""Runs, recipes and results: where things are put, what is refused, and that nothing is ever half written."""

import dataclasses
import inspect
import json
import os
import re
import stat

import pandas as pd
import pytest
from support import finish, finish_stages, refused

from lib import study
from lib.data.images.views import View
from lib.metrics import comparison, fairness
from lib.study.names import STAGES, UserError
from lib.study.recipes import RECIPES
from lib.study.run import open_run
from lib.study.steps import ELSEWHERE_FILE


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    return (tmp_path / "home").resolve()


def stage_rows(stage, scores):
    ids = [f"image{number}" for number in range(len(scores))]
    table = pd.DataFrame({"image_id": ids, "label": "real", "split": "test", "stage": stage, "score": scores})
    return table, pd.DataFrame({"stage": [stage], "epoch": [1], "loss": [scores[0]]})


# ------------------------------------------------------------------------------------------------------------- options


def test_runs_have_names_and_folders(home):
    run = open_run(dataset="2", recipe="original")
    assert (run.name, run.dataset, run.data) == ("dataset_2", "2", "")
    assert run.folder == home / "results" / "dataset_2"
    assert run.recipe_folder == run.folder / "original"
    assert run.model_path("phase1") == home / "models" / "dataset_2" / "original" / "phase1.keras"
    assert open_run(dataset="control").name == "control"


def test_quick_runs_stay_apart_from_full_ones(home):
    run = open_run(quick=True)
    assert run.results == home / "results" / "quick" and run.models == home / "models" / "quick"
    assert run.recipe == RECIPES["tuned"].quick() != open_run().recipe
    full = open_run()
    places = [(run.folder, full.folder), *((run.model_path(stage), full.model_path(stage)) for stage in STAGES)]
    assert all(quick != slow for quick, slow in places)


@pytest.mark.parametrize("quick", [False, True])
def test_a_results_folder_of_ones_own_holds_everything(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    run = open_run(results="my results", quick=quick)
    top = tmp_path.resolve() / "my results"
    assert run.results_option == str(top)
    assert run.results == (top / "quick" if quick else top)
    assert run.models == (top / "models" / "quick" if quick else top / "models")


def test_own_data_are_named_after_their_folder_or_by_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = open_run(data="my pictures ü/")
    assert (run.name, run.dataset, run.data) == ("my pictures ü", "", str(tmp_path.resolve() / "my pictures ü"))
    assert open_run(data="x", name="Holiday (2)").name == "Holiday (2)"
    assert open_run(data="x", weights="w.h5").weights == str(tmp_path.resolve() / "w.h5")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": "5"}, "--dataset 5: expected one of 1, 2, 3, 4, control"),
        ({"recipe": "best"}, "--recipe best: expected one of original, tuned"),
    ],
)
def test_unknown_options_are_refused_with_what_was_expected(options, said):
    with pytest.raises(UserError) as error:
        open_run(**options)
    assert str(error.value) == said


@pytest.mark.parametrize(
    "name",
    [
        "quick",
        "QUICK",
        "models",
        "compared",
        "figures",
        "control",
        "dataset_1",
        "Dataset_4",
        "a/b",
        "..",
        ".hidden",
        "-x",
        "_x",
        "a\n",
    ],
)
def test_reserved_and_odd_names_are_refused(name):
    with pytest.raises(UserError, match="--name"):
        study.run_name("", "/some/data", name)


def test_a_reserved_name_is_refused_when_it_comes_from_the_folder():
    with pytest.raises(UserError, match="'models'"):
        study.run_name("", "/some/models", "")
    assert study.run_name("", "/some/models", "mine") == "mine"


def test_a_results_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"--results .*file/results: cannot be written to"):
        study.check_writable(tmp_path / "file" / "results")
    study.check_writable(tmp_path / "new" / "results")
    assert list((tmp_path / "new" / "results").iterdir()) == []


# ------------------------------------------------------------------------------------------------------------- recipes


def test_the_original_recipe_has_the_original_studys_settings():
    original = RECIPES["original"]
    assert [original.phase(stage).learning_rate for stage in STAGES] == [1e-3, 1e-5, 1e-8]
    assert (original.head, original.view, original.pooling) == ("study", "resize", "average")
    assert all(original.phase(stage).schedule == "constant" for stage in STAGES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_quick_recipe_leaves_fine_tuning_out_and_is_otherwise_the_same(name):
    full, quick = RECIPES[name], RECIPES[name].quick()
    assert quick.phase1 == full.phase1 and quick.partial.epochs == quick.full.epochs == 0
    # Of one view nothing can go.
    assert quick.views < full.views or quick.views == full.views == 1
    same = ("name", "view", "pooling", "head", "image_size", "batch_size", "unfreeze_from")
    assert all(getattr(quick, field) == getattr(full, field) for field in same)
    assert [quick.phase(s).learning_rate for s in STAGES] == [full.phase(s).learning_rate for s in STAGES]


# --------------------------------------------------------------------------------------------------------------- files


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "folder" / "model.keras"
    study.write_text(path, "old")
    with pytest.raises(RuntimeError), study.written_whole(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("power cut")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_appears_whole_beside_its_place_with_the_usual_permissions(tmp_path):
    path = tmp_path / "model.keras"
    umask = os.umask(0o027)
    try:
        with study.written_whole(path) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".keras"
            temporary.write_text("new")
            assert not path.exists()
        assert os.umask(0o027) == 0o027  # looking at the umask did not change it
    finally:
        os.umask(umask)
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    study.write_json(path, {"auc": 0.5, "wörter": "ü"})
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            study.write_json(path, {"auc": bad})
    assert json.loads(path.read_text(encoding="utf-8")) == {"auc": 0.5, "wörter": "ü"}


def test_a_cached_table_is_computed_once():
    calls = []

    def compute():
        calls.append(1)
        return pd.DataFrame({"a": [1.5, 2.5]})

    first, second = (study.read_cached_table("features", "key", compute) for _ in range(2))
    assert len(calls) == 1
    pd.testing.assert_frame_equal(first, second)
    study.read_cached_table("features", "other key", compute)
    assert len(calls) == 2


# ------------------------------------------------------------------------------------------------------------- results


def test_a_stage_replaces_its_own_rows_and_drops_those_of_later_stages():
    run = open_run()
    for number, stage in enumerate(STAGES):
        run.add_stage(*stage_rows(stage, [number / 10, 0.5]))
    assert run.scores()["stage"].tolist() == [stage for stage in STAGES for _ in range(2)]
    run.add_stage(*stage_rows("partial", [0.75, 0.25, 0.125]))
    scores, history = run.scores(), run.history()
    assert scores["stage"].tolist() == ["phase1"] * 2 + ["partial"] * 3
    assert scores["score"].tolist() == [0.0, 0.5, 0.75, 0.25, 0.125]
    assert history["stage"].tolist() == ["phase1", "partial"] and history["loss"].tolist() == [0.0, 0.75]
    run.add_stage(*stage_rows("phase1", [0.875]))
    assert run.scores()["score"].tolist() == [0.875] and run.history()["stage"].tolist() == ["phase1"]


def test_image_tables_come_back_as_they_were_written():
    run = open_run()
    row = {
        "image_id": "0012", "path": 'real/a, "b"\nc ü.jpg', "label": "real", "group": "", "split": "train", "width": 80,
        "height": 70, "format": "JPEG", "bytes": 1234, "sha256": "ab" * 32, "phash": "0000000000000012", "issue": "",
        "pixel_sha256": "cd" * 32, "mode": "RGB", "quantisation": 12.5, "subsampling": "4:2:0", "exif": 1, "icc": 0,
    }  # fmt: skip
    aside = row | {"image_id": "0013", "path": "real/NA", "group": "NA", "split": "", "format": "", "phash": ""}
    aside |= {"width": 0, "height": 0, "bytes": 0, "sha256": "", "issue": "set aside: empty file"}
    images = pd.DataFrame([row, aside])
    audit = {"used": 1, "seed": run.seed, "dataset": {"reading": {}}}
    run.write_audit(images, pd.DataFrame(columns=study.PAIR_COLUMNS), audit)
    back = run.images()
    assert back.to_dict("records") == images.to_dict("records")
    assert tuple(back.columns) == study.IMAGE_COLUMNS
    assert run.used_images()["image_id"].tolist() == ["0012"]
    assert run.audit() == {"schema": 1, **audit}
    assert run.earlier_splits(images).to_dict() == {"0012": "train"}
    assert run.earlier_splits(images.assign(sha256="another")).empty and run.earlier_splits(images.iloc[1:]).empty
    assert dataclasses.replace(run, seed=run.seed + 1).earlier_splits(images).empty


def write_audit(run, warning="", **dataset):
    """An audit without images."""
    known = {"name": run.name, "source": "own images", "dataset": run.dataset, "data": run.data, "normalise": ""}
    audit = {"dataset": known | dataset, "seed": run.seed, "used": 0, "shortcut": {"warning": warning}}
    empty = pd.DataFrame(columns=list(study.IMAGE_COLUMNS))
    run.write_audit(empty, pd.DataFrame(columns=study.PAIR_COLUMNS), audit)


def test_a_warning_of_the_audit_stands_wherever_scores_are_shown():
    run, other = open_run(data="/some/mine"), open_run(dataset="1")
    write_audit(run, "format tells")
    write_audit(other)
    assert "WARNING: format tells" in run.title("ROC") and "WARNING" not in other.title("ROC")
    table = pd.DataFrame({"roc_auc": [0.9]})
    assert run.marked(table)["warning"].tolist() == ["format tells"] and list(other.marked(table)) == ["roc_auc"]
    pairs = [("mine", "mine"), ("dataset_1", "mine"), ("dataset_1", "dataset_1")]
    compared = pd.DataFrame(pairs, columns=["trained_on", "tested_on"])
    warned = study.with_warnings(compared, [run, other])["warning"].tolist()
    assert warned == ["mine: format tells", "mine: format tells", ""]
    run.write_metrics({}, {}, "report")
    assert "WARNING: format tells" in (run.recipe_folder / "classification_report.txt").read_text()
    assert "WARNING: format tells" in run.metrics()["source"]


def test_siblings_are_the_other_datasets_and_not_other_forms_of_this_one():
    mine = open_run(data="/some/faces")
    rewritten, other = open_run(data="/some/faces", normalise="128,90"), open_run(dataset="2")
    assert (mine.name, rewritten.name) == ("faces", "faces_128_q90")
    for run in (mine, rewritten, other):
        write_audit(run, normalise=run.normalise)
    assert [found.name for found in mine.siblings()] == ["dataset_2"] == [found.name for found in rewritten.siblings()]
    found = {run.name: (run.dataset, run.data, run.normalise) for run in other.siblings()}
    assert found == {"faces": ("", "/some/faces", ""), "faces_128_q90": ("", "/some/faces", "128,90")}


@pytest.mark.parametrize("text", ["256", "256,101", "32,90", "256,0", "a,b", "256;90", "-256,90"])
def test_a_wrong_normal_form_is_refused(text):
    with pytest.raises(UserError, match="expected SIZE,QUALITY"):
        study.open_run(dataset="1", normalise=text)


def test_costs_are_three_numbers_in_their_ranges():
    assert study.costs_of("1, 5,0.01") == {"false_alarm": 1, "miss": 5, "prevalence": 0.01}
    assert study.costs_of("") is None and study.costs_of(" ") is None
    assert open_run(costs="1,5,0.01").costs == "1,5,0.01" and open_run().costs == ""


@pytest.mark.parametrize(
    "text",
    ["1,5", "1,5,0.01,2", "a,5,0.1", "0,5,0.1", "1,-5,0.1", "1,5,0", "1,5,1", "inf,5,0.1", "1,nan,0.1", "1;5;0.1"],
)
def test_wrong_costs_are_refused_in_one_line(text):
    with pytest.raises(UserError) as error:
        open_run(costs=text)
    said = str(error.value)
    assert (
        said.startswith(f"--costs {text}: expected FALSE_ALARM,MISS,PREVALENCE, such as 1,5,0.01") and "\n" not in said
    )


def test_comparisons_of_named_runs_have_a_folder_of_their_own(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("")
    run = open_run(compare=["dataset_1", "other.csv", "1=other.csv", "1=none.csv"])
    path = tmp_path.resolve() / "other.csv"
    assert run.compare == ("dataset_1", str(path), f"1={path}", "1=none.csv")
    assert run.comparison_folder == home / "results" / "compared" and open_run().comparison_folder == home / "results"
    step = study.STEPS[-1] if study.STEPS[-1].scope == "all" else next(s for s in study.STEPS if s.scope == "all")
    assert step.executed(run).parent == run.comparison_folder


def test_only_sizes_of_one_kind_make_a_learning_curve():
    runs = [open_run(dataset=name) for name in ("1", "2", "3", "control")] + [open_run(data="/some/mine")]
    for run in runs:
        write_audit(run, source="own images" if run.name in ("dataset_2", "mine") else "stand-ins")
    assert [run.name for run in study.sizes_of_one_kind(runs)] == ["dataset_1", "dataset_3"]
    assert study.sizes_of_one_kind(runs[3:]) == []


def test_calibration_is_stored_with_its_source():
    run = open_run()
    write_audit(run, source="stand-ins")
    run.write_calibration({"full": {}})
    assert run.calibration() == {"schema": 1, "source": "stand-ins", "stages": {"full": {}}}


def test_scores_come_with_truth_and_group():
    run = open_run()
    base = dict.fromkeys(study.IMAGE_COLUMNS, "x") | {"split": "test", "issue": ""}
    base |= dict.fromkeys(("width", "height", "bytes", "quantisation", "exif", "icc"), 1)
    rows = [base | {"image_id": "image0", "group": "p1"}, base | {"image_id": "image1", "group": ""}]
    run.write_audit(pd.DataFrame(rows), pd.DataFrame(columns=study.PAIR_COLUMNS), {})
    scores, history = stage_rows("phase1", [0.25, 0.75])
    run.add_stage(scores.assign(label=["synthetic", "real"]), history)
    scored = run.scored()
    assert scored["y"].tolist() == [1, 0] and scored["group"].tolist() == ["p1", "image1"]


def test_recorded_dictionaries_are_merged():
    run = open_run()
    run.record(options={"seed": 7}, device="a")
    assert run.record(options={"quick": False}, device="b") == run.recorded()
    assert run.recorded() == {"schema": 1, "options": {"seed": 7, "quick": False}, "device": "b"}


def test_a_missing_result_names_the_notebook_that_makes_it():
    run = open_run()
    for read, maker in ((run.images, "01_data_audit"), (run.scores, "02_phase1"), (run.metrics, "04_threshold")):
        with pytest.raises(UserError, match=f"is not there yet: run notebook {maker}"):
            read()


def test_scores_of_a_stage_that_was_not_trained_name_the_notebook_that_trains_it():
    run = open_run()
    finish(run)
    assert "full" in set(run.scored(through="full")["stage"])
    run.add_stage(*stage_rows("phase1", [0.5]))
    with pytest.raises(UserError, match=r"no scores of stage full yet: run notebook 03_fine_tuning"):
        run.scored(through="full")


def test_finished_runs_are_found_again_with_their_options():
    run = open_run(dataset="3", recipe="original", seed=11)
    options = {key: getattr(run, key) for key in ("dataset", "data", "normalise", "backbone", "weights", "seed")}
    run.record(options=options)
    assert study.finished_runs(run.results, run.models, False) == []
    write_audit(run)
    run.write_metrics({}, {}, "")
    (run.folder / "notes").mkdir()
    (run.folder / "notes" / "metrics.json").write_text("{}")  # not a recipe's folder
    assert study.finished_runs(run.results, run.models, False) == [run]


def test_hashes_depend_on_every_part():
    assert study.text_hash("a", 1) == study.text_hash("a", 1)
    assert (
        len({study.text_hash("a", 1), study.text_hash("a", 2), study.text_hash("a1"), study.text_hash("a", "1")}) == 4
    )


def test_what_is_stated_of_folders_is_kept_with_a_run_and_checked():
    run = open_run(data="/some/mine", reading={"labels": "1=Real, 0=synthetic", "groups": "none"})
    assert run.reading.stated == {"1": "real", "0": "synthetic"}
    assert (
        run.reading.as_dict() == {"labels": "1=Real, 0=synthetic", "groups": "none"}
        and open_run().reading.as_dict() == {}
    )
    for reading, said in (
        ({"labels": "1=cat"}, "--labels 1=cat: expected WORD=CLASS"),
        ({"groups": "all"}, "--groups all: expected one of none, folder, name"),
        ({"split": "new"}, "--split new: expected anew"),
        ({"labels": {"1": "real"}}, "READING: found {'labels': {'1': 'real'}}, expected texts"),
        ({"label": "1=real"}, "READING: found label, expected some of labels, groups, split, follow_links"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            open_run(reading=reading)


def test_runs_are_found_again_with_what_was_stated_and_other_reading_keeps_no_old_split(own_home):
    run = open_run(data="/some/mine", reading={"groups": "none"})
    finish(run)
    images = run.images()
    (found,) = study.finished_runs(run.results, run.models, quick=False)
    assert found.reading == run.reading and run.audited()[0].reading == run.reading
    assert len(run.earlier_splits(images)) == len(images)
    assert open_run(data="/some/mine").earlier_splits(images).empty


# ----------------------------------------------------------------------------------------- what papermill hands over


def test_parameters_are_taken_as_papermill_gives_them():
    assert open_run(dataset=1).name == "dataset_1" and open_run(dataset="control").name == "control"
    assert open_run(data="x", name=2024).name == "2024" and open_run(data="x", name=None).name == "x"
    assert [open_run(quick=given).quick for given in ("False", "false", 0, "0", "True", 1, True)] == [False] * 4 + [
        True
    ] * 3
    assert open_run(seed="8").seed == 8 and open_run(seed=0).seed == 0
    assert open_run(results=None, costs=None, normalise=None) == open_run()
    one = open_run(compare="dataset_1").compare
    assert one == ("dataset_1",) == open_run(compare='["dataset_1"]').compare and open_run(compare="").compare == ()
    assert open_run(compare=[1, "control"]).compare == ("1", "control") and open_run(compare=None).compare == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quick": "maybe"}, "--quick 'maybe': expected True or False"),
        ({"quick": 2}, "--quick 2: expected True or False"),
        ({"seed": "seven"}, "--seed 'seven': expected a whole number, 0 or more"),
        ({"seed": 7.5}, "--seed 7.5: expected a whole number"),
        ({"seed": -1}, "--seed -1: expected a whole number"),
        ({"seed": True}, "--seed True: expected a whole number"),
        ({"name": ["a"], "data": "x"}, "--name ['a']: expected a text, found list"),
        ({"dataset": {}}, "--dataset {}: expected a text, found dict"),
        ({"dataset": 7}, "--dataset 7: expected one of 1, 2, 3, 4, control"),
        ({"costs": 5}, "--costs 5: expected FALSE_ALARM,MISS,PREVALENCE"),
        ({"compare": [["a"]]}, "--compare ['a']: expected a text"),
    ],
)
def test_what_a_parameter_cannot_be_is_said_in_one_line(options, said):
    with pytest.raises(UserError) as error:
        open_run(**options)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_options_hold_the_rarer_arguments_and_papermill_gives_them_as_text():
    stated = {"data": "/some/mine", "name": "m", "normalise": "256,90", "compare": ["1"], "reading": {"groups": "none"}}
    run = open_run(options=stated)
    assert run == open_run(**stated) == open_run(options=json.dumps(stated))
    assert run.name == "m_256_q90" and run.compare == ("1",) and run.reading.groups == "none"
    assert open_run(costs="1,5,0.1", options={"costs": "2,5,0.1"}).costs == "2,5,0.1"
    assert (
        open_run() == open_run(options=None) == open_run(options="") == open_run(options="{}") == open_run(options={})
    )
    arguments = inspect.signature(open_run).parameters
    assert {name: arguments[name].default for name in study.RARE_OPTIONS} == study.RARE_OPTIONS
    assert {*arguments} - {*study.RARE_OPTIONS} == {"dataset", "recipe", "quick", "seed", "options"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": 1, "data": "x"}, "OPTIONS: found colour, expected some of data, name, backbone,"),
        ({"recipe": "original"}, "OPTIONS: found recipe, expected some of"),
        ('{"Data": "x"}', "OPTIONS: found Data, expected some of"),
        ("data=x", "OPTIONS: found 'data=x', expected a dictionary such as"),
        ("[1]", "OPTIONS: found '[1]', expected a dictionary"),
        (5, "OPTIONS: found 5, expected a dictionary"),
        ({"reading": {"label": "x"}}, "READING: found label"),
    ],
)
def test_options_that_are_not_known_are_one_line(options, said):
    assert refused(lambda: open_run(options=options)).startswith(said)


@pytest.mark.parametrize("name", ["x" * 300, "é" * 60])
def test_a_name_too_long_for_a_folder_is_refused(name):
    assert "letters are too many for a results folder" in refused(lambda: open_run(data="/some/data", name=name))
    assert "letters are too many" in refused(lambda: open_run(data=f"/some/{name}"))
    assert open_run(data="/some/data", name="x" * 100).name == "x" * 100


# ------------------------------------------------------------------------------------------------- two of one name


def test_another_folder_of_the_same_name_is_refused_and_named(tmp_path):
    first, second = tmp_path / "a" / "faces", tmp_path / "b" / "faces"
    write_audit(open_run(data=str(first)))
    said = refused(lambda: open_run(data=str(second)))
    assert f"--data {second}" in said and f"holds the results of {first}" in said and "--name" in said
    assert open_run(data=str(second), name="other").name == "other"
    assert open_run(data=str(first)).name == "faces"
    # The name that another dataset's normalised form has.
    write_audit(open_run(data=str(first), normalise="64,90"), normalise="64,90")
    said = refused(lambda: open_run(data=str(first), name="faces_64_q90"))
    assert f"{first} with --normalise 64,90" in said


def test_a_run_that_stopped_before_its_audit_was_done_keeps_its_name(tmp_path):
    first, second = tmp_path / "a" / "faces", tmp_path / "b" / "faces"
    run, other = open_run(data=str(first)), open_run(data=str(second))
    run.claim()
    assert f"holds the results of {first}" in refused(lambda: open_run(data=str(second)))
    assert f"holds the results of {first}" in refused(other.claim)
    run.claim()
    open_run(dataset="1").claim()
    assert not open_run(dataset="1").folder.exists()


# ---------------------------------------------------------------------------------- what is finished becomes untrue


def leave_all(run):
    """What a finished run shows, beside what `finish` leaves; returns the paths by notebook."""
    made = {step.notebook[:2]: [step.executed(run), study.notebook_page(step.executed(run))] for step in study.STEPS}
    made |= {step.notebook[:2]: [step.executed(run)] for step in study.EXPERIMENTS.values()}
    for number, name in (("02", "phase1_curves"), ("03", "fine_tuning_curves"), ("04", "cost"), ("06", "grad_cam")):
        made[number] += [run.recipe_folder / "figures" / f"{name}.{ending}" for ending in ("png", "svg")]
    made["01"] += [run.folder / "figures" / "samples.png"]
    made["07"] += [run.folder / "wrong_turns.csv", run.folder / "figures" / "wrong_turns.png"]
    made["08"] += [run.folder / "ablation.csv", run.folder / "figures" / "ablation_full.png"]
    made["09"] += [run.folder / "generators.csv"]
    made["06"] += [run.recipe_folder / "robustness.csv"]
    made["10"] += [run.recipe_folder / "evidence.json", run.recipe_folder / "figures" / "tippett.png"]
    made["04"] += [run.model_folder / name for name in ("detector.json", "elsewhere.json")]
    for path in (path for paths in made.values() for path in paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    compared = pd.DataFrame(columns=comparison.COLUMNS, data=[[run.name] * len(comparison.COLUMNS)])
    study.write_comparison(run.results, compared, pd.DataFrame(columns=["tested_on"]))
    made["05"] += [run.results / "comparison.csv"]
    made["04"] += [run.recipe_folder / name for name in ("metrics.json", "thresholds.json")]
    return made


def gone(made):
    """Notebooks of which nothing, and those of which something is missing."""
    assert all(len({path.exists() for path in paths}) == 1 for paths in made.values()), made
    return [number for number in sorted(made) if not made[number][0].exists()]


def finished(run):
    return [(found.name, found.recipe.name) for found in study.finished_runs(run.results, run.models, run.quick)]


def test_new_scores_make_what_was_read_from_the_old_ones_untrue():
    run = open_run()
    finish(run)
    made = leave_all(run)
    (run.recipe_folder / "figures" / "of my own.png").write_text("")
    assert gone(made) == [] and finished(run) == [("dataset_1", "tuned")]
    scores, history = run.scores(), run.history()
    run.add_stage(scores.query("stage == 'full'").assign(score=0.5), history.query("stage == 'full'"))
    assert gone(made) == ["03", "04", "05", "06", "10"] and finished(run) == []
    assert (run.recipe_folder / "figures" / "of my own.png").exists()
    assert "not been analysed since" in run.unfinished()
    (line,) = study.left_out(run.results, run.models, run.quick)
    assert line.startswith("dataset_1, tuned recipe: left out, because its training was stopped")
    run.add_stage(scores.query("stage == 'phase1'"), history.query("stage == 'phase1'"))
    assert gone(made) == ["02", "03", "04", "05", "06", "10"]


def test_a_new_split_makes_every_recipes_results_and_the_experiments_untrue():
    run, other, apart = open_run(), open_run(recipe="original"), open_run(dataset="2")
    for each in (run, other, apart):
        images = finish(each)
    images = finish(run)
    made = [leave_all(run), leave_all(other)]
    safe = {number: paths for number, paths in leave_all(apart).items() if number != "05"}
    run.write_audit(images, run.pairs(), run.audit())
    assert gone(made[0]) == gone(made[1]) == []  # the same images once more
    run.write_audit(images.assign(split=images["split"].to_numpy()[::-1]), run.pairs(), run.audit())
    assert all(
        gone(found) == ["01", "02", "03", "04", "06", "07", "08", "09", "10"]
        for found in ({**m, "05": safe["01"]} for m in made)
    )
    assert gone(safe) == [] and finished(run) == [("dataset_2", "tuned")]
    # The old scores do not join the new table, whichever notebook asks.
    assert "older than images.csv" in refused(run.scored) and "run notebook 02_phase1" in refused(run.scored)
    assert "images, labels or split have changed since it was trained" in run.unfinished()
    finish_stages(run, run.used_images())
    assert len(run.scored()) and finished(run) == [("dataset_1", "tuned"), ("dataset_2", "tuned")]


@pytest.mark.parametrize("column", ["label", "group", "sha256"])
def test_other_labels_groups_or_pictures_are_other_images(column):
    run = open_run()
    images = finish(run)
    images.loc[100, column] = {"label": "synthetic", "group": "p999", "sha256": "f" * 64}[column]
    run.write_audit(images, run.pairs(), run.audit())
    assert finished(run) == []


def test_other_words_about_the_images_are_not_shown_beside_old_figures():
    run = open_run()
    images = finish(run)
    audit = run.audit()
    audit["shortcut"]["warning"] = "format tells"
    run.write_audit(images, run.pairs(), audit)
    assert finished(run) == []


def test_other_thresholds_make_detector_robustness_and_comparison_untrue_and_the_same_nothing():
    run = open_run()
    finish(run)
    made = leave_all(run)
    metrics, thresholds = run.metrics()["stages"], run.thresholds()["stages"]
    run.write_metrics(metrics, thresholds, "report")
    assert gone(made) == []
    thresholds["full"]["balanced"]["threshold"] = 0.25
    run.write_metrics(metrics, thresholds, "report")
    rewritten = ("metrics.json", "thresholds.json")
    made["04"] = [path for path in made["04"] if path.name not in rewritten]
    assert gone(made) == ["04", "05", "06", "10"] and finished(run) == [("dataset_1", "tuned")]


def test_groups_are_of_the_scores_and_go_with_them_and_where_nobody_asks():
    run = open_run(by="sex")
    images = finish(run)
    assert "run notebook 04_threshold_analysis" in refused(run.groups)
    scored = run.scored().query("stage == 'full' and split == 'test'")
    table = fairness.group_table(scored.assign(sex=["=1+1", "<b>"] * 40), ["sex"], 0.5, resamples=50)
    path, figure = run.recipe_folder / "groups.csv", run.recipe_folder / "figures" / "groups.png"
    step = next(step for step in study.STEPS if step.on_request)
    assert path in step.results(run) and path not in step.results(open_run())
    figure.parent.mkdir(exist_ok=True)

    def leave():
        run.write_groups(table)
        figure.write_text("")

    leave()
    found = run.groups()
    assert found["value"].tolist() == ["<b>", "=1+1", ""] and set(found["source"]) == {run.source()}
    pd.testing.assert_frame_equal(found.drop(columns="source"), table, check_dtype=False)
    assert path in run.files()
    # A later notebook that is run again leaves them; new thresholds, scores or images do not.
    run.outdate("06_robustness")
    assert path.exists() and figure.exists()
    metrics, thresholds = run.metrics()["stages"], run.thresholds()["stages"]
    thresholds["full"]["balanced"]["threshold"] = 0.25
    run.write_metrics(metrics, thresholds, "report")
    assert not path.exists() and not figure.exists()
    leave()
    scores, history = run.scores(), run.history()
    run.add_stage(scores.query("stage == 'full'").assign(score=0.5), history.query("stage == 'full'"))
    assert not path.exists() and not figure.exists()
    leave()
    run.write_audit(images.assign(split=images["split"].to_numpy()[::-1]), run.pairs(), run.audit())
    assert not path.exists() and not figure.exists()
    leave()
    run.write_groups(None)
    assert not path.exists() and not figure.exists()


def test_columns_of_by_are_columns_of_the_users():
    assert open_run(by=" Sex, age_band,,sex").by == "sex,age_band" and open_run(by=["sex", "Age"]).by == "sex,age"
    assert open_run(options={"by": "sex"}).by == "sex" and open_run(by=None).by == ""
    run = open_run()
    finish(run)
    scored = run.scored()
    given = scored.assign(sex="f", age_band=[f"{at // 20}" for at in range(len(scored))], name=range(len(scored)))
    assert study.group_columns("age_band,sex", given) == ["age_band", "sex"] and study.group_columns("", scored) == []
    for table in (given, run.used_images().assign(sex="f", age_band="", name="")):
        said = refused(study.group_columns, "sex,height", table)
        assert (
            said
            == "--by sex,height: found height, expected columns of your own table; the images have sex, age_band, name"
        )
    assert "the images have no columns of their own" in refused(study.group_columns, "sex", scored)
    # Columns of the study are no groups of people.
    for own in ("y", "score", "label", "group", "split"):
        assert f"found {own}, expected" in refused(study.group_columns, own, given)
    said = refused(study.group_columns, "name", given)
    assert f"column name has {len(scored):,} different values, expected at most 30" in said


def test_another_table_of_an_experiment_takes_its_notebook_and_figures_with_it():
    run = open_run()
    finish(run)
    made = leave_all(run)
    kept = run.folder / "figures" / "imbalance.png"
    kept.write_text("")
    run.write_experiment("ablation", pd.DataFrame({"choice": ["a"]}))
    made["08"].remove(run.folder / "ablation.csv")
    assert gone(made) == ["08"] and kept.exists()


def test_metrics_of_other_scores_are_not_finished_however_they_came_there():
    run = open_run()
    finish(run)
    path = run.recipe_folder / "scores.csv"
    path.write_text(path.read_text() + "\n")
    assert finished(run) == [] and "run notebook 04 again" in run.unfinished()
    (run.folder / "audit.json").unlink()
    assert "its audit was stopped" in run.unfinished()


def test_where_images_are_is_what_the_audit_says(tmp_path):
    run = open_run(data=str(tmp_path / "x"), name="mine")
    finish(run)
    options = {"dataset": "", "data": "/elsewhere", "normalise": ""}
    run.record(options=options)
    assert study.finished_runs(run.results, run.models, False)[0].data == run.data


def test_every_missing_result_before_the_asked_one_is_named():
    said = refused(open_run().metrics)
    assert (
        "run notebook 04_threshold_analysis with the same parameters first, and before it 01_data_audit and 02_" in said
    )
    finish(run := open_run())
    (run.recipe_folder / "metrics.json").unlink()
    assert refused(run.metrics).endswith("run notebook 04_threshold_analysis with the same parameters first")


@pytest.mark.parametrize("name", study.CHOICES)
def test_a_recipe_refuses_a_choice_that_it_does_not_know(name):
    with pytest.raises(ValueError, match=f"Recipe: {name} is 'max', expected "):
        changed = {name: "max"}
        dataclasses.replace(study.RECIPES["tuned"], **changed)
    for choice in study.CHOICES[name]:
        changed = {name: choice}
        assert getattr(dataclasses.replace(study.RECIPES["tuned"], **changed), name) == choice


def test_a_stage_and_a_view_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="Phase: schedule is 'linear', expected 'constant', 'cosine'"):
        study.Phase(epochs=1, learning_rate=1e-3, schedule="linear")
    with pytest.raises(ValueError, match="View: kind is 'max', expected resize or crop"):
        View("max")


def test_what_other_detectors_gave_on_a_dataset_goes_when_its_images_change(own_home):
    run, other = (study.open_run(dataset=dataset) for dataset in ("1", "2"))
    for one in (run, other):
        finish(one)
    for one, names in ((run, ["dataset_2", "control"]), (other, ["control"])):
        one.model_folder.mkdir(parents=True, exist_ok=True)
        study.write_json(one.model_folder / ELSEWHERE_FILE, {"tested_on": {name: {} for name in names}})
    other.write_audit(other.images().assign(group="one"), other.pairs(), other.audit())
    assert not (run.model_folder / ELSEWHERE_FILE).exists()
    finish(other)
    study.write_json(other.model_folder / ELSEWHERE_FILE, {"tested_on": {"control": {}}})
    run.write_audit(run.images().assign(group="one"), run.pairs(), run.audit())
    assert (other.model_folder / ELSEWHERE_FILE).is_file()


@pytest.mark.parametrize(("quick", "endings"), [(True, {".png"}), (False, {".png", ".svg"})])
def test_a_quick_run_writes_its_figures_once(quick, endings):
    from matplotlib.figure import Figure

    run = open_run(quick=quick)
    figure = Figure(figsize=(1, 1))
    figure.suptitle("A title")
    shown = run.save_figure(figure, "one")
    assert {path.suffix for path in (run.recipe_folder / "figures").iterdir()} == endings
    assert shown.alt == "A title"
