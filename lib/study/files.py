"""Folders, safe writing of files, hashes for keys.

Each file is written under a temporary name in the same folder and then renamed. A run that is killed leaves the old
file or the new one, never half a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pandas as pd

from lib.study.names import UserError

PROJECT = Path(__file__).resolve().parents[2]


def home() -> Path:
    """The folder of datasets/, models/, results/ and cache/: the project's folder, or $STUDY_HOME."""
    return Path(os.environ.get("STUDY_HOME") or PROJECT).resolve()


def cache_folder(kind: str) -> Path:
    """Folder for data that can be computed again (`features`, `engines`); it is made if it is missing."""
    folder = home() / "cache" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it to `path` if no error occurs.

    The temporary name keeps the suffix, because Keras and matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private, but a result should be as readable as the user's other files.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict) -> None:
    """Write JSON whole. NaN is refused, because JSON does not define it and other programs could not read it."""
    write_text(path, json_text(content))


def json_text(content: dict) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file whole."""
    with written_whole(path) as temporary:
        frame.to_csv(temporary, index=False)


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal hash of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def text_hash(*parts: object) -> str:
    """Hexadecimal sha256 of the parts' JSON, for keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def read_cached_table(kind: str, key: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table from the cache; computed and stored there if it is missing."""
    path = cache_folder(kind) / f"{key}.csv"
    if not path.exists():
        write_table(path, compute())
    return pd.read_csv(path)


def check_writable(folder: Path, option: str = "--results") -> None:
    """Raise unless files can be written in `folder`; the folder is made if it is missing.

    Args:
        option: name of the option that gave the folder, for the error.

    Raises:
        UserError: names the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{option} {folder}: cannot be written to ({error.strerror}); choose another folder") from None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    packages = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas")
    packages += ("pillow", "simplejpeg", "opencv-python-headless")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}


def version_of(package: str) -> str:
    """Version of an installed package; `not installed` if there is none, as where this program runs without installation."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def device() -> str:
    """The machine in words: system, processor type, number of cores."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
