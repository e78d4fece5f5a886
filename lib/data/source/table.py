"""The user's own table of images, CSV, Parquet or JSON: path, label, optionally group, split and generator, and other
columns.
"""

from __future__ import annotations

import math
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.source import columns, formats
from lib.data.source.checks import csv_lines, printable, refusal
from lib.data.source.folders import MOST_LETTERS, path_issues
from lib.data.source.layout import LEFT_OUT, ROW_COLUMNS, check_stated
from lib.data.source.names import COLUMNS, class_of, each, label_of, split_of, splits_needed
from lib.study.names import LABELS, SPLITS, UserError, cut, reason_of, short
from lib.study.options import Reading

# Most columns of a table: lines of JSON can have others in each line.
MOST_COLUMNS = 1000
TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".json")


@dataclass(frozen=True)
class _Table:
    """A table as it was read.

    Attributes:
        path: of its file, for errors.
        folder: that its paths are relative to.
        unit: word for a row.
        every: its columns as text, by name in lower case; the index holds the row's name in errors.
        left_out: columns that were not read, with their reasons.
    """

    path: Path
    folder: Path
    unit: str
    every: pd.DataFrame
    left_out: dict[str, str]


_DRIVE = re.compile(r"[A-Za-z]:")


def _is_inside(path: str) -> bool:
    """Whether a path of a table lies below the table's folder, on any system."""
    outside = path.startswith("/") or _DRIVE.match(path) or ".." in path.split("/")
    return not (outside or "\\" in path or "\0" in path or posixpath.normpath(path.strip()) == ".")


def read_table(path: Path, reading: Reading | None = None) -> pd.DataFrame:
    """A table of images with this study's names, in the table's order.

    Args:
        path: a file that ends in one of TABLES, with columns path and label and optionally group, split and generator,
            under the names of `names.COLUMNS`. Other columns are kept as they are (`columns.further`), but refused if they
            contradict the label.
        reading: the user's statements about it.

            Lines of JSON, DeepfakeBench's JSON and pictures inside a Parquet file are understood too (`formats`).

    Returns:
        Columns as `layout.read_folder` gives them, then the table's further columns, as text. `attrs` holds the words
            for the column of the generator (`generator`, "" if there is none), and the columns that are left out with
            their reasons (`left_out`), and the folder that the paths are below (`root`).

    Raises:
        UserError: names the file, the row (a spreadsheet's line, or a Parquet file's row counted from 1), the column,
            what was found and what was expected.
    """
    readers = {".parquet": _read_parquet, ".jsonl": _read_json, ".json": _read_json}
    return _images_of(readers.get(path.suffix.lower(), _read_csv)(path), reading or Reading())


def read_metadata(root: Path, files: list[Path], reading: Reading) -> pd.DataFrame | None:
    """The tables of an imagefolder as one, as `read_table` gives it; None if they say nothing of labels.

    Args:
        root: the data folder.
        files: its tables (`formats.metadata_files`); several stand in folders of splits.

    Raises:
        UserError: as `read_table`.
    """
    table = _metadata(root, files, needed=("path",))
    return _images_of(table, reading) if _first("label", table.every) else None


def add_metadata(rows: pd.DataFrame, root: Path, files: list[Path]) -> pd.DataFrame:
    """The files of a folder with the columns of its imagefolder tables; labels, groups and split stay as they are.

    Args:
        rows: as `layout.read_folder` gives them.
    """
    table = _metadata(root, files, needed=("path",))
    _, found = _our_columns(table.every)
    paths = table.every[found["path"]].map(posixpath.normpath)
    every = table.every.set_axis(paths, axis=0)
    every = every[~every.index.duplicated()].reindex(rows["path"]).fillna("").set_axis(rows.index, axis=0)
    used = {found["path"], found["generator"]} - {""}
    further, taken = columns.further(every, used)
    by_table = ""
    if found["generator"]:
        generator, not_taken = columns.of_synthetic(every[found["generator"]], rows["label"])
        rows, by_table = rows.assign(generator=generator), f"by the table, column {found['generator']}{not_taken}"
    rows = pd.concat([rows, further], axis=1)
    rows.attrs = {"generator": by_table, "left_out": {**table.left_out, **taken}}
    return rows


