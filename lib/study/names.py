"""Names of the study's field: classes, splits, stages, datasets; and the error that is a user's mistake."""

from __future__ import annotations

import pandas as pd

LABELS = ("real", "synthetic")

SPLITS = ("train", "validation", "test")

STAGES = ("phase1", "partial", "full")

DATASETS = ("1", "2", "3", "4", "control")

NOT_OMNIGEN = "stand-in images, not OmniGen"

# In the place of a recipe, for detectors that are known by a file of their scores alone.
SCORES_FILE = "scores file"

# How the column `issue` of images.csv begins: a file that is not used, or a remark on one that is.
ASIDE, NOTE = "set aside: ", "note: "


# fmt: on
class UserError(Exception):
    """A mistake in what the user gave (option, folder, file); its text is the one line that is shown."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook, by this name: the line alone, without the frames that led to it."""
        return [f"{type(self).__name__}: {self}"]


def as_int(labels: pd.Series) -> pd.Series:
    """Labels `real` and `synthetic` as 0 and 1; synthetic is the positive class."""
    return labels.map({"real": 0, "synthetic": 1}).astype("int64")


def independent_groups(images: pd.DataFrame) -> pd.Series:
    """The group of each image (a person, say); an image without one is a group of its own, named by its image_id."""
    return images["group"].where(images["group"] != "", images["image_id"])
