"""The audit of a dataset: every file is opened and decoded once, and gets one row."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.audit.duplicates import conflicts, find_duplicates, find_overlap, perceptual_hashes, small_grey
from lib.data.audit.split import SHARES, assign_splits, clusters
from lib.data.images.pictures import Unreadable, decode_picture
from lib.data.source.listing import further_columns, image_files
from lib.data.source.source import Source
from lib.study.names import ASIDE, LABELS, NOTE, SPLITS, UserError
from lib.study.run import Run
from lib.study.steps import IMAGE_COLUMNS

_TASK = 32  # files per task of a thread: large enough to hide the cost of a task

# The row of a file that was not opened.
_UNREAD = {
    "width": 0,
    "height": 0,
    "format": "",
    "bytes": 0,
    "sha256": "",
    "phash": "",
    "issue": "",
    "pixel_sha256": "",
    "mode": "",
    "quantisation": np.nan,
    "subsampling": "",
    "exif": 0,
    "icc": 0,
}


def list_files(source: Source, limit: int | None = None) -> pd.DataFrame:
    """Files to audit, columns as `listing.image_files`: all, or a sample chosen by name, equally many of both classes.

    Args:
        limit: of the files of both classes together. If the source gives a split, each split gets its share, or all of
            its files if it has fewer: a split without a class could not be used.
    """
    files = image_files(source)
    if limit is None:
        return files
    chosen = []
    for (split, label), rows in files.groupby(["split", "label"], sort=True):
        if not label:  # set aside, but all listed
            chosen.append(rows)
            continue
        if not source.stand_in:  # stand-ins are taken in order, so that people stay complete
            name = rows["path"].map(lambda path: hashlib.sha256(_written(Path(path).name).encode()).hexdigest())
            rows = rows.loc[name.sort_values(kind="stable").index]
        chosen.append(rows.head(math.ceil(limit // 2 * SHARES.get(split, 1))))
    return pd.concat(chosen).sort_index().reset_index(drop=True)


def inspect_file(path: Path) -> dict:
    """Open, hash and decode one file, once.

    Returns:
        The columns of the image table that depend on the file alone. `issue` is empty, or notes on a used image (`note:
            …`), or the reason why it is set aside (`set aside: …`). `quantisation` is the mean step of a JPEG's luma
            table, NaN for other formats; `exif` (EXIF or XMP) and `icc` are 1 if the file has such a block. Never
            raises for a bad file.
    """
    return _inspect_all([path])[0]


def _inspect_all(paths: list[Path | None]) -> list[dict]:
    """`inspect_file` for each; None is not opened. Hashes are computed together, which is faster."""
    found = [(dict(_UNREAD), None) if path is None else _inspect(path) for path in paths]
    small = [grey for _, grey in found if grey is not None]
    hashes = iter(perceptual_hashes(np.stack(small)) if small else [])
    return [row if grey is None else {**row, "phash": next(hashes)} for row, grey in found]


def _inspect(path: Path) -> tuple[dict, np.ndarray | None]:
    """A file's row without its perceptual hash, and the input of that hash if the image can be used."""
    row = dict(_UNREAD)
    try:
        data = path.read_bytes()
    except OSError as error:
        return {**row, "issue": f"{ASIDE}cannot be read ({error.strerror})"}, None
    try:
        picture = decode_picture(data, path.suffix.lower())
    except Unreadable as error:
        return {**row, **error.facts, "issue": f"{ASIDE}{error}"}, None
    row |= {**picture.facts, "pixel_sha256": hashlib.sha256(picture.pixels).hexdigest()}
    row |= {"issue": NOTE + ", ".join(picture.notes) if picture.notes else ""}
    return row, small_grey(picture.pixels)


