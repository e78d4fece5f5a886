"""Which images a dataset consists of: data_manifest.csv, the user's folder or table, a public set, or stand-ins."""

from __future__ import annotations

import json
import math
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from lib.study import ASIDE, DATASETS, LABELS, NOT_OMNIGEN, PROJECT, SPLITS, UserError, home, run_name

MANIFEST = PROJECT / "data_manifest.csv"
TWIN = "public set of the same size, not shown to be the original's"
FILE_COLUMNS = ["label", "path", "group", "split", "issue"]
TABLES = (".csv", ".parquet")

# What people call the two classes, after dropping a leading number and everything but letters.
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

# Parts of a location: not empty, not . or .., no backslash, no control character.
_PART = r"(?!\.{1,2}(?:/|\Z))[^/\\\x00-\x1f]+"
_LOCATION = rf"(?:standin:|kaggle:{_PART}/{_PART}(?:/{_PART})+|datasets(?:/{_PART})+)\Z"


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
        "location": pa.Column(
            str, _says(_LOCATION, "standin:, kaggle:<owner>/<set>/<folder> or datasets/<folder>, with / and without ..")
        ),
        "licence": pa.Column(str, _says(r"[^\x00-\x1f]+\Z", "one line of text")),
        "sha256": pa.Column(str, _says(r"(?:[0-9a-f]{64})?\Z", "64 hexadecimal digits, or nothing")),
        "notes": pa.Column(str, _says(r"[^\x00-\x1f]+\Z", "one line of text")),
    },
    strict=True,
)


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
    """

    name: str
    root: Path
    counts: dict[str, int]
    stand_in: bool
    words: str
    folders: dict[str, tuple[Path, ...]]
    table: Path | None = None


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


# ----------------------------------------------------------------------------------------------------- the manifest


def read_manifest(path: Path | None = None) -> pd.DataFrame:
    """data_manifest.csv, one row per part of a dataset, every row and column checked; `images` is a whole number.

    Raises:
        UserError: names line, column, what was found and what was expected.
    """
    path = path or MANIFEST
    lines = _csv_lines(path)
    names, frame = lines.iloc[0].tolist(), lines.iloc[1:]
    if names != list(_SCHEMA.columns):
        raise UserError(f"{path}: found columns {', '.join(names)}; expected {', '.join(_SCHEMA.columns)}")
    frame = frame.set_axis(names, axis=1).astype(str)
    _validate(frame, _SCHEMA, path, "line")
    for line, row in frame.iterrows():
        _check_row(path, line, row)
    repeated = frame.loc[frame.duplicated(["dataset", "location", "label"]), "location"]
    if len(repeated):
        expected = "each location once per dataset and label"
        raise _refusal(path, f"line {repeated.index[0]}", "location", repeated.iloc[0], expected)
    frame = frame.astype({"images": int}).reset_index(drop=True)
    _check_classes(path, frame)
    return frame


def _check_row(path: Path, line: int, row: pd.Series) -> None:
    where = f"line {line}"
    name = run_name(row["dataset"], "", "")
    if row["name"] != name:
        raise _refusal(path, where, "name", row["name"], f"{name}, as the dataset is {row['dataset']}")
    if (row["generator"] == "") != (row["label"] == "real"):
        expected = "nothing, as the images are real" if row["label"] == "real" else "what made the images"
        raise _refusal(path, where, "generator", row["generator"], expected)
    if row["location"].startswith("datasets/"):
        # Without links a location without .. stays inside; with links only the resolved path shows it.
        target = Path(os.path.realpath(home() / row["location"]))
        if not target.is_relative_to(home()):
            raise _refusal(path, where, "location", row["location"], "a folder inside the project (a link leaves it)")


def _check_classes(path: Path, frame: pd.DataFrame) -> None:
    for dataset in DATASETS:
        rows = frame[frame["dataset"] == dataset]
        kinds = rows["location"].str.extract(r"^(standin|kaggle|datasets)", expand=False)
        for kind in ["standin", *sorted(set(kinds) - {"standin"})]:
            for label in LABELS:
                if label not in set(rows.loc[kinds == kind, "label"]):
                    raise UserError(
                        f"{path}: dataset {dataset} has no {label} images at a {kind} location; expected both classes"
                    )
        handles = rows.loc[kinds == "kaggle", "location"].map(_handle)
        if handles.nunique() > 1:
            raise UserError(f"{path}: dataset {dataset}: found {', '.join(handles.unique())}; expected one Kaggle set")


def _handle(location: str) -> str:
    return "/".join(location.removeprefix("kaggle:").split("/")[:2])


def _validate(frame: pd.DataFrame, schema: pa.DataFrameSchema, path: Path, unit: str) -> None:
    """Raise one UserError for the first row that a schema refuses; the index holds the rows' numbers."""
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        first = errors.failure_cases.sort_values("index", kind="stable").iloc[0]
        value = frame.loc[first["index"], first["column"]]
        raise _refusal(path, f"{unit} {first['index']}", first["column"], value, first["check"]) from None