def _images_of(table: _Table, reading: Reading) -> pd.DataFrame:
    """What `read_table` returns, of a table of any form."""
    path, folder, unit, every = table.path, table.folder, table.unit, table.every
    frame, found = _our_columns(every)
    if frame.empty:
        raise UserError(f"{printable(path)}: empty; expected a row for each image")
    if reading.split == "anew":
        frame["split"] = ""
    frame["path"] = pd.Series(_relative(frame["path"].tolist(), folder), frame.index, dtype=object)
    texts, stated = frame["label"].tolist(), reading.stated
    check_stated(reading, set(texts), printable(path))
    meant = each(lambda text: stated.get(text.strip().lower()) or label_of(text), texts)
    splits = each(split_of, frame["split"].tolist())
    normal = _checked_paths(path, unit, frame, meant, splits)
    folders = [name.rpartition("/")[0] for name in normal]
    _check_contradictions(path, unit, frame.assign(path=normal), pd.Series(meant, frame.index), folders, every, reading)
    files = pd.DataFrame(
        {
            "label": meant,
            "path": [name if name.isascii() else _as_on_disk(name, folder) for name in normal],
            "group": frame["group"].tolist(),
            "split": splits,
            "word": each(lambda text: _word(text.strip(), stated), texts),
            "inner": each(_inner, folders),
            "generator": frame["generator"].tolist(),
        },
        dtype=object,
    )
    files["generator"], not_taken = columns.of_synthetic(files["generator"], files["label"])
    further, taken = columns.further(every, found.values())
    further = further.reset_index(drop=True)
    files["issue"] = path_issues(files["path"], folder, reading.follow_links)
    files.loc[files["label"] == "none", ["label", "split", "issue"]] = ["", "", LEFT_OUT]
    _check_classes(path, files)
    files = pd.concat([files[ROW_COLUMNS], further], axis=1)
    by_table = f"by the table, column {found['generator']}{not_taken}" if found["generator"] else ""
    files.attrs = {"generator": by_table, "left_out": {**table.left_out, **taken}, "root": folder}
    return files


def _checked_paths(path: Path, unit: str, frame: pd.DataFrame, meant: list[str], splits: list[str]) -> list[str]:
    """The paths of a table without `.` and empty parts, once every cell that the study reads has been looked at.

    Raises:
        UserError: the first row that cannot be used.
    """
    paths, given = frame["path"].tolist(), frame["split"].str.strip().ne("").to_numpy()
    normal = each(posixpath.normpath, paths)
    words, names = "real, synthetic or fake, or 0 (real) or 1; or --labels WORD=CLASS", ", ".join(SPLITS)
    wrong = (
        (
            "path",
            ~np.array(each(_is_inside, paths), bool),
            "a file's path relative to the table's folder, with / and without ..",
        ),
        ("path", pd.Series(normal, dtype=object).duplicated(), "each path once"),
        ("split", given & (np.array(splits, object) == ""), f"{names}, or nothing"),
        ("split", ~given & given.any(), f"{names}: in every row, or in none"),
        ("label", np.array(meant, object) == "", words),
    )
    found = [(int(np.argmax(rows)), column, expected) for column, rows, expected in wrong if rows.any()]
    if found:
        at, column, expected = min(found, key=lambda each: each[0])
        raise refusal(path, f"{unit} {frame.index[at]}", column, frame[column].iloc[at], expected)
    return normal


def _word(text: str, stated: Mapping[str, str]) -> str:
    return f"label {cut(text)}" + (" (--labels)" if text.lower() in stated else "")


def _inner(folder: str) -> tuple[str, ...]:
    """The folders that state neither class nor split."""
    return tuple(name for name in folder.split("/") if name and not class_of(name) and not split_of(name))


def _relative(paths: list[str], folder: Path) -> list[str]:
    """Paths relative to the table's folder; an absolute path is converted if it lies below that folder."""
    above = {posixpath.dirname(path) for path in paths if os.path.isabs(path)}
    if not above:
        return paths
    real = {name: os.path.realpath(name) for name in above if len(name) <= MOST_LETTERS}
    inside = {name: found for name, found in real.items() if Path(found).is_relative_to(folder)}

    def relative(path: str) -> str:
        real = inside.get(posixpath.dirname(path))
        return path if real is None else (Path(real) / posixpath.basename(path)).relative_to(folder).as_posix()

    return list(map(relative, paths))


def _as_on_disk(path: str, folder: Path) -> str:
    """A path with its letters composed as in the file's name: some systems split `ü` into two."""
    forms = (path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path))
    return path if path.isascii() else next((form for form in forms if os.path.lexists(folder / form)), path)


def _check_classes(path: Path, files: pd.DataFrame) -> None:
    for label in LABELS:
        if label not in set(files["label"]):
            raise UserError(f"{printable(path)}: column label: found no {label} image, expected both classes")
    needed = splits_needed(set(files["split"])) if (files["split"] != "").any() else ()
    for split in needed:
        for label in LABELS:
            if not ((files["split"] == split) & (files["label"] == label)).any():
                raise UserError(
                    f"{printable(path)}: column split: found no {label} image in {split}, expected both classes in each "
                    f"of {', '.join(needed)}; --split anew draws another split"
                )


