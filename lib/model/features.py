"""Frozen features, computed once and cached."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock

from lib.data.images.batches import load_views
from lib.data.images.views import ImageFile, View
from lib.model.engine import CODE, Engine
from lib.study.code_hash import code_hash
from lib.study.files import cache_folder, text_hash
from lib.study.names import UserError
from lib.study.recipes import Recipe

BATCH = 64

# Features of so many bytes are read into memory for a training; more stay on disk: 30,000 images in one view, 36 kB each.
MAX_HELD = 2**30

# Maximum share of features that may lose their differences between images by rounding to float16. ImageNet weights lose
# none.
MAX_LOST = 0.05


class FeatureStore:
    """Feature rows on disk, one file per kind of feature. Each row is computed once, even after an interruption.

    `rows.f16` holds the rows in float16. `keys.txt` holds the name (`ImageFile.name`) of each row; its line is written
    after the row. A killed run leaves at most rows without a key, and the next run overwrites them. Programs that run
    at the same time add rows in turn.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._keys, self._rows = folder / "keys.txt", folder / "rows.f16"
        self._turn = FileLock(folder / "turn.lock")
        # Name to row, and the end of the last complete line in keys.txt.
        self.index, self._intact = {}, 0
        self._read_on()

    def _read_on(self) -> None:
        """Read the new lines of keys.txt, including those of other programs."""
        if not self._keys.exists():
            return
        with self._keys.open("rb") as file:
            file.seek(self._intact)
            for line in file:
                # An incomplete line has no line break and no valid key.
                if line.endswith(b"\n"):
                    self.index[line.decode().strip()] = len(self.index)
                    self._intact += len(line)

    def append(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Add rows (n, features), one for each key; keys that already exist are skipped.

        Raises:
            UserError: float16 cannot hold the rows (see `_as_float16`).
        """
        kept = _as_float16(rows)
        with self._turn:
            self._read_on()
            new = [row for row, key in enumerate(keys) if key not in self.index]
            if not new:
                return
            keys, rows = [keys[row] for row in new], np.ascontiguousarray(kept[new])
            with self._rows.open("r+b" if self._rows.exists() else "w+b") as file:
                file.seek(len(self.index) * rows[0].nbytes)
                file.write(rows.tobytes())
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            with self._keys.open("r+b" if self._keys.exists() else "w+b") as file:
                file.seek(self._intact)
                file.write("".join(f"{key}\n" for key in keys).encode())
                file.truncate()
            self._read_on()

    def take(self, keys: Sequence[str], width: int) -> Rows:
        """The rows of the keys, in their order, read from disk on access. A missing key is -1."""
        stored = np.memmap(self._rows, "float16", "r", shape=(len(self.index), width))
        return Rows(stored, np.array([self.index.get(key, -1) for key in keys], int))


def _as_float16(rows: np.ndarray) -> np.ndarray:
    """Rows (n, features) as float16.

    Raises:
        UserError: a number is not finite, or rounding makes more than MAX_LOST of the features equal for all images
            that differed before. Such features would carry no information.
    """
    with np.errstate(over="ignore"):
        kept = rows.astype("float16")
    if not np.isfinite(kept).all():
        bad = int((~np.isfinite(kept)).any(axis=1).sum())
        raise UserError(
            f"features of {bad} of {len(rows)} images are not finite numbers of at most 65,504; expected weights of a "
            "trained network (--weights)"
        )
    differ, left = ((part != part[:1]).any(axis=0) for part in (rows, kept))
    lost = int((differ & ~left).sum())
    if lost > MAX_LOST * max(1, differ.sum()):
        raise UserError(
            f"{lost:,} of {int(differ.sum()):,} features that differ between images are alike once they are rounded to "
            f"float16 (largest feature {np.abs(rows).max():.2g}); expected weights of a trained network (--weights)"
        )
    return kept


class Rows:
    """Rows (n, width) float16 on disk, in a given order; `rows[i]` and `rows[[i, j]]` read them.

    What was read does not stay in the memory of this program. Reading a row that was never computed raises KeyError.
    """

    def __init__(self, stored: np.ndarray, order: np.ndarray):
        self._stored, self._order = stored, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index) -> np.ndarray:
        places = self._order[index]
        if np.min(places, initial=0) < 0:
            raise KeyError("a row that was not computed")
        # A copy, also of rows that lie side by side.
        found = np.array(self._stored[places])
        if hasattr(mmap, "MADV_DONTNEED"):
            # The pages would count as this program's memory until the system needs them. They stay in the file cache.
            self._stored._mmap.madvise(mmap.MADV_DONTNEED)
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of features in each."""
        return len(self._order), self._stored.shape[1]

    def chunks(self, count: int) -> Iterator[np.ndarray]:
        """All rows in their order, `count` at a time."""
        return chunks(self, count)


def chunks(rows: np.ndarray | Rows, count: int) -> Iterator[np.ndarray]:
    """Rows in their order, `count` at a time, from memory or from disk."""
    for first in range(0, len(rows), count):
        yield rows[first : first + count]


def held(rows: Sequence[Rows]) -> list[np.ndarray | Rows]:
    """The same rows in memory if all of them fit into MAX_HELD, for they are read once in every epoch; else as they are."""
    size = sum(2 * np.prod(each.shape) for each in rows)
    return [each[:] for each in rows] if size <= MAX_HELD else list(rows)


def features_kind(recipe: Recipe, weights_hash: str) -> str:
    """The name of the features that a recipe's pooling takes from a backbone with these weights."""
    return f"{weights_hash}/{recipe.pooling}"


def _features_folder(kind: str, width: int, view: View) -> Path:
    return cache_folder("features") / text_hash(code_hash(*CODE), kind, width, vars(view))[:24]


def frozen_features(
    files: Sequence[ImageFile],
    view: View,
    *,
    kinds: Mapping[str, int],
    engine: Callable[[], Engine],
    on_progress: Callable[[int], None],
    wanted: Sequence[bool] | None = None,
) -> list[Rows]:
    """Features of images under one view. They are read from the cache, or computed and stored there.

    Args:
        files: the images.
        kinds: name and width of each kind of feature that the extractor gives, side by side in this order. The name
            identifies weights and pooling. It is part of the cache's key, with the view, the code and the libraries.
        engine: makes the extractor; called only if something is missing.
        on_progress: called with the number of images just done.
        wanted: for each image, whether its features will be read; None for all.

    Returns:
        For each kind float16 (images, width), on disk: `[:]` reads all.
    """
    stores = {kind: FeatureStore(_features_folder(kind, width, view)) for kind, width in kinds.items()}
    asked = [file for file, used in zip(files, wanted) if used] if wanted is not None else files
    missing = {file.name: file for file in asked if any(file.name not in store.index for store in stores.values())}
    on_progress(len(asked) - len(missing))
    if missing:
        todo = list(missing.values())
        extract, done = engine(), 0
        for features in extract.stream(load_views(todo, view, BATCH)):
            names = [file.name for file in todo[done : done + len(features)]]
            parts = np.split(features, np.cumsum(list(kinds.values()))[:-1], axis=1)
            for store, rows in zip(stores.values(), parts, strict=True):
                store.append(names, rows)
            done += len(features)
            on_progress(len(features))
    return [stores[kind].take([file.name for file in files], width) for kind, width in kinds.items()]
