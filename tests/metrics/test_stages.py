"""What models are called: never by a stage whose epochs were not kept."""

import pandas as pd
import pytest

from lib.metrics.stages import stage_names

TRIED = "final model: phase 1 (fine-tuning was tried and was not better)"


def history(**stages):
    """Stage to the kept and the last epoch."""
    rows = [
        {"stage": stage, "epoch": epoch, "kept": epoch == kept}
        for stage, (kept, last) in stages.items()
        for epoch in range(last + 1)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        ({"partial": (0, 0), "full": (0, 1)}, {"full": TRIED}),
        ({"partial": (0, 3), "full": (0, 0)}, {"full": TRIED}),
        ({"partial": (0, 0), "full": (0, 0)}, {"full": "final model: phase 1 (no fine-tuning)"}),
        (
            {"partial": (2, 3), "full": (0, 1)},
            {
                "phase1": "phase 1 (frozen base)",
                "full": "final model: partly unfrozen (more fine-tuning was tried and was not better)",
            },
        ),
        (
            {"partial": (2, 3), "full": (1, 1)},
            {
                "phase1": "phase 1 (frozen base)",
                "partial": "partly unfrozen",
                "full": "final model: fully unfrozen",
            },
        ),
        (
            {"partial": (0, 0), "full": (1, 1)},
            {"phase1": "phase 1 (frozen base)", "full": "final model: fully unfrozen"},
        ),
        ({}, {"phase1": "phase 1 (frozen base)"}),
    ],
)
def test_a_stage_that_changed_nothing_has_no_name(stages, names):
    # Of phase 1 the start may be kept: it is a model of its own.
    for kept in (0, 4):
        found = stage_names(history(phase1=(kept, 5), **stages))
        assert found == names and list(found) == list(names)


def test_a_history_that_does_not_say_what_was_kept_claims_nothing():
    known = history(phase1=(1, 2), full=(0, 1)).drop(columns="kept")
    assert stage_names(known) == {"phase1": "phase 1 (frozen base)", "full": "final model"}
