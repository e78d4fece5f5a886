"""Progress of long work: a bar where the notebook is open, a line in a file where run_all.py is watching."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

FILE_VARIABLE = "STUDY_PROGRESS_FILE"


@contextmanager
def progress(total: int, what: str, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of units just done.

    Under run_all.py the state goes to the file that $STUDY_PROGRESS_FILE names, and run_all draws the bar; nothing is
    printed then, so that executed notebooks do not hold timings.
    """
    path = os.environ.get(FILE_VARIABLE)
    if path:
        done, started, written = 0, time.time(), 0.0

        def advance(count: int = 1) -> None:
            nonlocal done, written
            done += count
            if time.time() - written > 0.2 or done >= total:
                written = time.time()
                state = {"what": what, "unit": unit, "done": done, "total": total, "started": started}
                Path(path).write_text(json.dumps(state), encoding="utf-8")

        advance(0)
        yield advance
    else:
        with tqdm(total=total, desc=what, unit=f" {unit}", leave=False) as bar:
            yield bar.update
