"""Pictures for the audit's notebook: a sample of each class, and the closest pairs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lib.data.audit.normalise import image_root
from lib.data.images.decode import read_rgb
from lib.study.names import UserError
from lib.study.run import Run


def thumbnails(images: pd.DataFrame, root: Path, each: int = 8, side: int = 160) -> dict[str, list[np.ndarray]]:
    """A sample of the used images of both classes as small squares, for a sample sheet: label to uint8 arrays."""
    # By content, because neighbours in a folder are often pictures of one person.
    used = images[images["split"] != ""].sort_values("sha256")
    return {
        label: [thumbnail(root / path, side) for path in rows["path"].head(each)]
        for label, rows in used.groupby("label", sort=True)
    }


def thumbnail(path: Path, side: int = 160) -> np.ndarray:
    """The central square of an image file, `side` pixels wide, uint8."""
    return np.asarray(ImageOps.fit(Image.fromarray(read_rgb(path)), (side, side)))


def pair_pictures(
    run: Run, pairs: pd.DataFrame, images: pd.DataFrame, root: Path, most: int = 4
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The closest pairs as (image a, image b, caption), pairs with two labels first.

    A caption gives the similarity, and for each image its file, class, split and other dataset.
    """
    tables = {"": (root, images)}
    for other in run.siblings():
        # Pictures of the other dataset may have been moved or deleted since; this is not an error of this dataset.
        with contextlib.suppress(UserError):
            tables[other.name] = (image_root(other), other.images())
    place = {name: (root, rows.set_index("image_id")) for name, (root, rows) in tables.items()}
    shown = pairs[pairs["other_dataset"].isin(place)]
    closest = shown.sort_values(["same_label", "distance"], kind="stable").head(most)
    pictures = []
    for pair in closest.itertuples():
        root_b, rows_b = place[pair.other_dataset]
        first, second = place[""][1].loc[pair.image_a], rows_b.loc[pair.image_b]
        alike = f"{pair.kind}, {pair.distance} bits apart" + ("" if pair.same_label else ", TWO LABELS")
        caption = f"{alike}\nleft: {_named(first)}\nright: {_named(second, pair.other_dataset)}"
        pictures.append((thumbnail(root / first["path"]), thumbnail(root_b / second["path"]), caption))
    return pictures


def _named(image: pd.Series, dataset: str = "") -> str:
    """An image's file, with its class, its split and, if it is another one, its dataset."""
    known = [image["label"], image["split"] or "set aside", f"in {dataset}" if dataset else ""]
    return f"{image['path']} ({', '.join(filter(None, known))})"
