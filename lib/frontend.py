"""Who executes a cell: a person with a notebook open, or a program that keeps the outputs."""

from __future__ import annotations

import os

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
