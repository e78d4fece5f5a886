"""What is in a dataset and whether it can be trusted: bad files, duplicates, and format as a shortcut to the label."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.data import standin
from lib.data.loading import MAX_PIXELS, read_rgb, to_rgb
from lib.data.manifest import Source, image_files
from lib.data.split import assign_splits, clusters
from lib.study import IMAGE_COLUMNS, PAIR_COLUMNS, SPLITS, Run, UserError, as_int

MIN_SIDE = 64
# Largest Hamming distance between 64-bit perceptual hashes of images that count as the same picture.
NEAR = 6
ASIDE = "set aside: "


def draw_standins(source: Source, run: Run, limit: int | None, on_progress: Callable[[int], None]) -> None:
    """Draw the stand-ins of a source that are not there yet; each dataset has people of its own.

    Args:
        limit: at most this many images of both classes together.
    """
    share = 1.0 if limit is None else min(1.0, limit / sum(source.counts.values()))
    counts = {label: max(1, round(count * share)) for label, count in source.counts.items()}
    # The dataset's number is the seed of its people: sets with people in common could not test one another.
    seed = 0 if run.dataset == "control" else int(run.dataset)
    standin.write(source.root, counts, control=run.dataset == "control", seed=seed, on_progress=on_progress)


def list_files(source: Source, limit: int | None = None) -> list[tuple[str, Path]]:
    """(label, path) of the files to audit: all, or a sample of `limit` that is drawn by name and equal in both classes."""
    files = image_files(source)
    if limit is None:
        return files
    chosen = []
    for label in source.folders:
        mine = [path for found, path in files if found == label]
        if not source.stand_in:  # stand-ins are taken in order, so that people stay complete
            mine.sort(key=lambda path: hashlib.sha256(_written(path.name).encode()).digest())
        chosen += [(label, path) for path in sorted(mine[: limit // 2])]
    return chosen


def inspect_file(path: Path) -> dict:
    """Open, hash and decode one file.

    Returns:
        width, height, format, bytes, sha256, phash and issue: empty for an image that can be used, else the reason why
        it is set aside. Never raises for a bad file.
    """
    row = {"width": 0, "height": 0, "format": "", "bytes": 0, "sha256": "", "phash": "", "issue": ""}
    try:
        data = path.read_bytes()
    except OSError as error:
        return {**row, "issue": f"{ASIDE}cannot be read ({error.strerror})"}
    row |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if not data:
        return {**row, "issue": f"{ASIDE}empty file"}
    try:
        with Image.open(io.BytesIO(data)) as image:
            row |= {"width": image.width, "height": image.height, "format": image.format or ""}
            if image.width * image.height > MAX_PIXELS:
                return {**row, "issue": f"{ASIDE}more than {MAX_PIXELS:,} pixels"}
            pixels = to_rgb(image)
    except Image.UnidentifiedImageError:
        return {**row, "issue": f"{ASIDE}not an image"}
    except Exception as error:  # decoders raise many kinds; each means that the image cannot be used
        return {**row, "issue": f"{ASIDE}cannot be decoded ({type(error).__name__}: {error})"}
    row |= {"width": pixels.shape[1], "height": pixels.shape[0]}
    if min(pixels.shape[:2]) < MIN_SIDE:
        return {**row, "issue": f"{ASIDE}smaller than {MIN_SIDE} pixels"}
    return {**row, "phash": str(imagehash.phash(Image.fromarray(pixels)))}


def audit_files(source: Source, files: list[tuple[str, Path]], on_progress: Callable[[int], None]) -> pd.DataFrame:
    """The image table without splits: one row per file found, on all cores.

    Raises:
        UserError: a class has no usable image.
    """

    def inspect(item: tuple[str, Path]) -> dict:
        row = inspect_file(item[1])
        on_progress(1)
        return row

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(inspect, files))
    images = pd.DataFrame(rows)
    images["label"] = [label for label, _ in files]
    names = pd.Series([path.relative_to(source.root).as_posix() for _, path in files], dtype=object)
    images["path"] = names.map(_written)
    images.loc[images["path"] != names, "issue"] = f"{ASIDE}its name cannot be written in a table; rename it"
    images["image_id"] = [hashlib.sha256(path.encode()).hexdigest()[:16] for path in images["path"]]
    images["group"] = images["path"].map(_people(source)).fillna("")
    images["split"] = ""
    for label in source.folders:
        mine = images[images["label"] == label]
        if (mine["issue"] != "").all():
            reasons = "; ".join(mine["issue"].unique()[:3])
            raise UserError(f"{source.folders[label]}: no usable image among {len(mine)} files ({reasons})")
    return images[list(IMAGE_COLUMNS)]


def _written(name: str) -> str:
    """A name as images.csv can hold it: bytes that are no Unicode, and carriage returns, become escapes."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")


def _people(source: Source) -> dict[str, str]:
    path = source.root / "people.csv"
    return pd.read_csv(path, dtype=str).set_index("path")["group"].to_dict() if source.stand_in else {}


