"""The images' location (`Source`), and how their folders or table were read (`Understood`)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib.data.source.folders import walk
from lib.study.names import UserError
from lib.study.options import Reading

# Columns that the first line of a run names.
MOST_COLUMNS = 12
# The record of a generated set, written when the set is complete.
RECORD = "generated.json"


@dataclass(frozen=True)
class Understood:
    """How the folders or the table of a source were read; stored in `audit.json` (docs/schemas/audit.schema.json).

    Attributes:
        labels: label to words to number of files, such as {"real": {"folder 0_real": 60}}.
        groups: the kind of groups, and the reason.
        split: where the split comes from.
        aside: reason to number of files that are not opened.
        warnings: reasons why related images may be in two splits.
        columns: further columns of the images, such as `generator`: name to what it holds, or why it is left out.
    """

    labels: dict[str, dict[str, int]]
    groups: str
    split: str
    aside: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """All of it in words, one line for each point."""
        said = [f"{label}: {count:,} ({word})" for label, words in self.labels.items() for word, count in words.items()]
        said += [f"groups: {self.groups}", f"split: {self.split}"]
        said += [f"column {name}: {words}" for name, words in list(self.columns.items())[:MOST_COLUMNS]]
        if len(self.columns) > MOST_COLUMNS:
            said.append(f"{len(self.columns) - MOST_COLUMNS:,} more columns (audit.json has them all)")
        said += [f"not opened: {count:,} ({reason})" for reason, count in self.aside.items()]
        return said + [f"WARNING: {text}" for text in self.warnings]

    def line(self) -> str:
        """All of it in one line."""
        return "; ".join(self.lines())


@dataclass(frozen=True)
class Source:
    """The images of a dataset.

    Attributes:
        name: the run's name.
        root: the folder above all files, with links resolved.
        counts: for stand-ins and public sets, number of images of each label in the set; else empty.
        stand_in: whether the images are drawn by this program.
        words: the source in words, for figures and tables.
        understood: how it was read.
        folders: the folders of each label of a set with known layout, below root; else empty.
        table: the table that lists the files, or None.
        rows: the files of the user's own folder or table, as `layout.read_folder` returns them, or None.
        generated: whether this program made the set from photographs (`omnigen`).
        generator: what made the synthetic images of a set with known layout; "" if that is not known.
    """

    name: str
    root: Path
    counts: dict[str, int]
    stand_in: bool
    words: str
    understood: Understood
    folders: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    table: Path | None = None
    rows: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    generated: bool = False
    generator: str = ""


def refuse_stated(reading: Reading, what: str) -> None:
    if stated := reading.as_options():
        raise UserError(
            f"{stated}: says how your own folders or tables are read; {what} is known, give none of it there"
        )


def known_set(counts: dict[str, int], groups: str) -> Understood:
    """How a set with known layout is read."""
    return Understood(
        {label: {f"folder {label}": count} for label, count in counts.items()}, groups, "none given, drawn here"
    )


def count_files(folder: Path) -> int:
    """Number of regular files at any depth of a folder, 0 if it does not exist; hidden files do not count."""
    if not os.path.lexists(folder):
        return 0
    return sum(entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") for _, entry in walk(folder))
