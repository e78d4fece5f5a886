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
from lib.data.images.degrade import AUGMENTATIONS, degrade, degrade_at_random, parse, size_after
from lib.study.names import UserError
from lib.study.recipes import CHOICES, Recipe

# The parts of a picture: the middle window, as the only one; or numbered windows and the whole picture.
MIDDLE, WHOLE = "", "whole"
# A picture has further windows along a side that is longer than this many windows.
ONE_WINDOW = 1.5
# Share of the whole picture, squeezed, in the score of a picture with windows; the windows have equal parts of the rest.
# Of 210 pictures of 1,066 to 1,600 pixels, five windows and the whole, counted three times, were best (docs/experiments.md).
WHOLE_SHARE = 3 / 8
# A picture has another scale than the training pictures if its shorter side is outside of their range by this factor.
OTHER_SCALE = 1.25
# Share of the training pictures beyond either end of their range of sizes.
_OUTLIERS = 0.01

# Versions of kept views start at 1. Views drawn anew in each epoch start after this number, so they differ.
FRESH_VERSION = 1000


@dataclass(frozen=True)
class View:
    """How an image becomes the network's input.

    Attributes:
        kind: `resize` squeezes the whole image; `crop` takes windows of `size` pixels at native resolution (a smaller image
            is enlarged first), and of a large image the whole too, squeezed.
        size: side of the square input, pixels.
        version: 0 is the plain view (`crop`: the centre); 1, 2, … are augmented ones.
        seed: of the augmentation.
        degradation: applied to the picture first: none, `any` (a random one for each image), one at a level, such as
            `jpeg 70`, or one of AUGMENTATIONS, such as `half`: for each augmented image with probability one half (see
            lib/data/images/degrade.py).
        scale: smallest, median and largest shorter side of the training pictures in pixels (`training_scale`), for `crop`.
            A picture that is clearly larger is brought to the median first; of one that is clearly smaller the whole counts
            alone, because its windows show another scale. None: the scale is not known, and every picture is seen as it is.
    """

    kind: str
    size: int = 224
    version: int = 0
    seed: int = 0
    degradation: str = ""
    scale: tuple[int, int, int] | None = None

    def __post_init__(self):
        if self.kind not in CHOICES["view"]:
            raise ValueError(f"View: kind is {self.kind!r}, expected {' or '.join(CHOICES['view'])}")

    def parts(self, height: int, width: int) -> dict[str, float]:
        """The parts of a picture of this size that the network looks at: name to its share of the picture's score."""
        height, width = self._degraded(height, width)
        windows = self._windows(*self._frame(height, width))
        if not windows:
            return {MIDDLE: 1.0}
        if self.scale is not None and OTHER_SCALE * min(height, width) < self.scale[0]:
            return {WHOLE: 1.0}
        share = (1 - WHOLE_SHARE) / len(windows)
        return {**dict.fromkeys(windows, share), WHOLE: WHOLE_SHARE}

    def boxes(self, height: int, width: int) -> dict[str, tuple[float, float, float, float]]:
        """Where each part of a picture of this size lies: name to top, left, height and width, as shares of the picture's
        sides.
        """
        tall, wide = self._frame(*self._degraded(height, width))
        found = {}
        for name in self.parts(height, width):
            if name == WHOLE or self.kind == "resize":
                found[name] = (0.0, 0.0, 1.0, 1.0)
            else:
                top, left = self._place(tall, wide, name)
                found[name] = (top / tall, left / wide, self.size / tall, self.size / wide)
        return found

    def _degraded(self, height: int, width: int) -> tuple[int, int]:
        """The size of a picture of this size after the degradation that the view names: a crop takes some of it away."""
        return size_after(self.degradation, height, width) if self._is_named() else (height, width)

    def _is_named(self) -> bool:
        """Whether the view has one degradation at one level, the same for every picture."""
        return self.degradation not in ("", "any", *AUGMENTATIONS)

    def _frame(self, height: int, width: int) -> tuple[int, int]:
        """The size of a picture when its windows are taken: at the training scale, and not smaller than a window."""
        if self.kind != "crop":
            return height, width
        scale, shorter = 1.0, min(height, width)
        if self.scale is not None and shorter > OTHER_SCALE * self.scale[2]:
            scale = self.scale[1] / shorter
        if scale * shorter < self.size:
            scale = self.size / max(1, shorter)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _place(self, height: int, width: int, part: str) -> tuple[int, int]:
        """Top and left of a window of a picture of this size."""
        middle = (height - self.size) // 2, (width - self.size) // 2
        return self._windows(height, width)[part] if part else middle

    def _windows(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Name to top and left of the windows of a picture of this size; empty if the middle one is enough.

        One in the middle of each half or quarter of the picture, and a fifth in its middle.
        """
        if self.kind != "crop" or max(height, width) <= ONE_WINDOW * self.size:
            return {}
        tops, lefts = (_middles(side, self.size) for side in (height, width))
        places = [(top, left) for top in tops for left in lefts]
        if len(places) == 4:
            places.append(((height - self.size) // 2, (width - self.size) // 2))
        return {str(number): place for number, place in enumerate(places, start=1)}

    def prepared(self, image: np.ndarray, key: str) -> np.ndarray:
        """A picture as its parts are taken from it: degraded, if the view names one degradation, and at the training scale.

        Args:
            image: uint8 (height, width, 3).
            key: identifies the image (its sha256); random draws follow from it.
        """
        if self._is_named():
            image = degrade(image, *parse(self.degradation), self._random(key))
        return _shrunk(image, *self._frame(*image.shape[:2]))

    def apply(self, image: np.ndarray, key: str, part: str = MIDDLE) -> np.ndarray:
        """The view of an image.

        Args:
            image: uint8 (height, width, 3).
            key: identifies the image (its sha256); augmentation is drawn from it.
            part: of the picture, as `parts` names it.

        Returns:
            uint8 (size, size, 3).
        """
        return self.part_of(self.prepared(image, key), key, part)

    def part_of(self, prepared: np.ndarray, key: str, part: str = MIDDLE) -> np.ndarray:
        """The view of a part of a `prepared` image; arguments as in `apply`."""
        if self.version == 0:
            view = self._plain(prepared, part)
            # Every part of a picture has the same degradation.
            return degrade_at_random(view, self._random(key)) if self.degradation == "any" else view
        rng = self._random(f"{key}#{part}" if part else key)
        view = self._augmented(prepared, rng, part)
        # A random one comes after the crop, because fewer pixels are left to process.
        if self.degradation == "any":
            return degrade_at_random(view, rng)
        if self.degradation in AUGMENTATIONS and rng.random() < 0.5:
            return AUGMENTATIONS[self.degradation](view, rng)
        return view

    def _random(self, key: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}/{self.version}/{key}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, "uint32"))

    def _plain(self, image: np.ndarray, part: str) -> np.ndarray:
        if self.kind == "resize":
            return _resized(image, self.size, self.size)
        if part == WHOLE:
            return _shrunk(image, self.size, self.size)
        top, left = self._place(*image.shape[:2], part)
        return image[top : top + self.size, left : left + self.size]

    def _augmented(self, image: np.ndarray, rng: np.random.Generator, part: str) -> np.ndarray:
        if self.kind == "resize":
            # The usual augmentation of photographs: a window of 80-100% of each side, rotation by up to 10 degrees.
            height, width = (int(round(side * rng.uniform(0.8, 1.0))) for side in image.shape[:2])
            top, left = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
            image = _turned(image[top : top + height, left : left + width], rng.uniform(-10, 10), self.size)
        elif part == WHOLE:
            image = _shrunk(image, self.size, self.size)
        else:
            # Rotation or scaling would blur the fine statistics that this view must keep.
            top, left = self._random_window(image, rng, part)
            image = image[top : top + self.size, left : left + self.size]
        return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image

    def _random_window(self, image: np.ndarray, rng: np.random.Generator, part: str) -> tuple[int, int]:
        """Top and left of a random window: anywhere, or at most a quarter of its side from the place of a numbered one."""
        rest = [side - self.size for side in image.shape[:2]]
        if not part:
            return tuple(rng.integers(free + 1) for free in rest)
        near = self._windows(*image.shape[:2])[part]
        moves = rng.integers(-self.size // 4, self.size // 4 + 1, size=2)
        return tuple(int(np.clip(place + move, 0, free)) for place, move, free in zip(near, moves, rest))


def training_scale(shorter_sides: np.ndarray) -> tuple[int, int, int]:
    """Smallest, median and largest shorter side of training pictures in pixels, without a hundredth at either end."""
    return tuple(int(side) for side in np.quantile(shorter_sides, [_OUTLIERS, 0.5, 1 - _OUTLIERS], method="nearest"))


def _middles(side: int, size: int) -> list[int]:
    """Where windows of `size` begin along a side: in its middle, or in the middle of each half."""
    if side <= ONE_WINDOW * size:
        return [max(0, (side - size) // 2)]
    return [max(0, side // 4 - size // 2), min(side - size, side * 3 // 4 - size // 2)]


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear; an image at least twice as large is averaged over areas instead, to avoid aliasing."""
    if image.shape[:2] == (height, width):
        return image
    area = _is_much_larger(image, height, width)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)


