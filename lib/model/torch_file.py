"""ImageNet weights of EfficientNet-Lite0 from a package's PyTorch file, read without PyTorch and without unpickling.

A pickle is a program. Here its steps are read by a machine of our own that knows those which store tensors and no others:
nothing of the file is called, and nothing is larger than the file.
"""

from __future__ import annotations

import io
import math
import pickletools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.study.limits import check_size
from lib.study.names import UserError, reason_of, short
from lib.study.pretrained import MOST_WEIGHTS

_STORAGE_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_DICTIONARY, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"

_MAGIC_NUMBER, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001

# The pickles lie at the beginning of the file: of Lite0's 18.9 MB they take 47 kB.
_MOST_PICKLED = 2**18

_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE")


class _Name(str):
    """A name of Python code in a pickle; it is compared and never looked up."""


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a legacy (non-zip) torch file, read without torch and without running any code of the file.

    Format (torch/serialization.py, `_legacy_load`): five pickles (magic number, protocol, system, the dictionary, the
    storage keys), then for each storage a little-endian int64 count and the raw values.

    Raises:
        UserError: not such a file, or one that names anything but tensors.
    """
    try:
        check_size(Path(path), MOST_WEIGHTS)
        data = np.memmap(path, "uint8", "r")
        file = io.BytesIO(data[:_MOST_PICKLED].tobytes())
        magic, protocol, _, entries, keys = (_pickled(file) for _ in range(5))
        if (magic, protocol) != (_MAGIC_NUMBER, _PROTOCOL):
            raise ValueError("no magic number")
        if not isinstance(entries, dict) or not all(isinstance(entry, _Tensor) for entry in entries.values()):
            raise ValueError("it holds other things than tensors")
        storages = _storages(data, file.tell(), dict(entry.storage for entry in entries.values()), keys)
        sizes = [math.prod(entry.shape) * storages[entry.storage.key].itemsize for entry in entries.values()]
        if sum(sizes) > len(data):
            raise ValueError(f"its tensors have {sum(sizes):,} bytes, the file has {len(data):,}")
        return {name: _tensor(storages[entry.storage.key], entry) for name, entry in entries.items()}
    except (ValueError, TypeError, LookupError, OverflowError, OSError) as error:
        raise UserError(
            f"--weights {path}: not a torch state dict in the legacy format ({reason_of(error)})"
        ) from error


def _pickled(file: io.BytesIO) -> object:
    """The next pickle of a file; what its names would make is a `_Storage`, a `_Tensor` or a dictionary."""
    stack, marks, memo = [], [], {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            stack.append(argument)
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(_taken(stack, marks.pop() if name == "TUPLE" else len(stack) - int(name[-1]))))
        elif name in ("SETITEM", "SETITEMS"):
            items = _taken(stack, marks.pop() if name == "SETITEMS" else len(stack) - 2)
            if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in items[::2]):
                raise ValueError("a dictionary without names")
            stack[-1].update(zip(items[::2], items[1::2]))
        elif name in ("APPEND", "APPENDS"):
            items = _taken(stack, marks.pop() if name == "APPENDS" else len(stack) - 1)
            stack[-1].extend(items)
        elif name == "GLOBAL":
            if argument not in (*_STORAGE_TYPES, _DICTIONARY, _TENSOR):
                raise ValueError(f"it names {short(argument.replace(' ', '.'))}, which is no tensor; refused")
            stack.append(_Name(argument))
        elif name == "BINPERSID":
            kind, storage_type, key, *_ = stack.pop()
            if kind != "storage" or not isinstance(storage_type, _Name) or not isinstance(key, str):
                raise ValueError(f"unknown reference {short(kind)}")
            stack.append(_Storage(key, _STORAGE_TYPES[storage_type]))
        elif name == "REDUCE":
            called, given = _taken(stack, len(stack) - 2)
            stack.append(_made(called, given))
        elif name == "BUILD":
            stack.pop()  # notes of the dictionary, such as the versions of its layers
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise ValueError(f"it has the step {name}, which no tensor needs; refused")
    raise ValueError("cut short")


def _taken(stack: list, first: int) -> list:
    """The entries of a stack from `first` on, taken off it."""
    if not 0 <= first <= len(stack):
        raise ValueError("a step without its values")
    items = stack[first:]
    del stack[first:]
    return items


def _made(called: object, given: object) -> dict | _Tensor:
    if not isinstance(called, _Name) or not isinstance(given, tuple):
        raise ValueError("a call of what is no name; refused")
    if called == _DICTIONARY and not given:
        return {}
    storage, offset, shape, strides, *_ = given
    numbers = (offset, *shape, *strides)
    if called != _TENSOR or not isinstance(storage, _Storage) or not all(type(number) is int for number in numbers):
        raise ValueError("a tensor without its storage")
    return _Tensor(storage, offset, shape, strides)


def _storages(data: np.ndarray, at: int, types: dict[str, str], keys: list[str]) -> dict[str, np.ndarray]:
    """The values of each storage, as they lie in the file from position `at` on."""
    found = {}
    for key in keys:
        (count,), at = data[at : at + 8].view("<i8"), at + 8
        dtype = np.dtype(types[key])
        end = at + int(count) * dtype.itemsize
        if not at <= end <= len(data):
            raise ValueError(f"cut short: {int(count):,} values from byte {at:,} on, in a file of {len(data):,}")
        found[key], at = data[at:end].view(dtype), end
    return found


def _tensor(values: np.ndarray, entry: _Tensor) -> np.ndarray:
    _, offset, shape, strides = entry
    # The stride of a side of one value says nothing, and may be anything.
    strides = [stride if size > 1 else 0 for size, stride in zip(shape, strides, strict=True)]
    # A stride can point outside the storage, and numpy would read foreign memory. So the last element is checked first.
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if offset < 0 or last >= len(values) or min((*strides, *shape), default=0) < 0:
        raise ValueError(f"a tensor of shape {short(shape)} lies outside its storage of {len(values):,} values")
    steps = [stride * values.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False).copy()
