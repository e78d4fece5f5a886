"""The names of the study (classes, splits, stages, datasets), and the error for a user's mistake."""

from __future__ import annotations

import pandas as pd

LABELS = ("real", "synthetic")

SPLITS = ("train", "validation", "test")

STAGES = ("phase1", "partial", "full")

DATASETS = ("1", "2", "3", "4", "control")

NOT_OMNIGEN = "stand-in images, not OmniGen"

# Stands for the recipe of a detector that is known only by its file of scores.
SCORES_FILE = "scores file"

# The column `issue` of images.csv begins with one of these: a file that is not used, or a remark on a used one.
ASIDE, NOTE = "set aside: ", "note: "


# fmt: on
class UserError(Exception):
    """A mistake in the user's input (option, folder, file). Only its text is shown, in one line."""

    def _render_traceback_(self) -> list[str]:
        """IPython calls this to show the error in a notebook: the line alone, without a traceback."""
        return [f"{type(self).__name__}: {self}"]


def as_int(labels: pd.Series) -> pd.Series:
    """Labels `real` and `synthetic` as 0 and 1; synthetic is the positive class."""
    return labels.map({"real": 0, "synthetic": 1}).astype("int64")


def independent_groups(images: pd.DataFrame) -> pd.Series:
    """The group of each image (a person, say). An image without a group forms its own, named by its image_id."""
    return images["group"].where(images["group"] != "", images["image_id"])


def generators_of(images: pd.DataFrame) -> list[str]:
    """The generators of an image table, sorted; synthetic images of an unknown one do not count.

    Args:
        images: with or without a column generator, "" for real images and unknown generators.
    """
    return sorted(set(images["generator"]) - {""}) if "generator" in images else []
