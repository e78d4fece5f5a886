"""Groups of images that must stay in one split, from their folders or from numbered names.

Frames of one video and pictures of one person are alike. If some are in training, a model recognises the others in the
test.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from lib.data.source.checks import printable
from lib.study.names import LABELS
from lib.study.options import Reading

# Folders are groups if a class has at least MANY of them, and half of them hold at most FEW files each (or one in a
# hundred of the class). Few and large folders are generators or sources.
MANY, FEW = 10, 200


def with_groups(files: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, str, str]:
    """The files with their groups.

    A folder of the same name in both classes is one group, so that a person is never in two splits.

    Args:
        files: columns label, path, group (of a table; "" for none), issue, inner (`layout.read_folder`).
        reading: `groups` decides. If it is empty, groups of a table stay; otherwise the rule of MANY and FEW applies.

    Returns:
        The files; the kind of groups and the reason; a warning about numbered names, or "".
    """
    used = files[(files["issue"] == "") & (files["label"] != "")]
    if reading.groups == "none":
        return files.assign(group=""), "none, by --groups none", ""
    if reading.groups == "name":
        files = files.assign(group=[_written(_stem(path)) for path in files["path"]])
        return files, f"{_count(files)} by numbered names (clip_1, clip_2, …), by --groups name", ""
    if not reading.groups and (files["group"] != "").any():
        return files, f"{_count(files)} by the table", ""
    depth, names = _inner_groups(used, reading.groups == "folder")
    if not names:
        return files, _not_taken(used), _numbered(used)
    here = [inner[depth - 1] if len(inner) >= depth else "" for inner in files["inner"]]
    files = files.assign(group=[_written(name) if name in names else "" for name in here])
    why = "by --groups folder" if reading.groups else "many inner folders of few files each"
    both = files[files["group"] != ""].groupby("group")["label"].nunique().gt(1).sum()
    shared = f"; {both:,} of these names stand in both classes, each one group" if both else ""
    return files, f"{_count(files)} by folder ({why}; --groups none ignores them{shared})", ""


def _written(name: str) -> str:
    """A name in the form that images.csv can hold."""
    return printable(name).replace("\r", "\\r")


def _count(files: pd.DataFrame) -> str:
    return f"{files.loc[files['group'] != '', 'group'].nunique():,}"


def _inner_groups(used: pd.DataFrame, wanted: bool) -> tuple[int, set[str]]:
    """Depth below the class's folder, and the names of the folders there that are groups; no names for none."""
    deepest = max(map(len, used["inner"]), default=0)
    for depth in range(1, deepest + 1):
        names = set()
        for label in LABELS:
            inners = used.loc[used["label"] == label, "inner"]
            sizes = Counter(inner[depth - 1] for inner in inners if len(inner) >= depth)
            if _are_groups(sizes, len(inners)) or (wanted and len(sizes) > 1):
                names |= set(sizes)
        if names:
            return depth, names
    return 0, set()


def _are_groups(sizes: Counter[str], images: int) -> bool:
    middle = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    return len(sizes) >= MANY and middle <= max(FEW, images / 100)


def _not_taken(used: pd.DataFrame) -> str:
    inner = Counter(inner[0] for inner in used["inner"] if inner)
    if len(inner) < 2:
        return "none known"
    shown = ", ".join(f"{_written(name)} {count:,}" for name, count in inner.most_common(3))
    return f"none known; {len(inner):,} inner folders are few or large ({shown}): taken as sources (--groups folder takes them as groups)"


def _stem(path: str) -> str:
    """The part of a file's name before its last number: `clip` of `clip_0001.jpg`; "" for any other name."""
    found = re.fullmatch(r"(.*\D)\d+", PurePosixPath(path).stem)
    return found.group(1).rstrip("_-. ") if found else ""


def _numbered(used: pd.DataFrame) -> str:
    """A warning if many names differ only in their last number, as frames of videos do."""
    for label in LABELS:
        paths = used.loc[used["label"] == label, "path"]
        sizes = Counter(stem for stem in map(_stem, paths) if stem)
        several = {stem: count for stem, count in sizes.items() if count > 1}
        if len(several) >= MANY and sum(several.values()) * 2 >= len(paths):
            first = next(path for path in paths if _stem(path) in several)
            return (
                f"{sum(several.values()):,} {label} files are numbered under {len(several):,} names (such as "
                f"{_written(PurePosixPath(first).name)}): frames of one video would stand on two sides of the split; "
                "--groups name keeps them together"
            )
    return ""
