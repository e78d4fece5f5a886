"""Training: class weights, frozen BatchNormalization, determinism, the best epoch kept, control stays null."""

import dataclasses
import gc
import os
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
from auditing import write_audit
from PIL import Image
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import finish, refused

from lib import study
from lib.data.images.batches import load_views
from lib.data.images.parts import parts_of
from lib.data.images.views import ImageFile, recipe_view
from lib.data.standin import draw as standin
from lib.metrics import measures
from lib.model import engine, heads, network, pooling
from lib.model.backbone import build_backbone
from lib.model.engine import Engine
from lib.model.features import FeatureStore, Rows, frozen_features, held
from lib.model.scores import run_files, run_view, saved_engine
from lib.model.training.fitting import FusedAdam, _BestEpoch, make_deterministic, probabilities
from lib.model.training.heads import train_head
from lib.model.training.sampling import (
    MAX_USES,
    class_weights,
    feature_batches,
    generator_weights,
    row_labels,
    training_rows,
)
from lib.model.training.stages import ACTIVATION_BUDGET, _features, fine_tune, train_phase1
from lib.model.training.trials import random_weights
from lib.study.files import file_hash
from lib.study.names import UserError, as_int
from lib.study.pretrained import resolve
from lib.study.recipes import RECIPES, Phase

SMALL = {name: dataclasses.replace(recipe, image_size=64, batch_size=8) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="module")
def backbone():
    return build_backbone(resolve("efficientnet-lite0"))


@pytest.fixture(scope="module", params=["original", "tuned"])
def recipe(request):
    return SMALL[request.param]


def test_class_weights_make_both_classes_count_the_same():
    weights = class_weights(np.array([0] * 90 + [1] * 10))
    assert weights == {0: pytest.approx(100 / 180), 1: pytest.approx(5.0)}
    assert 90 * weights[0] == pytest.approx(10 * weights[1])


def test_class_weights_need_both_classes():
    with pytest.raises(ValueError, match="both classes"):
        class_weights(np.zeros(5, int))


def test_even_generators_count_the_same_and_the_classes_as_before():
    made = ["a"] * 90 + ["b"] * 9 + ["c"] + [""] * 50
    images = pd.DataFrame({"label": ["synthetic"] * 100 + ["real"] * 50, "generator": made})
    even = dataclasses.replace(RECIPES["tuned"], generators="even")
    found = generator_weights(images, even)
    labels, weights = row_labels(as_int(images["label"]).to_numpy(), None, found)
    sums = pd.Series(weights).groupby(made).sum()
    assert sums.to_dict() == {name: pytest.approx(25) for name in "abc"} | {"": pytest.approx(75)}
    plain = row_labels(labels, None)[1]
    assert weights[100:].tolist() == plain[100:].tolist() and weights.sum() == pytest.approx(plain.sum())


def test_one_generator_or_a_recipe_that_does_not_ask_weighs_nothing():
    images = pd.DataFrame({"label": ["synthetic", "synthetic", "real"], "generator": ["a", "b", ""]})
    even = dataclasses.replace(RECIPES["tuned"], generators="even")
    assert generator_weights(images, RECIPES["tuned"]) is None and generator_weights(images, even) is not None
    assert generator_weights(images.assign(generator=["a", "a", ""]), even) is None
    assert generator_weights(images.drop(columns="generator"), even) is None


def test_a_head_learns_a_rare_generator_better_where_generators_are_even():
    rng = np.random.default_rng(0)
    labels, rare = np.repeat([0, 1], 200), np.arange(400) >= 380
    # The rare generator leaves its trace elsewhere.
    features = rng.normal(size=(400, 20)) + 1.5 * np.outer(labels & ~rare, np.arange(20) < 1)
    features = (features + 1.5 * np.outer(rare, np.arange(20) == 1)).astype("float16")
    images = pd.DataFrame({"label": np.where(labels, "synthetic", "real"), "generator": np.where(rare, "b", "a")})
    images.loc[labels == 0, "generator"] = ""
    found = {}
    for choice in ("as_they_are", "even"):
        recipe = dataclasses.replace(RECIPES["tuned"], generators=choice, phase1=Phase(epochs=0, learning_rate=1e-4))
        weights = generator_weights(images, recipe)
        head, _ = train_head(features, [features], labels, features, labels, recipe, 0, image_weights=weights)
        scores = probabilities(head, features)
        found[choice] = measures.roc_auc(labels[rare | (labels == 0)], scores[rare | (labels == 0)])
    assert found["even"] > found["as_they_are"] + 0.05