def find_duplicates(images: pd.DataFrame) -> pd.DataFrame:
    """Pairs of usable images that are the same file or nearly the same picture.

    Exact: equal bytes. Near: 64-bit perceptual hashes (Zauner 2010, `imagehash.phash`) at most NEAR bits apart.

    Returns:
        Columns PAIR_COLUMNS; each pair once; distance in bits; `across_split` is False until splits are drawn.
    """
    used = images[images["issue"] == ""].reset_index(drop=True)
    hashes = np.array([int(value, 16) for value in used["phash"]], "uint64")
    found = []
    for start in range(0, len(hashes), 512):
        block = hashes[start : start + 512, None]
        distance = np.bitwise_count(block ^ hashes[None, start:])
        rows, columns = np.nonzero(distance <= NEAR)
        later = columns > rows
        found.append(np.stack([rows[later] + start, columns[later] + start, distance[rows[later], columns[later]]], 1))
    table = np.concatenate(found) if found else np.empty((0, 3), int)
    first, second = used.iloc[table[:, 0]].reset_index(), used.iloc[table[:, 1]].reset_index()
    same_bytes = (first["sha256"] == second["sha256"]).to_numpy(bool)
    pairs = pd.DataFrame(
        {
            "image_a": first["image_id"],
            "image_b": second["image_id"],
            "kind": np.where(same_bytes, "exact", "near"),
            "distance": table[:, 2].astype(int),
            "same_label": (first["label"] == second["label"]).to_numpy(bool),
            "across_split": False,
            "other_dataset": "",
        }
    )
    return pairs[PAIR_COLUMNS]


def split_images(images: pd.DataFrame, pairs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The image table with splits; pictures that stand in both classes have no known label and are set aside.

    Raises:
        UserError: too few groups for three splits.
    """
    images = images.copy()
    conflicts = pairs[~pairs["same_label"]]
    in_conflict = images["image_id"].isin({*conflicts["image_a"], *conflicts["image_b"]})
    images.loc[in_conflict, "issue"] = f"{ASIDE}the same picture is in both classes"
    used = images[images["issue"] == ""].reset_index()
    row = pd.Series(used.index, used["image_id"])
    inside = pairs[pairs["image_a"].isin(row.index) & pairs["image_b"].isin(row.index)]
    numbers = np.stack([row[inside["image_a"]], row[inside["image_b"]]], 1).reshape(-1, 2)
    images.loc[used["index"], "split"] = assign_splits(used, numbers, seed).to_numpy()
    # Images without a person get their duplicates' cluster as group, so that intervals resample them together too.
    cluster = pd.Series(clusters(used["group"], numbers))
    joined = cluster.map(cluster.value_counts()).gt(1) & used["group"].eq("")
    names = used.groupby(cluster)["image_id"].min()
    images.loc[used["index"][joined], "group"] = ("copies-" + cluster[joined].map(names)).to_numpy()
    return images


def shortcut_scores(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """How well the files' outside alone tells the label: out-of-fold scores of a logistic regression that sees no pixel.

    Features: logarithms of width, height, aspect and bytes per pixel, and the format. Five folds, grouped.

    Returns:
        label (0 or 1), score and group of each used image.
    """
    used = images[images["split"] != ""]
    outside = pd.DataFrame(
        {
            "width": np.log(used["width"]),
            "height": np.log(used["height"]),
            "density": np.log(used["bytes"] / (used["width"] * used["height"])),
        }
    ).join(pd.get_dummies(used["format"], dtype=float))
    labels = as_int(used["label"]).to_numpy()
    groups = used["group"].where(used["group"] != "", used["image_id"]).to_numpy()
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_predict(probe, outside.to_numpy(), labels, groups=groups, cv=folds, method="predict_proba")
    return pd.DataFrame({"label": labels, "score": scores[:, 1], "group": groups})


def split_counts(images: pd.DataFrame) -> pd.DataFrame:
    """Number of used images for each split and label: columns split, label, images."""
    used = images[images["split"] != ""]
    counts = used.groupby(["split", "label"]).size().rename("images").reset_index()
    return counts.sort_values("split", key=lambda column: column.map(SPLITS.index)).reset_index(drop=True)


def thumbnails(images: pd.DataFrame, root: Path, each: int = 8, side: int = 160) -> dict[str, list[np.ndarray]]:
    """A sample of the used images of both classes as small squares, for a sample sheet: label to uint8 arrays."""
    # By content: neighbours in a folder are often pictures of one person.
    used = images[images["split"] != ""].sort_values("sha256")
    return {
        label: [thumbnail(root / path, side) for path in rows["path"].head(each)]
        for label, rows in used.groupby("label", sort=True)
    }


def thumbnail(path: Path, side: int = 160) -> np.ndarray:
    """The central square of an image file, `side` pixels wide, uint8."""
    return np.asarray(ImageOps.fit(Image.fromarray(read_rgb(path)), (side, side)))


def pair_pictures(pairs: pd.DataFrame, images: pd.DataFrame, root: Path, most: int = 4) -> list[tuple]:
    """The closest pairs as (image a, image b, caption)."""
    path = images.set_index("image_id")["path"]
    closest = pairs.sort_values("distance", kind="stable").head(most)
    return [
        (thumbnail(root / path[a]), thumbnail(root / path[b]), f"{kind}, {distance} bits apart")
        for a, b, kind, distance in zip(closest["image_a"], closest["image_b"], closest["kind"], closest["distance"])
    ]


def mark_across_split(pairs: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The pairs with `across_split` filled in; after a grouped split it is False everywhere."""
    split = images.set_index("image_id")["split"]
    first, second = pairs["image_a"].map(split), pairs["image_b"].map(split)
    return pairs.assign(across_split=((first != second) & (first != "") & (second != "")).astype(bool))
