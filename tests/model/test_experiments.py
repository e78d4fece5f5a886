"""Experiments: trials are kept and shared, thin one class, split by their seed; variants and spoiled backbones are what they say."""

import dataclasses
import os

import keras
import numpy as np
import pandas as pd
import pytest
from auditing import write_audit
from simulated import simulated
from support import made_up_trial

from lib import study
from lib.data.audit import audit
from lib.metrics import unseen
from lib.model import heads, network
from lib.model.backbone import build_backbone, build_lite0
from lib.model.training import experiments, trials
from lib.model.training.experiments import IMBALANCE
from lib.model.training.trials import Trial, run_trial
from lib.study.pretrained import lite0_file, resolve
from lib.study.recipes import CHOICES, RECIPES


@pytest.fixture
def run(folder_of_images, own_home):
    """An audited run on 40 noise images a class."""
    found = study.open_run(data=str(folder_of_images(40)), quick=True, backbone="efficientnet-lite0")
    write_audit(found)
    return found


@pytest.fixture
def fast(monkeypatch):
    """Trainings that are not carried out; notes what they were asked for."""
    asked = []

    def train(run, trial, images, place):
        asked.append(trial)
        return made_up_trial(trial, images)

    monkeypatch.setattr(trials, "_train", train)
    return asked


def test_a_trial_trains_with_the_real_network_once(run, monkeypatch):
    recipe = dataclasses.replace(run.recipe, image_size=64, batch_size=16)
    trial = Trial("small", recipe, "partial", run.seed + 1)
    images = experiments.trial_images(run, trial)
    found = run_trial(run, trial, images)
    assert list(found) == trials.TRIAL_COLUMNS and set(found["stage"]) == {"phase1", "partial"}
    assert found["score"].between(0, 1).all() and set(found["split"]) == {"validation", "test"}
    last = (found["stage"] == "partial") & (found["split"] == "validation")
    assert found.loc[last, "degraded"].between(0, 1).all() and found.loc[~last, "degraded"].isna().all()
    # Models and everything else of the training are gone; the scores are read, not trained again.
    assert [path.suffix for path in (run.folder / "trials").iterdir()] == [".csv"]
    monkeypatch.setattr(trials, "_train", None)
    pd.testing.assert_frame_equal(run_trial(run, dataclasses.replace(trial, name="the same"), images), found)


def test_a_trials_key_is_all_that_its_training_depends_on(run, fast):
    trial = Trial("a", run.recipe, "phase1", run.seed)
    others = [
        dataclasses.replace(trial, seed=trial.seed + 1),
        dataclasses.replace(trial, until="partial"),
        dataclasses.replace(trial, rare="real"),
        dataclasses.replace(trial, change=trials.random_weights),
        dataclasses.replace(trial, recipe=dataclasses.replace(trial.recipe, label_smoothing=0.1)),
    ]
    for each in (trial, trial, *others):
        run_trial(run, each, experiments.trial_images(run, each))
    left_out = dataclasses.replace(trial, left_out=("generator", "a"))
    run_trial(run, left_out, experiments.trial_images(run, trial))
    assert fast == [trial, *others, left_out]


def test_no_seed_trains_or_validates_on_a_test_image(run):
    before = run.images().set_index("image_id")["split"]
    for seed in range(run.seed, run.seed + 3):
        after = experiments.trial_images(run, Trial("", run.recipe, "full", seed)).set_index("image_id")["split"]
        assert (after[before == "test"] == "test").all() and not (after[before != "test"] == "test").any()
        assert (after == before).all() == (seed == run.seed)
        counts, expected = after.value_counts(), before.value_counts()
        assert abs(counts["validation"] - expected["validation"]) <= 2
    groups = run.images().assign(group=[f"person {number // 3}" for number in range(len(before))])
    again = audit.choose_validation_again(groups, run.pairs(), 1)
    sides = again[again["split"] != "test"].groupby("group")["split"].nunique()
    assert len(sides) > 10 and (sides == 1).all()


