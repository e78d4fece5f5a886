"""From a plan to a dataset, with a generator that needs no torch: resuming, one door, provenance, groups, words."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
from omnigen_support import Fake, job, photographs
from PIL import Image
from support import refused

import run_all
from lib import study
from lib.data.audit import audit, shortcut
from lib.data.audit.duplicates import find_duplicates
from lib.data.audit.split import assign_splits
from lib.data.omnigen.generate import carry_out, file_names, left
from lib.data.source import listing, manifest, sources
from lib.study.names import UserError


def made(tmp_path, own_home, **options):
    """A whole set of 24 images of 12 people, and its source."""
    work = job(tmp_path, own_home, **options)
    carry_out(work, load=Fake().load)
    return work, sources.find_source("1")


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


# ------------------------------------------------------------------------------------------------------------- resuming


def test_a_stopped_run_goes_on_where_it_was_to_the_same_images(tmp_path, own_home, monkeypatch):
    work, fake, told = job(tmp_path, own_home), Fake(stop_after=5), []
    with pytest.raises(KeyboardInterrupt):
        carry_out(work, load=fake.load, on_progress=told.append)
    assert sum(told) == 5 and left(work) == 19 and not work.target.exists()
    # Killed between an image and its provenance, and an image that was cut off by hand.
    files = sorted((work.work / "provenance").glob("*.json"))
    files[0].unlink()
    torn = work.work / json.loads(files[1].read_text())["file"]
    torn.write_bytes(torn.read_bytes()[:100])
    again = Fake()
    carry_out(job(tmp_path, own_home), load=again.load, on_progress=told.append)
    assert len(again.asked) == 21 and sum(told) == 5 + 21
    stopped = contents(work.target)
    other = tmp_path / "other home"
    monkeypatch.setenv("STUDY_HOME", str(other))
    whole = job(tmp_path, other)
    carry_out(whole, load=Fake().load)
    assert contents(whole.target) == stopped and len(stopped) == 48


def test_batches_follow_from_the_plan_not_from_what_is_left(tmp_path, own_home, monkeypatch):
    work = job(tmp_path, own_home)
    carry_out(work, batch=5, load=(whole := Fake()).load)
    expected = contents(work.target)
    assert max(map(len, whole.asked)) == 5
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "other home"))
    work = job(tmp_path, own_home)
    with pytest.raises(KeyboardInterrupt):
        carry_out(work, batch=5, load=Fake(stop_after=2).load)
    sorted((work.work / "synthetic").glob("*.jpg"))[3].unlink()
    carry_out(work, batch=5, load=Fake().load)
    assert contents(work.target) == expected


def test_a_set_that_is_done_is_left_as_it_is(tmp_path, own_home):
    work, _ = made(tmp_path, own_home)
    again = job(tmp_path, own_home)
    assert again.is_finished and left(again) == 0 and again.rows == work.rows
    assert carry_out(again, load=Fake.load) == again.target
    assert "move" in refused(lambda: job(tmp_path, own_home, images=30))
    assert not again.work.exists()


def test_the_model_is_not_loaded_where_nothing_is_left_to_draw(tmp_path, own_home, monkeypatch):
    work = job(tmp_path, own_home)
    with monkeypatch.context() as patch:
        patch.setattr("lib.data.omnigen.generate._finish", lambda job: None)
        carry_out(work, load=Fake().load)
    carry_out(work, load=(fake := Fake()).load)
    assert fake.loaded == 0 and work.is_finished


def test_images_that_a_user_put_there_meanwhile_are_not_touched(tmp_path, own_home):
    work = job(tmp_path, own_home)
    theirs = work.target / "real" / "mine.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"mine")
    assert "something is there already" in refused(lambda: carry_out(work, load=Fake().load))
    assert theirs.read_bytes() == b"mine"
    theirs.unlink()
    theirs.parent.rmdir()
    carry_out(work, load=(fake := Fake()).load)
    assert fake.loaded == 0 and work.is_finished


def test_rows_taken_out_of_the_plan_leave_no_image(tmp_path, own_home):
    work = job(tmp_path, own_home)
    with pytest.raises(KeyboardInterrupt):
        carry_out(work, load=Fake(stop_after=20).load)
    frame = pd.read_csv(work.work / "plan.csv")
    frame.iloc[12:].to_csv(work.work / "plan.csv", index=False)
    carry_out(job(tmp_path, own_home), load=Fake().load)
    assert len(list((work.target / "synthetic").iterdir())) == 12 == len(list((work.target / "provenance").iterdir()))


def test_a_reference_that_has_gone_and_options_out_of_range_are_one_line(tmp_path, own_home):
    work = job(tmp_path, own_home)
    assert "--batch 0: expected 1 or more" in refused(lambda: carry_out(work, batch=0))
    assert "--offload half: expected one of none, model, sequential" in refused(lambda: carry_out(work, offload="half"))
    hidden = work.references.rename(tmp_path / "hidden")
    assert "cannot be read any more" in refused(lambda: carry_out(work, load=Fake().load))
    hidden.rename(work.references)
    with pytest.raises(KeyboardInterrupt):
        carry_out(work, load=Fake(stop_after=23).load)
    for person, name in work.photos.loc[work.photos["use"] == "real", ["person", "name"]].to_numpy():
        (work.references / person / name).write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read any more"):
        carry_out(work, load=Fake().load)
    assert not work.is_finished


# ------------------------------------------------------------------------------------------------------------- the door


def test_both_classes_leave_through_one_door(tmp_path, own_home):
    _, source = made(tmp_path, own_home)
    images = audit.audit_files(source, listing.image_files(source), lambda count: None)
    assert (images["issue"] == "").all() and images["label"].value_counts().to_dict() == {"real": 24, "synthetic": 24}
    for column in ("width", "height", "format", "mode", "quantisation", "subsampling", "exif", "icc"):
        assert images[column].nunique() == 1, column
    assert images["path"].str.fullmatch(r"(real|synthetic)/[0-9a-f]{16}\.jpg").all()
    assert images["width"].iloc[0] == 64 and not images[["exif", "icc"]].to_numpy().any()
    probe = shortcut.shortcut_scores(images, 7)
    assert probe.groupby("label").size().tolist() == [24, 24]


def test_a_photographs_metadata_and_turn_do_not_pass(tmp_path, own_home):
    folder = photographs(tmp_path / "people of ü")
    for path in folder.rglob("*.jpg"):
        picture, exif = Image.open(path), Image.Exif()
        exif[274], exif[271] = 6, "a camera"
        picture.save(path, exif=exif, quality=88)
    work, _ = made(tmp_path, own_home)
    left = next((work.target / "real").iterdir())
    assert not Image.open(left).getexif() and b"camera" not in left.read_bytes()


def test_references_are_no_real_images_and_a_person_is_on_one_side(tmp_path, own_home):
    work, source = made(tmp_path, own_home, images=72)
    provenance = pd.read_csv(work.target / "provenance.csv")
    real = set(provenance.query("label == 'real'")["made_from"])
    shown = {name for cell in provenance.query("label == 'synthetic'")["made_from"] for name in cell.split("|")}
    assert len(real) == 24 and len(shown) == 24 and not real & shown
    images = audit.audit_files(source, listing.image_files(source), lambda count: None)
    assert images.groupby("group")["label"].nunique().tolist() == [2] * 12
    pairs = find_duplicates(images)
    split = assign_splits(images, np.empty((0, 2), int), 7)
    assert len(pairs) == 0 and split.groupby(images["group"]).nunique().max() == 1
    assert set(split) == set(study.SPLITS)


# ----------------------------------------------------------------------------------------------------------- provenance


def test_every_image_says_where_it_comes_from(tmp_path, own_home):
    work, _ = made(tmp_path, own_home)
    for row, name in zip(work.rows, file_names(work), strict=True):
        known = json.loads((work.target / "provenance" / f"{name}.json").read_text(encoding="utf-8"))
        assert known["sha256"] == study.file_hash(work.target / known["file"]) and known["file"].endswith(f"{name}.jpg")
        assert known["plan"]["prompt"] == row.prompt and known["plan"]["references"] == list(row.references)
        assert {"model", "revision", "versions", "time", "batch", "references_sha256"} <= set(known)
    table = pd.read_csv(work.target / "provenance.csv", dtype=str)
    assert len(table) == 48 and table["seed"].dropna().str.fullmatch(r"\d+").all()
    text = "".join(path.read_text(encoding="utf-8") for path in work.target.rglob("*.*") if path.suffix != ".jpg")
    assert str(tmp_path) not in text


def test_the_set_comes_with_its_rows_for_the_manifest(tmp_path, own_home):
    work, _ = made(tmp_path, own_home)
    rows = pd.read_csv(work.target / "data_manifest.csv", dtype=str, keep_default_na=False)
    both = pd.concat([pd.read_csv(manifest.MANIFEST, dtype=str, keep_default_na=False), rows])
    both.to_csv(tmp_path / "manifest.csv", index=False)
    read = manifest.read_manifest(tmp_path / "manifest.csv").query("location.str.startswith('datasets/')")
    assert read["images"].tolist() == [24, 24] and read["generator"].tolist() == ["", "a model 1234"]


def test_the_dataset_is_used_and_no_longer_called_a_stand_in(tmp_path, own_home, monkeypatch):
    assert sources.find_source("1").stand_in
    _, source = made(tmp_path, own_home)
    assert not source.stand_in and source.words == "OmniGen images (a model, revision 1234)"
    monkeypatch.setattr(run_all, "STEPS", study.STEPS[:1])
    monkeypatch.setattr(run_all, "summary", lambda *_: None)
    results = tmp_path / "results"
    assert run_all.main(["--dataset", "1", "--quick", "--results", str(results)]) == 0
    folder = results / "quick" / "dataset_1"
    words = json.loads((folder / "audit.json").read_text(encoding="utf-8"))["dataset"]
    assert words["source"] == source.words and not words["stand_in"]
    images = pd.read_csv(folder / "images.csv", dtype=str)
    assert images.groupby("group")["split"].nunique().max() == 1 and images["group"].nunique() == 12


def test_a_set_may_be_given_as_a_folder_or_copied_and_its_record_is_checked(tmp_path, own_home):
    work, source = made(tmp_path, own_home)
    copy = work.target.rename(tmp_path / "a copy ü")
    found = sources.find_source("", str(copy))
    assert found.words == source.words and found.generated
    assert (listing.image_files(found)["group"] != "").all()
    next((copy / "synthetic").iterdir()).unlink()  # who throws a bad image away keeps the others' people
    assert (listing.image_files(found)["group"] != "").sum() == 47
    (copy / "people.csv").write_text("file,person\na,b\n")
    assert "expected a CSV table with columns path and group" in refused(listing.image_files, found)
    (copy / "generated.json").write_text("{")
    assert "cannot be read as the record of a generated set" in refused(sources.find_source, "", str(copy))


# --------------------------------------------------------------------------------------------------------- command line


def wrong(options, capsys) -> str:
    try:
        assert run_all.main(options) == 2
    except SystemExit as stop:
        assert stop.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error and ("usage" in error or len(error.splitlines()) == 1)
    return error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--generate"], "--generate only makes a dataset"),
        (["--generate", "--dataset", "1", "2"], "--generate only makes a dataset"),
        (["--generate", "--dataset", "1", "--data", "x"], "--generate only makes a dataset"),
        (["--generate", "--dataset", "1", "--tiny"], "none with --tiny"),
        (["--generate", "--dataset", "1", "--references", "x", "--quick"], "--generate only makes a dataset"),
        (["--generate", "--dataset", "control", "--references", "x"], "expected one of 1, 2, 3, 4"),
        (["--generate", "--dataset", "1"], "--references: expected a folder"),
        (["--generate", "--dataset", "1", "--references", "nowhere"], "no such folder"),
        (["--generate", "--dataset", "1", "--references", "x", "--prompts", "none"], "no such file"),
        (["--generate", "--dataset", "1", "--references", "x", "--offload", "some"], "invalid choice"),
        (["--dataset", "1", "--references", "x"], "goes with --generate"),
        (["--dataset", "1", "--tiny"], "goes with --generate"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(options, said, capsys):
    assert said in wrong(options, capsys)


def asked(tmp_path, *more) -> list[str]:
    folder = tmp_path / "people of ü"
    if not folder.exists():
        photographs(folder, each=2, size=(300, 260))
    return ["--generate", "--dataset", "2", "--references", str(folder), "--images", "12", *more]


def test_the_plan_and_its_cost_are_shown_before_anything_is_needed(tmp_path, own_home, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run_all.main(asked(tmp_path, "--yes")) == 2
    shown = capsys.readouterr()
    assert "12 images of 12 people" in shown.out and "h on one A800" in shown.out
    assert "pip install -r requirements-generate.lock" in shown.err and len(shown.err.splitlines()) == 1
    assert len(pd.read_csv(own_home / "datasets" / "generating" / "dataset_2" / "plan.csv")) == 12
    assert not (own_home / "datasets" / "2").exists()


def test_without_a_terminal_yes_is_needed_and_no_means_no(tmp_path, own_home, capsys, monkeypatch):
    monkeypatch.setattr("run_all.obstacle", lambda job: "")
    monkeypatch.setattr(run_all, "run_step", lambda *given: steps.append(given))
    steps = []
    assert run_all.main(asked(tmp_path)) == 2
    assert "give --yes to carry the plan out" in capsys.readouterr().err
    monkeypatch.setattr(run_all.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert run_all.main(asked(tmp_path)) == 0 and "nothing generated" in capsys.readouterr().out
    assert steps == []
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert run_all.main(asked(tmp_path, "--batch", "2", "--results", str(tmp_path / "r"))) == 0
    step, _, _, values = steps[0]
    assert step is study.GENERATE and values["BATCH"] == 2 and values["OFFLOAD"] == "model" and not values["TINY"]
    assert values["IMAGES"] == 12 and values["DATASET"] == "2"


def test_a_finished_set_is_said_to_be_there(tmp_path, own_home, capsys):
    work, _ = made(tmp_path, own_home)
    words = ["--prompts", str(tmp_path / "prompts.toml"), "--images", "24"]
    assert run_all.main(["--generate", "--dataset", "1", "--references", str(work.references), *words]) == 0
    assert "python run_all.py --dataset 1 uses it" in capsys.readouterr().out
