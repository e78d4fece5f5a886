"""The values of options and notebook parameters, checked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib.study.names import DATASETS, LABELS, UserError
from lib.study.steps import COMPARED, IMAGE_COLUMNS, QUICK_FOLDER, SCORE_COLUMNS

# The allowed values of --groups.
GROUPINGS = ("none", "folder", "name")

# Maximum number of letters of a name in results/: file systems allow 255 bytes, and endings are added.
MOST_LETTERS = 100

# A column of --by with more different values is refused: it names images or people, or holds numbers, but no groups.
MOST_VALUES = 30


@dataclass(frozen=True)
class Reading:
    """What the user states about folders and tables of images, when their names do not state it clearly.

    Attributes:
        labels: `WORD=CLASS,…`: the class that a folder's name or a value in a table's label column means: real,
            synthetic, or none for files that are left out.
        groups: which images must stay in one split: `none`; `folder`, the folders below the classes; `name`, files
            whose names differ only in their last number; "" uses a table's groups, or folders that look like groups.
        split: `anew` draws a new split even if the data have one; "" uses theirs.
        follow_links: whether to follow links out of the data folder, and into folders.

    Raises:
        UserError: a value that is not known.
    """

    labels: str = ""
    groups: str = ""
    split: str = ""
    follow_links: bool = False

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) for text in (self.labels, self.groups, self.split)):
            raise UserError(
                f"READING: found {self.as_dict()}, expected texts, as --labels, --groups and --split have them"
            )
        if any(label not in (*LABELS, "none") or not word for word, label in self._pairs()):
            raise UserError(
                f"--labels {self.labels}: expected WORD=CLASS,…, such as 1=real,0=synthetic; CLASS may be none"
            )
        if self.groups not in ("", *GROUPINGS):
            raise UserError(f"--groups {self.groups}: expected one of {', '.join(GROUPINGS)}")
        if self.split not in ("", "anew"):
            raise UserError(f"--split {self.split}: expected anew, or nothing to take the split that is given")

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Reading:
        """From a notebook's parameter, such as {"groups": "none", "follow_links": True}."""
        unknown = set(options) - {known.name for known in dataclasses.fields(cls)}
        if unknown:
            known = ", ".join(known.name for known in dataclasses.fields(cls))
            raise UserError(f"READING: found {', '.join(sorted(unknown))}, expected some of {known}")
        return cls(**options)

    @property
    def stated(self) -> dict[str, str]:
        """Word, in lower case, to real, synthetic or none."""
        return dict(self._pairs())

    def _pairs(self) -> list[tuple[str, str]]:
        parts = [part.rpartition("=") for part in self.labels.split(",") if part.strip()]
        return [(word.strip().lower(), label.strip().lower()) for word, _, label in parts]

    def as_dict(self) -> dict[str, object]:
        """The stated values by name; empty if there are none."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    def as_options(self) -> str:
        """The stated values as options of run_all.py."""
        flags = {name: f"--{name.replace('_', '-')}" for name in self.as_dict()}
        return " ".join(
            flag if name == "follow_links" else f"{flag} {getattr(self, name)}" for name, flag in flags.items()
        )


def text_option(option: str, value: object) -> str:
    """An option's value as text; None becomes ""."""
    if value is None:
        return ""
    if not isinstance(value, str | int | float | os.PathLike):
        raise UserError(f"--{option} {value!r}: expected a text, found {type(value).__name__}")
    return str(value)