def test_a_rare_class_is_thinned_but_not_in_test(run):
    same = experiments.trial_images(run, Trial("", run.recipe, "full", run.seed))
    thin = experiments.trial_images(run, Trial("", run.recipe, "full", run.seed, rare="real"))
    before, after = (table.groupby(["split", "label"]).size() for table in (same, thin))
    assert after["test"].equals(before["test"])
    for split in ("train", "validation"):
        assert after.get((split, "real"), 0) == before[split, "synthetic"] // IMBALANCE
        assert after[split, "synthetic"] == before[split, "synthetic"]


def test_variants_differ_from_the_recipe_in_what_they_name():
    found = experiments.variants(RECIPES["tuned"])
    assert len({each.name for each in found}) == len(found)
    references = [each for each in found if each.recipe == RECIPES["tuned"]]
    assert [each.until for each in references] == ["phase1", "full"]
    fields = {field.name for field in dataclasses.fields(RECIPES["tuned"])}
    *found, last = found
    assert last.recipe == RECIPES["original"]
    for each in found:
        changed = [name for name in fields if getattr(each.recipe, name) != getattr(RECIPES["tuned"], name)]
        assert len(changed) <= 2, each.name


def test_every_way_to_degrade_training_views_has_its_row():
    found = experiments.variants(RECIPES["tuned"], fine_tuning=False)
    rows = {each.recipe.degradation for each in found if each.choice == "degraded views"}
    assert rows | {RECIPES["tuned"].degradation} == set(CHOICES["degradation"])


def test_the_choice_between_generators_is_a_row_only_where_there_are_several():
    plain = experiments.variants(RECIPES["tuned"])
    several = experiments.variants(RECIPES["tuned"], generators=True)
    (added,) = (each for each in several if each not in plain)
    assert added.recipe.generators == "even" and added.until == "phase1"
    assert [each for each in several if each != added] == plain


def test_ablation_reads_validation_only_and_marks_the_stage(run, fast):
    found = experiments.ablation(run)
    assert set(found["split"]) == {"validation"} and set(found["stage"]) == {"phase1"}
    assert len(found["variant"].unique()) == len(fast) < len(experiments.variants(RECIPES["tuned"]))


def test_wrong_turns_read_the_correct_run_in_two_other_ways(run, fast):
    found = experiments.wrong_turns(run)
    assert list(found["turn"].unique()) == list("abcdefg") and len(fast) == 5
    scores = {turn: part[part["split"] == "test"]["score"].to_numpy() for turn, part in found.groupby("turn")}
    np.testing.assert_array_equal(scores["a"], scores["g"])
    assert sorted(scores["a"]) == sorted(scores["c"]) and (scores["a"] != scores["c"]).any()
    assert set(found.loc[found["turn"] == "g", "chosen_on"]) == {"test"}
    trials = {trial.name: trial for trial in fast}
    assert [trials["e"].recipe.phase(stage).epochs for stage in ("phase1", "partial")] == [0, 0]
    assert trials["e"].recipe.full.learning_rate == 1e-8 and trials["f"].recipe.batch_norm == "trained"


def test_spoiled_backbones_are_spoiled_as_they_say():
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    right = build_lite0(lite0_file())
    expected = right(images / 255, training=False).numpy()
    divided = trials.inputs_divided_by_255(build_lite0(lite0_file()))
    np.testing.assert_allclose(divided(images, training=False), expected, atol=1e-4)
    backbone = build_backbone(resolve("efficientnet-lite0"))
    fresh = trials.random_weights(backbone)
    assert [layer.name for layer in fresh.layers] == [layer.name for layer in backbone.layers]
    kernels = [(a.numpy(), b.numpy()) for a, b in zip(fresh.weights, backbone.weights) if a.path.endswith("kernel")]
    assert kernels and not any(np.allclose(one, other) for one, other in kernels)


