"""The labelled pictures of a new source, few enough to be read at once: usable, without copies, in groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.data.audit.audit import audit_files, usable
from lib.data.audit.duplicates import find_duplicates
from lib.data.audit.split import clusters
from lib.data.images.views import ImageFile
from lib.data.source.checks import printable
from lib.data.source.folders import entry_issue, walk
from lib.data.source.source import Source, known_set
from lib.study.names import ASIDE, LABELS, UserError

# Pictures of each class: fewer cannot be cross-validated, more are enough to train a detector on.
FEWEST, MOST_NEW = 5, 200


class Pictures(NamedTuple):
    """The labelled pictures of a new source.

    Attributes:
        name: of the source.
        images: rows of an image table, by content: `image_id` is part of the file's hash, `group` holds copies and inner
            folders together. `path` is as given or absolute.
        aside: name of each file that is not used, to the reason.
        repeated: number of files that are the same as an earlier one of their class.
    """

    name: str
    images: pd.DataFrame
    aside: dict[str, str]
    repeated: int

    @property
    def files(self) -> list[ImageFile]:
        rows = zip(self.images["path"], self.images["sha256"], self.images["height"], self.images["width"])
        return [ImageFile(Path(path), key, 0, (int(height), int(width))) for path, key, height, width in rows]

    @property
    def counts(self) -> dict[str, int]:
        """Label to number of pictures."""
        return {label: int((self.images["label"] == label).sum()) for label in LABELS}


def read_pictures(
    real: Path, synthetic: Path, name: str = "", on_progress: Callable[[int], None] = lambda count: None
) -> Pictures:
    """Open, check and compare the pictures of two folders.

    Pictures of one inner folder (a person, say) form a group where a class has at least FEWEST of such folders; a folder of
    the same name in both classes is one group. So do copies.

    Args:
        name: of the source; empty: the name of the folder above both, or of the folder of real pictures.
        on_progress: called with the number of files just opened.

    Raises:
        UserError: a folder is missing, both are the same, a class has too few or too many pictures or too few that are
            independent, or a picture is in both.
    """
    folders = dict(zip(LABELS, (real, synthetic)))
    listed = pd.concat([_listed(folder, label) for label, folder in folders.items()], ignore_index=True)
    source = Source("", Path(), {}, False, "", known_set({}, ""))
    images = audit_files(source, listed, on_progress)
    good = usable(images)
    rows = images[~good]
    aside = dict(zip(rows["path"], rows["issue"].str.removeprefix(ASIDE)))
    images = images[good].assign(image_id=images["sha256"].str[:16]).reset_index(drop=True)
    both = images.groupby("sha256")["label"].transform("nunique") > 1
    pairs = find_duplicates(images.drop_duplicates("image_id"))
    conflict = images.loc[both, "image_id"].tolist() + pairs.loc[~pairs["same_label"], "image_a"].tolist()
    if conflict:
        path = images.loc[images["image_id"] == conflict[0], "path"].iloc[0]
        raise UserError(f"{path}: the same picture is in both folders, so its label is not known; remove it from one")
    found = images.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)
    found = found.assign(group=_groups(found, pairs))
    pictures = Pictures(name or _name(real, synthetic), found, aside, len(images) - len(found))
    for label, count in pictures.counts.items():
        independent = found.loc[found["label"] == label, "group"].nunique()
        if not FEWEST <= count <= MOST_NEW:
            more = " (with more, train a detector: run_all.py --data)" if count > MOST_NEW else _some(aside)
            raise UserError(
                f"{printable(folders[label])}: {count} different {label} pictures, expected {FEWEST} to {MOST_NEW}{more}"
            )
        if independent < FEWEST:
            raise UserError(
                f"{printable(folders[label])}: {count} {label} pictures, but copies and inner folders leave {independent} "
                f"independent ones, expected at least {FEWEST}"
            )
    return pictures


def _listed(folder: Path, label: str) -> pd.DataFrame:
    """The files of a folder as `audit_files` takes them; hidden ones are left out."""
    root, rows = Path(os.path.realpath(folder)), []
    if not root.is_dir():
        raise UserError(f"--{label} {printable(folder)}: no such folder; expected one that holds {label} pictures")
    for inside, entry in sorted(walk(folder)):
        parts = PurePosixPath(inside).parts
        if not any(part.startswith(".") for part in parts):
            group = parts[0] if len(parts) > 1 else ""
            rows.append((label, str(Path(folder) / inside), group, "", entry_issue(entry, root)))
    found = pd.DataFrame(rows, columns=["label", "path", "group", "split", "issue"], dtype=object)
    if found.empty:
        raise UserError(
            f"--{label} {printable(folder)}: no file there; expected {FEWEST} to {MOST_NEW} {label} pictures"
        )
    return found


def _groups(images: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    """Name of the group of each picture, from its content: that of its first picture."""
    folders = images[images["group"] != ""].groupby("label")["group"].nunique()
    group = images["group"] if (folders >= FEWEST).any() else pd.Series("", images.index)
    row = pd.Series(images.index, images["image_id"])
    numbers = np.column_stack([row[pairs["image_a"]], row[pairs["image_b"]]]).reshape(-1, 2)
    cluster = clusters(group, numbers)
    return images["image_id"].groupby(cluster).transform("min").to_numpy()


def _name(real: Path, synthetic: Path) -> str:
    real, synthetic = Path(os.path.realpath(real)), Path(os.path.realpath(synthetic))
    return (real.parent if real.parent == synthetic.parent else real).name


def _some(aside: dict[str, str]) -> str:
    """The files that are not used, in brackets; empty if there are none."""
    if not aside:
        return ""
    shown = "; ".join(f"{printable(name)}: {why}" for name, why in [*aside.items()][:3])
    return f" ({len(aside)} files cannot be used: {shown}{' …' if len(aside) > 3 else ''})"
