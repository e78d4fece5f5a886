"""From image files to arrays and batches: one decoder for everything (`rgb`), values 0-255, no rescaling.

JPEG is read by simplejpeg, which refuses a file that lost data where Pillow and OpenCV fill the picture up without a
word; everything else by Pillow.

Augmentation draws from (seed, version, image), never from the order in which threads happen to work, so the same
version of the same image is the same array in every run.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from lib.data.degrade import degrade, degrade_at_random, parse
from lib.study.names import UserError
from lib.study.recipes import CHOICES, Recipe

Item, Loaded = TypeVar("Item"), TypeVar("Loaded")
# Larger images are refused before they are decoded: a small file can unfold to gigabytes.
MAX_PIXELS = 100_000_000
Image.MAX_IMAGE_PIXELS = None  # the check below names the file and the limit; Pillow's own only warns
# Pillow warns of metadata that it cannot read, and never names the file; missing pixels it raises.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# Pillow's libtiff writes to standard error what Pillow then raises. Not every build lets it be reached.
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)
# Images are worked on by as many threads as there are cores; OpenCV's own would only wait for each other.
cv2.setNumThreads(1)
# Versions of kept views start at 1; those drawn anew for each epoch start after this, and are others.
FRESH_VERSION = 1000
# Where a file may say how the picture is to be turned.
_EXIF = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
Image.init()
# What is opened. Pillow knows more formats, some of which start other programs (EPS: Ghostscript) or fetch files.
FORMATS = tuple(
    name for name in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM") if name in Image.OPEN
)
_JPEG = ("JPEG", "MPO")  # MPO: several JPEGs in one file, of which the first is read
# Formats whose decoders take zeros in place of the second half for picture, and more of them than any padding has.
_UNCHECKED, _ZEROS = ("WEBP", "AVIF"), bytes(256)
# What simplejpeg refuses a JPEG for though no pixel is lost: errors in what stands beside the picture, and a way of
# storing colours that it does not know.
_HARMLESS = (
    "unknown JFIF revision",
    "bad ICC marker",
    "Invalid SOS parameters",
    "Could not determine subsampling",
)


def read_rgb(path: Path) -> np.ndarray:
    """An image file as uint8 (height, width, 3) RGB, turned upright by its EXIF orientation.

    Raises:
        OSError, ValueError: the file cannot be read or decoded whole, or has more than MAX_PIXELS pixels.
    """
    return decode(Path(path).read_bytes())


def decode(data: bytes) -> np.ndarray:
    """Like `read_rgb`, from the bytes of a file."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return rgb(image, data)[0]


def rgb(image: Image.Image, data: bytes) -> tuple[np.ndarray, str]:
    """The pixels of an opened file: first frame, upright, transparency over white, 16 bits scaled to 8.

    Args:
        image: as Pillow opened it, nothing decoded yet.
        data: the bytes of its file.

    Returns:
        uint8 (height, width, 3), and what the decoder warned of without losing pixels, mostly "".

    Raises:
        OSError, ValueError: as `read_rgb`.
    """
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    if image.format in _UNCHECKED and data.endswith(_ZEROS):
        raise ValueError("ends in zeros, as a download that was broken off")
    if image.format not in _JPEG:
        image.load()
        return _to_rgb(image), ""
    pixels, warning = _decode_jpeg(data)
    # Colours of other modes, and files that simplejpeg cannot read though nothing is lost, are Pillow's.
    if pixels is None or image.mode not in ("RGB", "L"):
        return _to_rgb(image), warning
    if not carries_exif(image):
        return pixels, warning
    decoded = Image.fromarray(pixels)
    decoded.info = image.info
    return np.asarray(ImageOps.exif_transpose(decoded)), warning


def _decode_jpeg(data: bytes) -> tuple[np.ndarray | None, str]:
    """Pixels of a whole JPEG, None where only Pillow can read it, and the decoder's harmless warning or ""."""
    try:
        return simplejpeg.decode_jpeg(data), ""
    except ValueError as error:
        warning = " ".join(str(error).split())
        if not any(harmless in warning for harmless in _HARMLESS):
            raise
    # A warning of the header ends the decoding: without the segments that it can be about, lost data still show.
    try:
        simplejpeg.decode_jpeg(_without_metadata(data))
    except ValueError as error:
        if not any(harmless in str(error) for harmless in _HARMLESS):
            raise
    return None, warning


def _without_metadata(data: bytes) -> bytes:
    """A JPEG without what stands between its first marker and its tables: JFIF, EXIF, colour profile, comments."""
    place = 2
    while data[place] == 0xFF and (0xE0 <= data[place + 1] <= 0xEF or data[place + 1] == 0xFE):
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return data[:2] + data[place:]


def _to_rgb(image: Image.Image) -> np.ndarray:
    if carries_exif(image):
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} (32 bits) have no known range")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def carries_exif(image: Image.Image) -> bool:
    """Whether a file has an EXIF or XMP block, which may say how the picture is to be turned."""
    return image.format == "TIFF" or not image.info.keys().isdisjoint(_EXIF)


