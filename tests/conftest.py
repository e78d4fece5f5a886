"""Fixtures. Every test runs offline, in a home folder of its own; `quick_study` is run once for all."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import HOME, PROJECT, run_study

from lib.study import code_hash


def pytest_collection_modifyitems(items):
    """With several workers each takes whole files; the one with the quick study comes first, because it takes longest."""
    first = {item.path for item in items if "quick_study" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in first)


def pytest_sessionfinish():
    shutil.rmtree(HOME, ignore_errors=True)


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


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A home folder for one test."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("STUDY_HOME", str(home))
    return home


@pytest.fixture
def table(tmp_path):
    """Writes a table of the given lines and returns its path."""

    def write(*lines, name="images.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


@pytest.fixture
def change_code(tmp_path, monkeypatch):
    """Adds text to a module of lib, as the keys of what is kept see it; the code that runs stays as it is."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "lib", project / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_hash, "PROJECT", project)

    def change(name: str, text: str) -> Path:
        path = project / "lib" / name
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        return path

    return change