def audit_files(source: Source, files: pd.DataFrame, on_progress: Callable[[int], None]) -> pd.DataFrame:
    """The image table without splits drawn here: one row per file, computed on all cores.

    Args:
        files: columns label, path, group, split, issue and further ones (`listing.image_files`); a file with an
            issue is not opened.

    Returns:
        Columns IMAGE_COLUMNS, then the further ones; `split` as the source gives it, mostly empty.

    Raises:
        UserError: a class has no usable image.
    """
    # Column by column, because a dictionary for each of 179,430 rows would need more memory than its content.
    columns = {name: [] for name in _UNREAD}
    for row in _inspected(source.root, files, on_progress):
        for name, value in row.items():
            columns[name].append(value)
    rows = pd.DataFrame(columns)
    refused = files["issue"].to_numpy() != ""
    rows["issue"] = np.where(refused, files["issue"], rows["issue"])
    further = further_columns(files)
    images = pd.concat([files[["label", "group", "split", *further]].reset_index(drop=True), rows], axis=1)
    # Lists, because a column of text cannot hold a name whose bytes are not Unicode.
    names, written = files["path"].tolist(), [_written(name) for name in files["path"]]
    images["path"] = written
    unwritable = [name != other for name, other in zip(names, written)]
    images.loc[unwritable, "issue"] = f"{ASIDE}its name cannot be written in a table; rename it"
    images["image_id"] = [hashlib.sha256(path.encode()).hexdigest()[:16] for path in images["path"]]
    images.loc[images["issue"].str.startswith(ASIDE), "split"] = ""
    for label in LABELS:
        mine = images[images["label"] == label]
        if mine["issue"].str.startswith(ASIDE).all():
            reasons = "; ".join(mine["issue"].unique()[:3])
            raise UserError(f"{source.root}: no usable {label} image among {len(mine)} files ({reasons})")
    return images[[*IMAGE_COLUMNS, *further]]


def _inspected(root: Path, files: pd.DataFrame, on_progress: Callable[[int], None]) -> Iterator[dict]:
    """`inspect_file` of every row, in order; only a few tasks are queued, whatever the number of files."""
    paths, issues = files["path"].tolist(), files["issue"].tolist()

    def inspect(start: int) -> list[dict]:
        part = range(start, min(start + _TASK, len(paths)))
        # A row with an issue is a broken link, a pipe …: opening it could hang.
        return _inspect_all([None if issues[row] else root / paths[row] for row in part])

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for start in range(0, len(paths), _TASK):
            waiting.append(pool.submit(inspect, start))
            if len(waiting) > 4 * workers:
                yield from _finished(waiting.popleft().result(), on_progress)
        while waiting:
            yield from _finished(waiting.popleft().result(), on_progress)


def _finished(rows: list[dict], on_progress: Callable[[int], None]) -> list[dict]:
    on_progress(len(rows))
    return rows


def _written(name: str) -> str:
    """A name in the form that images.csv can hold: bytes that are not Unicode, and carriage returns, become escapes."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")


def usable(images: pd.DataFrame) -> pd.Series:
    """Whether each row of an image table is not set aside."""
    return ~images["issue"].str.startswith(ASIDE)


def find_pairs(run: Run, images: pd.DataFrame) -> pd.DataFrame:
    """Copies among the usable images, and between them and every other audited dataset; columns PAIR_COLUMNS."""
    used = images[usable(images)]
    others = {other.name: other.used_images() for other in run.siblings()}
    return pd.concat([find_duplicates(used), find_overlap(used, others)], ignore_index=True)


def split_images(images: pd.DataFrame, pairs: pd.DataFrame, seed: int, before: pd.Series | None = None) -> pd.DataFrame:
    """The image table with splits. Pictures that occur in both classes have no known label and are set aside.

    A split of the source is kept; `mark_across_split` shows the copies that cross it. If it has no validation images, they
    are drawn from its training images. Images without a person get the cluster of their copies as group, so that
    intervals resample them together too.

    Args:
        before: image_id to split of images that an earlier audit placed; they keep it.

    Raises:
        UserError: too few groups for three splits, or a given split that lacks a class.
    """
    images = images.copy()
    own = pairs[pairs["other_dataset"] == ""]
    used = images[usable(images)].reset_index()
    in_conflict = conflicts(used, own)
    _set_aside(images, used.loc[in_conflict, "index"], "the same picture is in both classes")
    used = used[~in_conflict].reset_index(drop=True)
    numbers = _numbers(own, used)
    if (used["split"] == "").all():
        split = assign_splits(used, numbers, seed, before)
        images.loc[used["index"], "split"] = split.to_numpy()
        _set_aside(images, used.loc[split == "", "index"], "joins images that are on two sides of the split")
        used = used[split != ""].reset_index(drop=True)
        numbers = _numbers(own, used)
    else:
        if set(used["split"]) == {"train", "test"}:
            used["split"] = _with_validation(used, numbers, seed, before)
            images.loc[used["index"], "split"] = used["split"].to_numpy()
        _check_given(used)
    cluster = pd.Series(clusters(used["group"], numbers))
    joined = cluster.map(cluster.value_counts()).gt(1) & used["group"].eq("")
    names = used.groupby(cluster)["image_id"].min()
    images.loc[used["index"][joined], "group"] = ("copies-" + cluster[joined].map(names)).to_numpy()
    return images


def choose_validation_again(images: pd.DataFrame, pairs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The image table with training and validation drawn anew; test images and those without a split stay unchanged.

    Args:
        images: an image table with splits.
        pairs: its copies, columns PAIR_COLUMNS.
        seed: of the draw.

    Raises:
        UserError: too few groups for two splits.
    """
    images = images.copy()
    used = images[images["split"] != ""].reset_index()
    split = _with_validation(used, _numbers(pairs[pairs["other_dataset"] == ""], used), seed)
    images.loc[used["index"], "split"] = split.to_numpy()
    return images