# ------------------------------------------------------------------------------------- what else speaks of the label


def _check_contradictions(
    path: Path,
    unit: str,
    frame: pd.DataFrame,
    labels: pd.Series,
    folders: list[str],
    every: pd.DataFrame,
    reading: Reading,
) -> None:
    """Refuse a table if other columns, folders or file names state another class than its labels.

    A name that means the same class for all images carries no information (a folder `deepfake set` that holds both). A
    label that the user has stated is accepted.
    """
    open_rows = ~frame["label"].str.strip().str.lower().isin(reading.stated)
    for where, said in _other_words(frame, folders, every).items():
        against = open_rows & (said != "") & (said != labels)
        if set(said) >= set(LABELS) and against.any():
            row = against.idxmax()
            wanted = Counter(zip(frame.loc[open_rows, "label"].str.strip(), said[open_rows]))
            states = {value: label for (value, label), _ in reversed(wanted.most_common()) if label}
            stated = cut(",".join(f"{cut(value)}={label}" for value, label in sorted(states.items())), 300)
            raise UserError(
                f"{printable(path)}: {unit} {row}, column label: found {short(frame.at[row, 'label'])}, which is read as "
                f"{labels[row]}, but {where} says {said[row]} (so in {against.sum():,} of {len(frame):,} rows); "
                f"correct one of them, or state what the labels mean: --labels {stated}"
            )


def _other_words(frame: pd.DataFrame, folders: list[str], every: pd.DataFrame) -> dict[str, pd.Series]:
    """Words outside the label column that state a class: their position, and the class of each row or ""."""
    columns = [name for name in every if name in COLUMNS["label"] and name != frame.attrs["label"]]
    found = {f"column {name}": each(class_of, every[name].tolist()) for name in columns}
    found["its folder"] = each(_class_of_folders, folders)
    stems = (posixpath.splitext(path.rpartition("/")[2])[0] for path in frame["path"].tolist())
    found["its file name"] = list(map(class_of, stems))
    return {where: pd.Series(said, frame.index, dtype=object) for where, said in found.items()}


def _class_of_folders(folder: str) -> str:
    said = {class_of(name) for name in folder.split("/")} - {""}
    return said.pop() if len(said) == 1 else ""


# ------------------------------------------------------------------------------------------------- columns and cells


def _read_csv(path: Path, needed: Iterable[str] = ("path", "label")) -> _Table:
    """A CSV table; the index holds each row's line number in a spreadsheet."""
    lines = csv_lines(path)
    (names, left_out), rows = _plain(path, lines.iloc[0].tolist(), needed), lines.iloc[1:]
    every = pd.DataFrame({name: rows[at] for name, at in names.items()}, index=rows.index, dtype=object)
    return _Table(path, path.parent, "line", every, left_out)


def _read_json(path: Path, needed: Iterable[str] = ("path", "label")) -> _Table:
    """A table of JSON objects; the index holds the number of each one's line or row, from 1."""
    records, unit = formats.json_records(path)
    stored = list(dict.fromkeys(name for record in records for name in record))
    names, left_out = _plain(path, stored, needed)
    every = pd.DataFrame(index=range(1, len(records) + 1), dtype=object)
    for name, at in names.items():
        values = [record.get(stored[at]) for record in records]
        if not _is_ours(name) and any(isinstance(value, list | dict) for value in values):
            left_out[name] = "left out: holds lists or objects, expected text or numbers"
        else:
            every[name] = pd.Series([_text(value) for value in values], every.index, dtype=object)
    return _Table(path, path.parent, unit, every[(every != "").any(axis=1)], left_out)


def _metadata(root: Path, files: list[Path], needed: Iterable[str]) -> _Table:
    """The tables of an imagefolder as one, with paths below the data folder."""
    tables = [(_read_json if path.suffix == ".jsonl" else _read_csv)(path, needed) for path in files]
    if files[0].parent == root:
        return tables[0]
    parts = []
    for path, table in zip(files, tables):
        split, part = path.parent.name, table.every
        column = _first("path", part)
        # Lines are counted in each file, so the errors name both.
        part = part.set_axis([f"{number} of {split}/{path.name}" for number in part.index], axis=0)
        part[column] = [f"{split}/{name}" for name in part[column]]
        parts.append(part.assign(split=split) if len(files) > 1 else part)
    left_out = {name: why for table in tables for name, why in table.left_out.items()}
    return _Table(root, root, "line", pd.concat(parts).fillna("").astype(object), left_out)


