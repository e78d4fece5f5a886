"""Pictures that no audit has seen: decoded once, with what their files say of themselves, or a reason why not."""

from __future__ import annotations

import functools
import io
import os
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lib.data.audit import MIN_SIDE, outside
from lib.data.loading import FORMATS, MAX_PIXELS, decode_plain, to_rgb

_END_OF_JPEG = b"\xff\xd9"


# How the names of files that can be opened end.
SUFFIXES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


class Unreadable(Exception):
    """A file that cannot be used as a picture; its text is the reason, in one line."""


class Picture(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: uint8 (height, width, 3) RGB, upright.
        format: as Pillow names it, such as `JPEG`.
        jpeg_quality: 1 to 100, estimated from the quantisation table; None for other formats.
    """

    pixels: np.ndarray
    format: str
    jpeg_quality: int | None

    @property
    def width(self) -> int:
        """In pixels, upright."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """In pixels, upright."""
        return self.pixels.shape[0]


def read_picture(path: Path) -> Picture:
    """A picture from a file; only regular files are opened.

    Raises:
        Unreadable: with the reason.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise Unreadable("a folder that cannot be read")
        if not stat.S_ISREG(mode):
            raise Unreadable("not a regular file")
        return decode_picture(Path(path).read_bytes())
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None


def decode_picture(data: bytes) -> Picture:
    """A picture from the bytes of a file.

    Raises:
        Unreadable: with the reason, in the words of the audit.
    """
    if not data:
        raise Unreadable("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(f"more than {MAX_PIXELS:,} pixels")
            found = outside(image)
            plain = found["format"] == "JPEG" and found["mode"] == "RGB" and not found["exif"]
            whole = plain and data.rstrip(b"\0").endswith(_END_OF_JPEG)
            pixels = decode_plain(data) if whole else None
            pixels = to_rgb(image) if pixels is None else pixels
    except Unreadable:
        raise
    except Image.UnidentifiedImageError:
        raise Unreadable("not an image") from None
    except Exception as error:  # decoders raise many kinds; each means that the picture cannot be used
        reason = " ".join(str(error).split())
        raise Unreadable(f"cannot be decoded ({type(error).__name__}: {reason})") from None
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise Unreadable(f"smaller than {MIN_SIDE} pixels")
    step = found.get("quantisation")
    return Picture(pixels, found["format"], None if step is None else jpeg_quality(step))


def is_picture(path: Path) -> bool:
    """Whether a file begins as a picture does, whatever its name."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            with Image.open(path, formats=FORMATS):
                return True
    except Exception:  # decoders raise many kinds
        pass
    return False


def jpeg_quality(mean_step: float) -> int:
    """The quality, 1 to 100, at which libjpeg's luma table has the mean step nearest to this one.

    An estimate where another program's tables were used, such as a camera's.

    Args:
        mean_step: mean of a JPEG's luma quantisation table, as images.csv holds it (`quantisation`).
    """
    return int(np.argmin(np.abs(_mean_steps() - mean_step))) + 1


@functools.cache
def _mean_steps() -> np.ndarray:
    """Mean step of libjpeg's luma table at qualities 1 to 100, read off tiny files that are written for it."""
    steps = []
    for quality in range(1, 101):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as image:
            steps.append(np.mean(image.quantization[0]))
    return np.array(steps)
