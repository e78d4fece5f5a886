"""Weights in HDF5, checked before Keras reads them: a small file can ask for any amount of memory."""

from __future__ import annotations

import io
import math
from pathlib import Path

import h5py

# Groups, arrays and attributes; depth of groups. Keras' file of EfficientNet-B0 has 800 of them, 4 deep.
MOST_PARTS, MOST_DEEP, MOST_TEXTS = 20_000, 16, 1


def check_h5(file: Path | io.BytesIO, most: int) -> None:
    """Raise a ValueError unless a file is HDF5 that needs no other file and whose arrays have at most `most` bytes in all."""
    try:
        with h5py.File(file, "r") as content:
            _check(content, most)
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"no HDF5 file ({error})") from None


def _check(content: h5py.File, most: int) -> None:
    waiting, parts, size = [(content, 0)], 0, 0
    while waiting:
        group, depth = waiting.pop()
        parts += len(group) + len(group.attrs)
        if parts > MOST_PARTS or depth > MOST_DEEP:
            raise ValueError(f"has more than {MOST_PARTS:,} parts, or groups more than {MOST_DEEP} deep")
        for name in group.attrs:
            about = group.attrs.get_id(name)
            # Texts of any length: many of them may be one long text, stored once.
            if about.dtype.hasobject and math.prod(about.shape) > MOST_TEXTS:
                raise ValueError(f"has more than {MOST_TEXTS:,} texts in one attribute")
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError("links to another place")
            found = group[name]
            if isinstance(found, h5py.Group):
                waiting.append((found, depth + 1))
            elif isinstance(found, h5py.Dataset):
                if found.external or found.is_virtual or found.dtype.hasobject:
                    raise ValueError("links to another file, or holds other things than numbers")
                # A part of an array (chunk) may be larger than the array.
                chunk = math.prod(found.chunks or (0,)) * found.dtype.itemsize
                size += max(found.nbytes, chunk)
        if size > most:
            raise ValueError(f"its arrays have more than {most:,} bytes")
