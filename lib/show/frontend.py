"""The client that executes a cell (a person with a notebook open, or a program that stores outputs), and its display."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Image

# `1` or `0` decides, if the client's own information is not reliable.
VARIABLE = "STUDY_WIDGETS"


def is_attended() -> bool:
    """Whether a person has the notebook open, so that widgets can work.

    Each execute request states in `allow_stdin` whether its client can answer questions (Jupyter messaging protocol).
    JupyterLab, Notebook and VS Code can; papermill, nbconvert and nbval cannot. Their outputs must hold neither bars
    nor widgets, which have random ids and end with the kernel. False without a kernel.
    """
    forced = os.environ.get(VARIABLE, "")
    if forced in ("0", "1"):
        return forced == "1"
    try:
        from IPython import get_ipython

        request = get_ipython().get_parent()
    except (ImportError, AttributeError):  # plain Python, or IPython in a terminal
        return False
    return bool(request.get("content", {}).get("allow_stdin", False))


def show(figure: Image, panel: Callable[[], object]) -> None:
    """Display a panel of widgets to a person, and a figure instead to a program.

    A panel that is saved with its notebook carries the figure: programs without widgets (GitHub, nbconvert) show it.

    Args:
        figure: a picture, PNG.
        panel: makes the widget; called only if somebody can use it.
    """
    # Imported here: progress bars call this module too, also without IPython.
    from IPython.display import display

    if not is_attended():
        display(figure)
        return
    content = {**panel()._repr_mimebundle_(), "image/png": base64.b64encode(figure.data).decode()}
    display(content, raw=True)
