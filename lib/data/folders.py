"""What lies in a folder: nothing is skipped, links are not followed, a folder that cannot be read is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lib.data.checks import printable
from lib.study import UserError


def walk(top: Path) -> Iterator[tuple[str, os.DirEntry]]:
    """Everything at any depth of a folder that is no folder, with its path below `top`; links are not followed.

    Raises:
        UserError: a folder is missing or cannot be read.
    """
    waiting = [""]
    while waiting:
        above = waiting.pop()
        for entry in entries(os.path.join(top, above) if above else top):
            inside = f"{above}/{entry.name}" if above else entry.name
            if _is_folder(entry):
                waiting.append(inside)
            else:
                yield inside, entry


def entries(folder: str | Path) -> list[os.DirEntry]:
    """What lies directly in a folder.

    Raises:
        UserError: the folder is missing or cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise UserError(f"{printable(folder)}: this folder cannot be read ({error.strerror})") from None


def _is_folder(entry: os.DirEntry) -> bool:
    # Windows' junctions are links that is_symlink does not know; Python knows them since 3.12.
    return entry.is_dir(follow_symlinks=False) and not getattr(entry, "is_junction", bool)()


def check_inside(folder: Path, root: Path) -> None:
    """Refuse a folder that a link leads out of `root`, a path with links resolved."""
    if not Path(os.path.realpath(folder)).is_relative_to(root):
        raise UserError(
            f"{printable(folder)}: a link that points outside the data folder; expected a folder inside it "
            "(put the images there, or give the folder that holds them)"
        )
