"""Where the images of a dataset are: the user's folder or table, a public set, or stand-ins."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib.data.source.checks import printable
from lib.data.source.folders import entries, walk
from lib.data.source.groups import with_groups
from lib.data.source.layout import read_folder
from lib.data.source.manifest import kaggle_handle, read_manifest
from lib.data.source.table import TABLES, read_table
from lib.study.files import home
from lib.study.names import ASIDE, DATASETS, LABELS, NOT_OMNIGEN, SPLITS, UserError
from lib.study.options import Reading
from lib.study.run import Run

TWIN = "public set of the same size, not shown to be the original's"
# Where a generated set says what it is, once it is whole.
RECORD = "generated.json"


@dataclass(frozen=True)
class Understood:
    """How the folders or the table of a source were read; `audit.json` holds it (docs/schemas/audit.schema.json).

    Attributes:
        labels: label to the words that said it to the number of files, such as {"real": {"folder 0_real": 60}}.
        groups: what was taken as groups, and why.
        split: whose split it is.
        aside: reason to number of files that are not opened.
        warnings: what may let images of one kind stand on two sides of the split.
    """

    labels: dict[str, dict[str, int]]
    groups: str
    split: str
    aside: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """All of it in words, a line for each thing understood."""
        said = [f"{label}: {count:,} ({word})" for label, words in self.labels.items() for word, count in words.items()]
        said += [f"groups: {self.groups}", f"split: {self.split}"]
        said += [f"not opened: {count:,} ({reason})" for reason, count in self.aside.items()]
        return said + [f"WARNING: {text}" for text in self.warnings]

    def line(self) -> str:
        """All of it in one line."""
        return "; ".join(self.lines())


@dataclass(frozen=True)
class Source:
    """Where the images of a dataset are.

    Attributes:
        name: the run's name.
        root: the folder that every file lies below, with links resolved.
        counts: for stand-ins and public sets, how many images of each label belong to the set; else empty.
        stand_in: whether the images are drawn by this program.
        words: the source in words, as figures and tables show it.
        understood: how it was read.
        folders: the folders of each label of a set of known layout, below root; else empty.
        table: the table that lists the files, or None.
        rows: the files of the user's own folder or table, as `layout.read_folder` returns them, or None.
        generated: whether this program made the set from photographs (`omnigen`).
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


@dataclass(frozen=True)
class Twin:
    """A public set with as many images as a dataset has; nothing shows that it is that dataset.

    Attributes:
        handle: `<owner>/<set>` on Kaggle.
        root: where its files belong on this computer.
        counts: number of images of each folder below root, by the manifest.
        folders: the folders of each label.
        marker: the file that says that every folder is complete.
    """

    handle: str
    root: Path
    counts: dict[str, int]
    folders: dict[str, tuple[Path, ...]]
    marker: Path


def source_of(run: Run) -> Source:
    """Where the images of a run are, read as the run's options say."""
    return find_source(run.dataset, run.data, run.name, run.reading)


