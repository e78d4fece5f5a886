"""The entries of a folder, and which of them must not be opened. Nothing is skipped; links are followed on request
only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lib.data.source.checks import printable
from lib.study.names import ASIDE, UserError

# No system has longer paths; and no data set has so many folders in each other.
MOST_LETTERS, MOST_DEEP = 32_767, 200
OUTSIDE = f"{ASIDE}a link that points outside the data folder (--follow-links uses it)"


def walk(top: Path, follow: bool = False) -> Iterator[tuple[str, os.DirEntry]]:
    """Every entry at any depth that is not a folder, with its path below `top`; each folder is visited once.

    Args:
        follow: whether to follow links to folders too. A folder that was visited before is returned as an entry.

    Raises:
        UserError: a folder is missing or cannot be read.
    """
    waiting, met = [""], {os.path.realpath(top)}
    while waiting:
        above = waiting.pop()
        if above.count("/") > MOST_DEEP:
            raise UserError(f"{printable(top)}: holds more than {MOST_DEEP} folders in each other, expected fewer")
        for entry in entries(os.path.join(top, above) if above else top):
            inside = f"{above}/{entry.name}" if above else entry.name
            # Without links every folder is visited once.
            real = os.path.realpath(entry.path) if follow else inside
            if is_folder(entry, follow) and real not in met:
                met.add(real)
                waiting.append(inside)
            else:
                yield inside, entry


def entries(folder: str | Path) -> list[os.DirEntry]:
    """The direct entries of a folder, by name.

    Raises:
        UserError: the folder is missing or cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=_name)
    except OSError as error:
        raise UserError(f"{printable(folder)}: this folder cannot be read ({error.strerror})") from None


def _name(entry: os.DirEntry) -> str:
    return entry.name


def is_folder(entry: os.DirEntry, follow: bool = False) -> bool:
    """Whether an entry is a folder; a link to a folder counts only if links are followed."""
    try:
        # is_symlink does not recognise Windows' junctions; Python has a test for them since 3.12.
        return entry.is_dir(follow_symlinks=follow) and (follow or not getattr(entry, "is_junction", bool)())
    except OSError:  # a link to itself
        return False


def check_inside(folder: Path, root: Path) -> None:
    """Raise if a link leads a folder out of `root`, a path with links resolved."""
    if not Path(os.path.realpath(folder)).is_relative_to(root):
        raise UserError(
            f"{printable(folder)}: a link that points outside the data folder; expected a folder inside it "
            "(put the images there, or give the folder that holds them)"
        )


# ----------------------------------------------------------------------------------------- what must not be opened


def entry_issue(entry: os.DirEntry, root: Path, follow: bool = False) -> str:
    """Why an entry of `walk` must not be opened (`set aside: …`), or "".

    Args:
        root: the data folder with links resolved; links must not lead out of it, unless `follow`.
    """
    if entry.is_file(follow_symlinks=False):
        return ""
    if entry.is_symlink():
        return _link_issue(entry.path, root, follow)
    return _kind_issue(entry.stat(follow_symlinks=False))


def path_issues(paths: Iterable[str], root: Path, follow: bool = False) -> list[str]:
    """`entry_issue` of paths below `root` that may not exist."""
    paths, top = list(paths), str(root)
    folders = [path.rpartition("/")[0] for path in paths]
    # Windows has junctions too, which only a resolved path shows.
    plain: dict[str, bool] = {"": os.name != "nt"}
    inside = {folder: follow or _is_below(folder, root, plain) for folder in set(folders)}
    return [
        _path_issue(os.path.join(top, path), root, follow) if inside[folder] else OUTSIDE
        for path, folder in zip(paths, folders)
    ]


def _is_below(folder: str, root: Path, plain: dict[str, bool]) -> bool:
    """Whether a folder of a path, which may be a link, stays below `root`.

    Args:
        plain: whether no part of a folder is a link, of those that were asked before; each is asked once.
    """
    if len(folder) > MOST_LETTERS:
        return True  # no system has it, and its thousands of parts would be looked at one by one
    top, chain = folder, []
    while top not in plain:
        chain.append(top)
        top = top.rpartition("/")[0]
    for part in reversed(chain):
        plain[part] = plain[part.rpartition("/")[0]] and not os.path.islink(os.path.join(root, part))
    return plain[folder] or Path(os.path.realpath(root / folder)).is_relative_to(root)


def _path_issue(full: str, root: Path, follow: bool) -> str:
    try:
        found = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return f"{ASIDE}no such file"
    except OSError as error:
        return f"{ASIDE}cannot be read ({error.strerror})"
    return _link_issue(full, root, follow) if stat.S_ISLNK(found.st_mode) else _kind_issue(found)


def _link_issue(path: str, root: Path, follow: bool) -> str:
    try:
        found = os.stat(path)
    except OSError:  # its target is missing, a loop, or cannot be reached
        return f"{ASIDE}broken link"
    if not (follow or Path(os.path.realpath(path)).is_relative_to(root)):
        return OUTSIDE
    if stat.S_ISDIR(found.st_mode):
        return f"{ASIDE}a link to a folder, {'which is read by its other name' if follow else 'not followed'}"
    return _kind_issue(found)


def _kind_issue(found: os.stat_result) -> str:
    return "" if stat.S_ISREG(found.st_mode) else f"{ASIDE}not a regular file"
