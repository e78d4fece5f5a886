"""Maps: they point at what tells the classes apart, add up to the logit, and go with the weights."""

import dataclasses

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lib.model import heads, network
from lib.model.pooling import pooled
from lib.model.use import explanation


@pytest.fixture(scope="module", params=["average", "multilevel"])
def pooling(request):
    return request.param


def noise(count, side=64, seed=0):
    return np.random.default_rng(seed).integers(60, 190, (count, side, side, 3)).astype("uint8")


@pytest.fixture(scope="module")
def planted(lite0, detectors, linear_detector, pooling):
    """A detector of a checked patch that lies in one quarter of the synthetic images; those, labels, and quarters."""
    # At 64 pixels a place of the last block sees all of the image.
    recipe = dataclasses.replace(detectors[pooling][0], image_size=128)
    y, quarter = np.arange(48) % 2, np.random.default_rng(1).integers(4, size=48)
    # A smooth ground of many colours, so that only the patch tells.
    ground = np.random.default_rng(2).uniform(60, 190, (48, 1, 1, 3))
    images = (ground + np.random.default_rng(3).normal(0, 2, (48, 128, 128, 3))).round().astype("uint8")
    check = (np.indices((48, 48)) // 3).sum(axis=0) % 2 * 120 + 60
    for image in np.flatnonzero(y):
        top, left = 8 + 64 * (quarter[image] // 2), 8 + 64 * (quarter[image] % 2)
        images[image, top : top + 48, left : left + 48] = check[..., None]
    features = pooled(lite0, recipe)(images.astype("float32"), training=False).numpy()
    mean, std = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    regression = LogisticRegression(C=1e-3, max_iter=300).fit((features - mean) / std, y)
    return linear_detector(lite0, recipe, regression.coef_[0], mean, std), images, y, quarter


def quarters(maps):
    """Which quarter of each map has the largest sum."""
    side = maps.shape[1] // 2
    return maps.reshape(len(maps), 2, side, 2, side).sum(axis=(2, 4)).reshape(len(maps), 4).argmax(axis=1)


def test_maps_point_at_the_patch_that_tells_the_class(planted):
    detector, images, y, quarter = planted
    maps = explanation.explain(detector, images)
    assert ((maps.logit > 0) == y).mean() > 0.95
    summed = maps.contributions.sum(axis=1)
    for found in (summed, maps.grad_cam):
        found = found - explanation.average_map(found, y)
        assert (quarters(found[y == 1]) == quarter[y == 1]).mean() > 0.9


def test_contributions_add_up_to_the_logit_and_the_logit_is_the_detectors(planted):
    detector, images, *_ = planted
    maps = explanation.explain(detector, images[:12])
    rest = maps.logit - maps.contributions.sum(axis=1).mean(axis=(1, 2))
    assert maps.logit.std() > 0.5 and rest.std() < 0.02 * maps.logit.std()
    np.testing.assert_allclose(1 / (1 + np.exp(-maps.logit)), detector(images[:12], training=False)[:, 0], atol=1e-5)


def test_shapes_do_not_depend_on_the_batch(detectors, pooling):
    _, detector = detectors[pooling]
    blocks = explanation.pooled_blocks(detector)
    assert (
        blocks == ["top"]
        if pooling == "average"
        else (blocks[0], blocks[-1], len(blocks)) == ("block1a", "block7a", 16)
    )
    whole, one = (explanation.explain(detector, noise(5)[rows]) for rows in (slice(None), slice(2, 3)))
    assert whole.logit.shape == (5,) and whole.grad_cam.shape == (5, 2, 2)
    assert whole.contributions.shape == (5, len(blocks), 8, 8)
    for many, single in zip(whole, one):
        np.testing.assert_allclose(single[0], many[2], rtol=1e-3, atol=1e-3)
    larger = explanation.explain(detector, noise(2, 96))
    assert larger.grad_cam.shape == (2, 3, 3) and larger.contributions.shape == (2, len(blocks), 12, 12)


def test_with_average_pooling_both_maps_are_the_same(detectors):
    maps = explanation.explain(detectors["average"][1], noise(3))
    np.testing.assert_allclose(maps.contributions[:, 0, ::4, ::4], 4 * maps.grad_cam, rtol=1e-4, atol=1e-5)


def test_the_studys_head_has_maps_where_the_probability_is_saturated(lite0, detectors):
    recipe, _ = detectors["average"]
    keras.utils.set_random_seed(0)
    head = heads.study_head(1280)
    last = head.layers[-1]
    last.set_weights([last.kernel.numpy() * 1e4, np.array([1e3], "float32")])
    detector = network.assemble(lite0, head, recipe)
    assert detector(noise(2), training=False).numpy().min() == 1
    assert np.ptp(explanation.explain(detector, noise(2)).grad_cam, axis=(1, 2)).min() > 0


def test_shuffled_weights_give_other_maps(planted):
    detector, images, y, _ = planted
    before = [weight.copy() for weight in detector.get_weights()]
    shuffled = explanation.randomised(detector, 0)
    assert all(np.array_equal(a, b) for a, b in zip(before, detector.get_weights()))
    kernels = [weight.path for weight in detector.weights if "kernel" in weight.path]
    for path, old, new in zip([weight.path for weight in detector.weights], before, shuffled.get_weights()):
        np.testing.assert_array_equal(np.sort(old, axis=None), np.sort(new, axis=None))
        assert np.array_equal(old, new) == (path not in kernels)
    some = images[y == 1][:8]
    summed, other = (explanation.explain(model, some).contributions.sum(axis=1) for model in (detector, shuffled))
    assert abs(explanation.rank_correlations(summed, other).mean()) < 0.5
    np.testing.assert_allclose(explanation.rank_correlations(summed, summed), 1)


def test_rank_correlation_of_a_flat_map_is_undefined():
    ramp = np.arange(9.0).reshape(1, 3, 3)
    assert explanation.rank_correlations(ramp, -(ramp**3)) == pytest.approx(-1)
    assert np.isnan(explanation.rank_correlations(ramp, np.zeros((1, 3, 3)))).all()


def test_class_maps_speak_for_their_own_class():
    maps = np.array([[[-3.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]], [[3.0, 1.0]]])
    means, difference = explanation.class_maps(maps, np.array([0, 0, 1, 1]))
    # The classes' means are (-1, 1) and (2, 1), the average (0.5, 1).
    np.testing.assert_allclose(means["real"], [[1.75, 0]])
    np.testing.assert_allclose(means["synthetic"], [[1.5, 0]])
    np.testing.assert_allclose(difference, [[3, 0]])
    # Three real images and one synthetic one count as much.
    np.testing.assert_allclose(explanation.average_map(maps, np.array([0, 0, 0, 1])), [[(-1 / 3 + 3) / 2, 1]])


def test_block_table_adds_up_stages():
    contributions = np.zeros((4, 3, 2, 2))
    contributions[2:] += np.array([1.0, 2.0, -1.0])[:, None, None]
    table = explanation.block_table(contributions, np.array([0, 0, 1, 1]), ["block1a", "block2a", "block2b"])
    assert table.to_dict("list") == {"blocks": ["block1", "block2"], "difference": [1, 1], "share": [0.5, 0.5]}


def test_a_runs_maps_errors_and_sanity(trained_run, monkeypatch):
    detector = network.load(trained_run.model_path("full"))
    sample = explanation.sample(trained_run)
    assert (sample["label"].value_counts() == explanation.QUICK_EACH).all()
    pictures, maps = explanation.explain_images(trained_run, detector, sample)
    count = 2 * explanation.QUICK_EACH
    assert pictures.shape == (count, 64, 64, 3) and len(maps.logit) == count
    scores = trained_run.scores().set_index("image_id")["score"]
    np.testing.assert_allclose(1 / (1 + np.exp(-maps.logit)), scores[sample["image_id"]], atol=2e-4)
    wrong = trained_run.scored().iloc[[3, 20]].assign(called=[1, 0])
    cases = explanation.error_cases(trained_run, detector, wrong, 0)
    captions = [caption for *_, caption in cases]
    assert captions[0].startswith("real/") and "real called synthetic, score 0." in captions[0]
    assert captions[1].startswith("synthetic/") and all(heat.min() >= 0 for _, heat, _ in cases)
    assert explanation.error_cases(trained_run, detector, wrong.iloc[:0], 0) == []
    monkeypatch.setattr(explanation, "SANITY_EACH", 3)
    checked = explanation.sanity(trained_run, detector, sample)
    assert list(checked.columns) == ["seed", "grad_cam", "contributions"] and len(checked) == explanation.QUICK_SHUFFLES
    assert checked[["grad_cam", "contributions"]].abs().max().max() < 0.9
