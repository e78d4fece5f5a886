"""Degradations: what each does to a picture, and that views use them as they say."""

import dataclasses
import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lib.data.images import degrade
from lib.data.images.views import View, recipe_view
from lib.study.recipes import CHOICES, RECIPES


@pytest.fixture(scope="module")
def picture():
    """A smooth ramp with fine noise on it, so that every degradation has something to take away."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(60, 190, 96)[:, None, None] + np.zeros((96, 80, 3))
    return np.clip(ramp + rng.normal(0, 12, ramp.shape), 0, 255).astype("uint8")


def rng(seed=0):
    return np.random.default_rng(seed)


def fine(image):
    """Standard deviation of the differences between neighbours."""
    return float(np.diff(image.astype(float), axis=1).std())


@pytest.mark.parametrize("kind", degrade.DEGRADATIONS)
@pytest.mark.parametrize("end", [0, -1])
def test_every_degradation_changes_the_picture_and_keeps_its_type(picture, kind, end):
    before = picture.copy()
    found = degrade.degrade(picture, kind, degrade.DEGRADATIONS[kind].levels[end], rng())
    assert found.dtype == np.uint8 and found.shape[2] == 3
    np.testing.assert_array_equal(picture, before)
    if kind == "crop":
        side = degrade.DEGRADATIONS[kind].levels[end]
        assert found.shape[:2] == (round(96 * side), round(80 * side))
    else:
        assert found.shape == picture.shape and (found != picture).any()


def change(picture, kind, level):
    """Mean absolute change over ten draws, in grey levels."""
    draws = [degrade.degrade(picture, kind, level, rng(seed)).astype(float) for seed in range(10)]
    return float(np.mean([np.abs(found - picture).mean() for found in draws]))


@pytest.mark.parametrize("kind", ["sharpen", "denoise", "retouch", "share"])
def test_a_higher_level_changes_more_and_none_changes_nothing(picture, kind):
    levels = degrade.DEGRADATIONS[kind].levels
    changes = [change(picture, kind, level) for level in levels]
    assert changes[0] > 0 and changes == sorted(set(changes))
    if kind != "denoise":  # a filter has no level at which it does nothing
        assert change(picture, kind, 0) <= 0.5
    np.testing.assert_array_equal(*(degrade.degrade(picture, kind, levels[-1], rng(3)) for _ in range(2)))


def test_edits_draw_nothing_and_are_those_of_photographs(picture):
    assert degrade.edits() == ["sharpen", "denoise", "retouch"]
    for kind in degrade.edits():
        level = degrade.DEGRADATIONS[kind].levels[-1]
        np.testing.assert_array_equal(*(degrade.degrade(picture, kind, level, rng(seed)) for seed in (1, 2)))


def test_sharpening_brings_out_what_is_fine_and_denoising_takes_it_and_keeps_edges(picture):
    assert fine(degrade.degrade(picture, "sharpen", 1, rng())) > 1.2 * fine(picture)
    assert fine(degrade.degrade(picture, "denoise", 40, rng())) < 0.8 * fine(picture)
    edge = np.zeros((32, 32, 3), "uint8")
    edge[:, 16:] = 200
    np.testing.assert_array_equal(degrade.degrade(edge, "denoise", 40, rng()), edge)


def test_retouching_smooths_skin_and_leaves_grey_areas_their_noise():
    noise = rng().normal(0, 6, (64, 64, 1))
    skin, grey = (np.clip(np.array(colour) + noise, 0, 255).astype("uint8") for colour in ([200, 150, 125], [150] * 3))
    left = [fine(degrade.degrade(each, "retouch", 3, rng())) / fine(each) for each in (skin, grey)]
    assert left[0] < 0.8 * left[1]


def test_sharing_more_often_goes_on_from_where_sharing_less_ended(picture):
    draws = rng(5)
    twice = degrade.degrade(picture, "share", 2, draws)
    third = degrade.degrade(twice, "share", 1, draws)
    np.testing.assert_array_equal(third, degrade.degrade(picture, "share", 3, rng(5)))


def test_masks_hide_what_they_say():
    image = rng().integers(0, 256, (90, 120, 3)).astype("uint8")
    for seed in range(20):
        hidden = (degrade.mask_at_random(image, rng(seed)) != image).any(axis=2)
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        assert np.ptp(rows) == np.ptp(columns) and 0.14 < (np.ptp(rows) + 1) ** 2 / (90 * 120) < 0.31
        assert hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.98
    # Mid-grey, so that no value is clipped.
    soft = (image // 8 + 112).astype("uint8")
    masked = degrade.mask_frequencies_at_random(soft, rng())
    before, after = (np.abs(np.fft.rfft2(each, axes=(0, 1))) for each in (soft, masked))
    # Rounding to whole grey levels leaves a little everywhere.
    assert 0.13 < (after < 0.1 * before).mean() < 0.2
    np.testing.assert_allclose(masked.mean((0, 1)), soft.mean((0, 1)), atol=0.1)


@pytest.mark.parametrize("kind", ["jpeg", "rescale", "blur"])
def test_stronger_takes_more_of_what_is_fine(picture, kind):
    left = [fine(degrade.degrade(picture, kind, level, rng())) for level in degrade.DEGRADATIONS[kind].levels]
    assert fine(picture) > left[0] and left == sorted(left, reverse=True)


def test_jpeg_keeps_the_colours(picture):
    red = np.zeros((32, 32, 3), "uint8") + np.array([200, 30, 40], "uint8")
    found = degrade.degrade(red, "jpeg", 90, rng())
    buffer = io.BytesIO()
    Image.fromarray(red).save(buffer, "JPEG", quality=90)
    np.testing.assert_allclose(found.mean((0, 1)), np.asarray(Image.open(buffer)).mean((0, 1)), atol=2)


def test_blur_is_the_gaussian_that_it_says(picture):
    mine = degrade.degrade(picture, "blur", 2, rng()).astype(float)
    other = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2))).astype(float)
    assert np.abs(mine - other)[8:-8, 8:-8].mean() < 1


def test_noise_has_the_stated_strength_and_comes_from_the_seed():
    grey = np.full((100, 100, 3), 128, "uint8")
    found = degrade.degrade(grey, "noise", 5, rng(1))
    assert np.std(found.astype(float)) == pytest.approx(5, rel=0.05)
    np.testing.assert_array_equal(found, degrade.degrade(grey, "noise", 5, rng(1)))
    assert (found != degrade.degrade(grey, "noise", 5, rng(2))).any()


def test_brightness_does_not_wrap_around():
    bright = np.full((4, 4, 3), 250, "uint8")
    assert degrade.degrade(bright, "brightness", 1.3, rng()).min() == 255


@pytest.mark.parametrize("text", ["", "jpeg", "jpg 50", "blur much"])
def test_what_is_no_degradation_is_refused(text):
    with pytest.raises(ValueError):
        degrade.parse(text)


def test_views_degrade_as_they_say(picture):
    plain = View("crop", 64).apply(picture, "a")
    stated = View("crop", 64, degradation="jpeg 30").apply(picture, "a")
    np.testing.assert_array_equal(stated, View("crop", 64).apply(degrade.degrade(picture, "jpeg", 30, rng()), "a"))
    assert (plain != stated).any()
    keys = [str(number) for number in range(60)]
    always = [(View("crop", 64, degradation="any").apply(picture, key) != plain).any() for key in keys]
    assert all(always)
    # Crops of the same place, so that only a degradation can make a difference.
    small = picture[:64, :64]
    same = [View("crop", 64, 1, degradation="half").apply(small, key) for key in keys]
    untouched = [(view == small).all() or (view == small[:, ::-1]).all() for view in same]
    assert 15 < sum(untouched) < 45
    np.testing.assert_array_equal(same[0], View("crop", 64, 1, degradation="half").apply(small, "0"))


def test_half_of_the_views_are_degraded_as_before(picture, monkeypatch):
    """What training draws for an image stays the same, whatever kinds the curves have."""
    # Numpy alone makes this one, so that no version of a picture library changes it.
    noisy = View("crop", 64, 1, 7, "half").apply(picture, "1")
    assert hashlib.sha256(noisy.tobytes()).hexdigest().startswith("5253364312ed9c01")
    drawn = []
    monkeypatch.setattr(degrade, "degrade", lambda image, kind, level, _: drawn.append((kind, level)) or image)
    for key in range(12):
        View("crop", 64, 1, 7, "half").apply(picture, str(key))
    kinds, levels = zip(*drawn)
    assert kinds == ("jpeg", "noise", "noise", "blur", "noise", "jpeg")
    assert levels == pytest.approx((79.104004, 2.514194, 1.069352, 0.509487, 4.749886, 51.000313))


@pytest.mark.parametrize("name", degrade.AUGMENTATIONS)
def test_half_of_the_augmented_views_get_what_a_recipe_names(picture, name):
    recipe = dataclasses.replace(RECIPES["tuned"], degradation=name, image_size=64)
    small = picture[:64, :64]
    keys = [str(number) for number in range(60)]
    views = [recipe_view(recipe, 1).apply(small, key) for key in keys]
    untouched = [(view == small).all() or (view == small[:, ::-1]).all() for view in views]
    assert 15 < sum(untouched) < 45 and {(view.shape, view.dtype) for view in views} == {
        ((64, 64, 3), np.dtype("uint8"))
    }
    np.testing.assert_array_equal(views, [recipe_view(recipe, 1).apply(small, key) for key in keys])
    assert any((view != recipe_view(recipe, 2).apply(small, key)).any() for view, key in zip(views, keys))
    # The plain view of training, validation and test is as it is.
    np.testing.assert_array_equal(recipe_view(recipe).apply(small, "0"), small)


def test_recipes_know_these_augmentations_and_no_other():
    assert set(CHOICES["degradation"]) == {"", *degrade.AUGMENTATIONS}
    with pytest.raises(ValueError, match="degradation is 'share', expected"):
        dataclasses.replace(RECIPES["tuned"], degradation="share")


def test_sharing_draws_one_to_three_compressions(picture, monkeypatch):
    counts = []
    monkeypatch.setattr(degrade, "degrade", lambda image, kind, level, _: counts.append((kind, level)) or image)
    for seed in range(60):
        degrade.share_at_random(picture, rng(seed))
    assert set(counts) == {("share", 1), ("share", 2), ("share", 3)}
