"""The average appearance of the classes: mean faces, and power spectra, where upsampling of generators leaves traces.

Each core has a thread that reads one image after another and keeps none. Of each image it keeps the spectrum (448 bytes
at the default side) and the small central square (48 KB). So the classes' difference can be compared with that of
randomly assigned images (lib/metrics/relabelling.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lib.data.images.decode import read_rgb

_BATCH = 64  # images submitted at once: results wait in memory until their turn
# ITU-R BT.601, the luma of JPEG.
_LUMA = np.array([0.299, 0.587, 0.114], "float32")
# Far below the noise of rounding to 8 bits (1/12 grey level², -11 dB); keeps the logarithm of a flat image finite.
_FLOOR = 1e-6
Found = TypeVar("Found")


def sample_rows(images: pd.DataFrame, each: int = 500) -> pd.DataFrame:
    """At most `each` used images of each class, chosen by content: the same files are chosen in any folder.

    Args:
        images: columns label, split (empty: not used), sha256.

    Returns:
        The chosen rows, in the order of label and sha256.
    """
    used = images[images["split"] != ""].sort_values(["label", "sha256"], kind="stable")
    return used.groupby("label", sort=True).head(each)


def central_squares(paths: Sequence[Path], side: int = 128) -> np.ndarray:
    """The images' central squares, scaled to `side` pixels: uint8 (images, side, side, 3) RGB."""
    fitted = _mapped(lambda path: ImageOps.fit(Image.fromarray(read_rgb(path)), (side, side)), paths)
    squares = np.empty((len(paths), side, side, 3), "uint8")
    for number, square in enumerate(fitted):
        squares[number] = square
    return squares


def mean_image(squares: np.ndarray) -> np.ndarray:
    """The average of `central_squares`.

    Returns:
        uint8 (side, side, 3) RGB.

    Raises:
        ValueError: there are no images.
    """
    if not len(squares):
        raise ValueError("no image to average, expected at least one")
    return np.rint(squares.mean(axis=0)).astype("uint8")


def power_spectra(paths: Sequence[Path], side: int = 224) -> np.ndarray:
    """Power of each image at each spatial frequency, averaged over directions.

    The central `side` pixels at native resolution are taken as grey values (0-255); their mean is subtracted and a Hann
    window applied. The squared modulus of the Fourier transform is averaged over rings of integer radius (azimuthal
    average; Durall et al. 2020, "Watch your up-convolution"; Corvi et al. 2023, "Intriguing properties of synthetic
    images"). Images smaller than `side` have no spectrum, because enlarging them would show the enlargement.

    Args:
        side: of the crop, pixels; even.

    Returns:
        float32 (images, side // 2), in dB: ten times the decimal logarithm of the power spectral density in grey
        level². White noise of variance v gives 10 log10(v) at all frequencies. Column k is the frequency (k + 1) / side
        in cycles per pixel: from 1 / side to 0.5 (Nyquist). NaN for images that are too small.

    Raises:
        ValueError: `side` is odd.
    """
    if side % 2:
        raise ValueError(
            f"side = {side}: expected an even number of pixels, so that a ring lies at 0.5 cycles per pixel"
        )
    window = np.hanning(side + 1)[:-1].astype("float32")
    window = np.outer(window, window)
    window /= np.sqrt((window**2).sum())
    # Half of the plane is enough: the spectrum of real values is symmetric. Columns that stand for two count twice.
    down, across = np.fft.fftfreq(side, 1 / side)[:, None], np.arange(side // 2 + 1)[None]
    radius = np.rint(np.hypot(down, across)).astype(int).ravel()
    twice = np.broadcast_to(np.where((across == 0) | (across == side // 2), 1.0, 2.0), (side, side // 2 + 1)).ravel()
    cells = np.bincount(radius, twice)

    def decibels(path: Path) -> np.ndarray | None:
        grey = _central_grey(read_rgb(path), side)
        if grey is None:
            return None
        power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
        ring = np.bincount(radius, power.ravel() * twice) / cells
        return (10 * np.log10(np.maximum(ring[1 : side // 2 + 1], _FLOOR))).astype("float32")

    spectra = np.full((len(paths), side // 2), np.nan, "float32")
    for number, spectrum in enumerate(_mapped(decibels, paths)):
        if spectrum is not None:
            spectra[number] = spectrum
    return spectra


def typical_spectrum(spectra: np.ndarray) -> np.ndarray:
    """Mean over images of `power_spectra`, their 10% and their 90% quantile: (3, side // 2) in dB.

    The mean is of logarithms, so that a few images of high contrast do not dominate. Images without a spectrum are left
    out; NaN if no image has one.
    """
    known = spectra[np.isfinite(spectra).all(axis=1)]
    if not len(known):
        return np.full((3, spectra.shape[1]), np.nan)
    return np.concatenate([known.mean(axis=0, dtype=float)[None], np.quantile(known, [0.1, 0.9], axis=0)])


def _central_grey(image: np.ndarray, side: int) -> np.ndarray | None:
    height, width = image.shape[:2]
    if min(height, width) < side:
        return None
    top, left = (height - side) // 2, (width - side) // 2
    # Not rounded to whole grey values, because that would add noise.
    return image[top : top + side, left : left + side] @ _LUMA


def _mapped(function: Callable[[Path], Found], paths: Sequence[Path]) -> Iterator[Found]:
    """`function` of each path, on all cores, in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _BATCH):
            yield from pool.map(function, paths[start : start + _BATCH])
