"""What the network is shown of one picture: views to look at."""

from __future__ import annotations

import numpy as np

from lib.data.images.views import ImageFile, recipe_view
from lib.study.recipes import Recipe

# Of the nine: so many augmented ones beside the plain one, and these degradations, each at a level that the eye can find.
AUGMENTED = 4
DEGRADED = ("jpeg 30", "rescale 0.5", "blur 2", "noise 10")


def nine_views(file: ImageFile, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """The plain view of a picture, four augmented ones as training draws them, and four degraded ones.

    Args:
        file: the picture.
        recipe: whose views they are.
        seed: of the augmentation.

    Returns:
        Words to uint8 (side, side, 3), nine of them.

    Raises:
        UserError: the file cannot be read any more, or has changed.
    """
    image = file.read()
    views = {"plain": recipe_view(recipe)}
    views |= {f"augmented {number}": recipe_view(recipe, number, seed) for number in range(1, AUGMENTED + 1)}
    views |= {degradation: recipe_view(recipe, degradation=degradation) for degradation in DEGRADED}
    return {words: view.apply(image, file.key) for words, view in views.items()}
