"""From a picture to the network's input: plain, augmented or degraded views.

Augmentation depends on (seed, version, image), never on the order of threads. So the same version of the same image is
the same array in every run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lib.data.images.decode import decode
from lib.data.images.degrade import degrade, degrade_at_random, parse
from lib.study.names import UserError
from lib.study.recipes import CHOICES, Recipe

# Versions of kept views start at 1. Views drawn anew in each epoch start after this number, so they differ.
FRESH_VERSION = 1000


@dataclass(frozen=True)
class View:
    """How an image becomes the network's input.

    Attributes:
        kind: `resize` squeezes the whole image; `crop` takes `size` pixels at native resolution (a smaller image is
            enlarged first).
        size: side of the square input, pixels.
        version: 0 is the plain view (`crop`: the centre); 1, 2, … are augmented ones.
        seed: of the augmentation.
        degradation: applied to the picture first: none, `any` (a random one for each image), `half` (a random one for
            each image with probability one half), or one at a level, such as `jpeg 70` (see
            lib/data/images/degrade.py).
    """

    kind: str
    size: int = 224
    version: int = 0
    seed: int = 0
    degradation: str = ""

    def __post_init__(self):
        if self.kind not in CHOICES["view"]:
            raise ValueError(f"View: kind is {self.kind!r}, expected {' or '.join(CHOICES['view'])}")

    def apply(self, image: np.ndarray, key: str) -> np.ndarray:
        """The view of an image.

        Args:
            image: uint8 (height, width, 3).
            key: identifies the image (its sha256); augmentation is drawn from it.

        Returns:
            uint8 (size, size, 3).
        """
        if self.version == 0 and not self.degradation:
            return self._plain(image)
        digest = hashlib.sha256(f"{self.seed}/{self.version}/{key}".encode()).digest()
        rng = np.random.default_rng(np.frombuffer(digest, "uint32"))
        if self.degradation not in ("", "any", "half"):
            image = degrade(image, *parse(self.degradation), rng)
        view = self._augmented(image, rng) if self.version else self._plain(image)
        # A random one comes after the crop, because fewer pixels are left to process.
        if self.degradation == "any" or (self.degradation == "half" and rng.random() < 0.5):
            view = degrade_at_random(view, rng)
        return view

    def _plain(self, image: np.ndarray) -> np.ndarray:
        if self.kind == "resize":
            return _resized(image, self.size, self.size)
        image = _at_least(image, self.size)
        top, left = (image.shape[0] - self.size) // 2, (image.shape[1] - self.size) // 2
        return image[top : top + self.size, left : left + self.size]

    def _augmented(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.kind == "resize":
            # The usual augmentation of photographs: a window of 80-100% of each side, rotation by up to 10 degrees.
            height, width = (int(round(side * rng.uniform(0.8, 1.0))) for side in image.shape[:2])
            top, left = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
            image = _turned(image[top : top + height, left : left + width], rng.uniform(-10, 10), self.size)
        else:
            # Rotation or scaling would blur the fine statistics that this view must keep.
            image = _at_least(image, self.size)
            top, left = (rng.integers(side - self.size + 1) for side in image.shape[:2])
            image = image[top : top + self.size, left : left + self.size]
        return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear; an image at least twice as large is averaged over areas instead, to avoid aliasing."""
    if image.shape[:2] == (height, width):
        return image
    area = _is_much_larger(image, height, width)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)


def _is_much_larger(image: np.ndarray, height: int, width: int) -> bool:
    return min(image.shape[0] / height, image.shape[1] / width) >= 2


def _at_least(image: np.ndarray, size: int) -> np.ndarray:
    scale = size / min(image.shape[:2])
    if scale <= 1:
        return image
    height, width = (max(size, round(side * scale)) for side in image.shape[:2])
    return _resized(image, height, width)


def _turned(image: np.ndarray, degrees: float, size: int) -> np.ndarray:
    """An image rotated about its centre and squeezed to a square, in one bilinear step; edges are mirrored."""
    if _is_much_larger(image, size, size):
        image = _resized(image, size, size)
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    # Rotated in the image's own pixels; then its first and last pixel centres are placed as a resize places them.
    scale = np.array([[size / width], [size / height]])
    matrix = matrix * scale
    matrix[:, 2] += (scale[:, 0] - 1) / 2
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def recipe_view(recipe: Recipe, version: int = 0, seed: int = 0, degradation: str = "") -> View:
    """The view of a recipe; augmented versions (from 1) get its degradations too."""
    return View(recipe.view, recipe.image_size, version, seed, degradation or (recipe.degradation if version else ""))


class ImageFile(NamedTuple):
    """An image that passed the audit.

    Attributes:
        path: of the file.
        key: its sha256.
        copy: number of the use of the same image, from 0; each use is augmented differently.
    """

    path: Path
    key: str
    copy: int = 0

    @property
    def name(self) -> str:
        """Name of the image and its use; its augmentation is drawn from it, and its features are cached under it."""
        return f"{self.key}/{self.copy}" if self.copy else self.key

    def read(self) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB.

        Raises:
            UserError: the file has changed since the audit, or cannot be decoded.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be read any more ({error.strerror}); run 01_data_audit again"
            ) from None
        if hashlib.sha256(data).hexdigest() != self.key:
            raise UserError(f"{self.path}: has changed since the audit; run 01_data_audit again")
        try:
            return decode(data)
        except (OSError, ValueError) as error:  # an audit of an earlier version was less strict
            raise UserError(f"{self.path}: cannot be decoded ({error}); run 01_data_audit again") from None
