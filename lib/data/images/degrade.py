"""What happens to pictures on their way to a reader: compression, scaling, blur, noise, cropping, brightness.

The robustness curves apply one at a stated level; training draws one at random for a part of its images.
"""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg

# Every degradation with the levels that the robustness curves use, mildest first.
LEVELS = {
    "jpeg": (90, 70, 50, 30),  # quality
    "rescale": (0.75, 0.5),  # factor of the side, before the size is restored
    "blur": (1, 2, 3),  # standard deviation, pixels
    "noise": (2, 5, 10),  # standard deviation, grey levels
    "crop": (0.9, 0.75),  # part of each side that is left
    "brightness": (0.7, 1.3),  # factor
}
UNITS = {
    "jpeg": "JPEG quality",
    "rescale": "scale before the size is restored",
    "blur": "Gaussian blur, standard deviation in pixels",
    "noise": "Gaussian noise, standard deviation in grey levels",
    "crop": "part of each side left by cropping",
    "brightness": "brightness, factor",
}
# What training draws from, evenly over each range: strong enough to matter, mild enough to leave traces to learn.
_TRAINING_RANGES = {"jpeg": (50, 95), "rescale": (0.5, 0.9), "blur": (0.3, 1.5), "noise": (1, 6)}


def degrade(image: np.ndarray, kind: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation.

    Args:
        image: uint8 (height, width, 3) RGB.
        kind: a key of LEVELS.
        level: in the unit of UNITS.
        rng: of the noise; the other kinds draw nothing.

    Returns:
        uint8 RGB, of the same size but for `crop`.

    Raises:
        ValueError: an unknown kind.
    """
    height, width = image.shape[:2]
    if kind == "jpeg":
        # OpenCV takes BGR: with the channels the wrong way round, chroma would be thinned out from the wrong ones.
        coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(round(level))])[1]
        return simplejpeg.decode_jpeg(coded)
    if kind == "rescale":
        size = (max(1, round(width * level)), max(1, round(height * level)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if kind == "blur":
        return cv2.GaussianBlur(image, (0, 0), float(level), borderType=cv2.BORDER_REFLECT_101)
    if kind == "noise":
        return _rounded(image + level * rng.standard_normal(image.shape, "float32"))
    if kind == "crop":
        kept_height, kept_width = max(1, round(height * level)), max(1, round(width * level))
        top, left = (height - kept_height) // 2, (width - kept_width) // 2
        return np.ascontiguousarray(image[top : top + kept_height, left : left + kept_width])
    if kind == "brightness":
        return _rounded(image.astype("float32") * level)
    raise ValueError(f"degradation {kind!r}: expected one of {', '.join(LEVELS)}")


def degrade_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation of a random kind (JPEG, scaling, blur or noise) and level, as in training."""
    kind = str(rng.choice(list(_TRAINING_RANGES)))
    return degrade(image, kind, rng.uniform(*_TRAINING_RANGES[kind]), rng)


def parse(text: str) -> tuple[str, float]:
    """`jpeg 70` as its kind and level.

    Raises:
        ValueError: not a kind and a number.
    """
    kind, _, level = text.partition(" ")
    if kind not in LEVELS:
        raise ValueError(f"degradation {text!r}: expected one of {', '.join(LEVELS)} and a level, such as 'jpeg 70'")
    return kind, float(level)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype("uint8")
