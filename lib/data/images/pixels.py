"""Two numbers from the pixels alone: whether a picture was enlarged, and whether it was compressed as a JPEG before.

A file that was enlarged or compressed and then saved again as PNG, or as a JPEG of high quality, shows nothing of that in its
header. What the numbers can find was measured with tests/benchmarks/pixel_statistics.py (docs/scoring.md).
"""

from __future__ import annotations

import cv2
import numpy as np

# Side of the blocks that JPEG transforms, pixels.
BLOCK = 8


def fineness(image: np.ndarray) -> float:
    """How much two neighbours differ, against pixels two apart: low in a picture that was enlarged.

    The mean absolute difference of brightness between neighbours, divided by that between pixels that are two apart, both
    across and down. White noise gives 1. A straight slope gives 0.5: enlarging puts pixels on slopes between known ones
    (Gallagher 2005, "Detection of linear and cubic interpolation in JPEG compressed images", uses the second difference
    for this).

    Args:
        image: uint8 (height, width, 3) RGB; at least 3 pixels on each side.

    Returns:
        From about 0.5 for smooth pictures to 1 for noise; 1 for a picture of one grey, which tells nothing.
    """
    grey = _grey(image)
    near = _mean_step(grey, 1, 0) + _mean_step(grey, 1, 1)
    far = _mean_step(grey, 2, 0) + _mean_step(grey, 2, 1)
    return float(near / far) if far > 0 else 1.0


def blocking(image: np.ndarray, any_phase: bool = False) -> float:
    """How much larger the steps across the 8 x 8 grid of a JPEG are than the other steps.

    The mean absolute difference of brightness between neighbours on two sides of a border between blocks, divided by that
    between all other neighbours (Wang, Bovik and Evans 2000, "Blind measurement of blocking artifacts in images").

    Args:
        image: uint8 (height, width, 3) RGB; at least 16 pixels on each side.
        any_phase: take the largest value over the 8 x 8 places where the grid may begin, for a picture that was cropped. By
            default the grid begins at the corner.

    Returns:
        About 1 without blocks, more with them; 1 for a picture of one grey, which tells nothing.
    """
    grey = _grey(image)
    across, down = (np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis) for axis in (1, 0))
    phases = range(BLOCK) if any_phase else [BLOCK - 1]
    # The columns and the rows of the grid are found one after the other: they do not depend on each other.
    return float(np.mean([max(_against_the_rest(steps, phase) for phase in phases) for steps in (across, down)]))


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype("float32")


def _mean_step(grey: np.ndarray, distance: int, axis: int) -> float:
    rows = grey if axis == 0 else grey.T
    return float(np.abs(rows[distance:] - rows[:-distance]).mean())


def _against_the_rest(steps: np.ndarray, phase: int) -> float:
    """Mean of every eighth step from `phase` on, divided by the mean of the others."""
    border = np.arange(len(steps)) % BLOCK == phase
    rest = float(steps[~border].mean())
    return float(steps[border].mean()) / rest if rest > 0 else 1.0