def _read_parquet(path: Path) -> _Table:
    """A Parquet table; the index holds each row's number, from 1."""
    try:
        import pyarrow as arrow
    except ImportError:
        raise UserError(
            f"{printable(path)}: Parquet tables need the package pyarrow; install it or give a .csv"
        ) from None
    try:
        file = formats.parquet_file(path)
        schema = file.schema_arrow
        stored, pictures = schema.names, formats.picture_column(schema)
        # Where the pictures are inside, their paths are those of the files that are written of them.
        plain = [_name_beside_pictures(name, at, pictures) for at, name in enumerate(stored)]
        names, left_out = _plain(path, plain)
        if pictures is not None:
            folder, written = formats.unpacked(path, file, stored[pictures])
            del names["path"]
        cells, known = {}, formats.class_names(schema)
        for name, at in names.items():
            kind = schema.field(at).type
            # Lists and bytes are no values that images could be told apart by.
            if not _is_ours(name) and (arrow.types.is_nested(kind) or _is_binary(arrow, kind)):
                left_out[name] = f"left out: holds {cut(str(kind))}, expected text, numbers or dates"
                continue
            try:
                # Plain Python values; pandas would turn a column of 0, 1 and missing values into decimals.
                values = formats.python_values(file.read(columns=[stored[at]]).column(0))
            except (OverflowError, ValueError) as error:
                if _is_ours(name):
                    raise UserError(
                        f"{printable(path)}: column {short(name)}: holds values that cannot be read "
                        f"({reason_of(error)}), expected text or numbers"
                    ) from None
                left_out[name] = f"left out: holds values that cannot be read ({reason_of(error)})"
                continue
            words = known.get(name, ())
            cells[name] = (
                [words[value] if value in range(len(words)) else value for value in values] if words else values
            )
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise UserError(f"{printable(path)}: cannot be read as a Parquet table ({reason_of(error)})") from None
    rows = range(1, file.metadata.num_rows + 1)
    values = {name: list(map(_text, found)) for name, found in cells.items()}
    if pictures is not None:
        original = written["original_path"].tolist()
        more = {"original_path": original} if any(original) and "original_path" not in values else {}
        every = pd.DataFrame({"path": written["path"].tolist(), **values, **more}, index=rows, dtype=object)
        return _Table(path, folder, "row", every, left_out)
    for row, value in zip(rows, cells[_first("path", cells)]):
        if value is not None and not isinstance(value, str):
            raise refusal(path, f"row {row}", "path", value, "text")
    return _Table(path, path.parent, "row", pd.DataFrame(values, index=rows, dtype=object), left_out)


def _name_beside_pictures(name: str, at: int, pictures: int | None) -> str:
    """A column's name in a Parquet file with a column of pictures, which stands for `path`."""
    if at == pictures:
        return "path"
    return "original_path" if pictures is not None and name.strip().lower() == "path" else name


def _is_ours(name: str) -> bool:
    return any(name in known for known in COLUMNS.values())


def _is_binary(arrow, kind: object) -> bool:
    return arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind) or arrow.types.is_fixed_size_binary(kind)


def _text(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)


def _plain(
    path: Path, names: list[str], needed: Iterable[str] = ("path", "label")
) -> tuple[dict[str, int], dict[str, str]]:
    """The positions of a table's columns by their names in lower case, and those left out (`columns.sorted_out`).

    Raises:
        UserError: path or label is missing, or a column that the study reads occurs twice.
    """
    if len(names) > MOST_COLUMNS:
        raise UserError(f"{printable(path)}: has {len(names):,} columns, expected at most {MOST_COLUMNS:,}")
    plain = [name.strip().lower() for name in names]
    expected = "path and label and, where wanted, group and split (other names that are known: docs/data.md)"
    for column in COLUMNS:
        twice = [name for name in COLUMNS[column] if plain.count(name) > 1]
        missing = column in needed and not any(name in plain for name in COLUMNS[column])
        if twice or missing:
            what = f"column {twice[0]} is twice" if twice else f"column {column} is missing"
            found = ", ".join(map(short, names[:12]))
            raise UserError(f"{printable(path)}: {what}; found columns {found}, expected {expected}")
    return columns.sorted_out(names)


def _first(column: str, names: pd.DataFrame | dict) -> str:
    return next((name for name in COLUMNS[column] if name in names), "")


def _our_columns(every: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns path, label, group, split and generator, "" if missing; and the name of each in the table.

    `attrs` holds the name of the label's column.
    """
    found = {column: _first(column, every) for column in COLUMNS}
    if found["split"] != "split":
        named = [name for name in COLUMNS["split"] if name in every and all(map(split_of, every[name]))]
        found["split"] = named[0] if named else ""
    frame = pd.DataFrame({column: every[name] if name else "" for column, name in found.items()}, index=every.index)
    frame = frame.astype(object)
    frame.attrs = {"label": found["label"]}
    return frame, found