def _with_validation(used: pd.DataFrame, numbers: np.ndarray, seed: int, before: pd.Series | None = None) -> pd.Series:
    """The split of used images, training and validation drawn from those that are either; the test images stay.

    Args:
        used: columns image_id, label, group, split.
        numbers: (n, 2) row numbers of copies.
        before: image_id to split of images that an earlier audit placed.
    """
    drawn = used[used["split"].isin(["train", "validation"])]
    row = pd.Series(range(len(drawn)), drawn.index)
    inside = np.isin(numbers, drawn.index).all(axis=1)
    pairs = row[numbers[inside].ravel()].to_numpy().reshape(-1, 2)
    known = None if before is None else before[before.isin(["train", "validation"])]
    shares = {split: SHARES[split] / (SHARES["train"] + SHARES["validation"]) for split in ("train", "validation")}
    split = used["split"].copy()
    split.loc[drawn.index] = assign_splits(drawn.reset_index(drop=True), pairs, seed, known, shares=shares).to_numpy()
    return split


def _numbers(pairs: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """The pairs as row numbers (n, 2) of an image table; pairs with other images are left out."""
    row = pd.Series(images.index, images["image_id"])
    inside = pairs[pairs["image_a"].isin(row.index) & pairs["image_b"].isin(row.index)]
    return np.stack([row[inside["image_a"]], row[inside["image_b"]]], 1).reshape(-1, 2)


def _set_aside(images: pd.DataFrame, rows: pd.Series, reason: str) -> None:
    images.loc[rows, "issue"] = ASIDE + reason
    images.loc[rows, "split"] = ""


def _check_given(used: pd.DataFrame) -> None:
    counts = used.groupby(["split", "label"]).size()
    for split in SPLITS:
        for label in LABELS:
            if not counts.get((split, label), 0):
                raise UserError(f"the given {split} split has no usable {label} image; expected both classes in each")


def split_counts(images: pd.DataFrame) -> pd.DataFrame:
    """Number of used images for each split and label: columns split, label, images."""
    used = images[images["split"] != ""]
    counts = used.groupby(["split", "label"]).size().rename("images").reset_index()
    return counts.sort_values("split", key=lambda column: column.map(SPLITS.index)).reset_index(drop=True)


def mark_across_split(pairs: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The pairs with `across_split` filled in; with a split drawn here it is False for all pairs within the dataset."""
    split = images.set_index("image_id")["split"]
    first, second = pairs["image_a"].map(split), pairs["image_b"].map(split).fillna("")
    return pairs.assign(across_split=((first != second) & (first != "") & (second != "")).astype(bool))


def summary(run: Run, source: Source, images: pd.DataFrame, pairs: pd.DataFrame, shortcut: dict) -> dict:
    """The content of audit.json.

    Args:
        shortcut: `roc_auc` of the probe with its interval, `warning`, and `before`, the probe before normalising.
    """
    used = int((images["split"] != "").sum())
    own = pairs[pairs["other_dataset"] == ""]
    return {
        "dataset": {
            "name": run.name,
            "source": source.words,
            "images": len(images),
            "stand_in": source.stand_in,
            "dataset": run.dataset,
            "data": run.data,
            "normalise": run.normalise,
            "reading": run.reading.as_dict(),
        },
        "understood": dataclasses.asdict(source.understood),
        "seed": run.seed,
        "found": len(images),
        "used": used,
        "set_aside": len(images) - used,
        "pairs": {
            "exact": int((own["kind"] == "exact").sum()),
            "near": int((own["kind"] == "near").sum()),
            "two_labels": int((~own["same_label"].astype(bool)).sum()),
            "across_split": int(own["across_split"].sum()),
            "other_datasets": pairs["other_dataset"].loc[lambda name: name != ""].value_counts().to_dict(),
        },
        "shortcut": shortcut,
    }
