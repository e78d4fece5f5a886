"""References: made from the spread over seeds, able to fail, and never used on a run of something else."""

import json

import pytest
from support import PROJECT

from lib.study.names import UserError
from tests import reference
from tests.reference import check, measure, readme

REFERENCES = sorted(reference.FOLDER.glob("*_*.json"))


def metrics(auc, recall=0.8):
    def interval(value):
        return {"value": value, "low": value - 0.05, "high": value + 0.05}

    ranking = {"roc_auc": interval(auc), "average_precision": interval(auc), "brier_score": interval(0.2)}
    balanced = {name: interval(recall) for name in ("balanced_accuracy", "recall_real", "recall_synthetic")}
    stage = {"validation": ranking, "test": ranking, "policies": {"balanced": balanced}}
    return {"schema": 1, "source": "stand-in images, not OmniGen", "stages": {"full": stage}}


@pytest.fixture
def run(tmp_path):
    """Writes a finished run and returns its folder."""

    def write(seed, auc, recall=0.8, quick=False, backbone="efficientnet-lite0", top=None):
        folder = tmp_path / (top or f"seed{seed}") / "dataset_1" / "tuned"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(metrics(auc, recall)))
        known = {
            "options": {"dataset": "1", "quick": quick, "seed": seed},
            "backbone": backbone,
            "weights_sha256": "ab",
        }
        (folder / "run.json").write_text(json.dumps(known))
        return folder

    return write


@pytest.fixture
def made(run, tmp_path):
    path = tmp_path / "reference.json"
    folders = [str(run(seed, auc, recall)) for seed, auc, recall in ((1, 0.90, 0.7), (2, 0.92, 0.8), (3, 0.94, 0.9))]
    assert measure.main([*folders, "--out", str(path)]) == 0
    return path


def test_value_and_tolerance_come_from_the_spread_over_seeds(capsys, made):
    known = json.loads(made.read_text())
    auc = known["figures"]["full, test, roc_auc"]
    assert auc == {"value": 0.92, "tolerance": 0.06, "values": [0.90, 0.92, 0.94]}
    # No spread at all: the floor.
    assert known["figures"]["full, test, brier_score"]["tolerance"] == reference.FLOOR
    # Three standard deviations of 0.1 would let nearly anything pass.
    assert [name for name in known["left_out"] if "recall_real" in name] and "recall" not in str(list(known["figures"]))
    assert known["seeds"] == [1, 2, 3] and known["command"].startswith("python run_all.py --dataset 1 --recipe tuned")
    assert "left out, because too wide" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("auc", "code", "said"), [(0.88, 0, "ok"), (0.97, 0, "ok"), (0.85, 1, "OUTSIDE"), (0.99, 1, "OUTSIDE")]
)
def test_a_run_is_checked(made, run, capsys, auc, code, said):
    folder = run(9, auc)
    capsys.readouterr()
    assert check.main([str(folder), "--reference", str(made)]) == code
    shown = capsys.readouterr().out
    assert f"{said:7} full, test, roc_auc: {auc:.3f}, expected 0.920 ± 0.060" in shown
    assert f"{'4' if code == 0 else '1'} of 4 figures" in shown
    assert "window of" not in shown


def test_a_reference_of_another_window_is_named(made, run, capsys):
    known = json.loads(made.read_text())
    made.write_text(json.dumps(known | {"window": 224}))
    assert check.main([str(run(9, 0.92)), "--reference", str(made)]) == 0
    assert "made with a window of 224 pixels; the recipe has 256 now" in capsys.readouterr().out


def test_what_cannot_be_compared_is_refused_in_one_line(made, run, tmp_path, capsys):
    other = run(9, 0.92, backbone="efficientnet-b0", top="other")
    quick = run(9, 0.92, quick=True, top="quick")
    odd = run(9, 0.92, top="odd")
    (odd / "metrics.json").write_text("{")
    capsys.readouterr()
    cases = [
        ([str(other), "--reference", str(made)], "backbone of the run is 'efficientnet-b0'"),
        ([str(quick)], "a quick run"),
        ([str(tmp_path)], "metrics.json is not there"),
        ([str(odd)], "cannot be read as JSON"),
        ([str(run(8, 0.92)), "--reference", str(tmp_path / "none.json")], "there is no reference of dataset_1"),
    ]
    for options, said in cases:
        assert check.main(options) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_runs_that_make_no_reference_are_refused(run, tmp_path):
    one, two = (reference.read_run(run(seed, 0.9)) for seed in (1, 2))
    with pytest.raises(UserError, match="2 runs: expected at least 3"):
        reference.measured([one, two])
    with pytest.raises(UserError, match=r"seeds \[1, 2, 2\]: expected each once"):
        reference.measured([one, two, two])
    with pytest.raises(UserError, match="different recipe: 'tuned', 'original'"):
        reference.measured([one, two, {**two, "seed": 3, "recipe": "original"}])
    assert measure.main([str(tmp_path)]) == 2


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_full_runs_that_are_here_agree_with_their_reference(path):
    known = json.loads(path.read_text(encoding="utf-8"))
    folder = PROJECT / "results" / known["name"] / known["recipe"]
    try:
        rows = reference.compared(reference.read_run(folder), known)
    except UserError as error:
        pytest.skip(f"no full run to check here: {error} (made by: {known['command']})")
    assert [row for row in rows if not row[-1]] == []


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_references_can_fail(path):
    known = json.loads(path.read_text(encoding="utf-8"))
    assert path == reference.reference_path(known["name"], known["recipe"])
    assert known["figures"] and len(known["seeds"]) >= reference.FEWEST_SEEDS
    assert all(reference.FLOOR <= found["tolerance"] <= reference.WIDEST for found in known["figures"].values())


def test_readme_says_what_was_recorded():
    known, text = json.loads(readme.RECORD.read_text(encoding="utf-8")), readme.PAGE.read_text(encoding="utf-8")
    assert readme.page(text, known) == text, f"python -m tests.reference.readme METRICS_JSON, of: {known['command']}"
    assert len(text.split()) <= 700
    # And it would be seen if a number of the record were another one.
    known["balanced"]["confusion"]["false_synthetic"] += 1
    assert "of 166 real photographs, **13 were wrongly called synthetic**" in readme.page(text, known)


def test_what_readme_says_is_read_from_a_run(run):
    known = json.loads(readme.RECORD.read_text(encoding="utf-8"))
    folder = run(7, 0.9)
    content = json.loads((folder / "metrics.json").read_text())
    content["stages"]["full"]["policies"] = {
        name: known[name] | {"balanced_accuracy": known["roc_auc"]} for name in ("balanced", "fpr_1")
    }
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder.parent / "images.csv").write_text("image_id,split\na,train\nb,test\nc,train\n")
    found = readme.record(folder / "metrics.json")
    assert found == known | {
        "command": found["command"],
        "training": 2,
        "roc_auc": content["stages"]["full"]["test"]["roc_auc"],
    }
    assert found["command"] == "python run_all.py --dataset 1 --recipe tuned --seed 7"
