"""The stand-ins of a run's dataset."""

from __future__ import annotations

from collections.abc import Callable

from lib.data.source.source import Source
from lib.data.standin import draw as standin
from lib.study.run import Run


def draw_standins(source: Source, run: Run, limit: int | None, on_progress: Callable[[int], None]) -> None:
    """Draw the missing stand-ins of a source; each dataset has its own people.

    Args:
        limit: at most this many images of both classes together.
    """
    share = 1.0 if limit is None else min(1.0, limit / sum(source.counts.values()))
    counts = {label: max(1, round(count * share)) for label, count in source.counts.items()}
    # The dataset's number is the seed of its people: sets that share people could not test one another.
    seed = 0 if run.dataset == "control" else int(run.dataset)
    standin.write(source.root, counts, control=run.dataset == "control", seed=seed, on_progress=on_progress)
