"""Every file of a source: nothing is skipped, and what must not be opened is set aside with its reason."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path

import pandas as pd

from lib.data.folders import check_inside, walk
from lib.data.sources import Source
from lib.study import ASIDE, UserError

PEOPLE = "people.csv"  # columns path and group: how stand-ins and generated sets carry groups
FILE_COLUMNS = ["label", "path", "group", "split", "issue"]


def image_files(source: Source) -> pd.DataFrame:
    """Every file of a source; nothing is skipped.

    Returns:
        One row per file in the order of label, then path. Columns: label; path relative to the source's root with `/`,
        exactly as on disk (names that are no Unicode hold surrogate escapes); group and split, "" where there is none;
        issue, "" or a reason that starts with `set aside: ` for what must not be opened.

    Raises:
        UserError: a folder is missing or cannot be read.
    """
    rows = _folder_rows(source) if source.rows is None else _table_rows(source)
    # A file of that name among a user's own images could mean anything; a table carries their groups.
    if source.stand_in or source.generated:
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
            check_inside(folder, source.root)
            above = folder.relative_to(source.root).as_posix()
            rows += [
                (label, f"{above}/{inside}", "", "", _entry_issue(entry, source.root)) for inside, entry in walk(folder)
            ]
    return rows


def _table_rows(source: Source) -> list[tuple[str, str, str, str, str]]:
    files = source.rows
    # Folders on the way may be links as well; each is resolved once, not for every file.
    above = {
        folder: Path(os.path.realpath(source.root / folder)).is_relative_to(source.root)
        for folder in set(files["path"].map(posixpath.dirname))
    }
    return [
        (label, path, group, split, _path_issue(path, source.root, above[posixpath.dirname(path)]))
        for label, path, group, split in files.itertuples(index=False)
    ]


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
    """Path to person of images made by this program; nobody while they are being made, which ends with people.csv."""
    path = root / PEOPLE
    if not path.is_file():
        return {}
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("path")["group"].to_dict()
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        expected = "expected a CSV table with columns path and group; correct or delete it"
        raise UserError(f"{path}: cannot be read ({reason}); {expected}") from None