@dataclass(frozen=True)
class View:
    """How an image becomes the network's input.

    Attributes:
        kind: `resize` squeezes the whole image; `crop` takes `size` pixels at native resolution (an image that is
            smaller is enlarged first).
        size: side of the square input, pixels.
        version: 0 is the plain view (`crop`: the centre); 1, 2, … are augmented ones.
        seed: of the augmentation.
        degradation: what the picture goes through first: nothing, `any` (a random one for each image), `half` (a random
            one for every other image, by chance), or one at a level, such as `jpeg 70` (see lib/data/degrade.py).
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
        # A random one comes after the crop, where there are fewer pixels to work on.
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
            # The usual augmentation of photographs: a window of 80-100% of each side, a turn of up to 10 degrees.
            height, width = (int(round(side * rng.uniform(0.8, 1.0))) for side in image.shape[:2])
            top, left = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
            image = _turned(image[top : top + height, left : left + width], rng.uniform(-10, 10), self.size)
        else:
            # Turning or scaling would blur the fine statistics that this view is there to keep.
            image = _at_least(image, self.size)
            top, left = (rng.integers(side - self.size + 1) for side in image.shape[:2])
            image = image[top : top + self.size, left : left + self.size]
        return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear; an image at least twice as large is averaged over areas instead, or fine patterns would alias."""
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
    """An image turned about its centre and squeezed to a square, in one bilinear step; edges are mirrored outwards."""
    if _is_much_larger(image, size, size):
        image = _resized(image, size, size)
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    # Turned in the image's own pixels, then its first and last pixel centres put where a resize has them.
    scale = np.array([[size / width], [size / height]])
    matrix = matrix * scale
    matrix[:, 2] += (scale[:, 0] - 1) / 2
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def recipe_view(recipe: Recipe, version: int = 0, seed: int = 0, degradation: str = "") -> View:
    """The view that a recipe uses; augmented versions (from 1) go through its degradations too."""
    return View(recipe.view, recipe.image_size, version, seed, degradation or (recipe.degradation if version else ""))


class ImageFile(NamedTuple):
    """An image that the audit has passed.

    Attributes:
        path: of the file.
        key: its sha256.
        copy: 0, or from 1 which further use of the same image this is; each is augmented in its own way.
    """

    path: Path
    key: str
    copy: int = 0

    @property
    def name(self) -> str:
        """Of the image and its use: what its augmentation is drawn from, and its features are kept under."""
        return f"{self.key}/{self.copy}" if self.copy else self.key

    def read(self) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB.

        Raises:
            UserError: the file is not the one that the audit has seen, or cannot be decoded.
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
        except (OSError, ValueError) as error:  # by an audit of an earlier version, which was less strict
            raise UserError(f"{self.path}: cannot be decoded ({error}); run 01_data_audit again") from None


def load_views(files: Sequence[ImageFile], view: View, batch_size: int) -> Iterator[np.ndarray]:
    """Views of image files, in order, decoded on all cores while the caller works on the batch before.

    Yields:
        uint8 arrays (batch, size, size, 3); the last one may be smaller.

    Raises:
        UserError: a file has changed since the audit.
    """

    def load(part: list[ImageFile]) -> np.ndarray:
        batch = np.empty((len(part), view.size, view.size, 3), "uint8")
        for row, file in enumerate(part):
            batch[row] = view.apply(file.read(), file.name)
        return batch

    return (batch for _, batch in ahead(load, files, batch_size))


def ahead(
    load: Callable[[list[Item]], Loaded], items: Iterable[Item], size: int
) -> Iterator[tuple[list[Item], Loaded]]:
    """Parts of at most `size` items with what `load` gives for them, in order, loaded on all cores ahead of the caller."""
    workers, rest = os.cpu_count() or 1, iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        while part := list(itertools.islice(rest, size)):
            waiting.append((part, pool.submit(load, part)))
            if len(waiting) > workers:
                part, future = waiting.popleft()
                yield part, future.result()
        for part, future in waiting:
            yield part, future.result()


def training_batches(
    files: Sequence[ImageFile],
    labels: np.ndarray,
    weights: np.ndarray,
    recipe: Recipe,
    seed: int,
    done: int = 0,
    images: int | None = None,
):
    """An endless tf.data pipeline of shuffled, freshly augmented training batches.

    Args:
        files: the training images.
        labels: 0 or 1 of each image.
        weights: weight of each image in the loss.
        done: epochs that an earlier, interrupted call has given already; the next batch is the one after them.
        images: how many of the images an epoch uses, drawn anew each time; None uses all.

    Returns:
        Dataset of (float32 images (batch, size, size, 3) 0-255, float32 labels (batch, 1), float32 weights (batch, 1)),
        and the number of batches that make an epoch. Epoch and image decide the augmentation, so the same seed gives
        the same batches whatever the threads do.
    """
    import tensorflow as tf

    size, count = recipe.image_size, len(files)
    steps = -(-(images or count) // recipe.batch_size)

    def order() -> Iterator[tuple[int, int]]:
        epoch = 0
        while True:
            epoch += 1
            for index in np.random.default_rng([seed, epoch]).permutation(count)[:images]:
                yield epoch, index

    def load(epoch, index):
        file = files[int(index)]
        return recipe_view(recipe, version=FRESH_VERSION + int(epoch), seed=seed).apply(file.read(), file.name)

    def tensors(epoch, index):
        image = tf.numpy_function(load, (epoch, index), tf.uint8)
        image.set_shape((size, size, 3))
        label = tf.gather(tf.constant(labels, tf.float32), index)
        weight = tf.gather(tf.constant(weights, tf.float32), index)
        return tf.cast(image, tf.float32), label[None], weight[None]

    def rest() -> Iterator[tuple[int, int]]:
        # Batches run on from one pass over the images into the next, so it is images that are counted.
        return itertools.islice(order(), done * steps * recipe.batch_size, None)

    dataset = tf.data.Dataset.from_generator(
        rest, output_signature=(tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.int64))
    )
    dataset = dataset.map(tensors, num_parallel_calls=os.cpu_count(), deterministic=True)
    return dataset.batch(recipe.batch_size).prefetch(2), steps
