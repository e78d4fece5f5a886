"""One decoder for every picture: RGB pixels, 0-255, or the reason why a file cannot be used.

simplejpeg reads JPEG: it refuses a file that lost data, where Pillow and OpenCV fill in the missing part without an
error. Pillow reads everything else.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

# Larger images are refused before decoding: a small file can expand to gigabytes.
MAX_PIXELS = 100_000_000

Image.MAX_IMAGE_PIXELS = None  # the check below names the file and the limit; Pillow's own only warns

# Pillow's warnings on unreadable metadata never name the file. For missing pixels it raises an error.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Pillow's libtiff also writes errors to standard error. Not every build gives access to it.
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)

# There is one thread per core already; OpenCV's own threads would only wait for each other.
cv2.setNumThreads(1)

# Where a file may store the orientation of the picture.
_EXIF = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}

Image.init()

# The formats that are opened. Pillow knows more; some of them start other programs (EPS: Ghostscript) or fetch files.
FORMATS = tuple(
    name for name in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM") if name in Image.OPEN
)

_JPEG = ("JPEG", "MPO")  # MPO: several JPEGs in one file, of which the first is read

# The decoders of these formats accept zeros in place of the second half. The number is more zeros than any padding has.
_UNCHECKED, _ZEROS = ("WEBP", "AVIF"), bytes(256)

# simplejpeg refuses a JPEG for these reasons although no pixel is lost: errors outside the picture data, and a colour
# format that it does not know.
_HARMLESS = (
    "unknown JFIF revision",
    "bad ICC marker",
    "Invalid SOS parameters",
    "Could not determine subsampling",
)


def read_rgb(path: Path) -> np.ndarray:
    """An image file as uint8 (height, width, 3) RGB, turned upright by its EXIF orientation.

    Raises:
        OSError, ValueError: the file cannot be read or decoded completely, or has more than MAX_PIXELS pixels.
    """
    return decode(Path(path).read_bytes())


def decode(data: bytes) -> np.ndarray:
    """Like `read_rgb`, from the bytes of a file."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return rgb(image, data)[0]


def rgb(image: Image.Image, data: bytes) -> tuple[np.ndarray, str]:
    """The pixels of an opened file: first frame, upright, transparency over white, 16 bits scaled to 8.

    Args:
        image: as Pillow opened it, not decoded yet.
        data: the bytes of its file.

    Returns:
        uint8 (height, width, 3), and the decoder's warning if no pixels are lost, usually "".

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
    # Pillow reads other colour modes, and intact files that simplejpeg cannot read.
    if pixels is None or image.mode not in ("RGB", "L"):
        return _to_rgb(image), warning
    if not carries_exif(image):
        return pixels, warning
    decoded = Image.fromarray(pixels)
    decoded.info = image.info
    return np.asarray(ImageOps.exif_transpose(decoded)), warning


def _decode_jpeg(data: bytes) -> tuple[np.ndarray | None, str]:
    """Pixels of a complete JPEG, None if only Pillow can read it, and the decoder's harmless warning or ""."""
    try:
        return simplejpeg.decode_jpeg(data), ""
    except ValueError as error:
        warning = " ".join(str(error).split())
        if not any(harmless in warning for harmless in _HARMLESS):
            raise
    # A warning about the header stops the decoding. Without the segments that can cause it, lost data are still
    # detected.
    try:
        simplejpeg.decode_jpeg(_without_metadata(data))
    except ValueError as error:
        if not any(harmless in str(error) for harmless in _HARMLESS):
            raise
    return None, warning


def _without_metadata(data: bytes) -> bytes:
    """A JPEG without the segments between its first marker and its tables: JFIF, EXIF, colour profile, comments."""
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
    """Whether a file has an EXIF or XMP block, which may store the orientation of the picture."""
    return image.format == "TIFF" or not image.info.keys().isdisjoint(_EXIF)
