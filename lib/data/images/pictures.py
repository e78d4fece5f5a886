"""Whether a file is a usable picture: one decision for audit, training and scoring, or the reason why not."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, features

from lib.data.images.decode import FORMATS, MAX_PIXELS, carries_exif, rgb

MIN_SIDE = 64
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
# Pillow's modes whose conversion to RGB is more than a copy, and the note on each.
_MODES = {
    "1": "black and white, converted",
    "L": "greyscale, converted",
    "LA": "greyscale, converted",
    "P": "palette, converted",
    "CMYK": "CMYK, converted",
    "YCCK": "CMYK, converted",
    "I;16": "16-bit, scaled to 8",
    "I;16B": "16-bit, scaled to 8",
    "I;16L": "16-bit, scaled to 8",
}
_ORIENTATION = ExifTags.Base.Orientation
_CONVERT = "{} is not supported: convert it to JPEG"
# Kinds of pictures that are not supported, by the first bytes of the file.
_BEGINNING = 512
_OTHER_PICTURES = {
    "HEIC": rb".{4}ftyp(hei|hev|mif1|msf1)",
    "JPEG XL": rb"\xff\x0a|\x00{3}\x0cJXL ",
    "SVG": rb"\s*(<\?xml.*?)?<svg",
    "Photoshop's format": rb"8BPS",
    "Windows' icon format": rb"\x00\x00\x01\x00.\x00",
    "a camera's raw file": rb".{4}ftypcrx|FUJIFILMCCD-RAW|IIU\0|II\*\0.{4}CR",
}
if not features.check("avif"):  # Pillow can be built without
    _OTHER_PICTURES["AVIF"] = rb".{4}ftypavi[fs]"
# Raw files are TIFF inside, and Pillow would find the thumbnail.
_RAW_SUFFIXES = {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}
# Files that are not pictures, and the advice for each.
_NO_PICTURES = {
    "an archive: unpack it and give the folder that comes out": rb"PK\x03\x04|Rar!\x1a|7z\xbc\xaf|\x1f\x8b|.{257}ustar",
    "a video: save frames of it as PNG and give those": rb".{4}ftyp(?!avi|mif)|RIFF.{4}AVI |\x1aE\xdf\xa3|\x00\x00\x01[\xb3\xba]",
    "a web page: download the picture itself": rb"\s*<(!doctype html|html)",
    "a pointer of Git LFS: fetch the file itself with `git lfs pull`": rb"version https://git-lfs",
}
# The endings of file names that can be opened.
SUFFIXES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


class Unreadable(Exception):
    """A file that cannot be used as a picture; its text is the reason, in one line.

    Attributes:
        facts: the known facts of the file, as `Picture.facts`.
    """

    def __init__(self, reason: str, facts: dict | None = None):
        super().__init__(" ".join(reason.split()))
        self.facts = facts or {}


class Picture(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: uint8 (height, width, 3) RGB, upright.
        facts: the file's own data, by the names of columns of images.csv: `bytes` and `sha256` of what was decoded, width and
            height of the pixels, `format` and `mode` as Pillow names them, `exif` and `icc`; for a JPEG also `quantisation`,
            `subsampling`.
        notes: the steps of its conversion to 8-bit RGB, and the decoder's warnings if no pixels are lost.
    """

    pixels: np.ndarray
    facts: dict
    notes: list[str]

    @property
    def jpeg_quality(self) -> int | None:
        """1 to 100, estimated from the quantisation table; None for other formats."""
        step = self.facts.get("quantisation")
        return None if step is None else jpeg_quality(step)


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
        return decode_picture(Path(path).read_bytes(), Path(path).suffix.lower())
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None