def find_source(dataset: str, data: str = "", name: str = "", reading: Reading | None = None) -> Source:
    """Where the images of a dataset are.

    The user's own `datasets/<id>` comes first, then a public set that has been downloaded whole, then stand-ins.

    Args:
        dataset: `1` … `4` or `control`; not used where `data` is given.
        data: a folder of images, or a CSV or Parquet table of them (docs/data.md).
        name: the run's name.
        reading: what the user states about folders or table; nothing can be stated of a public set or stand-ins.

    Raises:
        UserError: a folder or table is missing, empty or ambiguous, or a table has a row that cannot be used.
    """
    reading = reading or Reading()
    if data:
        return _own_source(Path(data), name, reading)
    if dataset not in DATASETS:
        raise UserError(f"dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    own = home() / "datasets" / dataset
    if dataset != "control" and _holds_something(own):
        return _folder_source(own, name, reading)
    found = twin(dataset)
    source = twin_source(found, name) if found and is_complete(found) else _stand_in_source(dataset, name)
    _refuse_stated(reading, f"dataset {dataset} ({source.words})")
    return source


def _refuse_stated(reading: Reading, what: str) -> None:
    if stated := reading.as_options():
        raise UserError(
            f"{stated}: says how your own folders or tables are read; {what} is known, give none of it there"
        )


def _own_source(data: Path, name: str, reading: Reading) -> Source:
    # The user may well keep the data elsewhere and link to it; inside the data links are held to stay inside.
    real = Path(os.path.realpath(data))
    accepted = f"a folder that holds real/ and synthetic/, or a table ({', '.join(TABLES[:-1])} or {TABLES[-1]})"
    if data.suffix.lower() in TABLES and not real.is_dir():
        if not real.is_file():
            raise UserError(f"{printable(data)}: no such file; expected {accepted}")
        return _read_source(name, real.parent, read_table(real, reading), reading, table=real)
    if os.path.isfile(real):
        raise UserError(f"{printable(data)}: found a file that ends in {data.suffix!r}; expected {accepted}")
    return _folder_source(data, name, reading)


def _folder_source(folder: Path, name: str, reading: Reading) -> Source:
    if not os.path.isdir(folder):
        raise UserError(f"{printable(folder)}: no such folder; expected a folder that holds real/ and synthetic/")
    root = Path(os.path.realpath(folder))
    if not os.path.lexists(root / RECORD):
        return _read_source(name, root, read_folder(root, reading), reading)
    # Of a set that this program made the layout is known: beside the classes stand its own records.
    words = _recorded_words(root / RECORD)
    _refuse_stated(reading, f"{printable(folder)} ({words})")
    folders = {label: (root / label,) for label in LABELS}
    counts = {label: count_files(root / label) for label in LABELS}
    return Source(name, root, {}, False, words, _known(counts, "people, by people.csv"), folders, generated=True)


def _read_source(name: str, root: Path, rows: pd.DataFrame, reading: Reading, table: Path | None = None) -> Source:
    rows, groups, warning = with_groups(rows, reading)
    labels = {label: Counter(rows.loc[rows["label"] == label, "word"].tolist()) for label in LABELS}
    given = [split for split in SPLITS if split in set(rows["split"])]
    split = f"by the {'table' if table else 'folders'} ({', '.join(given)}; --split anew draws another)"
    drawn = "drawn anew, by --split anew" if reading.split else "none given, drawn here"
    aside = Counter(rows.loc[rows["issue"] != "", "issue"].str.removeprefix(ASIDE).tolist())
    understood = Understood(
        {label: dict(words.most_common()) for label, words in labels.items()},
        groups,
        split if given else drawn,
        dict(aside.most_common()),
        (warning,) if warning else (),
    )
    return Source(name, root, {}, False, "own images", understood, table=table, rows=rows)


def _known(counts: dict[str, int], groups: str) -> Understood:
    """How a set is read whose layout is known."""
    return Understood(
        {label: {f"folder {label}": count} for label, count in counts.items()}, groups, "none given, drawn here"
    )


def _recorded_words(record: Path) -> str:
    """What the images of a generated set are."""
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["words"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{printable(record)}: cannot be read as the record of a generated set ({reason})") from None


def _stand_in_source(dataset: str, name: str) -> Source:
    rows = read_manifest().query("dataset == @dataset and location == 'standin:'")
    counts = rows.groupby("label")["images"].sum().to_dict()
    root = home() / "datasets" / "standin" / (dataset if dataset == "control" else f"dataset_{dataset}")
    root = Path(os.path.realpath(root))
    words = "null control of stand-in images, both classes from one pipeline" if dataset == "control" else NOT_OMNIGEN
    folders = {label: (root / label,) for label in LABELS}
    return Source(name, root, counts, True, words, _known(counts, "people, by people.csv"), folders)


def _holds_something(folder: Path) -> bool:
    """Whether a place is in use; hidden files, which file managers leave behind, do not count."""
    if not os.path.lexists(folder):
        return False
    # A file or a broken link is in use too: _folder_source says what is wrong with it.
    return not folder.is_dir() or any(not entry.name.startswith(".") for entry in entries(folder))


# --------------------------------------------------------------------------------------------------- the public set


def twin(dataset: str) -> Twin | None:
    """The public set of the same size as a dataset, by the manifest's `kaggle:` rows; None where there is none."""
    rows = read_manifest().query("dataset == @dataset and location.str.startswith('kaggle:')")
    if rows.empty:
        return None
    handle = kaggle_handle(rows["location"].iloc[0])
    root = Path(os.path.realpath(home() / "datasets" / "kaggle" / handle))
    inside = rows["location"].str.removeprefix(f"kaggle:{handle}/")
    folders = {label: tuple(root / path for path in inside[rows["label"] == label]) for label in LABELS}
    return Twin(handle, root, dict(zip(inside, rows["images"])), folders, root / f"complete-{dataset}.json")


def is_complete(found: Twin) -> bool:
    """Whether a download of the set has been counted and found whole, and its folders are still there."""
    try:
        marker = json.loads(found.marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"handle": found.handle, "counts": found.counts}
    same = isinstance(marker, dict) and {key: marker.get(key) for key in wanted} == wanted
    return same and all((found.root / path).is_dir() for path in found.counts)


def twin_source(found: Twin, name: str = "") -> Source:
    """The public set as a source."""
    counts = {label: sum(found.counts[path] for path in _inside(found, label)) for label in found.folders}
    labels = {
        label: {f"folder {path}": found.counts[path] for path in _inside(found, label)} for label in found.folders
    }
    # Datasets 3 and 4 are parts of one set: neither holds all three of its parts.
    split = "drawn here (the set's own parts are what tells datasets 3 and 4 apart, not a split of either)"
    return Source(name, found.root, counts, False, TWIN, Understood(labels, "none known", split), found.folders)


def _inside(found: Twin, label: str) -> list[str]:
    return [folder.relative_to(found.root).as_posix() for folder in found.folders[label]]


def count_files(folder: Path) -> int:
    """Number of regular files at any depth of a folder, 0 where there is none; hidden files do not count."""
    if not os.path.lexists(folder):
        return 0
    return sum(entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") for _, entry in walk(folder))
