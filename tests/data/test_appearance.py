"""Appearance: spectra and means of pictures whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.data.audit.appearance import central_squares, mean_image, power_spectra, sample_rows, typical_spectrum

SIDE = 64
FREQUENCIES = np.arange(1, SIDE // 2 + 1) / SIDE


def written(folder, arrays):
    """PNG files of grey or RGB arrays; PNG keeps every value."""
    paths = []
    for number, array in enumerate(arrays):
        paths.append(folder / f"{number}.png")
        Image.fromarray(np.rint(np.clip(array, 0, 255)).astype("uint8")).save(paths[-1])
    return paths


def power_spectrum(paths, side):
    return typical_spectrum(power_spectra(paths, side))


def noise(count, side=SIDE, deviation=20, seed=0):
    return 128 + deviation * np.random.default_rng(seed).standard_normal((count, side, side))


def test_white_noise_is_flat_and_lies_at_its_variance(tmp_path):
    mean, low, high = power_spectrum(written(tmp_path, noise(80)), SIDE)
    assert mean.shape == low.shape == high.shape == (SIDE // 2,)
    # Rings near zero have few cells; the logarithm of their mean lies a little low.
    assert np.abs(mean[4:] - 10 * np.log10(20**2)).max() < 0.5
    assert (low < mean).all() and (mean < high).all()


@pytest.mark.parametrize("ring", [8, 20, 32])
@pytest.mark.parametrize("direction", ["across", "down"])
def test_a_cosine_peaks_at_its_frequency(tmp_path, ring, direction):
    wave = np.broadcast_to(128 + 100 * np.cos(2 * np.pi * ring / SIDE * np.arange(SIDE)), (SIDE, SIDE))
    (path,) = written(tmp_path, [wave if direction == "across" else wave.T])
    mean = power_spectrum([path], SIDE)[0]
    assert FREQUENCIES[mean.argmax()] == ring / SIDE
    # Hann: nothing but rounding three rings away.
    assert np.delete(mean, np.arange(max(0, ring - 4), min(SIDE // 2, ring + 3))).max() < mean.max() - 40


def test_power_is_the_variance_whatever_the_direction(tmp_path):
    # Parseval: the powers of all cells add up to the variance under the window.
    picture = noise(1, deviation=25, seed=3)[0]
    paths = written(tmp_path, [picture, picture.T, picture[::-1]])
    spectra = np.stack([power_spectrum([path], SIDE)[0] for path in paths])
    # Turned, it is the same; mirrored it is not quite, because the window's peak lies half a pixel off the middle.
    assert np.abs(spectra[0] - spectra[1]).max() < 1e-3
    cells = 2 * np.pi * np.arange(1, SIDE // 2 + 1)
    assert (10 ** (spectra[0] / 10) @ cells) / cells.sum() == pytest.approx(picture.var(), rel=0.1)


def test_nearest_upsampling_loses_high_frequencies_and_has_its_zero_at_nyquist(tmp_path):
    small = noise(60, SIDE // 2)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    plain, doubled = tmp_path / "plain", tmp_path / "doubled"
    plain.mkdir()
    doubled.mkdir()
    difference = power_spectrum(written(doubled, large), SIDE)[0] - power_spectrum(written(plain, noise(60)), SIDE)[0]
    # A box of two pixels: 4 times the power at 0 (6 dB), none along the axes at 0.5.
    assert difference[2:6] == pytest.approx(6, abs=1)
    assert (difference[24:] < -2).all() and difference[-1] < difference[16] < difference[4]


def test_zeros_between_the_pixels_mirror_the_spectrum_at_a_quarter(tmp_path):
    # The trace that transposed convolutions leave, before anything smooths it.
    large = np.full((SIDE, SIDE), 128.0)
    large[::2, ::2] += 100 * np.cos(2 * np.pi * 4 / 32 * np.arange(32))
    mean = power_spectrum(written(tmp_path, [large]), SIDE)[0]
    ring = {number + 1: power for number, power in enumerate(mean)}
    assert min(ring[4], ring[32 - 4]) > max(ring[10], ring[16], ring[22]) + 40


def test_the_band_holds_eight_of_ten_images_and_the_mean_is_of_decibels(tmp_path):
    deviations = [2, 4, 8, 16, 32]
    paths = written(tmp_path, [noise(1, deviation=deviation)[0] for deviation in deviations])
    each = np.concatenate([power_spectrum([path], SIDE)[:1] for path in paths])
    mean, low, high = power_spectrum(paths, SIDE)
    assert mean == pytest.approx(each.mean(axis=0), abs=1e-3)
    assert low == pytest.approx(np.quantile(each, 0.1, axis=0), abs=1e-3)
    assert high == pytest.approx(np.quantile(each, 0.9, axis=0), abs=1e-3)


def test_colours_count_as_their_luma(tmp_path):
    deviation = noise(1)[0] - 128
    grey = power_spectrum(written(tmp_path, [128 + deviation]), SIDE)[0]
    green = np.stack([np.full_like(deviation, 128), 128 + deviation, np.full_like(deviation, 128)], 2)
    found = power_spectrum(written(tmp_path, [green]), SIDE)[0]
    assert (found - grey)[2:] == pytest.approx(20 * np.log10(0.587), abs=0.1)


def test_the_centre_counts_at_its_own_resolution_and_small_images_are_left_out(tmp_path):
    picture = noise(1)[0]
    framed = np.zeros((SIDE + 40, SIDE + 11))
    framed[20 : 20 + SIDE, 5 : 5 + SIDE] = picture
    paths = written(tmp_path, [picture, framed, noise(1, SIDE - 1)[0]])
    alone = power_spectrum(paths[:1], SIDE)
    assert power_spectrum(paths[1:2], SIDE) == pytest.approx(alone)
    assert power_spectrum(paths[::2], SIDE) == pytest.approx(alone)


def test_no_image_is_nan_and_a_flat_one_is_finite(tmp_path):
    assert np.isnan(power_spectrum([], SIDE)).all() and power_spectrum([], SIDE).shape == (3, SIDE // 2)
    assert np.isnan(power_spectrum(written(tmp_path, noise(1, SIDE - 1)), SIDE)).all()
    assert (power_spectrum(written(tmp_path, [np.full((SIDE, SIDE), 77)]), SIDE) == -60).all()


def test_an_odd_side_is_refused():
    with pytest.raises(ValueError, match="side = 63: expected an even number"):
        power_spectrum([], 63)


def test_the_mean_of_two_known_images(tmp_path):
    first = np.zeros((40, 40, 3)) + [10, 100, 255]
    # Of a wide image the centre counts; what lies beside it does not.
    second = np.zeros((40, 80, 3))
    second[:, 20:60] = [20, 101, 255]
    mean = mean_image(central_squares(written(tmp_path, [first, second]), side=20))
    assert mean.shape == (20, 20, 3) and mean.dtype == "uint8"
    assert (mean[2:-2, 2:-2] == [15, 100, 255]).all()


def test_many_images_are_averaged_without_overflow(tmp_path):
    (path,) = written(tmp_path, [np.full((8, 8, 3), 250)])
    assert (mean_image(central_squares([path] * 300, side=8)) == 250).all()


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no image to average"):
        mean_image(central_squares([]))


def test_an_unreadable_file_is_not_passed_over(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    for function in (central_squares, power_spectra):
        with pytest.raises(OSError):
            function([tmp_path / "broken.png"])


def test_the_sample_is_of_both_classes_by_content_and_of_used_images_only():
    count = 60
    images = pd.DataFrame(
        {
            "label": np.where(np.arange(count) % 3, "real", "synthetic"),
            "split": np.where(np.arange(count) < 6, "", "train"),
            "sha256": [f"{(number * 37) % 101:064x}" for number in range(count)],
        }
    )
    found = sample_rows(images, each=5)
    assert found["label"].tolist() == ["real"] * 5 + ["synthetic"] * 5
    used = images[images["split"] != ""]
    for label in ("real", "synthetic"):
        smallest = used.loc[used["label"] == label, "sha256"].sort_values().head(5)
        assert found.loc[found["label"] == label, "sha256"].tolist() == smallest.tolist()
    shuffled = sample_rows(images.sample(frac=1, random_state=1), each=5)
    assert shuffled["sha256"].tolist() == found["sha256"].tolist()
    assert len(sample_rows(images, each=1000)) == len(used) and sample_rows(images.iloc[:0]).empty
