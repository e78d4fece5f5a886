"""What tests share: an offline home folder of their own, run_all.py as a user runs it, small data sets and refusals."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.data import listing, sources
from lib.study import UserError

PROJECT = Path(__file__).resolve().parent.parent
# A space and an accent, because users' folders have them.
HOME = Path(tempfile.mkdtemp(prefix="study ét-"))
os.environ["STUDY_OFFLINE"] = "1"
os.environ["STUDY_HOME"] = str(HOME)

GOOD_TABLE = ["path,label", "real/a.jpg,real", "fake/a.jpg,fake"]


def run_study(*options: str, timeout: float = 900) -> subprocess.CompletedProcess:
    """run_all.py as a user runs it."""
    command = [sys.executable, str(PROJECT / "run_all.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=HOME, check=False)


def refused(call: Callable, *arguments) -> str:
    """The one line with which a call refuses its arguments."""
    with pytest.raises(UserError) as error:
        call(*arguments)
    text = str(error.value)
    assert "\n" not in text
    return text


def images(root: Path, *names: str) -> Path:
    """Puts empty files below a folder, and returns the folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def issues(data: Path) -> dict[str, str]:
    """Path to issue of every file of a user's folder or table."""
    files = listing.image_files(sources.find_source("", str(data), "test"))
    assert list(files.columns) == ["label", "path", "group", "split", "issue"]
    return dict(zip(files["path"], files["issue"]))
