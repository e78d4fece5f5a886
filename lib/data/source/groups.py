"""Groups of images that must stay in one split, from their folders or from numbered names.

Frames of one video and pictures of one person are alike. If some are in training, a model recognises the others in the
test.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lib.data.source.checks import printable
from lib.study.names import LABELS, cut
from lib.study.options import Reading

# Folders are groups if a class has at least MANY of them, and half of them hold at most FEW files each (or one in a
# hundred of the class). Few and large folders are generators or sources.
MANY, FEW = 10, 200
_PAIR = re.compile(r"(?<!\d)\d{3}_\d{3}(?!\d)")


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
    linked = _linked(files, used) if not reading.groups else None
    if linked is not None:
        words = "pairs of videos such as 000_003 linked with both, as in FaceForensics++; --groups none ignores them"
        files = files.assign(group=linked)
        return files, f"{_count(files)} by the numbers of videos ({words})", ""
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
            if are_groups(sizes, len(inners)) or (wanted and len(sizes) > 1):
                names |= set(sizes)
        if names:
            return depth, names
    return 0, set()


def are_groups(sizes: Counter[str], images: int) -> bool:
    """Whether folders are groups, by their sizes and the number of images of their class."""
    middle = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    return len(sizes) >= MANY and middle <= max(FEW, images / 100)


def _linked(files: pd.DataFrame, used: pd.DataFrame) -> pd.Series | None:
    """Groups that link each video of FaceForensics++ with the fakes made of it; None for other names.

    A real video has a number, `000`. A fake has two, target and source: `000_003`. Both faces are in it, so both videos
    and all their fakes are one group (Rössler et al. 2019, whose split keeps such pairs together).
    """
    synthetic = used["label"] == "synthetic"
    names = [*used.loc[synthetic, "path"], *used.loc[synthetic, "group"]]
    # Cheap, because most data have no such name.
    if not _PAIR.search("\n".join(names)):
        return None
    numbers = [_video(*row) for row in zip(files["group"], files["inner"], files["path"])]
    known = pd.Series(numbers, files.index)[used.index]
    pairs = known[synthetic][known[synthetic].map(len) == 2]
    single = {found[0] for found in known[~synthetic] if len(found) == 1}
    if 2 * len(pairs) < synthetic.sum() or not any(single & set(pair) for pair in pairs):
        return None
    links = set(known[known.map(len) > 0])
    codes, videos = pd.factorize(np.array([pair[end] for pair in links for end in (0, -1)], object))
    ones = np.ones(len(links))
    graph = coo_matrix((ones, (codes[::2], codes[1::2])), shape=(len(videos), len(videos)))
    parts = pd.Series(sorted(videos)).groupby(connected_components(graph, directed=False)[1][np.argsort(videos)])
    name_of = {video: "+".join(part[:3]) + "+…" * (len(part) > 3) for _, part in parts for video in part}
    return pd.Series(
        [name_of.get(found[0], "") if found else group for found, group in zip(numbers, files["group"])],
        files.index,
        dtype=object,
    )


def _video(group: str, inner: tuple[str, ...], path: str) -> tuple[str, ...]:
    """The numbers of the video or videos that a file is of, by its group, its folders or its name; () for none."""
    for name in (group, *reversed(inner), PurePosixPath(path).stem):
        # After the numbers of a file's name that of the frame may follow.
        if found := re.fullmatch(r"(\d{3})(?:_(\d{3}))?(?:_\d{4,})?", name):
            return tuple(filter(None, found.groups()))
    return ()


def _not_taken(used: pd.DataFrame) -> str:
    inner = Counter(inner[0] for inner in used["inner"] if inner)
    if len(inner) < 2:
        return "none known"
    shown = ", ".join(f"{cut(_written(name))} {count:,}" for name, count in inner.most_common(3))
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
                f"{cut(_written(PurePosixPath(first).name))}): frames of one video would stand on two sides of the split; "
                "--groups name keeps them together"
            )
    return ""
