"""Scores of models on other datasets: what two datasets share is looked for once, whatever the number of their models."""

import shutil
from collections import Counter

import pandas as pd
import pytest
from support import finish, finish_stages, refused

from lib.model.use import transfer
from lib.study.names import STAGES, UserError
from lib.study.run import Run, open_run


@pytest.fixture
def runs(own_home):
    found = [open_run(dataset=name, recipe=recipe) for name in ("1", "2") for recipe in ("original", "tuned")]
    for run in found:
        finish(run, count=60, evaluated=False)
    return found


def test_overlap_is_looked_for_once_for_each_pair_of_datasets(runs, monkeypatch):
    asked = Counter()
    overlap = transfer.find_overlap

    def counted(images, others):
        asked.update((*others, len(images)))
        return overlap(images, others)

    def without_a_model(trained, tested, unseen):
        return pd.DataFrame(
            {"pair": [(trained.name, trained.recipe.name, tested.name)], "left": [unseen and unseen[1]]}
        )

    monkeypatch.setattr(transfer, "find_overlap", counted)
    monkeypatch.setattr(transfer, "cross_scores", without_a_model)
    scored = transfer.all_cross_scores(runs)
    assert asked["dataset_1"] == asked["dataset_2"] == 1
    assert len(scored) == 8 and len(set(scored["pair"])) == 8
    # All images of one are in the other here, byte for byte.
    away = scored[[trained != tested for trained, _, tested in scored["pair"]]]
    assert (away["left"] == 20).all() and scored["left"].isna().sum() == 4


def test_a_missing_model_is_named_in_one_line(runs):
    assert "phase1.keras is not there, which scores dataset_2" in refused(transfer.cross_scores, runs[0], runs[2])


def test_at_home_the_scores_are_those_that_are_saved(runs):
    scored = transfer.cross_scores(runs[0], runs[0])
    assert set(scored["tested_on"]) == {"dataset_1"} and len(scored) == 3 * 20


def test_what_is_wrong_with_one_run_does_not_stop_the_others(runs):
    missing = []
    for path in (run.model_path(stage) for run in runs for stage in STAGES):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a model")
    scored = transfer.all_cross_scores(runs, missing)
    # At home there are scores; away every image is in the other dataset too.
    assert set(zip(scored["trained_on"], scored["tested_on"])) == {(run.name, run.name) for run in runs}
    assert len(missing) == 4 * 3 and {found["overlap_removed"] for found in missing} == {20}
    assert missing[0]["why"] == "no test image of dataset_2 is left that dataset_1 does not hold too"
    apart = [run for run in runs if run.name == "dataset_2"]
    for run in apart:
        images = run.images().assign(sha256=lambda rows: [f"{at + 1000:064}" for at in rows.index])
        run.write_audit(images, run.pairs(), run.audit())
        finish_stages(run, images, evaluated=False)
    missing = []
    for run in runs:
        shutil.rmtree(run.model_folder)
    transfer.all_cross_scores(runs, missing)
    assert "phase1.keras is not there, which scores dataset_2" in missing[0]["why"] and len(missing) == 12
    with pytest.raises(UserError):
        transfer.all_cross_scores(runs)


def test_another_form_of_the_training_images_holds_nothing_unseen(own_home):
    mine = open_run(data="/some/faces")
    other = open_run(data="/some/faces", normalise="64,90")
    for run in (mine, other):
        images = finish(run, count=60, evaluated=False)
        # Nothing of a file gives away that it is the same picture.
        run.write_audit(images.assign(sha256=[f"{run.name}{at}" for at in images.index]), run.pairs(), run.audit())
    left, removed = transfer.test_images(mine, other)
    assert left.empty and removed == 20


def test_pictures_of_another_scale_are_named_with_what_was_done(monkeypatch):
    def sized(side):
        return pd.DataFrame({"split": ["train", "validation", "test"], "height": side, "width": side + 40})

    sizes = {"dataset_1": sized(256), "dataset_2": sized(1024)}
    monkeypatch.setattr(Run, "used_images", lambda run: sizes[run.name])
    first, second, squeezed = open_run(dataset=1), open_run(dataset=2), open_run(dataset=1, recipe="original")
    assert transfer.scale_sentences([first, squeezed, second]) == [
        "dataset_1 (tuned) on dataset_2: another scale, shorter sides of 1,024 pixels (median), at most 256 in training; "
        "larger pictures were brought to 256 first.",
        "dataset_2 (tuned) on dataset_1: another scale, shorter sides of 256 pixels (median), at least 1,024 in training; "
        "each picture was looked at as a whole.",
    ]
    sizes["dataset_2"] = sized(300)
    assert transfer.scale_sentences([first, second]) == []