def _shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A smaller image is averaged over areas, whatever the factor; a larger one is bilinear."""
    if image.shape[:2] == (height, width):
        return image
    larger = height > image.shape[0] or width > image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA)


def _is_much_larger(image: np.ndarray, height: int, width: int) -> bool:
    return min(image.shape[0] / height, image.shape[1] / width) >= 2


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


def recipe_view(
    recipe: Recipe,
    version: int = 0,
    seed: int = 0,
    degradation: str = "",
    scale: tuple[int, int, int] | None = None,
) -> View:
    """The view of a recipe; augmented versions (from 1) get its degradations too."""
    degradation = degradation or (recipe.degradation if version else "")
    return View(recipe.view, recipe.image_size, version, seed, degradation, scale if recipe.view == "crop" else None)


class ImageFile(NamedTuple):
    """An image that passed the audit.

    Attributes:
        path: of the file.
        key: its sha256.
        copy: number of the use of the same image, from 0; each use is augmented differently.
        size: height and width in pixels; (0, 0) if they are not known.
        part: of the picture, as `View.parts` names it.
    """

    path: Path
    key: str
    copy: int = 0
    size: tuple[int, int] = (0, 0)
    part: str = MIDDLE

    @property
    def use(self) -> str:
        """Name of the image and its use; its augmentation is drawn from it."""
        return f"{self.key}/{self.copy}" if self.copy else self.key

    @property
    def name(self) -> str:
        """Name of the image, its use and its part; its features are cached under it."""
        return f"{self.use}#{self.part}" if self.part else self.use

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