def test_batch_normalisation_can_be_trained_where_the_recipe_says_so():
    backbone = build_backbone(resolve("efficientnet-lite0"))
    recipe = dataclasses.replace(RECIPES["original"], batch_norm="trained", image_size=64)
    keras.utils.set_random_seed(0)
    model = network.assemble(backbone, heads.study_head(1280), recipe)
    network.unfreeze(model, recipe, "full")
    moving = [weight for weight in model.get_layer("backbone").weights if "moving_mean" in weight.path]
    before = [weight.numpy() for weight in moving]
    model(np.zeros((2, 64, 64, 3), "float32"), training=True)
    assert all((weight.numpy() != old).any() for weight, old in zip(moving, before))


def test_trainings_that_are_to_be_done_again_are_done_again_once(run, fast, monkeypatch):
    monkeypatch.setattr(experiments, "variants", lambda recipe, **_: [experiments.Variant("a", "b", recipe)])
    experiments.ablation(run)
    experiments.ablation(run)
    assert len(fast) == 1
    (kept,) = run.trials.glob("*.csv")
    os.utime(kept, (1, 1))
    run.train_again(study.EXPERIMENTS["ablation"])
    experiments.ablation(run)
    experiments.ablation(run)
    assert len(fast) == 2


# --------------------------------------------------------------------------------------------------- left-out values

THREE = {"": ("", 96), "blocks": ("blocks", 48), "smooth": ("smooth", 48), "grid": ("grid", 48)}


@pytest.fixture
def of_makers(tmp_path, own_home):
    """Makes an audited run on simulated pictures, with a recipe that takes seconds: 64 pixels and the regression alone."""

    def make(makers):
        (tmp_path / "drawn").mkdir()
        data = str(simulated(tmp_path / "drawn", makers))
        found = study.open_run(data=data, quick=True, backbone="efficientnet-lite0")
        phase1 = dataclasses.replace(found.recipe.phase1, epochs=0)
        recipe = dataclasses.replace(found.recipe, image_size=64, batch_size=16, views=0, phase1=phase1)
        found = dataclasses.replace(found, recipe=recipe)
        write_audit(found)
        return found

    return make


def with_columns(run, **columns):
    """The run with further columns in its image table."""
    images = run.images().assign(**columns)
    audited = {key: value for key, value in run.audit().items() if key != "schema"}
    run.write_audit(images, run.pairs(), audited)
    return run


def test_a_detector_knows_less_of_a_generator_that_it_has_not_seen(of_makers):
    # Two names for random halves of one generator: leaving out one of them must change nothing.
    makers = {"one half": ("smooth", 48), "other half": ("smooth", 48), "grid": ("grid", 48), "few": ("blocks", 24)}
    run = of_makers({"": ("", 96), **makers})
    table = unseen.unseen_table(*experiments.generators(run, 10)).set_index("value")
    assert table["images"].to_dict() == {"one half": 12, "other half": 12, "grid": 12, "few": 6}
    known = table.drop("few")
    assert table.loc["few", "why"] == "too few test images" and set(known["why"]) == {""}
    assert ((known["roc_auc_low"] <= known["roc_auc"]) & (known["roc_auc"] <= known["roc_auc_high"])).all()
    assert (table.loc[["one half", "other half"], "difference"].abs() < 0.06).all()
    assert table.loc["grid", "difference_high"] < -0.3 and known["roc_auc_seen"].min() > 0.7
    # One training with all, and one without each that is measured: all of them are kept.
    assert len(list(run.trials.glob("*.csv"))) == 4


