"""ImageNet weights of EfficientNet-Lite0 from a package's PyTorch file, read without PyTorch and without unpickling code."""

from __future__ import annotations

import collections
import pickle
import struct
from pathlib import Path

import numpy as np

from lib.study.names import UserError

_STORAGE_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}

_MAGIC_NUMBER, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _StateDictUnpickler(pickle.Unpickler):
    """Unpickles tensors only. Any other name in the file is refused, so that none of its code can run."""

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if module == "torch" and name in _STORAGE_TYPES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no tensor; refused")

    def persistent_load(self, reference):
        kind, storage_type, key, *_ = reference
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        return key, storage_type


def read_torch_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a legacy (non-zip) torch file, read without torch and without running any code of the file.

    Format (torch/serialization.py, `_legacy_load`): five pickles (magic number, protocol, system, the dictionary, the
    storage keys), then for each storage a little-endian int64 count and the raw values.

    Raises:
        UserError: not such a file, or one that names anything but tensors.
    """
    try:
        with Path(path).open("rb") as file:
            magic, protocol, _, entries, keys = (_StateDictUnpickler(file).load() for _ in range(5))
            if (magic, protocol) != (_MAGIC_NUMBER, _PROTOCOL):
                raise pickle.UnpicklingError("no magic number")
            types = dict(storage for storage, *_ in entries.values())
            storages = {}
            for key in keys:
                (count,) = struct.unpack("<q", file.read(8))
                dtype = np.dtype(_STORAGE_TYPES[types[key]])
                storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
        return {name: _tensor(storages, *entry) for name, entry in entries.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"--weights {path}: not a torch state dict in the legacy format ({error})") from error
    except struct.error as error:
        raise UserError(f"--weights {path}: cut short ({error})") from error


def _tensor(storages: dict, storage: tuple, offset: int, shape: tuple, strides: tuple) -> np.ndarray:
    values = storages[storage[0]]
    # A stride can point outside the storage, and numpy would read foreign memory. So the last element is checked first.
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if offset < 0 or last >= len(values) or min(strides, default=0) < 0:
        raise ValueError(f"a tensor of shape {shape} lies outside its storage of {len(values)} values")
    steps = [stride * values.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False).copy()
