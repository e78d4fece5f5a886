"""Strokes, textures and colours that portraits are drawn with."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

SHIFT = 4  # cv2 draws polygons at 1/16 pixel


@cache
def noise_bank() -> dict[str, np.ndarray]:
    """Tileable noise textures, made once a process: drawing them anew would cost more than the rest of the portrait."""
    rng = np.random.default_rng(20240601)
    white = rng.standard_normal((512, 512)).astype(np.float32)

    def soft(sx: float, sy: float, seed: int) -> np.ndarray:
        field = np.tile(np.roll(white, seed, (0, 1)), (3, 3))[256:-256, 256:-256]
        out = cv2.GaussianBlur(field, (0, 0), sigmaX=sx, sigmaY=sy)[256:-256, 256:-256]
        return np.ascontiguousarray((out - out.mean()) / out.std())

    strands = soft(0.4, 20, 11) + soft(1.1, 40, 91) * 0.55 + soft(4, 60, 51) * 0.28
    return {
        "white": white,
        "pores": soft(0.6, 0.6, 3) - 0.5 * soft(1.5, 1.5, 3) + 0.35 * soft(3, 3, 17),
        "cloud": soft(14, 14, 29),
        "folds": soft(9, 30, 37),
        "bristles": 0.85 * soft(0.6, 3.5, 13) + 0.5 * soft(2, 5, 7),
        "strands": strands / strands.std(),
        "curls": np.abs(soft(2.2, 2.2, 71)) - 0.8 + 0.3 * soft(0.6, 0.6, 5),
    }


def noise_patch(name: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A window of a noise texture at a random place, as float32 of `shape` (at most 256 a side)."""
    y, x = rng.integers(0, 512 - shape[0] + 1), rng.integers(0, 512 - shape[1] + 1)
    return noise_bank()[name][y : y + shape[0], x : x + shape[1]]


def fill_polygon(shape: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """Antialiased coverage in 0..1 of a polygon given in pixels, (n, 2)."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [fixed_point(points)], 255, cv2.LINE_AA, SHIFT)
    return mask.astype(np.float32) * (1 / 255)


def fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(np.multiply(points, 1 << SHIFT)).astype(np.int32)


def blend(image: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> None:
    """Lays `colour` (3,) or (h, w, 3) over `image` in place where `cover` (h, w) is 1."""
    image += (colour - image) * cover[..., None]


def soft_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def reddened(shade: np.ndarray) -> np.ndarray:
    """Brightness (h, w) as RGB (h, w, 3): light that enters skin comes out redder, so shadows keep more red than blue."""
    return cv2.merge([shade * (1.16 - 0.16 * shade), shade, shade * (0.92 + 0.08 * shade)])


def to_bgr(colour: np.ndarray) -> tuple[int, ...]:
    """A colour in 0..1 as the tuple of 0..255 that cv2's drawing takes (channel order is the image's: RGB here)."""
    return tuple(min(max(int(v * 255), 0), 255) for v in colour.tolist())