def test_images_of_a_left_out_generator_are_in_no_training_and_no_validation(of_makers, fast, monkeypatch):
    run = of_makers({**THREE, "": ("", 40)})
    given = []
    train = trials._train
    monkeypatch.setattr(
        trials, "_train", lambda run, trial, images, place: given.append(images) or train(run, trial, images, place)
    )
    cases, scored = experiments.generators(run, 10)
    assert [trial.left_out[1] for trial in fast] == ["", "blocks", "grid", "smooth"]
    assert {trial.until for trial in fast} == {"phase1"}
    before = run.images()
    for trial, images in zip(fast, given, strict=True):
        learnt = images[images["split"].isin(("train", "validation"))]
        assert set(learnt["generator"]) == {"", "blocks", "grid", "smooth"} - {trial.left_out[1] or "none"}
        others = before["generator"] != (trial.left_out[1] or "none")
        assert (images["split"] == before["split"])[others | (before["split"] == "test")].all()
    # The test images of a case are its own and all real ones; of validation everything that the detector had.
    for (value, seen), rows in scored.groupby(["value", "seen"]):
        made = rows["image_id"].map(dict(zip(before["image_id"], before["generator"])))
        assert set(made[rows["split"] == "test"]) == {"", value}
        assert (value in set(made[rows["split"] == "validation"])) == seen
    assert set(cases["why"]) == {""}


def test_images_of_an_unknown_generator_are_in_neither_detector(of_makers, fast):
    run = of_makers(THREE)
    unknown = run.images()["generator"].where(run.images()["generator"] != "grid", "")
    experiments.generators(with_columns(run, generator=unknown), 10)
    assert [trial.left_out for trial in fast] == [("generator", name) for name in ("", "blocks", "smooth")]
    for trial in fast:
        images = experiments.trial_images(run, trial)
        made = images[(images["label"] == "synthetic") & images["split"].isin(("train", "validation"))]
        assert "" not in set(made["generator"]) and len(made)


def test_generators_of_few_test_images_are_not_trained_for(of_makers, fast):
    run = of_makers({"": ("", 40), "many": ("blocks", 48), "few": ("grid", 16)})
    table = unseen.unseen_table(*experiments.generators(run, 10)).set_index("value")
    assert table.loc["few", "why"] == "too few test images" and table.loc["few", "images"] == 4
    # Without the frequent one there are too few left.
    assert table.loc["many", "why"] == "too few other images" and fast == []
    assert table["roc_auc"].isna().all()
    assert unseen.shown(table.reset_index())["AUC, seen"].tolist() == table["why"].tolist()


def test_one_generator_is_nothing_to_leave_out(run, fast):
    cases, scored = experiments.generators(run, 10)
    table = unseen.unseen_table(cases, scored)
    assert table.empty and fast == [] and unseen.headline(table) == "" and unseen.intervals(table) == {}
    run.write_experiment("generators", table)
    assert list(run.experiment("generators")) == [*table.columns, "source"]


def test_sources_of_photographs_are_left_out_too(of_makers, fast):
    run = of_makers({"": ("", 96), "blocks": ("blocks", 48)})
    images = run.images()
    # Synthetic images have a value in this column as well: it is that of real ones that counts.
    camera = np.where(images["group"].str.len() % 2, "phone", "NA")
    cases, scored = experiments.generators(with_columns(run, source=camera), 1)
    assert set(cases["column"]) == {"source"} and set(cases["value"]) == {"phone", "NA"}
    assert [trial.left_out[0] for trial in fast] == ["", "source", "source"]
    for trial in fast[1:]:
        learnt = experiments.trial_images(run, trial).query("split == 'train' or split == 'validation'")
        real = learnt[learnt["label"] == "real"]
        assert len(real) and trial.left_out[1] not in set(real["source"])
        assert (learnt["label"] == "synthetic").sum() == 36
    tested = scored[(scored["split"] == "test") & (scored["value"] == "phone")]
    cameras = tested["image_id"].map(dict(zip(images["image_id"], camera)))
    assert set(cameras[tested["y"] == 0]) == {"phone"} and (tested["y"] == 1).sum() == 2 * 12


def test_the_table_of_generators_is_written_with_its_columns_only(run):
    with pytest.raises(ValueError, match="lacks the columns value, images, why"):
        run.write_experiment("generators", pd.DataFrame({"column": ["generator"]}))
