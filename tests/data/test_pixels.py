"""The two statistics of pixels: values known beforehand, and which copies of a picture they tell apart."""

import cv2
import numpy as np
import pytest
import simplejpeg

from lib.data.images.pixels import blocking, fineness


def coloured(grey):
    return np.repeat(np.asarray(grey, "uint8")[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def picture():
    """Noise on a smooth ground: every pixel has detail of its own."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.uniform(60, 190, (8, 8)), (160, 160), interpolation=cv2.INTER_CUBIC)
    return coloured((ground + rng.normal(0, 6, (160, 160))).clip(0, 255))


def test_a_slope_gives_one_half_and_noise_one():
    slope = coloured(np.add.outer(np.arange(64), np.arange(64)))
    assert fineness(slope) == pytest.approx(0.5)
    noise = coloured(np.random.default_rng(1).integers(0, 256, (256, 256)))
    assert fineness(noise) == pytest.approx(1, abs=0.01) and blocking(noise) == pytest.approx(1, abs=0.02)


def test_one_grey_tells_nothing():
    assert fineness(coloured(np.full((64, 64), 9))) == blocking(coloured(np.full((64, 64), 9))) == 1


@pytest.mark.parametrize("method", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
def test_an_enlarged_copy_is_smoother(picture, method):
    larger = cv2.resize(picture, None, fx=2, fy=2, interpolation=method)
    assert fineness(larger) < fineness(picture) - 0.1


def test_blocks_are_found_where_the_grid_begins_at_the_corner():
    blocks = np.kron(np.random.default_rng(0).integers(0, 256, (10, 10)), np.ones((8, 8)))
    # All steps lie on the grid, so there is nothing to divide by: it tells nothing.
    assert blocking(coloured(blocks)) == 1
    mixed = coloured((blocks + np.random.default_rng(1).integers(0, 9, (80, 80))).clip(0, 255))
    assert blocking(mixed) > 5
    moved = mixed[3:, 5:]
    assert blocking(moved) < 1 and blocking(moved, any_phase=True) > 5


def test_a_copy_through_a_jpeg_has_blocks(picture):
    copy = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(picture, 20))
    assert blocking(copy) > blocking(picture) + 0.1
