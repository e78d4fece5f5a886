"""Widgets for people, figures for programs."""

from types import SimpleNamespace

import IPython
import nbformat
import pytest
from nbclient import NotebookClient

from lib.show import frontend


def test_plain_python_is_not_attended(monkeypatch):
    monkeypatch.delenv(frontend.VARIABLE, raising=False)
    assert not frontend.is_attended()


@pytest.mark.parametrize("request_", [{"content": {"allow_stdin": True}}, {"content": {"allow_stdin": False}}, {}])
def test_a_client_that_can_answer_is_a_person(request_, monkeypatch):
    monkeypatch.delenv(frontend.VARIABLE, raising=False)
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(get_parent=lambda: request_))
    assert frontend.is_attended() is (request_.get("content", {}).get("allow_stdin") is True)
    monkeypatch.setenv(frontend.VARIABLE, "1")
    assert frontend.is_attended()
    monkeypatch.setenv(frontend.VARIABLE, "0")
    assert not frontend.is_attended()


def test_a_true_kernel_tells_programs_from_people(tmp_path):
    class Person(NotebookClient):
        """Executes as JupyterLab does: able to answer."""

        async def async_start_new_kernel_client(self):
            client = await super().async_start_new_kernel_client()
            client.allow_stdin = True
            return client

    for kind, expected in ((NotebookClient, "False"), (Person, "True")):
        cell = nbformat.v4.new_code_cell("from lib.show.frontend import is_attended\nprint(is_attended())")
        notebook = nbformat.v4.new_notebook(cells=[cell])
        kind(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
        assert notebook.cells[0].outputs[0].text.strip() == expected
