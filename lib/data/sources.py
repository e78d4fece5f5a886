"""Where the images of a dataset are: the user's folder or table, a public set, or stand-ins."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib.data.checks import printable
from lib.data.folders import check_inside, entries, walk
from lib.data.manifest import kaggle_handle, read_manifest
from lib.data.table import TABLES, class_of, read_table
from lib.study import DATASETS, LABELS, NOT_OMNIGEN, UserError, home

TWIN = "public set of the same size, not shown to be the original's"
# Where a generated set says what it is, once it is whole.
RECORD = "generated.json"


@dataclass(frozen=True)
class Source:
    """Where the images of a dataset are.

    Attributes:
        name: the run's name.
        root: the folder that every file lies below, with links resolved.
        counts: for stand-ins and public sets, how many images of each label belong to the set; else empty.
        stand_in: whether the images are drawn by this program.
        words: the source in words, as figures and tables show it.
        folders: the folders of each label, below root; empty where a table lists the files.
        table: the table that lists the files, or None.
        rows: what the table says, as `read_table` returns it, or None.
        generated: whether this program made the set from photographs (`omnigen`).
    """

    name: str
    root: Path
    counts: dict[str, int]
    stand_in: bool
    words: str
    folders: dict[str, tuple[Path, ...]]
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


def find_source(dataset: str, data: str = "", name: str = "") -> Source:
    """Where the images of a dataset are.

    The user's own `datasets/<id>` comes first, then a public set that has been downloaded whole, then stand-ins.

    Args:
        dataset: `1` … `4` or `control`; not used where `data` is given.
        data: a folder with one folder for each class, or a CSV or Parquet table with columns path, label and, where
            wanted, group and split.
        name: the run's name.

    Raises:
        UserError: a folder or table is missing, empty or ambiguous, or a table has a row that cannot be used.
    """
    if data:
        return _own_source(Path(data), name)
    if dataset not in DATASETS:
        raise UserError(f"dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    own = home() / "datasets" / dataset
    if dataset != "control" and _holds_something(own):
        return _folder_source(own, name)
    found = twin(dataset)
    if found and is_complete(found):
        return twin_source(found, name)
    return _stand_in_source(dataset, name)


def _own_source(data: Path, name: str) -> Source:
    # The user may well keep the data elsewhere and link to it; inside the data links are held to stay inside.
    real = Path(os.path.realpath(data))
    accepted = f"a folder that holds real/ and synthetic/, or a table ({' or '.join(TABLES)})"
    if data.suffix.lower() in TABLES and not real.is_dir():
        if not real.is_file():
            raise UserError(f"{printable(data)}: no such file; expected {accepted}")
        return Source(name, real.parent, {}, False, "own images", {}, real, read_table(real))
    if os.path.isfile(real):
        raise UserError(f"{printable(data)}: found a file that ends in {data.suffix!r}; expected {accepted}")
    return _folder_source(data, name)


def _folder_source(folder: Path, name: str) -> Source:
    folders = {label: (path,) for label, path in class_folders(folder).items()}
    source = Source(name, Path(os.path.realpath(folder)), {}, False, "own images", folders)
    if not os.path.lexists(source.root / RECORD):
        return source
    return dataclasses.replace(source, words=_recorded_words(source.root / RECORD), generated=True)


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
    return Source(name, root, counts, True, words, {label: (root / label,) for label in LABELS})


def _holds_something(folder: Path) -> bool:
    """Whether a place is in use; hidden files, which file managers leave behind, do not count."""
    if not os.path.lexists(folder):
        return False
    # A file or a broken link is in use too: class_folders says what is wrong with it.
    return not folder.is_dir() or any(not entry.name.startswith(".") for entry in entries(folder))


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of both classes inside `folder`, under any name that people use (`table.NAMES`, any case, `0_real`, …).

    Returns:
        label to folder; `folder` itself may be a link and is resolved.

    Raises:
        UserError: the folder is missing or cannot be read, a class is missing, empty, there twice, or a link that
            points outside the data folder.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{printable(folder)}: no such folder; expected a folder that holds real/ and synthetic/")
    folder = Path(os.path.realpath(folder))
    inside = sorted(folder / entry.name for entry in entries(folder) if os.path.isdir(entry.path))
    found = {label: [path for path in inside if class_of(path.name) == label] for label in LABELS}
    shown = printable(folder)
    for label, paths in found.items():
        if not paths:
            there = ", ".join(repr(path.name) for path in inside[:8]) or "no folders"
            raise UserError(f"{shown}: no folder for the {label} images; found {there}, expected real/ and synthetic/")
        if len(paths) > 1:
            raise UserError(f"{shown}: {paths[0].name!r} and {paths[1].name!r} both name the {label} class; keep one")
        check_inside(paths[0], folder)
        if next(walk(paths[0]), None) is None:
            raise UserError(f"{printable(paths[0])}: empty; expected the {label} images")
    real, synthetic = (Path(os.path.realpath(paths[0])) for paths in found.values())
    if real.is_relative_to(synthetic) or synthetic.is_relative_to(real):
        raise UserError(f"{shown}: the folders of both classes hold the same files (a link); expected two folders")
    return {label: paths[0] for label, paths in found.items()}


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
    counts = {
        label: sum(found.counts[folder.relative_to(found.root).as_posix()] for folder in folders)
        for label, folders in found.folders.items()
    }
    return Source(name, found.root, counts, False, TWIN, found.folders)


def count_files(folder: Path) -> int:
    """Number of regular files at any depth of a folder, 0 where there is none; hidden files do not count."""
    if not os.path.lexists(folder):
        return 0
    return sum(entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") for _, entry in walk(folder))