def separable(rng, count, width=20):
    labels = np.arange(count) % 2
    return (rng.normal(size=(count, width)) + labels[:, None]).astype("float16"), labels


@pytest.mark.parametrize("name", ["original", "tuned"])
def test_head_learns_and_the_same_seed_gives_the_same_scores(name):
    rng = np.random.default_rng(0)
    (train, labels), (validation, truth) = separable(rng, 120), separable(rng, 60)
    runs = [train_head(train, [train, train], labels, validation, truth, RECIPES[name], seed) for seed in (3, 3, 4)]
    scores = [probabilities(head, validation) for head, _ in runs]
    assert measures.roc_auc(truth, scores[0]) > 0.9
    np.testing.assert_array_equal(scores[0], scores[1])
    # Another seed starts the study's head elsewhere; the regression that a linear head starts from has one answer, whatever
    # the order of its rows.
    assert np.allclose(scores[0], scores[2], atol=1e-4) == (name == "tuned")


def test_head_keeps_the_epoch_that_validation_prefers():
    rng = np.random.default_rng(1)
    (train, labels), (validation, truth) = separable(rng, 120), separable(rng, 60)
    head, history = train_head(train, [train], labels, validation, truth, RECIPES["original"], 0)
    best = measures.roc_auc(truth, probabilities(head, validation))
    assert best == pytest.approx(history["val_roc_auc"].max(), abs=1e-9)
    assert history.loc[history["kept"], "val_roc_auc"].tolist() == [history["val_roc_auc"].max()]
    assert len(history) == RECIPES["original"].phase1.epochs + 1


def test_study_head_is_the_original_studys():
    layers = heads.study_head(1280).layers
    dense = [layer.units for layer in layers if isinstance(layer, keras.layers.Dense)]
    dropout = [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)]
    assert dense == [1024, 512, 256, 1] and dropout == [0.5, 0.4, 0.4]


def detector(backbone, recipe):
    keras.utils.set_random_seed(0)
    width = pooling.pooled(backbone, recipe).output_shape[1]
    return network.assemble(backbone, heads.study_head(width), recipe)


def test_stages_unfreeze_whole_blocks_and_never_batch_normalisation(backbone, recipe):
    model = detector(backbone, recipe)
    trainable = {}
    for stage in study.STAGES:
        network.unfreeze(model, recipe, stage)
        layers = model.get_layer("backbone").layers
        trainable[stage] = {layer.name for layer in layers if layer.trainable_weights}
        assert not [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
        assert model.get_layer("head").trainable_weights
    assert trainable["phase1"] == set()
    assert {name[:6] for name in trainable["partial"]} <= {"block6", "block7", "top_co"}
    assert {"block6a_expand_conv", "block7a_dwconv"} <= trainable["partial"] < trainable["full"]
    assert "stem_conv" in trainable["full"]


def test_a_tiny_batch_can_be_learnt_and_batch_normalisation_does_not_move():
    recipe = SMALL["original"]
    model = detector(build_backbone(resolve("efficientnet-lite0")), recipe)
    network.unfreeze(model, recipe, "full")
    before = [w.numpy() for w in model.get_layer("backbone").weights if "moving" in w.path]
    rng = np.random.default_rng(0)
    labels = np.arange(8)[:, None] % 2
    images = (rng.uniform(0, 255, (8, 64, 64, 3)) * (1 - 0.7 * labels[..., None, None])).astype("float32")
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    first = model.evaluate(images, labels, verbose=0)
    model.fit(images, labels, batch_size=8, epochs=20, verbose=0)
    assert model.evaluate(images, labels, verbose=0) < 0.5 * first
    after = [w.numpy() for w in model.get_layer("backbone").weights if "moving" in w.path]
    assert before and all(np.array_equal(a, b) for a, b in zip(before, after))


def test_saved_model_gives_the_same_scores_and_carries_no_code(backbone, recipe, tmp_path):
    model = detector(backbone, recipe)
    images = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    network.save(model, tmp_path / "model.keras")
    again = network.load(tmp_path / "model.keras")
    np.testing.assert_allclose(again(images, training=False), model(images, training=False), atol=1e-6)
    network.unfreeze(again, recipe, "full")  # the layers are found again by name


def test_damaged_or_missing_model_is_one_clear_line(tmp_path):
    with pytest.raises(study.UserError, match="not there yet"):
        network.load(tmp_path / "none.keras")
    (tmp_path / "bad.keras").write_bytes(b"not a model")
    with pytest.raises(study.UserError, match="cannot be loaded"):
        network.load(tmp_path / "bad.keras")


def test_engine_agrees_with_keras(backbone, recipe):
    model = pooling.pooled(backbone, recipe)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), "uint8")
    expected = model(images.astype("float32"), training=False).numpy()
    engine = Engine(model, 64)
    for count in (5, 2, 5):  # other batch sizes in between
        found = engine(images[:count])
        assert np.abs(found - expected[:count]).max() < 1e-3 * np.abs(expected).max()


