"""A detector adapted to a new source: the algebra of the refit, honest numbers, a folder that scores, refusals in one line."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.kernel_ridge import KernelRidge
from support import complaints, refused

from lib import study
from lib.data.audit.new_pictures import read_pictures
from lib.metrics.measures import roc_auc
from lib.model import adapt as command
from lib.model import heads, scoring
from lib.model.use import adaptation, refit
from lib.model.use.adaptation import adapt, target_folder, write_adapted
from lib.model.use.detector import read_detector
from lib.model.use.refit import ALONE, TOGETHER, Choice, Images, Refit


def made_up(count, seed, shift=1.5, width=30, direction=0):
    """Images whose classes differ along one feature."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = random.normal(size=(count, width)).astype("float32")
    features[:, direction] += shift * (labels - 0.5)
    return Images(features, labels, np.array([f"g{number}" for number in range(count)]))


@pytest.mark.parametrize("old", [None, (np.linspace(-0.1, 0.1, 30), 0.02)])
def test_fits_from_inner_products_are_ridge_regressions_on_all_rows(old):
    source, new = made_up(60, 1), made_up(24, 2, direction=1)
    found = Refit(new, source, old)
    rows, rest = np.arange(16), np.arange(16, 24)
    choice = Choice(TOGETHER, 0.3, 4.0)
    # The same by scikit-learn: all rows at once, with a constant feature, weights and what the old head leaves over.
    constant = np.sqrt(30)
    features = np.vstack([source.features, new.features[rows]])
    features = np.column_stack([features, np.full(len(features), constant)])
    if old is None:
        known, targets = 0.0, np.concatenate([source.labels, new.labels[rows]]) - 0.5
    else:
        known = new.features @ old[0] + old[1]
        targets = np.concatenate([np.zeros(60), new.labels[rows] - 0.5 - known[rows]])
    weights = np.concatenate([np.ones(60), np.full(16, 4.0 * 60 / 16)])
    ridge = KernelRidge(alpha=0.3 * 30).fit(features, targets, weights)
    expected = ridge.predict(np.column_stack([new.features, np.full(24, constant)])) + known
    np.testing.assert_allclose(found.raw(choice, rows, rest), expected[rest], atol=1e-4)
    coefficients, intercept = found.line(choice, rows)
    np.testing.assert_allclose(new.features @ coefficients + intercept, expected, atol=1e-4)


def test_target_alone_does_not_depend_on_the_source():
    new = made_up(20, 3)
    choice, rows = Choice(ALONE, 1.0, 1.0), np.arange(20)
    with_source, without = (Refit(new, source) for source in (made_up(60, 4), None))
    np.testing.assert_array_equal(with_source.raw(choice, rows, rows), without.raw(choice, rows, rows))
    assert {one.mode for one in without.choices} == {ALONE}


def test_what_cannot_be_learnt_stays_at_chance_and_the_head_as_it_is():
    """The labels of the new pictures mean nothing: a score that the refit saw would be far above 0.5."""
    aucs, kept = [], []
    for seed in range(12):
        new, source = made_up(40, seed, shift=0), made_up(80, 99)
        found = Refit(new, source, (np.eye(30)[0], 0.0))
        aucs.append(roc_auc(new.labels, found.held_out(None).scores))
        kept.append(found.choose(np.arange(40))[0].weight == 0)
    assert 0.35 < np.mean(aucs) < 0.6
    assert np.mean(kept) > 0.5


def test_a_new_trace_is_learnt_and_more_pictures_help():
    new, source = made_up(80, 5, shift=3.0, direction=1), made_up(100, 6, shift=3.0)
    found = Refit(new, source, (np.eye(30)[0] / 3, 0.0))
    assert roc_auc(new.labels, new.features[:, 0]) < 0.65
    held_out = found.held_out(made_up(40, 7, shift=3.0))
    assert roc_auc(new.labels, held_out.scores) > 0.85
    assert set(held_out.called) == {"fixed", "best_f1", "balanced", "fpr_5", "fpr_1"}
    curve = found.curve(draws=6)
    assert curve["pictures"].tolist() == [5, 10, 20] and (curve["draws"] == 6).all()
    assert curve["roc_auc"].iloc[-1] > curve["roc_auc"].iloc[0]
    assert (curve["roc_auc_low"] <= curve["roc_auc"]).all() and (curve["roc_auc"] <= curve["roc_auc_high"]).all()


