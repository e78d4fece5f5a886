"""Normalising: the images of both classes are decoded, cropped, resized and encoded in the same way.

It removes the information in the files' metadata (format, size, last compression). It cannot remove the traces of an
earlier compression or scaling in the pixels. The audit's probe, shown before and after, uses metadata only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lib.data.images.decode import read_rgb
from lib.data.source.source import Source
from lib.data.source.sources import source_of
from lib.study.files import cache_folder, text_hash, written_whole
from lib.study.names import ASIDE, LABELS, UserError
from lib.study.options import normal_form
from lib.study.run import Run
from lib.study.steps import IMAGE_COLUMNS


def image_root(run: Run) -> Path:
    """The folder that the paths in a run's images.csv are relative to."""
    return _folder(run) if run.normalise else source_of(run).root


def rewrite(
    run: Run, source: Source, images: pd.DataFrame, on_progress: Callable[[int], None]
) -> tuple[Source, pd.DataFrame]:
    """Write the usable images of a source again, with the same decoder, crop, resize and JPEG encoder.

    `write_square` writes each one under the image's id. Images smaller than SIZE are set aside, because enlarging
    leaves a trace. Existing files are kept; their name changes with the settings and the content.

    Args:
        images: the image table of `source` (columns image_id, path, label, group, split, sha256, issue).

    Returns:
        The source of the normalised files, and their list (columns as `listing.image_files`), followed by the rows of
        `images` that are set aside.

    Raises:
        UserError: no image of a class is large enough.
    """
    size, quality = normal_form(run.normalise)
    aside = images["issue"].str.startswith(ASIDE)
    small = ~aside & (images[["width", "height"]].min(axis=1) < size)
    further = [name for name in images if name not in IMAGE_COLUMNS]
    files = images[["label", "path", "group", "split", "issue", *further]].copy()
    files.loc[small, "issue"] = f"{ASIDE}smaller than the {size} pixels of --normalise"
    kept = ~aside & ~small
    for label in LABELS:
        if not (kept & (images["label"] == label)).any():
            raise UserError(f"--normalise {run.normalise}: no {label} image is at least {size} pixels wide and high")
    folder = _folder(run)
    names = [
        f"{row.label}/{text_hash(row.image_id, row.sha256, size, quality)[:16]}.jpg"
        for row in images[kept].itertuples()
    ]
    jobs = list(zip(images.loc[kept, "path"], names))

    def write(job: tuple[str, str]) -> None:
        if not (folder / job[1]).exists():
            write_square(read_rgb(source.root / job[0]), folder / job[1], size, quality)
        on_progress(1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(write, jobs):
            pass
    files.loc[kept, ["path", "issue"]] = [[name, ""] for name in names]
    words = f"{source.words}, normalised to {size} px, JPEG q{quality}"
    normalised = Source(run.name, folder, {}, source.stand_in, words, source.understood)
    return normalised, pd.concat([files[kept], files[~kept]], ignore_index=True)


def write_square(pixels: np.ndarray, path: Path, size: int, quality: int) -> None:
    """The normal form of an image: its central square, resized to `size` pixels (Lanczos), as baseline JPEG without
    metadata.

    Chroma is subsampled 4:2:0; the file is written whole.

    Args:
        pixels: uint8 (height, width, 3) RGB.
        quality: of the JPEG, 1 to 100.
    """
    square = ImageOps.fit(Image.fromarray(pixels), (size, size), Image.Resampling.LANCZOS)
    with written_whole(path) as temporary:
        square.save(temporary, "JPEG", quality=quality, subsampling=2)


def _folder(run: Run) -> Path:
    return cache_folder("normalised") / run.name
