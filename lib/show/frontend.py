"""Who executes a cell: a person with a notebook open, or a program that keeps the outputs; and what each is shown."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Image

# `1` or `0` decides, where what a cell is told by its client is not to be trusted.
VARIABLE = "STUDY_WIDGETS"


def is_attended() -> bool:
    """Whether a person has the notebook open, so that widgets have a page to live on.

    Each execute request says in `allow_stdin` whether its client can answer questions (Jupyter messaging protocol).
    JupyterLab, Notebook and VS Code can; papermill, nbconvert and nbval cannot, and their outputs must neither hold
    widgets, which have random ids and die with the kernel, nor bars. False where there is no kernel.
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
    """Display a panel of widgets to a person, and the figure that stands for it to a program.

    A panel that is saved with its notebook carries the figure: what cannot show widgets (GitHub, nbconvert) shows that.

    Args:
        figure: a picture, PNG.
        panel: makes the widget; called only where somebody can use it.
    """
    # Not above: progress bars ask who is there too, also where there is no IPython to wait for.
    from IPython.display import display

    if not is_attended():
        display(figure)
        return
    content = {**panel()._repr_mimebundle_(), "image/png": base64.b64encode(figure.data).decode()}
    display(content, raw=True)