def test_pictures_of_one_group_are_never_fitted_on_and_scored():
    new = dataclasses.replace(made_up(60, 8), groups=np.array([f"p{number // 4}" for number in range(60)]))
    found = Refit(new)
    for train, rest in [*found.folds(np.arange(60)), *(found.drawn(5, draw) for draw in range(5))]:
        assert not set(new.groups[train]) & set(new.groups[rest])


def test_the_line_of_a_linear_head_is_its_logit(lite0):
    random = np.random.default_rng(0)
    mean, variance, weights = random.normal(size=8), random.uniform(0.5, 2, 8), random.normal(size=8)
    head = heads.linear_head(mean, variance, weights, 0.3)
    features = random.normal(size=(5, 8)).astype("float32")
    coefficients, intercept = heads.line_of(head)
    logit = features @ coefficients + intercept
    np.testing.assert_allclose(head.predict(features, verbose=0)[:, 0], 1 / (1 + np.exp(-logit)), atol=1e-5)
    assert heads.line_of(heads.study_head(8)) is None


# ------------------------------------------------------------------------------------------------------- reading pictures


def save(path, seed, spread=20, size=(96, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    # A smooth pattern of its own, so that no picture looks like another, with noise.
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), "uint8")).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse, float) + random.normal(0, spread, (size[1], size[0], 3))
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path, quality=90)
    return path


@pytest.fixture(scope="module")
def kept_pictures(tmp_path_factory):
    """Twelve pictures of each class of a new source; the synthetic ones have more noise."""
    root = tmp_path_factory.mktemp("a new source é")
    for number in range(12):
        save(root / "real" / f"{number}.jpg", number, 10)
        save(root / "fake" / f"{number}.jpg", 100 + number, 60)
    return root


@pytest.fixture
def pictures(kept_pictures, tmp_path):
    return Path(shutil.copytree(kept_pictures, tmp_path / kept_pictures.name))


def read(root):
    return read_pictures(root / "real", root / "fake")


def test_pictures_are_read_by_content_and_the_rest_is_named(pictures):
    first = read(pictures)
    assert first.counts == {"real": 12, "synthetic": 12} and first.name == pictures.name
    (pictures / "real" / "broken.jpg").write_bytes(b"no picture")
    shutil.copy(pictures / "real" / "3.jpg", pictures / "real" / "zz.jpg")
    (pictures / "fake" / "0.jpg").rename(pictures / "fake" / "another name.jpg")
    again = read(pictures)
    assert [Path(name).name for name in again.aside] == ["broken.jpg"] and again.repeated == 1
    assert again.images["image_id"].tolist() == first.images["image_id"].tolist()
    assert again.images["group"].tolist() == first.images["group"].tolist()


def test_inner_folders_and_copies_stay_together(pictures):
    for number in range(12):
        for label in ("real", "fake"):
            inner = pictures / label / f"person {number // 2}"
            inner.mkdir(exist_ok=True)
            (pictures / label / f"{number}.jpg").rename(inner / f"{number}.jpg")
    assert read(pictures).images["group"].nunique() == 6
    for number in range(10):
        shutil.move(pictures / "real" / f"person {number // 2}" / f"{number}.jpg", pictures / "real" / f"{number}.jpg")
    found = read(pictures).images
    assert found[found["label"] == "real"]["group"].nunique() == 11


