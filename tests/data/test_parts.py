"""Large pictures as several parts: which parts, how much each counts, and where it lies."""

import numpy as np
import pytest

from lib.data.images.batches import load_views
from lib.data.images.decode import read_rgb
from lib.data.images.degrade import DEGRADATIONS
from lib.data.images.parts import Parts, parts_of
from lib.data.images.views import WHOLE, ImageFile, View, training_scale

KNOWN = (1066, 1200, 1600)
SMALL = (256, 256, 256)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype="uint8")


def names(size, scale=None, kind="crop", side=256):
    return list(View(kind, side, scale=scale).parts(*size))


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((256, 256), None, [""]),
        ((384, 384), None, [""]),
        ((512, 384), None, ["1", "2", WHOLE]),
        ((1600, 1066), None, ["1", "2", "3", "4", "5", WHOLE]),
        ((1600, 1066), KNOWN, ["1", "2", "3", "4", "5", WHOLE]),
        # Trained on small pictures: a large one is brought to their scale, where one window shows it.
        ((1024, 1024), SMALL, [""]),
        ((9000, 9500), SMALL, [""]),
        # Trained on large pictures: of a smaller one the whole alone has a scale that training knew.
        ((600, 600), KNOWN, [WHOLE]),
        ((256, 256), KNOWN, [""]),
        # Much longer than wide, and smaller than a window on one side.
        ((600, 100), None, ["1", "2", WHOLE]),
    ],
)
def test_the_parts_follow_from_both_sizes(size, scale, expected):
    assert names(size, scale) == expected
    assert sum(View("crop", 256, scale=scale).parts(*size).values()) == pytest.approx(1)
    assert names(size, scale, kind="resize") == [""]


def test_every_part_is_a_view_of_the_right_place():
    image = noise(1000, 800)
    view = View("crop", 256)
    for name, (top, left, height, width) in view.boxes(1000, 800).items():
        if name == WHOLE:
            continue
        first, second = round(top * 1000), round(left * 800)
        assert (round(height * 1000), round(width * 800)) == (256, 256)
        assert (view.apply(image, "key", name) == image[first : first + 256, second : second + 256]).all()
    assert np.abs(view.apply(image, "key", WHOLE).mean() - image.mean()) < 1


def test_a_larger_picture_is_seen_as_its_reduced_copy_is():
    """A picture of twice the size of those in training gives the view that its halved copy gives."""
    image = noise(256, 256)
    doubled = image.repeat(2, axis=0).repeat(2, axis=1)
    view = View("crop", 256, scale=SMALL)
    assert (view.apply(doubled, "key") == view.apply(image, "key")).all()


@pytest.mark.parametrize("size", [(256, 256), (300, 280), (100, 120)])
def test_a_picture_of_one_window_is_seen_as_before(size):
    """The middle window, enlarged where it must be; known sizes change nothing."""
    image = noise(*size)
    known = View("crop", 256, scale=(min(size), min(size), min(size)))
    assert (known.apply(image, "key") == View("crop", 256).apply(image, "key")).all()
    if min(size) >= 256:
        top, left = (size[0] - 256) // 2, (size[1] - 256) // 2
        assert (known.apply(image, "key") == image[top : top + 256, left : left + 256]).all()


def test_augmented_parts_differ_stay_near_their_place_and_repeat():
    image = np.zeros((1024, 1024, 3), "uint8")
    image[:512, :512] = 255
    view = View("crop", 256, version=1, seed=3)
    first, last = view.apply(image, "key", "1"), view.apply(image, "key", "4")
    assert first.mean() == 255 and last.mean() == 0
    assert (view.apply(image, "key", "1") == first).all()
    whole = view.apply(image, "key", WHOLE)
    assert whole.mean() == pytest.approx(255 / 4, abs=1)


def test_all_parts_of_a_picture_have_the_same_degradation():
    image = np.full((600, 600, 3), 128, "uint8")
    view = View("crop", 256, degradation="noise 10")
    prepared = view.prepared(image, "key")
    assert (view.part_of(prepared, "key", "5") == prepared[172:428, 172:428]).all()


@pytest.mark.parametrize(
    ("kind", "level"), [(kind, level) for kind in DEGRADATIONS for level in DEGRADATIONS[kind].levels]
)
def test_the_parts_are_those_of_the_degraded_picture(kind, level):
    # Several windows as it is; after the strongest crop one is left.
    image = np.random.default_rng(0).integers(0, 256, (110, 100, 3), "uint8")
    view = View("crop", size=64, degradation=f"{kind} {level}")
    prepared = view.prepared(image, "a key")
    parts = view.parts(*image.shape[:2])
    assert parts == View("crop", size=64).parts(*prepared.shape[:2])
    assert all(view.part_of(prepared, "a key", part).shape == (64, 64, 3) for part in parts)
    assert set(view.boxes(*image.shape[:2])) == set(parts)


def test_scores_of_parts_are_combined_by_their_logits():
    parts = Parts([None] * 4, np.array([0, 1, 1, 1]), np.array([1, 0.25, 0.25, 0.5]))
    scores = np.array([0.3, 0.5, 0.5, 0.9], "float32")
    # logit(0.9) = ln 9, counted half: the odds are 3.
    assert parts.combined(scores) == pytest.approx([0.3, 0.75])
    assert parts.combined(scores)[0] == scores[0]
    assert np.isfinite(parts.combined(np.array([0, 0, 1, 1], "float32"))).all()


def test_images_of_one_part_keep_their_scores():
    scores = np.array([0.123456789, 1.0], "float32")
    parts = Parts([None] * 2, np.arange(2), np.ones(2))
    assert parts.combined(scores) is scores


def test_the_range_of_sizes_leaves_single_pictures_out():
    assert training_scale(np.array([256] * 500 + [9000])) == SMALL
    least, median, most = training_scale(np.arange(1, 1001))
    assert (least, most) == (11, 990) and median in (500, 501)


def test_a_file_is_read_once_for_all_its_parts(tmp_path, monkeypatch):
    from PIL import Image

    path = tmp_path / "large.png"
    Image.fromarray(noise(700, 900)).save(path)
    read = []
    monkeypatch.setattr(ImageFile, "read", lambda file: read.append(file.path) or read_rgb(file.path))
    parts = parts_of([ImageFile(path, "key", size=(700, 900))], View("crop", 256))
    views = np.concatenate(list(load_views(parts.files, View("crop", 256), 64)))
    assert views.shape == (6, 256, 256, 3) and read == [path]
    assert len({file.name for file in parts.files}) == 6


def test_features_of_an_image_are_the_weighted_mean_of_its_parts():
    parts = Parts([None] * 4, np.array([0, 1, 1, 1]), np.array([1, 0.25, 0.25, 0.5]))
    features = np.array([[1, 2], [4, 0], [0, 4], [2, 2]], "float32")
    np.testing.assert_array_equal(parts.mean_features(features), [[1, 2], [2, 2]])
    alone = Parts([None] * 2, np.arange(2), np.ones(2))
    assert alone.mean_features(features[:2]) is not None and (alone.mean_features(features[:2]) == features[:2]).all()
