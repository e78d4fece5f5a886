"""Kernels that are started before their turn: each notebook has one of its own, with what it imports, and none is left."""

import nbformat
import papermill
import pytest
from jupyter_core.utils import run_sync

from lib.study.kernels import Kernels, end


@pytest.fixture
def notebook(tmp_path):
    cells = [
        "from lib.metrics import stages",
        "import os, sys\nprint(os.getpid(), 'lib.metrics.stages' in sys.modules)",
    ]
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    return path


def test_a_prepared_kernel_executes_its_notebook_and_no_other(notebook, tmp_path):
    with Kernels() as waiting:
        waiting.prepare(notebook, tmp_path / "not there yet")
        left = next(iter(waiting._waiting.values()))
        waiting.prepare(notebook, tmp_path)
        assert list(waiting._waiting.values()) == [left]
        assert waiting.take(tmp_path / "other.ipynb") is None
        assert waiting.take(notebook) is left and waiting.take(notebook) is None
        done = papermill.execute_notebook(
            str(notebook), str(tmp_path / "done.ipynb"), progress_bar=False, kernel_name="python3", km=left
        )
        number, imported = done.cells[-1].outputs[0].text.split()
        assert imported == "True" and int(number) == left.provisioner.pid
        end(left)
        assert not run_sync(left.is_alive)()


def test_kernels_that_nobody_took_are_ended(notebook, tmp_path):
    with Kernels() as waiting:
        waiting.prepare(notebook, tmp_path)
        (left,) = waiting._waiting.values()
        assert run_sync(left.is_alive)()
    assert not run_sync(left.is_alive)()
