"""The names of the study (classes, splits, stages, datasets), and the error for a user's mistake."""

from __future__ import annotations

import reprlib

import pandas as pd

LABELS = ("real", "synthetic")

SPLITS = ("train", "validation", "test")

STAGES = ("phase1", "partial", "full")

DATASETS = ("1", "2", "3", "4", "control")

NOT_OMNIGEN = "stand-in images, not OmniGen"

# Stands for the recipe of a detector that is known only by its file of scores.
SCORES_FILE = "scores file"

# Most letters of a value that a message quotes, of another program's reason, and of a whole message.
MOST_QUOTED, MOST_REASON, MOST_MESSAGE = 80, 300, 4000

# The column `issue` of images.csv begins with one of these: a file that is not used, or a remark on a used one.
ASIDE, NOTE = "set aside: ", "note: "

_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = _quoting.maxlong = MOST_QUOTED


# fmt: on
class UserError(Exception):
    """A mistake in the user's input (option, folder, file). Only its text is shown, in one line."""

    def __str__(self) -> str:
        """Its text; of one that quotes a whole file the beginning."""
        return cut(super().__str__(), MOST_MESSAGE)

    def _render_traceback_(self) -> list[str]:
        """IPython calls this to show the error in a notebook: the line alone, without a traceback."""
        return [f"{type(self).__name__}: {self}"]


def short(value: object, most: int = MOST_QUOTED) -> str:
    """A value as a message quotes it, like `repr`; of a long one only a part."""
    return cut(_quoting.repr(value), most)


def reason_of(error: BaseException) -> str:
    """What an error says, in one line that is not too long; its kind where it says nothing."""
    text = str(error)[: 10 * MOST_REASON]
    return cut(" ".join(text.split()), MOST_REASON) or type(error).__name__


def cut(text: str, most: int = MOST_QUOTED) -> str:
    """A text of at most `most` letters: the beginning of a longer one."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


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
