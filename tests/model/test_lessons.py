"""What notebooks teach with: a split that leaks, the network by stage, a recipe as a table."""

import dataclasses

import numpy as np
import pandas as pd
from support import refused

from lib import study
from lib.model import network
from lib.model.training import lessons


def people(images_each, people=40, width=300):
    """Features in which each person is known again, and nothing else."""
    random = np.random.default_rng(0)
    groups = np.repeat([f"p{number:02}" for number in range(people)], images_each)
    own = np.repeat(random.normal(size=(people, width)), images_each, axis=0)
    features = (own + 0.5 * random.normal(size=own.shape)).astype("float32")
    return lessons.Kept(features, np.arange(len(groups)) % 2, groups)


def test_labels_dealt_to_people_are_found_by_a_split_by_image_alone():
    dealt = lessons.dealt_labels(people(4))
    assert list(dealt.columns) == ["split", "deal", "roc_auc"] and len(dealt) == 40
    means = dealt.groupby("split")["roc_auc"].mean()
    assert means["by image"] > 0.9 and 0.35 < means["by group"] < 0.6
    assert dealt.equals(lessons.dealt_labels(people(4)))


def test_where_no_group_holds_several_images_nothing_is_dealt():
    assert lessons.dealt_labels(people(1)).empty and lessons.dealt_labels(people(4, people=5)).empty


def test_the_stage_table_counts_what_each_stage_opens(detectors, own_home):
    recipe, detector = detectors["average"]
    run = dataclasses.replace(study.open_run(dataset="1"), recipe=recipe)
    assert "run notebook 02_phase1_training" in refused(lessons.stage_table, run)
    network.save(detector, run.model_path("phase1"))
    run.record(network=network.described(network.load(run.model_path("phase1")), recipe))
    table = lessons.stage_table(run)
    head = sum(int(np.prod(weight.shape)) for weight in detector.get_layer("head").trainable_variables)
    assert table.loc["phase1", "blocks"] == "none" and table.loc["phase1", "weights_trained"] == head
    assert table.loc["partial", "blocks"] == f"{recipe.unfreeze_from} to 8"
    assert table.loc["full", "blocks"] == "0 to 8" and table["weights_trained"].is_monotonic_increasing
    assert table["share"].between(0, 1).all() and list(table["epochs"]) == [
        recipe.phase(stage).epochs for stage in study.STAGES
    ]


def test_a_recipe_is_a_table_of_texts():
    table, stages = lessons.recipe_tables(study.RECIPES["original"])
    assert table.loc["head", "value"] == "study" and table.loc["degradation", "value"] == "-"
    assert stages.loc["epochs"].to_list() == ["20", "3", "2"] and stages.loc["patience", "phase1"] == "-"
    fields = {field.name for field in dataclasses.fields(study.Recipe)}
    assert {*table.index, *stages.columns} == fields
    assert all(table.map(type).eq(str).all().all() for table in (table, stages))


def test_the_kept_features_are_those_of_phase_1(own_home, monkeypatch, scored_run):
    """Only the way to them is tested here: the features themselves are tests/model/test_training.py's."""
    asked = []

    def frozen(files, view, *, kinds, engine, on_progress):
        asked.append((len(files), view.version, kinds))
        return [np.zeros((len(files), 3), "float16")]

    scored_run.record(network={"features": 3})
    monkeypatch.setattr(lessons, "frozen_features", frozen)
    monkeypatch.setattr(type(scored_run), "require", lambda *_: None)
    train, validation = lessons.kept_features(scored_run)
    assert [count for count, *_ in asked] == [24, 24] and asked[0][1:] == (0, {"0/average": 3})
    assert train.features.dtype == np.float32 and set(validation.labels) == {0, 1} and len(set(train.groups)) == 24


def test_baselines_are_scored_on_the_runs_own_split(scored_run):
    from lib.data.audit import thumbnails

    found = thumbnails.baseline_scores(scored_run)
    assert set(found["baseline"]) == {*thumbnails.BASELINES} and len(found) == 2 * 48
    assert found["score"].between(0, 1).all() and found.loc[found["baseline"] == "dummy", "score"].eq(0.5).all()
    assert set(found["split"]) == {"validation", "test"}
    pd.testing.assert_frame_equal(found, thumbnails.baseline_scores(scored_run))
