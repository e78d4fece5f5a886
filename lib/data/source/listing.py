"""Every file of a source: nothing is skipped; a file that must not be opened is set aside with its reason."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from lib.data.source.folders import check_inside, entry_issue, walk
from lib.data.source.source import Source
from lib.study.names import UserError, reason_of

PEOPLE = "people.csv"  # columns path and group: the groups of stand-ins and generated sets
FILE_COLUMNS = ["label", "path", "group", "split", "issue"]


def image_files(source: Source) -> pd.DataFrame:
    """Every file of a source; nothing is skipped.

    Returns:
        One row per file in the order of label, then path. Columns FILE_COLUMNS, then those that the source has besides
            (`further_columns`): label, "" for files of neither class; path relative
            to the source's root with `/`, exactly as on disk (names that are not Unicode hold surrogate escapes); group
            and split, "" for none; issue, "" or a reason that starts with `set aside: ` for files that must not be
            opened.

    Raises:
        UserError: a folder is missing or cannot be read.
    """
    if source.rows is not None:
        columns = {name: source.rows[name].tolist() for name in [*FILE_COLUMNS, *further_columns(source.rows)]}
    else:
        # A file of that name among a user's own images could have any meaning; a table holds their groups.
        people = _people(source.root) if source.stand_in or source.generated else {}
        rows = [(label, path, people.get(path, ""), "", issue) for label, path, issue in _folder_rows(source)]
        columns = {name: [row[at] for row in rows] for at, name in enumerate(FILE_COLUMNS)}
    # Python sorts, and the columns hold objects: pandas' own text columns cannot hold surrogate escapes.
    keys = list(zip(columns["label"], columns["path"]))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    files = pd.DataFrame({name: [values[at] for at in order] for name, values in columns.items()}, dtype=object)
    if source.generator:
        files["generator"] = files["label"].map({"synthetic": source.generator}).fillna("")
    return files


def further_columns(files: pd.DataFrame) -> list[str]:
    """The columns of a list of files beside FILE_COLUMNS and those that only say how they were read."""
    return [name for name in files if name not in (*FILE_COLUMNS, "word", "inner")]


def _folder_rows(source: Source) -> list[tuple[str, str, str]]:
    rows = []
    for label, folders in source.folders.items():
        for folder in folders:
            if source.stand_in and not os.path.lexists(folder):
                continue  # not drawn yet
            check_inside(folder, source.root)
            above = folder.relative_to(source.root).as_posix()
            rows += [(label, f"{above}/{inside}", entry_issue(entry, source.root)) for inside, entry in walk(folder)]
    return rows


def _people(root: Path) -> dict[str, str]:
    """Path to person of images made by this program; empty while they are being made, because people.csv is written
    last.
    """
    path = root / PEOPLE
    if not path.is_file():
        return {}
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("path")["group"].to_dict()
    except (OSError, ValueError, KeyError) as error:
        reason = reason_of(error)
        expected = "expected a CSV table with columns path and group; correct or delete it"
        raise UserError(f"{path}: cannot be read ({reason}); {expected}") from None
