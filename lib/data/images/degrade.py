"""Degradations of pictures as they occur online: compression, scaling, blur, noise, crops, brightness, edits, sharing.

The robustness curves apply one at a given level; training draws one at random for some of its images (`AUGMENTATIONS`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from lib.study.registry import Registry


def _same(height: int, width: int, level: float) -> tuple[int, int]:
    return height, width


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation.

    Attributes:
        apply: from a uint8 RGB image (height, width, 3), a level and a random generator to a uint8 RGB image.
        levels: those of the robustness curves, mildest first.
        unit: unit of the level, for the axis of the curves.
        training: the range of levels in training, drawn uniformly; None if training does not use it. Strong enough to
            matter, mild enough to leave traces to learn.
        edit: whether people do this to photographs on purpose. An edited photograph is still a photograph: a detector
            that calls it synthetic gives a false alarm.
        quick: whether a quick run tries its last level.
        size: height and width that a picture of a height and width has after a level.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    levels: tuple[float, ...]
    unit: str
    training: tuple[float, float] | None = None
    edit: bool = False
    quick: bool = True
    size: Callable[[int, int, float], tuple[int, int]] = _same


DEGRADATIONS: Registry[Degradation] = Registry("degradation")

# A shared picture is compressed at most so often, at a quality of this range; half of the times it is scaled first.
MOST_SHARED = 3
SHARED_QUALITY, SHARED_SCALE = (30, 95), (0.5, 1)
# Of a view that training masks: part of its area, or of its frequencies.
MASKED_AREA = (0.15, 0.3)
MASKED_FREQUENCIES = 0.15


def degrade(image: np.ndarray, kind: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation.

    Args:
        image: uint8 (height, width, 3) RGB.
        kind: a name in DEGRADATIONS.
        level: in the degradation's unit.
        rng: of `noise` and `share`; the other kinds draw nothing.

    Returns:
        uint8 RGB, of the same size but for `crop`.

    Raises:
        ValueError: an unknown kind.
    """
    return DEGRADATIONS[kind].apply(image, level, rng)


def size_after(text: str, height: int, width: int) -> tuple[int, int]:
    """Height and width of a picture after a degradation such as `crop 0.75`; arguments as in `parse`."""
    kind, level = parse(text)
    return DEGRADATIONS[kind].size(height, width, level)


def degrade_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image after one degradation of a random kind (JPEG, scaling, blur or noise) and level, as in training."""
    ranges = {kind: known.training for kind, known in DEGRADATIONS.items() if known.training}
    kind = str(rng.choice(list(ranges)))
    return degrade(image, kind, rng.uniform(*ranges[kind]), rng)


def share_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image after one to three compressions and resizes in a row, as when a picture is shared from site to site.

    With up to three JPEG compressions instead of one, and other changes nearly the same, the AUC on later generators was
    0.945 instead of 0.931 (Pellegrini et al. 2025, "Generalized Design Choices for Deepfake Detectors", arXiv 2511.21507).
    """
    return degrade(image, "share", rng.integers(1, MOST_SHARED + 1), rng)


def mask_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image with a random square, 15 to 30% of its area, filled with its mean colour."""
    height, width = image.shape[:2]
    side = min(height, width, round(np.sqrt(rng.uniform(*MASKED_AREA) * height * width)))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    masked = image.copy()
    masked[top : top + side, left : left + side] = _rounded(image.mean(axis=(0, 1)))
    return masked


def mask_frequencies_at_random(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image without a random 15% of its frequencies, the same ones in each channel.

    15% was the best share for Doloriel and Cheung 2024 ("Frequency Masking for Universal Deepfake Detection", arXiv
    2401.06506). Here the mean colour stays.
    """
    spectrum = np.fft.rfft2(image, axes=(0, 1))
    masked = rng.random(spectrum.shape[:2]) < MASKED_FREQUENCIES
    masked[0, 0] = False
    spectrum[masked] = 0
    return _rounded(np.fft.irfft2(spectrum, s=image.shape[:2], axes=(0, 1)))