def decode_picture(data: bytes, suffix: str | None = None) -> Picture:
    """A picture from the bytes of a file.

    Args:
        suffix: the ending of the file's name, such as `.jpg`; an ending of another format is noted.

    Raises:
        Unreadable: with the reason.
    """
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if not data:
        raise Unreadable("empty file", facts)
    if suffix in _RAW_SUFFIXES:
        raise Unreadable(_CONVERT.format("a camera's raw file"), facts)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            facts |= _facts(image)
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(f"more than {MAX_PIXELS:,} pixels", facts)
            notes = _notes(image, suffix)
            pixels, warning = rgb(image, data)
    except Unreadable:
        raise
    except Image.UnidentifiedImageError:
        other, what = _kind(data, _OTHER_PICTURES), _kind(data, _NO_PICTURES)
        reason = _CONVERT.format(other) if other else f"not an image, but {what}" if what else "not an image"
        raise Unreadable(reason, facts) from None
    except Exception as error:  # decoders raise many kinds of errors; each means that the picture cannot be used
        raise Unreadable(f"cannot be decoded ({type(error).__name__}: {error})", facts) from None
    facts |= {"width": pixels.shape[1], "height": pixels.shape[0]}
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise Unreadable(f"smaller than {MIN_SIDE} pixels", facts)
    return Picture(pixels, facts, [*notes, f"decoded in spite of a warning ({warning})"] if warning else notes)


def _facts(image: Image.Image) -> dict:
    """The file's own data, before any pixel is decoded."""
    facts = {"width": image.width, "height": image.height, "format": image.format or "", "mode": image.mode}
    facts |= {"exif": int(carries_exif(image)), "icc": int("icc_profile" in image.info)}
    if tables := getattr(image, "quantization", None):
        luma = tables[min(tables)]
        facts |= {"quantisation": sum(luma) / len(luma)}
        facts |= {"subsampling": _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "other")}
    return facts


def _notes(image: Image.Image, suffix: str | None) -> list[str]:
    """The steps of an image's conversion to 8-bit RGB, and a note on a name with another format's ending."""
    notes = [_MODES[image.mode]] if image.mode in _MODES else []
    if image.has_transparency_data:
        notes.append("transparency, placed on white")
    if getattr(image, "is_animated", False):
        notes.append("several frames, the first is used")
    if carries_exif(image) and image.getexif().get(_ORIENTATION, 1) != 1:
        notes.append("turned upright by its EXIF orientation")
    named = Image.registered_extensions().get(suffix)
    if suffix is not None and named != image.format and not (named == "JPEG" and image.format == "MPO"):
        notes.append(f"named {suffix or 'without an ending'} but holds {image.format}")
    return notes


def is_picture(path: Path) -> bool:
    """Whether a file begins like a picture, whatever its name is; also true for one that `read_picture` cannot read."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb") as file:
                if Path(path).suffix.lower() in _RAW_SUFFIXES or _kind(file.read(_BEGINNING), _OTHER_PICTURES):
                    return True
            with Image.open(path, formats=FORMATS):
                return True
    except Exception:  # decoders raise many kinds of errors
        pass
    return False


def _kind(data: bytes, kinds: dict[str, bytes]) -> str:
    """The first kind whose pattern matches the beginning of a file, or ""."""
    beginning = data[:_BEGINNING]
    return next((kind for kind, pattern in kinds.items() if re.match(b"(?is)" + pattern, beginning)), "")


def jpeg_quality(mean_step: float) -> int:
    """The quality, 1 to 100, whose libjpeg luma table has the mean step nearest to this one.

    It is an estimate if another program's tables were used, such as a camera's.

    Args:
        mean_step: mean of a JPEG's luma quantisation table, as in images.csv (`quantisation`).
    """
    return int(np.argmin(np.abs(_mean_steps() - mean_step))) + 1


@functools.cache
def _mean_steps() -> np.ndarray:
    """Mean step of libjpeg's luma table at qualities 1 to 100, read from tiny files written for this."""
    steps = []
    for quality in range(1, 101):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as image:
            steps.append(np.mean(image.quantization[0]))
    return np.array(steps)