def test_feature_store_survives_a_kill_between_rows_and_keys(tmp_path):
    store = FeatureStore(tmp_path)
    store.append(["a", "b"], np.array([[1.0, 2.0], [3.0, 4.0]]))
    with (tmp_path / "rows.f16").open("ab") as file:
        file.write(b"\0" * 6)  # rows whose keys were never written
    with (tmp_path / "keys.txt").open("a") as file:
        file.write("c")  # a key that was cut short
    again = FeatureStore(tmp_path)
    assert list(again.index) == ["a", "b"]
    again.append(["c"], np.array([[5.0, 6.0]]))
    np.testing.assert_array_equal(FeatureStore(tmp_path).take(["c", "a"], 2), [[5, 6], [1, 2]])
    absent = FeatureStore(tmp_path).take(["c", "d"], 2)
    np.testing.assert_array_equal(absent[0], [5, 6])
    with pytest.raises(KeyError):  # never another image's row
        absent[1]


def test_what_float16_cannot_hold_is_refused_and_not_kept(tmp_path):
    store, rows = FeatureStore(tmp_path), np.random.default_rng(0).normal(1, 0.1, (6, 40))
    for bad in (np.nan, np.inf, 1e6):
        spoilt = rows.copy()
        spoilt[2, 3] = bad
        assert "1 of 6 images are not finite" in refused(store.append, list("abcdef"), spoilt)
    for flat in (rows * 1e-11, rows * 1e-6 + 1):
        assert "40 of 40 features" in refused(store.append, list("abcdef"), flat)
    assert not store.index
    rows[:, 0] = 1e-12  # a channel that is dead in all images loses nothing
    store.append(list("abcdef"), rows)
    store.append(["g"], rows[:1])
    assert len(store.index) == 7


@pytest.mark.parametrize("name", ["original", "tuned"])
def test_random_weights_give_features_that_differ_in_the_store(name, backbone, control):
    keras.utils.set_random_seed(0)
    recipe, files = SMALL[name], control[0][:16]
    extractor = pooling.pooled(random_weights(backbone), recipe)
    [kept] = frozen_features(
        files,
        recipe_view(recipe),
        kinds={f"random {name}": extractor.output_shape[1]},
        engine=lambda: Engine(extractor, recipe.image_size),
        on_progress=lambda count: None,
    )
    rows = kept[:].astype("float32")
    assert (rows.std(axis=0) > 0).mean() > 0.9 and 0.01 < np.abs(rows).mean() < 100
    assert len(np.unique(rows, axis=0)) == len(files)


def test_stores_that_are_open_at_the_same_time_add_to_each_other(tmp_path):
    stores = [FeatureStore(tmp_path) for _ in range(3)]

    def fill(number: int) -> None:
        for at in range(40):
            # Every third row is one that the others compute too.
            row = at if at % 3 == 0 else at + 100 * (number + 1)
            stores[number].append([f"key {row}"], np.full((1, 5), row))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(fill, range(3)))
    for store in (*stores[:1], FeatureStore(tmp_path)):
        store.append([], np.empty((0, 5)))
        assert len(store.index) == 14 + 3 * 26
        rows = store.take(list(store.index), 5)[:]
        assert [f"key {row[0]:.0f}" for row in rows] == list(store.index) and (np.ptp(rows, axis=1) == 0).all()


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """Null control: 300 images a class, labels, people."""
    folder = tmp_path_factory.mktemp("control")
    people = standin.write(folder, {"real": 300, "synthetic": 300}, control=True)
    return (
        [ImageFile(folder / path, file_hash(folder / path)) for path in people["path"]],
        as_int(people["label"]).to_numpy(),
        people["group"],
    )