def edits() -> list[str]:
    """The kinds of degradation that are edits of photographs."""
    return [kind for kind, known in DEGRADATIONS.items() if known.edit]


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


def _cropped(height: int, width: int, level: float) -> tuple[int, int]:
    return max(1, round(height * level)), max(1, round(width * level))


def _crop(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    kept_height, kept_width = _cropped(height, width, level)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return np.ascontiguousarray(image[top : top + kept_height, left : left + kept_width])


def _brightness(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return _rounded(image.astype("float32") * level)


def _share(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    # Each step draws the same numbers, so the pictures of a lower level are the first steps of a higher one.
    for _ in range(round(level)):
        resized, scale, quality = rng.random() < 0.5, rng.uniform(*SHARED_SCALE), rng.uniform(*SHARED_QUALITY)
        image = _jpeg(_rescale(image, scale, rng) if resized else image, quality, rng)
    return image


def _sharpen(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.addWeighted(image, 1 + level, _blur(image, 1, rng), -level, 0)


def _denoise(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.bilateralFilter(image, 5, float(level), 2, borderType=cv2.BORDER_REFLECT_101)


def _retouch(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    # Skin by its chroma (Chai and Ngan 1999, IEEE Transactions on Circuits and Systems for Video Technology 9).
    skin = cv2.inRange(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), (0, 133, 77), (255, 173, 127))
    smoothed = level / 4 * cv2.GaussianBlur(skin, (0, 0), 3)[..., None].astype("float32") / 255
    image = _rounded(image + smoothed * (_denoise(image, 12 * level, rng).astype("float32") - image))
    # Brighter, and an S-curve for contrast; then colours away from grey.
    tones = np.linspace(0, 1, 256, dtype="float32") ** (1 - 0.06 * level)
    tones += 0.12 * level * (tones * tones * (3 - 2 * tones) - tones)
    values = 255 * tones[image]
    grey = values.mean(axis=2, keepdims=True)
    return _rounded(grey + (1 + 0.08 * level) * (values - grey))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype("uint8")


DEGRADATIONS.register("jpeg", Degradation(_jpeg, (90, 70, 50, 30), "JPEG quality", training=(50, 95)))
DEGRADATIONS.register(
    "rescale", Degradation(_rescale, (0.75, 0.5), "scale before the size is restored", training=(0.5, 0.9))
)
DEGRADATIONS.register(
    "blur",
    Degradation(_blur, (1, 2, 3), "Gaussian blur, standard deviation in pixels", quick=False, training=(0.3, 1.5)),
)
DEGRADATIONS.register(
    "noise",
    Degradation(_noise, (2, 5, 10), "Gaussian noise, standard deviation in grey levels", quick=False, training=(1, 6)),
)
DEGRADATIONS.register(
    "crop", Degradation(_crop, (0.9, 0.75), "part of each side left by cropping", quick=False, size=_cropped)
)
DEGRADATIONS.register("brightness", Degradation(_brightness, (0.7, 1.3), "brightness, factor", quick=False))
DEGRADATIONS.register(
    "sharpen", Degradation(_sharpen, (0.5, 1, 2), "sharpening, amount of the unsharp mask", edit=True)
)
DEGRADATIONS.register(
    "denoise",
    Degradation(_denoise, (10, 20, 40), "denoising, grey levels of the bilateral filter", quick=False, edit=True),
)
DEGRADATIONS.register(
    "retouch", Degradation(_retouch, (1, 2, 3), "retouching (tones, colours, smoother skin), strength", edit=True)
)
DEGRADATIONS.register("share", Degradation(_share, (1, 2, 3), "sharing, number of compressions in a row"))

# What a recipe's `degradation` does to half of the augmented training views. `mask` and `frequency` are experiments.
AUGMENTATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "half": degrade_at_random,
    "sharing": share_at_random,
    "mask": mask_at_random,
    "frequency": mask_frequencies_at_random,
}
