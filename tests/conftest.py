"""Shared fixtures. Every test runs offline, in a home folder of its own; `quick_study` is run once for all."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["STUDY_OFFLINE"] = "1"
# A space and an accent, because users' folders have them.
HOME = Path(tempfile.mkdtemp(prefix="study ét-"))
os.environ["STUDY_HOME"] = str(HOME)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from PIL import Image  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent


def run_study(*options: str, timeout: float = 900) -> subprocess.CompletedProcess:
    """run_all.py as a user runs it."""
    command = [sys.executable, str(PROJECT / "run_all.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=HOME, check=False)


@pytest.fixture(scope="session")
def quick_study() -> Path:
    """Results folder of a quick run of dataset 1, executed notebooks and all."""
    done = run_study("--dataset", "1", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    return HOME / "results" / "quick"


@pytest.fixture
def folder_of_images(tmp_path):
    """Makes a folder with `each` small noise images for both classes, under the given names."""

    def make(each: int = 12, real: str = "real", synthetic: str = "synthetic") -> Path:
        root = tmp_path / "my pictures ü"
        for number, name in enumerate((real, synthetic)):
            (root / name).mkdir(parents=True)
            for index in range(each):
                pixels = np.random.default_rng([number, index]).integers(0, 256, (80, 80, 3), "uint8")
                Image.fromarray(pixels).save(root / name / f"{index}, no comma.png")
        return root

    return make
