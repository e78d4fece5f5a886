"""Loading: views are deterministic, in order, 0-255; labels stay with their images."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from lib.data.images.batches import load_views, training_batches
from lib.data.images.decode import decode
from lib.data.images.views import ImageFile, View, _resized, _turned
from lib.study.files import file_hash
from lib.study.names import UserError
from lib.study.recipes import RECIPES

RECIPE = dataclasses.replace(RECIPES["original"], image_size=32, batch_size=5)


def listed(path):
    return ImageFile(path, file_hash(path))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey")
    made = []
    for index in range(12):
        Image.new("RGB", (64, 48), (index * 20,) * 3).save(folder / f"{index}.png")
        made.append(listed(folder / f"{index}.png"))
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


def test_an_augmented_crop_is_a_window_at_native_resolution_or_its_mirror_image():
    image = np.arange(9 * 9 * 3, dtype="uint8").reshape(9, 9, 3)
    windows = {image[y : y + 7, x : x + 7].tobytes() for y in range(3) for x in range(3)}
    mirrored = {image[y : y + 7, x : x + 7][:, ::-1].tobytes() for y in range(3) for x in range(3)}
    found = {View("crop", 7, version).apply(image, "k").tobytes() for version in range(1, 60)}
    assert found <= windows | mirrored
    assert found & windows and found & mirrored and len(found) > 9


def test_the_plain_view_is_the_same_for_every_key_and_seed():
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), "uint8")
    for kind in ("crop", "resize"):
        plain = View(kind, 32).apply(image, "a")
        np.testing.assert_array_equal(plain, View(kind, 32, 0, 9).apply(image, "b"))


def test_a_turned_resize_is_what_pillow_gives_by_turning_first_and_resizing_after():
    rng = np.random.default_rng(1)
    smooth = np.asarray(
        Image.fromarray(rng.integers(0, 256, (5, 5, 3), "uint8")).resize((60, 48), Image.Resampling.BICUBIC)
    )
    np.testing.assert_allclose(_turned(smooth, 0.0, 32), _resized(smooth, 32, 32), atol=2)
    turned = (
        Image.fromarray(smooth)
        .rotate(10, Image.Resampling.BILINEAR)
        .resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=None)
    )
    difference = np.abs(_turned(smooth, 10.0, 32).astype(int) - np.asarray(turned))[6:-6, 6:-6]
    assert (
        difference.mean() < 4 < np.abs(_turned(smooth, -10.0, 32).astype(int) - np.asarray(turned))[6:-6, 6:-6].mean()
    )


def test_a_much_larger_image_is_averaged_before_it_is_turned():
    stripes = np.zeros((256, 256, 3), "uint8")
    stripes[:, ::2] = 255
    assert _turned(stripes, 3.0, 64)[8:-8, 8:-8].std() < 5


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (10, 10)])
@pytest.mark.parametrize("version", [0, 3])
def test_small_images_are_enlarged_to_fill_the_view(shape, version):
    dark_to_light = np.repeat(np.linspace(50, 200, shape[1])[None, :, None], shape[0], 0).repeat(3, 2).astype("uint8")
    view = View("crop", 32, version).apply(dark_to_light, "k")
    assert view.shape == (32, 32, 3) and view.dtype == np.uint8
    assert view.min() >= 50 and view.max() <= 200  # enlarged, not padded
    assert abs(int(view[0, 0, 0]) - int(view[0, -1, 0])) > 50


def test_resize_squeezes_the_whole_image():
    image = np.zeros((40, 80, 3), "uint8")
    image[:, :40] = 200
    view = View("resize", 20).apply(image, "k")
    assert (view[:, :9] == 200).all() and (view[:, 11:] == 0).all()


@pytest.mark.parametrize("name", ["bad.png", "bad.jpg"])
@pytest.mark.parametrize("change", ["cut", "another", "gone"])
def test_a_file_that_has_changed_since_the_audit_is_not_skipped(files, tmp_path, name, change):
    path = tmp_path / name
    Image.new("RGB", (64, 48), "red").save(path)
    file = listed(path)
    assert len(list(load_views([*files[:2], file], View("crop", 32), 2))) == 2
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-90])
    elif change == "another":
        Image.new("RGB", (64, 48), "blue").save(path)
    else:
        path.unlink()
    with pytest.raises(UserError, match=f"{name}.* run 01_data_audit again"):
        list(load_views([*files[:2], file], View("crop", 32), 2))


@pytest.mark.parametrize(
    "options",
    [
        *({"subsampling": number} for number in range(3)),
        {"progressive": True},
        {"keep_rgb": True},
        {"restart_marker_blocks": 3},
        {"mode": "L"},
        {"mode": "CMYK"},
        *({"exif": turn} for turn in range(1, 9)),
    ],
)
def test_jpegs_have_the_pixels_of_pillow(options):
    pixels = np.random.default_rng(0).integers(0, 256, (13, 11, 3), "uint8")
    image = Image.fromarray(pixels).resize((75, 64), Image.Resampling.BICUBIC).convert(options.pop("mode", "RGB"))
    if "exif" in options:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = options["exif"]
        options["exif"] = exif
    image.save(stored := io.BytesIO(), "JPEG", quality=80, **options)
    expected = ImageOps.exif_transpose(Image.open(stored)).convert("RGB")
    np.testing.assert_array_equal(decode(stored.getvalue()), np.asarray(expected))


def test_the_first_of_several_jpegs_in_one_file_is_read():
    first, second = Image.new("RGB", (72, 64), "red"), Image.new("RGB", (72, 64), "blue")
    first.save(stored := io.BytesIO(), "MPO", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode(stored.getvalue()), np.asarray(Image.open(stored)))


def test_large_images_are_shrunk_without_aliasing():
    stripes = np.zeros((512, 512, 3), "uint8")
    stripes[:, ::2] = 255
    # One pixel of five is not paired with its opposite: 127 ± 25; sampled without averaging, stripes stay 0 and 255.
    assert np.abs(View("resize", 100).apply(stripes, "k").astype(int) - 127).max() <= 28


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
    seen = np.concatenate([label[:, 0] for _, label, _ in first]).tolist()
    assert sorted(seen[:12]) == list(range(12)) and len(seen) == 15  # whole batches: the next pass has begun
    assert seen[:12] != list(range(12))
    assert all(np.array_equal(a, b) for x, y in zip(first, again) for a, b in zip(x, y))
    assert not all(np.array_equal(x[1], y[1]) for x, y in zip(first, other))


def test_an_epoch_of_fewer_images_draws_others_each_time(files):
    labels = np.arange(12)
    data, steps = training_batches(files, labels, labels, RECIPE, 1, images=RECIPE.batch_size)
    epochs = [sorted(label[:, 0].numpy()) for _, label, _ in data.take(3)]
    assert steps == 1 and all(len(set(epoch)) == RECIPE.batch_size for epoch in epochs)
    assert epochs[0] != epochs[1] or epochs[1] != epochs[2]


def test_training_batches_go_on_after_finished_epochs(files):
    labels = np.arange(12)
    whole, steps = training_batches(files, labels, labels, RECIPE, 1)
    rest, _ = training_batches(files, labels, labels, RECIPE, 1, done=2)
    for expected, found in zip(whole.skip(2 * steps).take(steps), rest.take(steps)):
        for one, other in zip(expected, found):
            np.testing.assert_array_equal(one, other)