def _refusal(path: Path, where: str, column: str, value: object, expected: str) -> UserError:
    return UserError(f"{_shown(path)}: {where}, column {column}: found {value!r}, expected {expected}")


def _shown(path: str | Path) -> str:
    """A path that any terminal can show: bytes that are no Unicode become escapes."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _csv_lines(path: Path) -> pd.DataFrame:
    """Every line of a CSV file that holds something, the header too, as text.

    Returns:
        The index holds the lines' numbers as a spreadsheet shows them: from 1, a line break in quotes does not count.

    Raises:
        UserError: no CSV in UTF-8, or a line has more cells than the first.
    """
    try:
        # Read without a header, pandas refuses lines longer than the first instead of cutting or shifting them.
        lines = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{_shown(path)}: cannot be read as a CSV table in UTF-8 ({reason})") from None
    lines = lines.fillna("").astype(object)
    lines.index += 1
    # The first line stays, even if empty: it is the header that is then found wanting.
    return lines[(lines != "").any(axis=1) | (lines.index == 1)]


# ----------------------------------------------------------------------------------------------------- which source


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
            raise UserError(f"{_shown(data)}: no such file; expected {accepted}")
        read_table(real)
        return Source(name, real.parent, {}, False, "own images", {}, real)
    if os.path.isfile(real):
        raise UserError(f"{_shown(data)}: found a file that ends in {data.suffix!r}; expected {accepted}")
    return _folder_source(data, name)


def _folder_source(folder: Path, name: str) -> Source:
    folders = {label: (path,) for label, path in class_folders(folder).items()}
    return Source(name, Path(os.path.realpath(folder)), {}, False, "own images", folders)


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
    return not folder.is_dir() or any(not entry.name.startswith(".") for entry in _entries(folder))


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of both classes inside `folder`, under any of the names people use (`NAMES`, any case, `0_real`, …).

    Returns:
        label to folder; `folder` itself may be a link and is resolved.

    Raises:
        UserError: the folder is missing or cannot be read, a class is missing, empty, there twice, or a link that
            points outside the data folder.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{_shown(folder)}: no such folder; expected a folder that holds real/ and synthetic/")
    folder = Path(os.path.realpath(folder))
    inside = sorted(folder / entry.name for entry in _entries(folder) if os.path.isdir(entry.path))
    found = {label: [path for path in inside if _plain(path.name) in NAMES[label]] for label in LABELS}
    shown = _shown(folder)
    for label, paths in found.items():
        if not paths:
            there = ", ".join(repr(path.name) for path in inside[:8]) or "no folders"
            raise UserError(f"{shown}: no folder for the {label} images; found {there}, expected real/ and synthetic/")
        if len(paths) > 1:
            raise UserError(f"{shown}: {paths[0].name!r} and {paths[1].name!r} both name the {label} class; keep one")
        _check_inside(paths[0], folder)
        if next(_walk(paths[0]), None) is None:
            raise UserError(f"{_shown(paths[0])}: empty; expected the {label} images")
    real, synthetic = (Path(os.path.realpath(paths[0])) for paths in found.values())
    if real.is_relative_to(synthetic) or synthetic.is_relative_to(real):
        raise UserError(f"{shown}: the folders of both classes hold the same files (a link); expected two folders")
    return {label: paths[0] for label, paths in found.items()}


def _check_inside(folder: Path, root: Path) -> None:
    if not Path(os.path.realpath(folder)).is_relative_to(root):
        raise UserError(
            f"{_shown(folder)}: a link that points outside the data folder; expected a folder inside it "
            "(put the images there, or give the folder that holds them)"
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


# --------------------------------------------------------------------------------------------------- the public set


def twin(dataset: str) -> Twin | None:
    """The public set of the same size as a dataset, by the manifest's `kaggle:` rows; None where there is none."""
    rows = read_manifest().query("dataset == @dataset and location.str.startswith('kaggle:')")
    if rows.empty:
        return None
    handle = _handle(rows["location"].iloc[0])
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
    return sum(entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") for _, entry in _walk(folder))


# --------------------------------------------------------------------------------------------------- the user's table


def _is_inside(path: str) -> bool:
    """Whether a path of a table names something below the table's folder, on any system."""
    outside = path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in path.split("/")
    return not (outside or "\\" in path or "\0" in path or posixpath.normpath(path.strip()) == ".")


def _label(text: str) -> str:
    """`real`, `synthetic`, or "" for what is neither."""
    text = text.strip()
    if text in ("0", "1"):
        return LABELS[int(text)]
    # Digits beside a word could mean either class ("1 real"), so a label is a number or a word.
    word = _plain(text) if re.fullmatch(r"[A-Za-z _-]+", text) else ""
    return next((label for label in LABELS if word in NAMES[label]), "")


def _split(text: str) -> str:
    return SPLIT_NAMES.get(text.strip().lower(), "")


def _each(check: Callable[[str], bool], expected: str) -> pa.Check:
    return pa.Check(check, element_wise=True, error=expected)


_TABLE_SCHEMA = pa.DataFrameSchema(
    {
        "path": pa.Column(
            checks=[
                _each(_is_inside, "a file's path relative to the table's folder, with / and without .."),
                pa.Check(lambda paths: ~paths.map(posixpath.normpath).duplicated(), error="each path once"),
            ]
        ),
        "label": pa.Column(checks=_each(lambda text: bool(_label(text)), "real, synthetic or fake, or 0 (real) or 1")),
        "group": pa.Column(),
        "split": pa.Column(
            checks=[
                _each(lambda text: not text.strip() or bool(_split(text)), f"{', '.join(SPLITS)}, or nothing"),
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
        raise UserError(f"{_shown(path)}: empty; expected a row for each image")
    _validate(frame, _TABLE_SCHEMA, path, unit)
    frame = pd.DataFrame(
        {
            "label": frame["label"].map(_label),
            "path": frame["path"].map(posixpath.normpath),
            "group": frame["group"],
            "split": frame["split"].map(_split),
        },
        dtype=object,
    ).reset_index(drop=True)
    for label in LABELS:
        if label not in set(frame["label"]):
            raise UserError(f"{_shown(path)}: column label: found no {label} image, expected both classes")
    for split in SPLITS if (frame["split"] != "").any() else ():
        for label in LABELS:
            if not ((frame["split"] == split) & (frame["label"] == label)).any():
                raise UserError(
                    f"{_shown(path)}: column split: found no {label} image in {split}, expected both classes in each "
                    f"of {', '.join(SPLITS)}"
                )
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """The four columns of a CSV table as text; the index holds each row's line as a spreadsheet counts it."""
    lines = _csv_lines(path)
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
        raise UserError(f"{_shown(path)}: Parquet tables need the package pyarrow; install it or give a .csv") from None
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        positions = _positions(path, names)
        # pyarrow hands out plain Python values; pandas would turn a column of 0, 1 and nothing into decimals.
        table = file.read(columns=[names[at] for at in positions.values() if at is not None])
        columns = {name: table.column(names[at]).to_pylist() for name, at in positions.items() if at is not None}
    except (OSError, ValueError, arrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{_shown(path)}: cannot be read as a Parquet table ({reason})") from None
    rows = range(1, table.num_rows + 1)
    for row, value in zip(rows, columns["path"]):
        if value is not None and not isinstance(value, str):
            raise _refusal(path, f"row {row}", "path", value, "text")
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
            raise UserError(f"{_shown(path)}: column {column} is {what}; found columns {found}, expected {expected}")
    return {column: plain.index(column) if column in plain else None for column in ("path", "label", "group", "split")}


# --------------------------------------------------------------------------------------------------------- the files


def image_files(source: Source) -> pd.DataFrame:
    """Every file of a source; nothing is skipped.

    Returns:
        One row per file in the order of label, then path. Columns: label; path relative to the source's root with `/`,
        exactly as on disk (names that are no Unicode hold surrogate escapes); group and split, "" where there is none;
        issue, "" or a reason that starts with `set aside: ` for what must not be opened.

    Raises:
        UserError: a folder is missing or cannot be read.
    """
    rows = _table_rows(source) if source.table else _folder_rows(source)
    if source.stand_in:
        people = _people(source.root)
        rows = [(label, path, people.get(path, ""), split, issue) for label, path, _, split, issue in rows]
    # Python sorts, and the columns hold objects: pandas' own text columns cannot hold surrogate escapes.
    return pd.DataFrame(sorted(rows), columns=FILE_COLUMNS, dtype=object)


def _folder_rows(source: Source) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for label, folders in source.folders.items():
        for folder in folders:
            if source.stand_in and not os.path.lexists(folder):
                continue  # not drawn yet
            _check_inside(folder, source.root)
            above = folder.relative_to(source.root).as_posix()
            rows += [
                (label, f"{above}/{inside}", "", "", _entry_issue(entry, source.root))
                for inside, entry in _walk(folder)
            ]
    return rows


def _table_rows(source: Source) -> list[tuple[str, str, str, str, str]]:
    files = read_table(source.table)
    # Folders on the way may be links as well; each is resolved once, not for every file.
    above = {
        folder: Path(os.path.realpath(source.root / folder)).is_relative_to(source.root)
        for folder in set(files["path"].map(posixpath.dirname))
    }
    return [
        (label, path, group, split, _path_issue(path, source.root, above[posixpath.dirname(path)]))
        for label, path, group, split in files.itertuples(index=False)
    ]


def _walk(top: Path) -> Iterator[tuple[str, os.DirEntry]]:
    """Everything at any depth of a folder that is no folder, with its path below `top`; links are not followed."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        for entry in _entries(os.path.join(top, above) if above else top):
            inside = f"{above}/{entry.name}" if above else entry.name
            if _is_folder(entry):
                waiting.append(inside)
            else:
                yield inside, entry


def _entries(folder: str | Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"{_shown(folder)}: this folder cannot be read ({error.strerror})") from None


def _is_folder(entry: os.DirEntry) -> bool:
    # Windows' junctions are links that is_symlink does not know; Python knows them since 3.12.
    return entry.is_dir(follow_symlinks=False) and not getattr(entry, "is_junction", bool)()


def _entry_issue(entry: os.DirEntry, root: Path) -> str:
    if entry.is_file(follow_symlinks=False):
        return ""
    return _link_issue(entry.path, root) if entry.is_symlink() else _kind_issue(entry.stat(follow_symlinks=False))


def _path_issue(path: str, root: Path, folder_inside: bool) -> str:
    if not folder_inside:
        return f"{ASIDE}a link that points outside the data folder"
    full = os.path.join(root, path)
    try:
        found = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return f"{ASIDE}no such file"
    except OSError as error:
        return f"{ASIDE}cannot be read ({error.strerror})"
    return _link_issue(full, root) if stat.S_ISLNK(found.st_mode) else _kind_issue(found)


def _link_issue(path: str, root: Path) -> str:
    try:
        found = os.stat(path)
    except OSError:  # its target is missing, a loop, or cannot be reached
        return f"{ASIDE}broken link"
    if not Path(os.path.realpath(path)).is_relative_to(root):
        return f"{ASIDE}a link that points outside the data folder"
    if stat.S_ISDIR(found.st_mode):
        return f"{ASIDE}a link to a folder, not followed"
    return _kind_issue(found)


def _kind_issue(found: os.stat_result) -> str:
    return "" if stat.S_ISREG(found.st_mode) else f"{ASIDE}not a regular file"


def _people(root: Path) -> dict[str, str]:
    """Path to person of the stand-ins; nobody while they are being drawn, which ends with people.csv."""
    path = root / "people.csv"
    if not path.is_file():
        return {}
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("path")["group"].to_dict()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: cannot be read as the stand-ins' table ({error}); delete it and run again") from None
