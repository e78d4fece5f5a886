"""Degradations of pictures as they occur online: compression, scaling, blur, noise, cropping, brightness.

The robustness curves apply one at a given level; training draws one at random for some of its images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from lib.study.registry import Registry


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation.

    Attributes:
        apply: from a uint8 RGB image (height, width, 3), a level and a random generator to a uint8 RGB image.
        levels: those of the robustness curves, mildest first.
        unit: unit of the level, for the axis of the curves.
        training: the range of levels in training, drawn uniformly; None if training does not use it. Strong enough to
            matter, mild enough to leave traces to learn.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    levels: tuple[float, ...]
    unit: str
    training: tuple[float, float] | None = None


DEGRADATIONS: Registry[Degradation] = Registry("degradation")


def degrade(image: np.ndarray, kind: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation.

    Args:
        image: uint8 (height, width, 3) RGB.
        kind: a name in DEGRADATIONS.
        level: in the degradation's unit.
        rng: of the noise; the other kinds draw nothing.

    Returns:
        uint8 RGB, of the same size but for `crop`.

    Raises:
        ValueError: an unknown kind.
    """
    return DEGRADATIONS[kind].apply(image, level, rng)


def degrade_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation of a random kind (JPEG, scaling, blur or noise) and level, as in training."""
    ranges = {kind: known.training for kind, known in DEGRADATIONS.items() if known.training}
    kind = str(rng.choice(list(ranges)))
    return degrade(image, kind, rng.uniform(*ranges[kind]), rng)


def units() -> dict[str, str]:
    """Kind of degradation to the unit of its level."""
    return {kind: known.unit for kind, known in DEGRADATIONS.items()}


def parse(text: str) -> tuple[str, float]:
    """`jpeg 70` as its kind and level.

    Raises:
        ValueError: not a kind and a number.
    """
    kind, _, level = text.partition(" ")
    if kind not in DEGRADATIONS:
        known = ", ".join(DEGRADATIONS)
        raise ValueError(f"degradation {text!r}: expected one of {known} and a level, such as 'jpeg 70'")
    return kind, float(level)


def _jpeg(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    # OpenCV expects BGR. With the channels swapped, the wrong chroma would be subsampled.
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(round(level))])[1]
    return simplejpeg.decode_jpeg(coded)


def _rescale(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    size = (max(1, round(width * level)), max(1, round(height * level)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _blur(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), float(level), borderType=cv2.BORDER_REFLECT_101)


def _noise(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return _rounded(image + level * rng.standard_normal(image.shape, "float32"))


def _crop(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    kept_height, kept_width = max(1, round(height * level)), max(1, round(width * level))
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return np.ascontiguousarray(image[top : top + kept_height, left : left + kept_width])


def _brightness(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return _rounded(image.astype("float32") * level)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype("uint8")


DEGRADATIONS.register("jpeg", Degradation(_jpeg, (90, 70, 50, 30), "JPEG quality", training=(50, 95)))
DEGRADATIONS.register(
    "rescale", Degradation(_rescale, (0.75, 0.5), "scale before the size is restored", training=(0.5, 0.9))
)
DEGRADATIONS.register(
    "blur", Degradation(_blur, (1, 2, 3), "Gaussian blur, standard deviation in pixels", training=(0.3, 1.5))
)
DEGRADATIONS.register(
    "noise", Degradation(_noise, (2, 5, 10), "Gaussian noise, standard deviation in grey levels", training=(1, 6))
)
DEGRADATIONS.register("crop", Degradation(_crop, (0.9, 0.75), "part of each side left by cropping"))
DEGRADATIONS.register("brightness", Degradation(_brightness, (0.7, 1.3), "brightness, factor"))
