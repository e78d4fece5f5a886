"""Shared checks of tables: reading a CSV file line by line, and error messages in one wording."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.study.names import UserError, reason_of, short


def csv_lines(path: Path) -> pd.DataFrame:
    """Every non-empty line of a CSV file as text, with the header.

    Cells are separated by commas, or by semicolons or tabs if the header has those and no comma.

    Returns:
        The index holds the line numbers of a spreadsheet: from 1; a line break in quotes does not count.

    Raises:
        UserError: not a CSV file in UTF-8, or a line has more cells than the first.
    """
    try:
        # Without a header, pandas refuses lines longer than the first; otherwise it cuts or shifts them.
        lines = pd.read_csv(
            path,
            sep=_separator(path),
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{printable(path)}: cannot be read as a CSV table in UTF-8 ({reason_of(error)})") from None
    lines = lines.fillna("").astype(object)
    lines.index += 1
    # The first line stays, even if empty: then the check of the header reports it.
    return lines[(lines != "").any(axis=1) | (lines.index == 1)]


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return next((mark for mark in ",;\t" if mark in header), ",")


def validate(frame: pd.DataFrame, schema: pa.DataFrameSchema, path: Path, unit: str) -> None:
    """Check a table against its schema.

    Args:
        frame: its index holds the row numbers that the user sees.
        unit: name of a row, `line` or `row`.

    Raises:
        UserError: names the first refused row, the column, what was found and what was expected.
    """
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        first = errors.failure_cases.sort_values("index", kind="stable").iloc[0]
        value = frame.loc[first["index"], first["column"]]
        raise refusal(path, f"{unit} {first['index']}", first["column"], value, first["check"]) from None


def refusal(path: Path, where: str, column: str, value: object, expected: str) -> UserError:
    """The error that names a cell of a table, what was found in it and what was expected.

    Args:
        where: the row, such as `line 3` or `row 3`.
    """
    return UserError(f"{printable(path)}: {where}, column {column}: found {short(value)}, expected {expected}")


def printable(path: str | Path) -> str:
    """A path that any terminal can show: bytes that are not Unicode become escapes."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()
