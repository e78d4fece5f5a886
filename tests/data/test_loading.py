"""Loading: views are deterministic, in order, 0-255; labels stay with their images."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from lib.data.loading import View, load_views, training_batches
from lib.study import RECIPES

RECIPE = dataclasses.replace(RECIPES["original"], image_size=32, batch_size=5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey")
    made = []
    for index in range(12):
        Image.new("RGB", (64, 48), (index * 20,) * 3).save(folder / f"{index}.png")
        made.append((folder / f"{index}.png", f"key{index}"))
    return made


def test_plain_crop_is_the_centre_at_native_resolution():
    image = np.arange(10 * 12 * 3, dtype="uint8").reshape(10, 12, 3)
    np.testing.assert_array_equal(View("crop", 4).apply(image, "k"), image[3:7, 4:8])
    assert View("crop", 32).apply(image, "k").shape == (32, 32, 3)
    assert View("resize", 7).apply(image, "k").shape == (7, 7, 3)


@pytest.mark.parametrize("kind", ["crop", "resize"])
def test_augmentation_depends_on_seed_version_and_image_alone(kind):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    first = View(kind, 32, 1, 5).apply(image, "a")
    np.testing.assert_array_equal(first, View(kind, 32, 1, 5).apply(image, "a"))
    for other, key in ((View(kind, 32, 2, 5), "a"), (View(kind, 32, 1, 6), "a"), (View(kind, 32, 1, 5), "b")):
        assert not np.array_equal(first, other.apply(image, key))


def test_views_come_in_order_and_whole(files):
    batches = list(load_views(files, View("resize", 32), 5))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    assert [int(image.mean()) for batch in batches for image in batch] == [index * 20 for index in range(12)]


def test_training_batches_keep_labels_with_images_and_repeat_from_the_seed(files):
    labels = np.arange(12)
    weights = labels * 10.0

    def epoch(seed):
        data, steps = training_batches(files, labels, weights, RECIPE, seed)
        return [[part.numpy() for part in batch] for batch in data.take(steps)]

    first, again, other = epoch(1), epoch(1), epoch(2)
    for images, label, weight in first:
        # Augmentation changes a grey image at its edges only a little: its grey still names it.
        np.testing.assert_allclose(images.mean((1, 2, 3)) / 20, label[:, 0], atol=0.2)
        np.testing.assert_array_equal(weight, label * 10)
        assert images.dtype == np.float32 and images.max() <= 255
    assert all(np.array_equal(a, b) for x, y in zip(first, again) for a, b in zip(x, y))
    assert not all(np.array_equal(x[1], y[1]) for x, y in zip(first, other))
