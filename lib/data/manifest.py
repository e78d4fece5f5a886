"""Which images a dataset consists of: data_manifest.csv, the user's folders, or stand-ins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.study import DATASETS, LABELS, NOT_OMNIGEN, PROJECT, UserError, home

MANIFEST = PROJECT / "data_manifest.csv"

# What people call the two classes, after dropping a leading number and everything but letters.
NAMES = {
    "real": {"real", "reals", "realfaces", "authentic", "original", "originals", "genuine", "pristine", "photos"},
    "synthetic": {
        *("synthetic", "synth", "fake", "fakes", "fakefaces", "ai", "aigenerated", "generated", "gan", "deepfake"),
        *("deepfakes", "manipulated", "diffusion"),
    },
}

_SCHEMA = pa.DataFrameSchema(
    {
        "dataset": pa.Column(str, pa.Check.isin(DATASETS)),
        "name": pa.Column(str, pa.Check.str_length(min_value=1)),
        "label": pa.Column(str, pa.Check.isin(LABELS)),
        "images": pa.Column(int, pa.Check.gt(0), coerce=True),
        "generator": pa.Column(str),
        "origin": pa.Column(str, pa.Check.str_length(min_value=1)),
        "location": pa.Column(str, pa.Check.str_matches(r"^standin:$|^kaggle:[^/]+/[^/]+/.+$|^datasets/")),
        "licence": pa.Column(str, pa.Check.str_length(min_value=1)),
        "sha256": pa.Column(str, pa.Check.str_matches(r"^([0-9a-f]{64})?$")),
        "notes": pa.Column(str),
    },
    unique=["dataset", "label", "location"],
    strict=True,
)


@dataclass(frozen=True)
class Source:
    """Where the images of a dataset are.

    Attributes:
        name: the run's name.
        folders: folder of each label.
        counts: for stand-ins, how many images of each label belong to the set.
        stand_in: whether the images are drawn by this program.
        words: the source in words, as figures and tables show it.
    """

    name: str
    folders: dict[str, Path]
    counts: dict[str, int]
    stand_in: bool
    words: str

    @property
    def root(self) -> Path:
        """The folder that holds both labels' folders."""
        return self.folders["real"].parent


def read_manifest(path: Path = MANIFEST) -> pd.DataFrame:
    """data_manifest.csv, one row per part of a dataset, every row and column checked.

    Raises:
        UserError: names row, column, what was found and what was expected.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a CSV table ({error})") from error
    if set(frame.columns) != set(_SCHEMA.columns):
        raise UserError(f"{path}: found columns {', '.join(frame.columns)}; expected {', '.join(_SCHEMA.columns)}")
    try:
        return _SCHEMA.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        first = errors.failure_cases.iloc[0]
        # Row 0 of the table is line 2 of the file.
        row = f"line {int(first['index']) + 2}, " if pd.notna(first["index"]) else ""
        raise UserError(
            f"{path}: {row}column {first['column']}: found {str(first['failure_case'])!r}, expected {first['check']}"
        ) from None


def find_source(dataset: str, data: str = "", name: str = "") -> Source:
    """Where the images of a dataset are: the user's folder, `datasets/<id>`, or stand-ins where that is not there.

    Args:
        dataset: `1` … `4` or `control`; not used where `data` is given.
        data: a folder with one folder for each class.
        name: the run's name.

    Raises:
        UserError: a folder is missing, empty or ambiguous.
    """
    if data:
        return Source(name, class_folders(Path(data)), {}, False, "own images")
    own = home() / "datasets" / dataset
    if dataset != "control" and own.is_dir() and any(own.iterdir()):
        return Source(name, class_folders(own), {}, False, "own images")
    rows = read_manifest().query("dataset == @dataset")
    counts = rows.groupby("label")["images"].sum().to_dict()
    root = home() / "datasets" / "standin" / (dataset if dataset == "control" else f"dataset_{dataset}")
    words = "null control of stand-in images, both classes from one pipeline" if dataset == "control" else NOT_OMNIGEN
    return Source(name, {label: root / label for label in LABELS}, counts, True, words)


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of both classes inside `folder`, under any of the names people use (`NAMES`, any case, `0_real`, …).

    Raises:
        UserError: the folder is missing, a class is missing, empty or there twice.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a folder that holds real/ and synthetic/")
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {label: [path for path in inside if _plain(path.name) in NAMES[label]] for label in LABELS}
    for label, paths in found.items():
        if not paths:
            there = ", ".join(repr(path.name) for path in inside[:8]) or "no folders"
            raise UserError(f"{folder}: no folder for the {label} images; found {there}, expected real/ and synthetic/")
        if len(paths) > 1:
            raise UserError(f"{folder}: {paths[0].name!r} and {paths[1].name!r} both name the {label} class; keep one")
        if not any(path.is_file() or path.is_symlink() for path in paths[0].rglob("*")):
            raise UserError(f"{paths[0]}: empty; expected the {label} images")
    return {label: paths[0] for label, paths in found.items()}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def image_files(source: Source) -> list[tuple[str, Path]]:
    """(label, path) of every file of a source, in the order of their names."""
    return [
        (label, path)
        for label, folder in source.folders.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    ]