def list_option(option: str, value: object) -> list[str]:
    """An option's values: from a list, a list written as JSON, or a single value."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in (text_option(option, one) for one in values) if text]


def yes_or_no(option: str, value: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = known.get(str(value).strip().lower())
    if found is None:
        raise UserError(f"--{option} {value!r}: expected True or False")
    return found


def whole_number(option: str, value: object) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value).strip()):
        raise UserError(f"--{option} {value!r}: expected a whole number, 0 or more")
    return int(str(value))


def absolute(name: str) -> str:
    """The absolute path of an existing file, also in DATASET=PATH; any other text unchanged."""
    # os.path.isfile returns False for a name that is too long for a file; Path.is_file raises.
    if os.path.isfile(name):
        return str(Path(name).resolve())
    dataset, equals, path = name.partition("=")
    return f"{dataset}={Path(path).resolve()}" if equals and os.path.isfile(path) else name


def costs_of(text: str) -> dict[str, float] | None:
    """`FALSE_ALARM,MISS,PREVALENCE` of --costs as numbers by name, or None.

    Raises:
        UserError: not three numbers in their ranges.
    """
    if not text.strip():
        return None
    try:
        false_alarm, miss, prevalence = map(float, text.split(","))
    except ValueError:
        false_alarm = miss = prevalence = math.nan
    if not (0 < false_alarm < math.inf and 0 < miss < math.inf and 0 < prevalence < 1):
        raise UserError(
            f"--costs {text}: expected FALSE_ALARM,MISS,PREVALENCE, such as 1,5,0.01 (what each error costs, above 0 in "
            "one unit, and the share of synthetic images in use, above 0 and below 1)"
        )
    return {"false_alarm": false_alarm, "miss": miss, "prevalence": prevalence}


def columns_of(text: str) -> list[str]:
    """`COLUMN,…` of --by as names, each once; [] where nothing is asked.

    Names of columns are kept in lower case and without spaces around them, as tables are read.
    """
    return list(dict.fromkeys(name for part in text.split(",") if (name := part.strip().lower())))


def group_columns(text: str, table: pd.DataFrame) -> list[str]:
    """The columns of --by, which the table must have beside the study's own.

    Args:
        text: `COLUMN,…`.
        table: `Run.scored`, or images.csv.

    Raises:
        UserError: a name that is no such column, or a column with more than MOST_VALUES values.
    """
    own = (*IMAGE_COLUMNS, *SCORE_COLUMNS, "y")
    further = [name for name in table if name not in own]
    for name in columns_of(text):
        if name not in further:
            found = " ".join(", ".join(further).split())
            there = f"the images have {found}" if further else "the images have no columns of their own"
            raise UserError(f"--by {text}: found {name}, expected columns of your own table; {there}")
        values = table[name].nunique()
        if values > MOST_VALUES:
            raise UserError(
                f"--by {text}: column {name} has {values:,} different values, expected at most {MOST_VALUES}; put numbers into "
                "bands first, such as 20-29"
            )
    return columns_of(text)


def run_name(dataset: str, data: str, name: str, normalise: str = "") -> str:
    """Name of a run's folder in results/. A normalised dataset has its own name, so that both can be compared.

    Raises:
        UserError: not a plain folder name, or a name that the results folder itself uses.
    """
    ending = "_{}_q{}".format(*normal_form(normalise)) if normalise else ""
    if not data:
        return (dataset if dataset == "control" else f"dataset_{dataset}") + ending
    path = Path(data).resolve()
    chosen = name or (path.stem if os.path.isfile(path) else path.name)
    if len(os.fsencode(chosen)) > MOST_LETTERS:
        raise UserError(
            f"--name {chosen[:20]}…: {len(chosen)} letters are too many for a results folder; expected a name of at most "
            f"{MOST_LETTERS} (fewer where they are not English ones)"
        )
    reserved = {
        QUICK_FOLDER,
        "models",
        "figures",
        "control",
        COMPARED,
        *(f"dataset_{number}" for number in DATASETS[:4]),
    }
    if not re.fullmatch(r"[^\W_][\w .()+-]*", chosen) or chosen.lower() in reserved:
        hint = "use letters, digits, spaces, . - _ and start with a letter or digit"
        raise UserError(f"--name {chosen!r}: cannot be the name of a results folder ({hint}; not {sorted(reserved)})")
    return chosen + ending


def base_name(name: str, normalise: str) -> str:
    """Name of a run without the ending of a normalised dataset."""
    return name.removesuffix("_{}_q{}".format(*normal_form(normalise))) if normalise else name


def normal_form(text: str) -> tuple[int, int]:
    """`SIZE,QUALITY` of --normalise as two numbers: side in pixels, and JPEG quality.

    Raises:
        UserError: not two numbers in their ranges.
    """
    found = re.fullmatch(r"\s*(\d{1,5})\s*,\s*(\d{1,3})\s*", text)
    size, quality = map(int, found.groups()) if found else (0, 0)
    if not (64 <= size <= 4096 and 1 <= quality <= 100):
        raise UserError(
            f"--normalise {text}: expected SIZE,QUALITY, such as 256,90 (64 to 4096 pixels, quality 1 to 100)"
        )
    return size, quality
