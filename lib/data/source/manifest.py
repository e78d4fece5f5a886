"""data_manifest.csv: the parts of each dataset, one row per part; every row and column is checked."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.data.source.checks import csv_lines, refusal, validate
from lib.study.files import PROJECT, home
from lib.study.names import DATASETS, LABELS, UserError
from lib.study.options import run_name
from lib.study.registry import Registry

MANIFEST = PROJECT / "data_manifest.csv"

# Parts of a location: not empty, not . or .., no backslash, no control character.
_PART = r"(?!\.{1,2}(?:/|\Z))[^/\\\x00-\x1f]+"
# Kind of location to the pattern of the rest, and to its name in an error.
LOCATIONS: Registry[tuple[str, str]] = Registry("location")
LOCATIONS.register("standin", (r"standin:", "standin:"))
LOCATIONS.register("kaggle", (rf"kaggle:{_PART}/{_PART}(?:/{_PART})+", "kaggle:<owner>/<set>/<folder>"))
LOCATIONS.register("datasets", (rf"datasets(?:/{_PART})+", "datasets/<folder>"))


def _says(pattern: str, expected: str) -> pa.Check:
    return pa.Check.str_matches(pattern, error=expected)


_SCHEMA = pa.DataFrameSchema(
    {
        "dataset": pa.Column(str, pa.Check.isin(DATASETS, error=f"one of {', '.join(DATASETS)}")),
        "name": pa.Column(str, _says(r"(?:dataset_[1-4]|control)\Z", "dataset_1 … dataset_4 or control")),
        "label": pa.Column(str, pa.Check.isin(LABELS, error=" or ".join(LABELS))),
        "images": pa.Column(str, _says(r"[1-9][0-9]{0,8}\Z", "a whole number above 0")),
        "generator": pa.Column(str, _says(r"[^\x00-\x1f]*\Z", "one line of text, empty for real images")),
        "origin": pa.Column(str, _says(r"[^\x00-\x1f]+\Z", "one line of text")),
        "location": pa.Column(str),
        "licence": pa.Column(str, _says(r"[^\x00-\x1f]+\Z", "one line of text")),
        "sha256": pa.Column(str, _says(r"(?:[0-9a-f]{64})?\Z", "64 hexadecimal digits, or nothing")),
        "notes": pa.Column(str, _says(r"[^\x00-\x1f]+\Z", "one line of text")),
    },
    strict=True,
)


def read_manifest(path: Path | None = None) -> pd.DataFrame:
    """data_manifest.csv, one row per part of a dataset, every row and column checked; `images` is an integer.

    Raises:
        UserError: names line, column, what was found and what was expected.
    """
    path = path or MANIFEST
    try:
        state = path.stat()
    except OSError:  # reading it reports the error
        return _read(path)
    # Cached, because it is read often and does not change meanwhile.
    return _read_once(path, state.st_mtime_ns, state.st_size, home()).copy()


@functools.lru_cache(maxsize=8)
def _read_once(path: Path, *state: object) -> pd.DataFrame:
    return _read(path)


def _read(path: Path) -> pd.DataFrame:
    lines = csv_lines(path)
    names, frame = lines.iloc[0].tolist(), lines.iloc[1:]
    if names != list(_SCHEMA.columns):
        raise UserError(f"{path}: found columns {', '.join(names)}; expected {', '.join(_SCHEMA.columns)}")
    frame = frame.set_axis(names, axis=1).astype(str)
    validate(frame, _SCHEMA, path, "line")
    for line, row in frame.iterrows():
        _check_row(path, line, row)
    repeated = frame.loc[frame.duplicated(["dataset", "location", "label"]), "location"]
    if len(repeated):
        expected = "each location once per dataset and label"
        raise refusal(path, f"line {repeated.index[0]}", "location", repeated.iloc[0], expected)
    frame = frame.astype({"images": int}).reset_index(drop=True)
    _check_classes(path, frame)
    return frame


def _check_row(path: Path, line: int, row: pd.Series) -> None:
    where = f"line {line}"
    patterns, words = zip(*LOCATIONS.values())
    if not any(re.fullmatch(pattern, row["location"]) for pattern in patterns):
        expected = f"{', '.join(words[:-1])} or {words[-1]}, with / and without .."
        raise refusal(path, where, "location", row["location"], expected)
    name = run_name(row["dataset"], "", "")
    if row["name"] != name:
        raise refusal(path, where, "name", row["name"], f"{name}, as the dataset is {row['dataset']}")
    if (row["generator"] == "") != (row["label"] == "real"):
        expected = "nothing, as the images are real" if row["label"] == "real" else "what made the images"
        raise refusal(path, where, "generator", row["generator"], expected)
    if row["location"].startswith("datasets/"):
        # Without links a location without .. stays inside; with links only the resolved path shows it.
        target = Path(os.path.realpath(home() / row["location"]))
        if not target.is_relative_to(home()):
            raise refusal(path, where, "location", row["location"], "a folder inside the project (a link leaves it)")


def _check_classes(path: Path, frame: pd.DataFrame) -> None:
    for dataset in DATASETS:
        rows = frame[frame["dataset"] == dataset]
        kinds = rows["location"].str.extract(rf"^({'|'.join(LOCATIONS)})", expand=False)
        for kind in ["standin", *sorted(set(kinds) - {"standin"})]:
            for label in LABELS:
                if label not in set(rows.loc[kinds == kind, "label"]):
                    raise UserError(
                        f"{path}: dataset {dataset} has no {label} images at a {kind} location; expected both classes"
                    )
        handles = rows.loc[kinds == "kaggle", "location"].map(kaggle_handle)
        if handles.nunique() > 1:
            raise UserError(f"{path}: dataset {dataset}: found {', '.join(handles.unique())}; expected one Kaggle set")


def generator_of(rows: pd.DataFrame) -> str:
    """What made the synthetic images of rows of a manifest (columns label, generator), in words; "" if not known."""
    return " / ".join(filter(None, dict.fromkeys(rows.loc[rows["label"] == "synthetic", "generator"])))


def kaggle_handle(location: str) -> str:
    """`<owner>/<set>` of a `kaggle:` location."""
    return "/".join(location.removeprefix("kaggle:").split("/")[:2])
