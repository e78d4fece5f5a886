"""The parts of a picture that the network looks at: windows at native resolution, and the whole picture squeezed.

A small window of a large picture misses most of it. The whole picture, squeezed, shows everything but has lost the finest
traces. So a large picture is looked at in both ways (measured: docs/experiments.md). TextureCrop (arXiv 2407.15500) takes
windows at native resolution too. To average over many crops is older (Szegedy et al. 2015: 144 crops of four sizes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from lib.data.images.views import ImageFile, View

# Probabilities are kept this far from 0 and 1 before their logits are averaged: float32 rounds to 1 from here on.
_LEAST = 1e-7


class Parts(NamedTuple):
    """The parts of some images, one row for each.

    Attributes:
        files: what to load: an image file and the name of its part.
        image: number of the image that a row belongs to, int (rows,); rows of an image are together, in the images' order.
        weight: of the row in the score of its image, float (rows,); the weights of an image add up to 1.
    """

    files: list[ImageFile]
    image: np.ndarray
    weight: np.ndarray

    @property
    def several(self) -> bool:
        """Whether any image has more than one part."""
        return len(self.files) > len(np.unique(self.image))

    def loss_weight(self) -> np.ndarray:
        """The weights, scaled to a mean of 1 over all rows; None would be 1 for each."""
        return self.weight / self.weight.mean()

    def combined(self, scores: np.ndarray) -> np.ndarray:
        """The score of each image, (images,): the weighted mean of its parts' logits, as a probability.

        Args:
            scores: probability (rows,) of each part, 0 to 1.
        """
        if not self.several:
            return scores
        logits = logit(np.clip(np.asarray(scores, "float64"), _LEAST, 1 - _LEAST))
        found = expit(self.mean(logits)).astype(scores.dtype)
        first, count = np.unique(self.image, return_index=True, return_counts=True)[1:]
        # An image with one part keeps its score to the last digit.
        found[count == 1] = scores[first[count == 1]]
        return found

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The weighted mean over the parts of each image, (images,), of values (rows,)."""
        return np.bincount(self.image, weights=self.weight * values)

    def mean_features(self, features: np.ndarray) -> np.ndarray:
        """Features (images, n) from those (rows, n) of the parts: their weighted mean, which a linear head scores as it
        scores the parts.
        """
        if not self.several:
            return features
        found = np.zeros((self.image[-1] + 1, features.shape[1]), "float32")
        np.add.at(found, self.image, features * self.weight[:, None].astype("float32"))
        return found


def parts_of(files: Sequence[ImageFile], view: View) -> Parts:
    """The parts that a view takes of each image file, in the files' order.

    Raises:
        ValueError: the size of an image is not known.
    """
    rows, numbers, weights = [], [], []
    for number, file in enumerate(files):
        for name, weight in view.parts(*file.size).items():
            rows.append(file._replace(part=name))
            numbers.append(number)
            weights.append(weight)
    return Parts(rows, np.array(numbers, int), np.array(weights, float))
