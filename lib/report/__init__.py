"""The report of a results folder: one page that opens from disk, and its executed notebooks as HTML.

Nothing is measured here: content reads the results of finished runs, words describes them, page lays them out.
"""

from __future__ import annotations

from pathlib import Path

from lib import study
from lib.report import content, notebooks, page
from lib.study.names import UserError


def write(results: Path) -> Path:
    """Write `index.html` of a results folder from all finished runs, and the notebooks' HTML; returns its path.

    The same results give the same bytes.

    Args:
        results: the folder that holds the runs' folders (for quick runs `results/quick`).

    Raises:
        UserError: there is nothing to show, or a file there is damaged or of another version.
    """
    results = Path(results)
    try:
        notebooks.write_pages(results)
        report = content.gather(results)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        # A file of another version, or edited by hand; the error's own message names no file.
        raise UserError(
            f"{results}: a file there is damaged or of another version ({type(error).__name__}: {error}); run the "
            "dataset it belongs to again"
        ) from error
    target = study.report_page(results)
    study.write_text(target, page.render(report))
    return target
