"""Measures what the two statistics of lib/data/images/pixels.py find: pictures that were enlarged, or compressed before.

    python -m tests.benchmarks.pixel_statistics FOLDER [FOLDER ...] [--most 300]

Each FOLDER holds pictures; a row of the table compares them with changed copies of themselves. The limit is the 1% quantile of
one half of the unchanged pictures (for `blocking` the 99% quantile). False alarms and hits are counted on the other half.
`halved` are the same pictures averaged to half their size, which removes the traces of the JPEG that they were stored as.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from lib.data.images.pictures import read_picture
from lib.data.images.pixels import blocking, fineness
from lib.metrics.measures import bootstrap_intervals
from lib.metrics.resampling import exact_limits
from lib.model.use.scorer import find_pictures

METHODS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "Lanczos": cv2.INTER_LANCZOS4}
FALSE_ALARMS = 0.01
# Pixels that are cut off at the top and left of a copy, to move the grid.
CROP = (3, 5)


def enlarged(image: np.ndarray, factor: float, method: int) -> np.ndarray:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=method)


def compressed(image: np.ndarray, quality: int, again: int = 0, crop: tuple[int, int] = (0, 0)) -> np.ndarray:
    """A copy through one JPEG, cropped, and through a second one of quality `again`; 0: saved without loss."""
    once = through_jpeg(image, quality)[crop[0] :, crop[1] :]
    return through_jpeg(once, again) if again else once


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, colorsubsampling="420")
    return simplejpeg.decode_jpeg(data)


def halved(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


ENLARGED = {
    f"{factor} x {name}": partial(enlarged, factor=factor, method=method)
    for factor in (1.5, 2)
    for name, method in METHODS.items()
}
ENLARGED["2 x Lanczos, JPEG 75"] = lambda image: through_jpeg(enlarged(image, 2, cv2.INTER_LANCZOS4), 75)
COMPRESSED = {
    f"JPEG {quality}, saved as {kind}": partial(compressed, quality=quality, again=again)
    for quality in (50, 75)
    for kind, again in (("PNG", 0), ("JPEG 95", 95))
}
COMPRESSED["JPEG 50, cropped, saved as PNG"] = partial(compressed, quality=50, crop=CROP)
STATISTICS: dict[str, tuple[Callable, int, dict]] = {
    "fineness": (fineness, -1, ENLARGED),
    "blocking": (blocking, 1, COMPRESSED),
    "blocking, any place": (partial(blocking, any_phase=True), 1, COMPRESSED),
}


def rows(pictures: list[np.ndarray]) -> list[tuple[str, ...]]:
    """Statistic, change, AUC, limit, false alarms and hits of each changed copy of the pictures."""
    found = []
    for name, (measure, sign, changes) in STATISTICS.items():
        plain = values(measure, pictures)
        first, second = plain[::2], plain[1::2]
        limit = float(np.quantile(sign * first, 1 - FALSE_ALARMS))
        alarms = sign * second > limit
        for change, change_one in changes.items():
            changed = values(lambda image: measure(change_one(image)), pictures)  # noqa: B023 (used at once)
            labels = np.repeat([0, 1], len(plain))
            scores = sign * np.concatenate([plain, changed])
            picture = np.tile(np.arange(len(plain)), 2)
            auc = bootstrap_intervals(labels, scores, picture, measures=["roc_auc"])["roc_auc"]
            hits = sign * changed[1::2] > limit
            found.append((name, change, str(auc), f"{sign * limit:.3f}", share(alarms), share(hits)))
    return found


def values(measure: Callable, pictures: list[np.ndarray]) -> np.ndarray:
    with ThreadPoolExecutor(2) as pool:
        return np.array(list(pool.map(measure, pictures)))


def share(found: np.ndarray) -> str:
    low, high = exact_limits(found.mean(), len(found))
    return f"{found.mean():.3f} [{low:.3f}, {high:.3f}]"


def main(options: argparse.Namespace) -> None:
    for folder in options.folders:
        paths = sorted(find_pictures([str(folder)], []), key=lambda path: path.name)[: options.most]
        pictures = [read_picture(path).pixels for path in paths]
        for kind, base in (("as stored", pictures), ("halved", [halved(picture) for picture in pictures])):
            print(f"\n{len(base)} pictures of {folder.parent.name}/{folder.name}, {kind}\n")
            print("| statistic | changed copy | AUC | limit | false alarms | hits |\n|-|-|-|-|-|-|")
            for row in rows(base):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--most", type=int, default=300, metavar="N", help="pictures of each folder; default: 300")
    main(parser.parse_args())