def test_pictures_that_cannot_be_used_are_refused_in_one_line(pictures, tmp_path):
    shutil.copy(pictures / "real" / "1.jpg", pictures / "fake" / "as synthetic.jpg")
    assert "the same picture is in both folders" in refused(read, pictures)
    (pictures / "fake" / "as synthetic.jpg").unlink()
    for number in range(4, 12):
        (pictures / "real" / f"{number}.jpg").unlink()
    (pictures / "real" / "broken.jpg").write_bytes(b"no picture")
    text = refused(read, pictures)
    assert "4 different real pictures, expected 5 to 200" in text and "broken.jpg" in text
    assert "no such folder" in refused(read_pictures, tmp_path / "none", pictures / "fake")
    (tmp_path / "empty").mkdir()
    assert "no file there" in refused(read_pictures, tmp_path / "empty", pictures / "fake")


# ----------------------------------------------------------------------------------------------------------- the detector


@pytest.fixture(scope="module")
def adapted(scored_run, written_folder, kept_pictures, tmp_path_factory):
    """The small detector adapted to the new source, written."""
    # A head that was not changed by training, whose features are those of the network.
    folder = tmp_path_factory.mktemp("models") / "adapted é"
    made = adapt(read_detector(written_folder), scored_run, read(kept_pictures), folder=folder)
    write_adapted(made)
    return made


def without_date(lineage):
    return {name: value for name, value in lineage.items() if name != "date"}


def test_the_folder_is_complete_and_as_its_schema_says(adapted, written_folder):
    folder = adapted.detector.folder
    content = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    assert complaints("detector", content) == []
    found = read_detector(folder)
    lineage = found.content["lineage"]
    assert lineage["from"]["detector_sha256"] == study.file_hash(written_folder / "detector.json")
    assert lineage["pictures"]["real"]["count"] == 12 and lineage["new"]["images"] == 24
    assert lineage["home"]["images"] == 24 and list(found.elsewhere) == ["small"]
    assert found.training["test"]["roc_auc"] == lineage["new"]["after"]["roc_auc"]
    assert "12 real, 12 synthetic pictures of" in found.describe()
    curve = pd.read_csv(folder / "how_many.csv")
    assert curve["pictures"].tolist() == [0, 5] and (folder / "how_many.png").is_file()


