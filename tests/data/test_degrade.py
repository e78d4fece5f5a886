"""Degradations: what each does to a picture, and that views use them as they say."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lib.data.images import degrade
from lib.data.images.views import View


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