def test_a_stage_that_ends_where_it_began_has_the_scores_it_began_with(trained_run):
    images = pd.read_csv(trained_run.folder / "images.csv", keep_default_na=False)
    images["split"] = ["train", "train", "validation", "test"] * (len(images) // 4)
    images.to_csv(trained_run.folder / "images.csv", index=False)
    recipe = dataclasses.replace(SMALL["tuned"].quick(), partial=Phase(epochs=0, learning_rate=1e-4))
    run = dataclasses.replace(trained_run, recipe=recipe)
    train_phase1(run)
    fine_tune(run, "partial")
    scores = run.scores().pivot(index="image_id", columns="stage", values="score")
    assert len(scores) == len(images) // 2
    pd.testing.assert_series_equal(scores["partial"], scores["phase1"], check_names=False, rtol=0, atol=0)
    # No step was made, so nothing was built for one: the model is the very file of the stage before.
    assert file_hash(run.model_path("partial")) == file_hash(run.model_path("phase1"))
    start = run.history().query("stage == 'partial'").iloc[0]
    before = run.history().query("stage == 'phase1' and kept").iloc[0]
    assert (start["epoch"], start["kept"], start["weight_change"], start["score_change"]) == (0, True, 0, 0)
    assert start["val_roc_auc"] == pytest.approx(before["val_roc_auc"])


def test_fine_tuning_after_a_new_split_asks_for_phase_1_again(trained_run, detectors):
    images = trained_run.images().assign(split=["train", "validation", "test"] * 8)
    images.to_csv(trained_run.folder / "images.csv", index=False)
    held = images[images["split"] != "train"]
    scores = held[["image_id", "label", "split"]].assign(stage="phase1", score=np.linspace(0.2, 0.8, len(held)))
    trained_run.add_stage(scores, pd.DataFrame({"stage": ["phase1"], "epoch": [0], "loss": [0.0]}))
    network.save(detectors["average"][1], trained_run.model_path("phase1"))
    for changed in (
        images.assign(split=["test", "train", "validation"] * 8),
        images.assign(label=list(reversed(images["label"]))),
        images.assign(split=["train", "validation", "validation"] * 8),
    ):
        changed.to_csv(trained_run.folder / "images.csv", index=False)
        with pytest.raises(UserError, match=r"another split .* run notebook 02_phase1_training .* again"):
            fine_tune(trained_run, "partial")


def test_an_engine_gives_batch_after_batch_what_it_gives_for_each(backbone):
    engine = Engine(pooling.pooled(backbone, SMALL["original"]), 64)
    batches = [np.random.default_rng(size).integers(0, 255, (size, 64, 64, 3), "uint8") for size in (5, 1, 3)]
    taken = []

    def given():
        for batch in batches:
            taken.append(len(batch))
            yield batch

    for number, outputs in enumerate(engine.stream(given())):
        assert taken == [5, 1, 3][: number + 2]  # the next one is under way, and no further one
        np.testing.assert_array_equal(outputs, engine(batches[number]))
    assert number == 2 and list(engine.stream([])) == []


def test_features_are_computed_once(backbone, control):
    files, made = control[0][:20], []

    def engine():
        made.append(1)
        return Engine(pooling.pooled(backbone, SMALL["original"]), 64)

    view = recipe_view(SMALL["original"])
    options = {"kinds": {"test": 1280}, "engine": engine, "on_progress": lambda count: None}
    [first] = frozen_features(files, view, **options)
    [again] = frozen_features(files[::-1], view, **options)
    assert len(made) == 1
    np.testing.assert_array_equal(first[:], again[:][::-1])


def test_several_kinds_of_features_are_computed_at_once_and_only_where_one_is_missing(backbone, control):
    files, seen = control[0][:10], []
    recipe = SMALL["tuned"]
    joint, alone = (
        Engine(pooling.pooled_with_boundary(backbone, recipe), 64),
        Engine(pooling.pooled(backbone, recipe), 64),
    )

    class Counted:
        def __init__(self, engine):
            self.engine = engine

        def stream(self, batches):
            for outputs in self.engine.stream(batches):
                seen.append(len(outputs))
                yield outputs

    def counted(engine):
        return lambda: Counted(engine)

    view, rest = recipe_view(recipe), {"on_progress": lambda count: None}
    [before] = frozen_features(files[:4], view, kinds={"pooled": alone.width}, engine=counted(alone), **rest)
    kinds = {"pooled": alone.width, "boundary": joint.width - alone.width}
    pooled, boundary = frozen_features(files, view, kinds=kinds, engine=counted(joint), **rest)
    assert seen == [4, 10]  # those whose other kind is there lack the second
    np.testing.assert_array_equal(pooled[:4], before[:])
    expected = joint(np.concatenate(list(load_views(files, view, 64))))
    np.testing.assert_allclose(pooled[:], expected[:, : alone.width].astype("float16"), rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(boundary[:], expected[:, alone.width :].astype("float16"))
    frozen_features(files, view, kinds={"boundary": kinds["boundary"]}, engine=counted(None), **rest)
    assert seen == [4, 10]


@pytest.mark.parametrize(("budget", "keeps"), [(ACTIVATION_BUDGET, True), (0, False)])
def test_the_partial_stage_goes_on_from_what_phase_1_has_kept_within_the_budget(
    trained_run, monkeypatch, budget, keeps
):
    monkeypatch.setattr("lib.model.training.stages.ACTIVATION_BUDGET", budget)
    images = pd.read_csv(trained_run.folder / "images.csv", keep_default_na=False)
    images["split"] = ["train", "train", "validation", "test"] * (len(images) // 4)
    images.to_csv(trained_run.folder / "images.csv", index=False)
    made = []

    class Counted(Engine):
        def __init__(self, model, *rest, **options):
            made.append(model)
            super().__init__(model, *rest, **options)

    def fitted(model, data, steps, judged, recipe, stage, checkpoint, start):
        """One batch forwards and the scores; how a stage is fitted is tested elsewhere."""
        features, *_ = next(iter(data(0)))
        assert model(features, training=False).shape == (len(features), 1)
        scores = judged[0]()
        assert scores.shape == judged[1].shape
        # It ended elsewhere than it began, so it is scored anew.
        rows = {"epoch": [0, 1], "kept": [False, True], "weight_change": [0.0, 0.1], "score_change": [0.0, 0.1]}
        return pd.DataFrame(rows)

    monkeypatch.setattr("lib.model.training.stages.Engine", Counted)
    monkeypatch.setattr("lib.model.training.stages.fit_stage", fitted)
    recipe = dataclasses.replace(SMALL["original"].quick(), partial=Phase(epochs=1, learning_rate=1e-4))
    run = dataclasses.replace(trained_run, recipe=recipe)
    train_phase1(run)
    fine_tune(run, "partial")
    widths = [model.output_shape[1] for model in made]
    # Phase 1's, the one that scores at the end where the stage has moved, and without kept activations one for the epoch.
    [joint] = [width for width in widths if width != 1]
    assert (joint > 1280) == keeps and widths.count(1) <= (1 if keeps else 2)
    assert set(run.scored()["stage"]) == {"phase1", "partial"}


@pytest.mark.parametrize("name", ["original", "tuned"])
def test_control_stays_null(backbone, control, name):
    files, labels, groups = control
    extractor = pooling.pooled(backbone, RECIPES[name])
    options = {"kinds": {f"control {name}": extractor.output_shape[1]}, "on_progress": lambda count: None}
    [rows] = frozen_features(
        files, recipe_view(RECIPES[name]), engine=lambda: Engine(extractor, RECIPES[name].image_size), **options
    )
    features = rows[:]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    # One held-out part, not pooled folds: on balanced null data those rank each part against itself, below 0.5.
    train, test = next(GroupShuffleSplit(1, test_size=0.5, random_state=0).split(features, labels, groups))
    scores = probe.fit(features[train].astype("float32"), labels[train]).decision_function(features[test])
    interval = measures.bootstrap_intervals(labels[test], scores, groups.iloc[test], measures=["roc_auc"], level=0.99)[
        "roc_auc"
    ]
    assert interval.contains(0.5), interval


def test_the_halves_of_the_network_are_the_whole(backbone, recipe):
    features = pooling.pooled(backbone, recipe)
    rng = np.random.default_rng(0)
    if recipe.head == "study":
        head = heads.study_head(features.output_shape[1])
    else:
        width = features.output_shape[1]
        head = heads.linear_head(np.zeros(width), np.ones(width), rng.normal(0, 0.01, width), 0.0)
    model = network.assemble(backbone, head, recipe)
    network.unfreeze(model, recipe, "partial")
    lower, upper = pooling.split_at_boundary(model.get_layer("backbone"), recipe)
    upper = keras.Model(upper.input, head(upper.output))
    images = rng.uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    whole = np.asarray(model(images, training=False))
    np.testing.assert_allclose(np.asarray(upper(lower(images))), whole, rtol=1e-4, atol=1e-5)
    both = np.asarray(pooling.pooled_with_boundary(backbone, recipe)(images))
    width = features.output_shape[1]
    np.testing.assert_allclose(both[:, :width], np.asarray(features(images)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both[:, width:], np.asarray(lower(images)), rtol=1e-4, atol=1e-5)
    # Training the upper half trains the whole, and what is trained is the same.
    trained = {variable.path for variable in upper.trainable_variables}
    assert len(trained) == len(model.trainable_variables)
    variable = upper.trainable_variables[0]
    before = variable.numpy()
    variable.assign(before + 1)
    changed = np.asarray(model(images, training=False))
    variable.assign(before)  # the backbone is shared with other tests
    assert not np.allclose(changed, whole)


def test_feature_batches_hold_each_image_once_an_epoch_and_go_on_where_they_were():
    views = [np.arange(10.0)[:, None] + 100 * view for view in range(3)]
    labels = np.arange(10) % 2

    def epochs(seed, done, count):
        data = feature_batches(views, labels, labels * 2.0, 4, seed, done, width=1)
        return [[part.numpy() for part in batch] for batch in data.take(3 * count)]

    two = epochs(1, 0, 2)
    for epoch in (two[:3], two[3:]):
        features = np.concatenate([batch[0][:, 0] for batch in epoch])
        assert sorted(features % 100) == list(range(10)) and len(set(features // 100)) > 1
        assert all((batch[0] % 100 % 2 == batch[1]).all() and (batch[2] == 2 * batch[1]).all() for batch in epoch)
    for expected, found in zip(two[3:], epochs(1, 1, 1)):
        assert all(np.array_equal(one, other) for one, other in zip(expected, found))
    assert not all(
        np.array_equal(one[0], other[0]) for one, other in zip(two, epochs(2, 0, 2)) if len(one[0]) == len(other[0])
    )


def test_a_file_that_changes_while_all_layers_train_is_named(trained_run, detectors):
    images = pd.read_csv(trained_run.folder / "images.csv", keep_default_na=False)
    images["split"] = ["train", "train", "validation"] * (len(images) // 3)
    images.to_csv(trained_run.folder / "images.csv", index=False)
    scores = images[["image_id", "label", "split"]].assign(stage="partial", score=np.linspace(0.2, 0.8, len(images)))
    trained_run.add_stage(scores, pd.DataFrame({"stage": ["partial"], "epoch": [0], "loss": [0.0]}))
    network.save(detectors["average"][1], trained_run.model_path("partial"))
    changed = run_files(trained_run, images.query("split == 'train'"))[3].path
    changed.write_bytes(changed.read_bytes() + b"more")
    with pytest.raises(UserError, match=f"{changed.name}: has changed since the audit"):
        fine_tune(trained_run, "full")


def test_the_optimiser_does_what_keras_adam_does():
    x, y = np.random.default_rng(0).normal(size=(64, 5)).astype("float32"), np.arange(64) % 2
    rate = keras.optimizers.schedules.CosineDecay(0.1, 12)
    weights = []
    for optimiser in (keras.optimizers.Adam, FusedAdam):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, "relu"), keras.layers.Dense(1, "sigmoid")])
        start = model.get_weights()
        model.compile(optimiser(rate), "binary_crossentropy")
        model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for before, one, other in zip(start, *weights):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.abs(one - before).max() > 0.01


def test_a_rare_class_is_used_as_often_as_the_other_and_each_time_in_another_way(tmp_path):
    images = pd.DataFrame({"image_id": list("abcdefgh"), "label": ["real"] * 6 + ["synthetic"] * 2, "sha256": "0"})
    rows = training_rows(images, RECIPES["tuned"])
    assert rows["label"].value_counts().to_dict() == {"real": 6, "synthetic": 6}
    assert rows["copy"].tolist() == [0] * 8 + [1, 1, 2, 2] and rows["image_id"][8:].tolist() == list("ghgh")
    for as_before in (
        training_rows(images, RECIPES["original"]),
        training_rows(images[3:], RECIPES["tuned"])[:5],
    ):
        assert (as_before["copy"] == 0).all()
    lonely = pd.concat([images[:1].assign(label="synthetic"), *[images[:1]] * 50])
    assert training_rows(lonely, RECIPES["tuned"])["label"].value_counts()["synthetic"] == MAX_USES
    file = ImageFile(tmp_path, "0" * 64)
    names = {file._replace(copy=use).name for use in range(3)}
    assert len(names) == 3 and file.name == file.key


def test_the_start_is_kept_unless_an_epoch_is_better_beyond_chance():
    truth = np.repeat([0, 1], 20)
    start = np.concatenate([np.linspace(0, 0.6, 20), np.linspace(0.4, 1, 20)])
    slightly, clearly = start.copy(), start.copy()
    slightly[[18, 19]] += [0.1, -0.2]
    clearly[truth == 1] += 0.2
    aucs = [measures.roc_auc(truth, scores) for scores in (start, slightly, clearly)]
    assert aucs == sorted(aucs) and len(set(aucs)) == 3

    def best(margin: float, *epochs: np.ndarray, start: np.ndarray, groups=None) -> int:
        keeper = _BestEpoch((lambda: start, truth, groups), Phase(2, 1e-3, margin=margin), print, None)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        keeper.begin(model, None)
        for epoch, scores in enumerate(epochs, start=1):
            keeper._take(model, epoch, {}, scores)
        return keeper.state.best_epoch

    assert best(0, slightly, start=start) == 1 and best(1, slightly, start=start) == 0
    assert best(1, slightly, clearly, start=start) == 2
    # No error can be told from two rankings at their limits.
    assert best(1, np.float64(truth), start=1.0 - truth) == 1
    # Copies of each image say nothing new: as members of its group they leave the decision as it is.
    truth, start, slightly = (np.repeat(values, 30) for values in (truth, start, slightly))
    assert best(1, slightly, start=start) == 1
    assert best(1, slightly, start=start, groups=np.repeat(np.arange(40), 30)) == 0


def test_a_saved_model_is_converted_once_and_the_networks_used_last_are_kept(trained_run, own_home, monkeypatch):
    path, converted = trained_run.model_path("full"), []
    convert = engine._converted
    monkeypatch.setattr("lib.model.engine._converted", lambda *given: converted.append(1) or convert(*given))
    view = np.full((1, 64, 64, 3), 90, "uint8")
    first = saved_engine(path, 64)(view)
    np.testing.assert_array_equal(saved_engine(path, 64)(view), first)
    assert len(converted) == 1
    kept = own_home / "cache" / "engines"
    (name,) = (file.name for file in kept.iterdir())
    monkeypatch.setattr("lib.model.engine.MAX_ENGINES", 2)
    for number in range(3):
        (kept / f"{number}.tflite").write_bytes(b"")
        os.utime(kept / f"{number}.tflite", (number, number))
    saved_engine(path, 64)
    network.save(network.load(path), path.with_name("other.keras"))
    saved_engine(path.with_name("other.keras"), 64)
    assert len(converted) == 2 and len(list(kept.iterdir())) == 2 and (kept / name).is_file()


def test_an_engine_is_freed_with_its_last_user(backbone):
    engine = Engine(pooling.pooled(backbone, SMALL["original"]), 64)
    engine(np.zeros((2, 64, 64, 3), "float32"))
    alive = weakref.ref(engine)
    del engine
    gc.collect()
    assert alive() is None


def test_further_uses_of_an_image_have_features_of_their_own(backbone, trained_run):
    recipe = dataclasses.replace(SMALL["tuned"], views=1)
    run = dataclasses.replace(trained_run, recipe=recipe)
    images = run.used_images()
    images["split"] = np.where(
        images["label"] == "real", "train", np.where(images.index % 4 == 0, "train", "validation")
    )
    tables = {split: rows.reset_index(drop=True) for split, rows in images.groupby("split")}
    rows = tables["train"] = training_rows(tables["train"], recipe)
    extractor = pooling.pooled(backbone, recipe)
    parts = {split: parts_of(run_files(run, table), recipe_view(recipe)) for split, table in tables.items()}
    plain, views, _ = _features(run, backbone, parts, "a test")
    assert len(rows) == len(plain["train"]) == len(views[1]) and rows["copy"].max() == 3
    one = rows.index[rows["image_id"] == rows["image_id"].iloc[-1]]
    different = [features for view in views for features in view[one]]
    assert len(np.unique(np.round(np.float32(different), 3), axis=0)) == len(different) == 8
    engine = Engine(extractor, recipe.image_size)
    for version, of_rows in ((0, one[:1]), (2, one[1:])):
        files = run_files(run, rows.loc[of_rows])
        expected = engine(next(load_views(files, recipe_view(recipe, version, run.seed if version else 0), 8)))
        np.testing.assert_allclose(np.float32(views[0][of_rows]), expected, atol=0.01)


def test_large_pictures_are_trained_and_scored_by_their_parts(own_home, tmp_path):
    for number in range(24):
        path = tmp_path / "pictures" / ("real", "synthetic")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (160, 150) if number % 3 else (64, 64)
        pixels = np.random.default_rng(number).normal(128, 20 + 20 * (number % 2), (*size, 3))
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path)
    run = study.open_run(data=str(tmp_path / "pictures"), name="large", backbone="efficientnet-lite0", quick=True)
    short = dataclasses.replace(SMALL["tuned"].quick(), phase1=Phase(epochs=2, learning_rate=1e-4))
    run = dataclasses.replace(run, recipe=short)
    write_audit(run)
    train_phase1(run)
    first = run.scores().set_index("image_id")["score"]
    for stage in ("partial", "full"):
        fine_tune(run, stage)
    last = run.scores().query("stage == 'full'").set_index("image_id")["score"]
    images = run.used_images().query("split != 'train'")
    assert len(last) == len(images) == len(first)
    # The same by hand: every part through the network, logits averaged by weight.
    engine = saved_engine(run.model_path("full"), short.image_size)
    for file, image in zip(run_files(run, images), images["image_id"]):
        parts = parts_of([file], run_view(run))
        assert len(parts.files) == (6 if file.size[0] > 64 else 1)
        views = np.stack([run_view(run).apply(file.read(), file.use, part.part) for part in parts.files])
        logits = logit(engine(views)[:, 0].astype("float64"))
        assert last[image] == pytest.approx(expit(logits @ parts.weight), abs=1e-5)
        assert first[image] == pytest.approx(last[image], abs=0.02)  # phase 1's features are float16


def test_fine_tuning_too_early_names_the_notebooks_that_come_before(own_home):
    run = study.open_run(dataset="1")
    said = refused(fine_tune, run, "partial")
    assert said.endswith("run notebook 02_phase1_training with the same parameters first, and before it 01_data_audit")
    finish(run)
    assert refused(fine_tune, run, "partial").endswith("run notebook 02_phase1_training with the same parameters first")
    assert "run notebook 03_fine_tuning" in refused(fine_tune, run, "full")


def test_the_record_of_a_run_is_of_its_scores_until_there_are_new_ones(own_home, monkeypatch):
    run = study.open_run(dataset="1", backbone="efficientnet-lite0")
    finish(run)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lib.model.training.stages._features", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_phase1(dataclasses.replace(run, seed=8))
    assert run.recorded()["options"]["seed"] == 7
    assert study.finished_runs(run.results, run.models, False) == [run]


# ------------------------------------------------------------------------------------------------- features on disk


def test_features_that_stay_on_disk_give_the_same_head(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    names = [f"n{number}" for number in range(60)]
    views = []
    for number in range(2):
        store = FeatureStore(tmp_path / str(number))
        store.append(names, random.normal(size=(60, 12)) + labels[:, None])
        views.append(store.take(names, 12))
    recipe = dataclasses.replace(RECIPES["tuned"], batch_size=8, phase1=Phase(2, 1e-3))
    # Chunks that end within the rows, where a training of this size would have one.
    monkeypatch.setattr("lib.model.training.heads.CHUNK", 25)
    found = []
    for kept in (views, held(views)):
        make_deterministic(7)
        head, _ = train_head(kept[0], kept, labels, kept[1], labels, recipe, 7)
        found.append(head.get_weights())
    assert [type(each) for each in views] == [Rows, Rows] and all(isinstance(each, np.ndarray) for each in held(views))
    assert all(np.array_equal(first, second) for first, second in zip(*found, strict=True))
    monkeypatch.setattr("lib.model.features.MAX_HELD", 2 * 60 * 12 * 2 - 1)
    assert [type(each) for each in held(views)] == [Rows, Rows]