def test_the_adapted_detector_scores_as_its_thresholds_were_chosen(adapted, kept_pictures, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert scoring.main([str(kept_pictures), "--model", str(adapted.detector.folder), "--out", str(out)]) == 0
    scores = pd.read_csv(out)["score"]
    assert len(scores) == 24 and scores.between(0, 1).all()
    real = pd.read_csv(out)["path"].str.contains("real")
    # It was fitted on these.
    assert scores[~real].mean() > scores[real].mean()


def test_the_same_pictures_give_the_same_detector(adapted, scored_run, written_folder, pictures):
    """Whatever the files are called."""
    (pictures / "fake" / "0.jpg").rename(pictures / "fake" / "z.jpg")
    again = adapt(read_detector(written_folder), scored_run, read(pictures), folder=Path("elsewhere"))
    assert without_date(again.lineage) == without_date(adapted.lineage)
    pd.testing.assert_frame_equal(again.curve, adapted.curve)
    for name in ("thresholds", "calibration", "evidence", "pixels", "training"):
        assert again.detector.content[name] == adapted.detector.content[name], name
    for one, other in zip(again.model.get_weights(), adapted.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_copies_of_the_detectors_own_images_are_counted_and_left_out_at_home(scored_run, written_folder, pictures):
    test = scored_run.used_images().query("split == 'test' and label == 'real'").iloc[0]
    shutil.copy(Path(scored_run.data) / test["path"], pictures / "real" / "known.jpg")
    made = adapt(read_detector(written_folder), scored_run, read(pictures))
    assert made.lineage["known_before"] == {"pictures": 1, "test": 1} and made.lineage["home"]["images"] == 23
    assert any("copies of images of the detector's own dataset" in note for note in made.notes)


def test_without_its_run_only_the_target_alone_is_left(written_folder, pictures):
    detector = read_detector(written_folder)
    made = adapt(detector, None, read(pictures))
    assert made.lineage["choice"]["mode"] == ALONE and made.lineage["home"] is None and made.home == {}
    assert "target alone is the only way" in made.notes[0]
    with pytest.raises(study.UserError, match="--source-and-target"):
        adapt(detector, None, read(pictures), (TOGETHER,))


def test_files_that_tell_the_classes_apart_are_warned_of(written_folder, pictures):
    for number in range(12):
        save(pictures / "fake" / f"{number}.jpg", 100 + number, 60, (160, 160))
    made = adapt(read_detector(written_folder), None, read(pictures))
    assert made.lineage["probe"]["low"] > 0.6
    assert any("what is gained may be of the place" in note for note in made.notes)
    assert "outside alone tells the classes apart" in made.detector.warnings("balanced")["shortcut"]


def test_an_adapted_detector_is_not_adapted_again(adapted, pictures):
    assert "is adapted itself" in refused(adapt, read_detector(adapted.detector.folder), None, read(pictures))


def test_nothing_is_overwritten_that_is_no_adapted_detector(adapted, detector_folder):
    detector = read_detector(detector_folder)
    assert target_folder(detector, "a b/c").name == f"{detector_folder.name}-adapted-a_b_c"
    there = str(adapted.detector.folder)
    assert "--force" in refused(target_folder, detector, "x", there)
    assert target_folder(detector, "x", there, True) == adapted.detector.folder
    assert "holds no adapted detector" in refused(target_folder, detector, "x", str(detector_folder), True)


def test_the_command_adapts_and_refuses_in_one_line(detector_folder, pictures, capsys, own_home):
    given = ["--model", str(detector_folder), "--real", str(pictures / "real"), "--synthetic", str(pictures / "fake")]
    assert command.main([*given, "--name", "new"]) == 0
    said = capsys.readouterr()
    assert "new source, before" in said.out and "at home" not in said.out and "target alone" in said.out
    assert "How many are needed" in said.out and "nothing is known about home" in said.err
    read_detector(detector_folder.with_name(f"{detector_folder.name}-adapted-new"))
    assert command.main([*given, "--name", "new"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("adapt: ") and said.err.count("\n") == 1 and "is there already" in said.err


def test_the_run_of_a_folder_is_found_by_its_place(scored_run, written_folder):
    detector = read_detector(written_folder)
    assert adaptation.run_of(detector) is None
    options = {"dataset": "", "data": scored_run.data, "normalise": "", "reading": {}}
    scored_run.record(options={**options, "backbone": "efficientnet-lite0", "weights": "auto", "seed": 7})
    found = adaptation.run_of(detector)
    assert (found.name, found.folder, found.recipe) == ("small", scored_run.folder, scored_run.recipe)


def test_few_pictures_of_another_dataset(scored_run, written_folder, monkeypatch, tmp_path):
    assert adaptation.few_pictures([scored_run]).empty
    other = dataclasses.replace(scored_run, name="other")
    shutil.copytree(scored_run.folder, other.folder)
    monkeypatch.setattr(adaptation.transfer, "find_overlap", lambda test, others: pd.DataFrame({"image_a": []}))
    monkeypatch.setattr(adaptation, "find_overlap", lambda new, others: pd.DataFrame({"image_a": [], "image_b": []}))
    table = adaptation.few_pictures([scored_run, other], size=5, draws=3)
    assert table[["trained_on", "adapted_to", "images"]].to_numpy().tolist() == [["small", "other", 24]]
    for name in ("roc_auc_before", "roc_auc_after", "roc_auc_home_before", "roc_auc_home"):
        row = table.iloc[0]
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"], name


def test_sizes_that_leave_too_few_to_read_are_left_out():
    assert Refit(made_up(18, 9)).curve(draws=2).empty
    assert refit.LEFT == 5
