"""The user's own table of images, CSV or Parquet: path, label and, where wanted, group and split."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.data.checks import csv_lines, printable, refusal, validate
from lib.study import LABELS, SPLITS, UserError

TABLES = (".csv", ".parquet")

# What people call the two classes, in tables and as folders, after dropping everything but letters.
NAMES = {
    "real": {"real", "reals", "realfaces", "authentic", "original", "originals", "genuine", "pristine", "photos"},
    "synthetic": {
        *("synthetic", "synth", "fake", "fakes", "fakefaces", "ai", "aigenerated", "generated", "gan", "deepfake"),
        *("deepfakes", "manipulated", "diffusion"),
    },
}
# What people call the three splits.
SPLIT_NAMES = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **{"validation": "validation", "val": "validation", "valid": "validation", "dev": "validation"},
}


def class_of(name: str) -> str:
    """The class that people mean by a name, whatever its case and what stands beside its letters: a label, or ""."""
    word = re.sub(r"[^a-z]", "", name.lower())
    return next((label for label in LABELS if word in NAMES[label]), "")


def _is_inside(path: str) -> bool:
    """Whether a path of a table names something below the table's folder, on any system."""
    outside = path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in path.split("/")
    return not (outside or "\\" in path or "\0" in path or posixpath.normpath(path.strip()) == ".")


def label_of(text: str) -> str:
    """`real`, `synthetic`, or "" for what is neither."""
    text = text.strip()
    if text in ("0", "1"):
        return LABELS[int(text)]
    # Digits beside a word could mean either class ("1 real"), so a label is a number or a word.
    return class_of(text) if re.fullmatch(r"[A-Za-z _-]+", text) else ""


def split_of(text: str) -> str:
    """`train`, `validation`, `test`, or "" for what is neither."""
    return SPLIT_NAMES.get(text.strip().lower(), "")


def _each(check: Callable[[str], bool], expected: str) -> pa.Check:
    return pa.Check(check, element_wise=True, error=expected)


_SCHEMA = pa.DataFrameSchema(
    {
        "path": pa.Column(
            checks=[
                _each(_is_inside, "a file's path relative to the table's folder, with / and without .."),
                pa.Check(lambda paths: ~paths.map(posixpath.normpath).duplicated(), error="each path once"),
            ]
        ),
        "label": pa.Column(
            checks=_each(lambda text: bool(label_of(text)), "real, synthetic or fake, or 0 (real) or 1")
        ),
        "group": pa.Column(),
        "split": pa.Column(
            checks=[
                _each(lambda text: not text.strip() or bool(split_of(text)), f"{', '.join(SPLITS)}, or nothing"),
                pa.Check(
                    lambda splits: (splits.str.strip() != "") | (splits.str.strip() == "").all(),
                    error=f"{', '.join(SPLITS)}: in every row, or in none",
                ),
            ]
        ),
    }
)


def read_table(path: Path) -> pd.DataFrame:
    """A table of images: columns label, path, group and split, in the words of this study, in the table's order.

    Args:
        path: a .csv or .parquet file with columns path and label and, where wanted, group and split. Others are
            ignored.

    Raises:
        UserError: names the file, the row (a spreadsheet's line, or a Parquet file's row counted from 1), the column,
            what was found and what was expected.
    """
    unit = "row" if path.suffix.lower() == ".parquet" else "line"
    frame = _read_parquet(path) if unit == "row" else _read_csv(path)
    if frame.empty:
        raise UserError(f"{printable(path)}: empty; expected a row for each image")
    validate(frame, _SCHEMA, path, unit)
    frame = pd.DataFrame(
        {
            "label": frame["label"].map(label_of),
            "path": frame["path"].map(posixpath.normpath),
            "group": frame["group"],
            "split": frame["split"].map(split_of),
        },
        dtype=object,
    ).reset_index(drop=True)
    for label in LABELS:
        if label not in set(frame["label"]):
            raise UserError(f"{printable(path)}: column label: found no {label} image, expected both classes")
    for split in SPLITS if (frame["split"] != "").any() else ():
        for label in LABELS:
            if not ((frame["split"] == split) & (frame["label"] == label)).any():
                raise UserError(
                    f"{printable(path)}: column split: found no {label} image in {split}, expected both classes in each "
                    f"of {', '.join(SPLITS)}"
                )
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """The four columns of a CSV table as text; the index holds each row's line as a spreadsheet counts it."""
    lines = csv_lines(path)
    positions, rows = _positions(path, lines.iloc[0].tolist()), lines.iloc[1:]
    return pd.DataFrame(
        {name: rows[at] if at is not None else "" for name, at in positions.items()}, index=rows.index, dtype=object
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    """The four columns of a Parquet table as text; the index holds each row's number, from 1."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            f"{printable(path)}: Parquet tables need the package pyarrow; install it or give a .csv"
        ) from None
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        positions = _positions(path, names)
        # pyarrow hands out plain Python values; pandas would turn a column of 0, 1 and nothing into decimals.
        table = file.read(columns=[names[at] for at in positions.values() if at is not None])
        columns = {name: table.column(names[at]).to_pylist() for name, at in positions.items() if at is not None}
    except (OSError, ValueError, arrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{printable(path)}: cannot be read as a Parquet table ({reason})") from None
    rows = range(1, table.num_rows + 1)
    for row, value in zip(rows, columns["path"]):
        if value is not None and not isinstance(value, str):
            raise refusal(path, f"row {row}", "path", value, "text")
    values = {name: [_text(value) for value in columns[name]] if name in columns else "" for name in positions}
    return pd.DataFrame(values, index=rows, dtype=object)


def _text(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)


def _positions(path: Path, names: list[str]) -> dict[str, int | None]:
    """Where the columns of a table are, whatever the case of their names; None for group and split that are not there.

    Raises:
        UserError: path or label is missing, or a column is there twice.
    """
    plain = [name.strip().lower() for name in names]
    expected = "path and label and, where wanted, group and split, separated by commas"
    for column in ("path", "label", "group", "split"):
        needed = column in ("path", "label")
        if plain.count(column) > 1 or (needed and column not in plain):
            what = "twice" if column in plain else "missing"
            found = ", ".join(repr(name) for name in names[:12])
            raise UserError(f"{printable(path)}: column {column} is {what}; found columns {found}, expected {expected}")
    return {column: plain.index(column) if column in plain else None for column in ("path", "label", "group", "split")}
