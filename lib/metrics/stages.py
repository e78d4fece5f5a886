"""Names of the stages of a training, by their result: a stage whose epochs were not kept changed nothing."""

from __future__ import annotations

import pandas as pd

# The layers that a stage trains.
TRAINED = {
    "phase1": "phase 1 (frozen base)",
    "partial": "partial stage (last blocks)",
    "full": "full stage (all blocks)",
}
# The model after each stage, if its history is not known: no name claims that a stage was kept.
STAGE_NAMES = {"phase1": "phase 1 (frozen base)", "partial": "after the partial stage", "full": "final model"}
_KEPT = {"phase1": "phase 1", "partial": "partly unfrozen", "full": "fully unfrozen"}


def stage_names(history: pd.DataFrame) -> dict[str, str]:
    """The stages that changed the model, with their names; the last one is always included.

    Args:
        history: columns stage, epoch, kept (true for one epoch of each stage; epoch 0 is the start of the stage),
            stages in their order.

    Returns:
        Stage to name. If the epochs of the last stages were not kept, or there were none, the model before them appears
        once, under the key of the last stage, and its name states this. All stages if `kept` is missing, as in
        histories of older versions.
    """
    if "kept" not in history:
        return {stage: STAGE_NAMES.get(stage, stage) for stage in dict.fromkeys(history["stage"])}
    kept = history[history["kept"].eq(True)].set_index("stage")["epoch"]
    epochs = history.groupby("stage", sort=False)["epoch"].max()
    stages = list(epochs.index)
    changed = [stage for stage in stages if stage == stages[0] or kept[stage] > 0]
    reached, last = changed[-1], stages[-1]
    if len(stages) == 1:
        return {last: STAGE_NAMES.get(last, last)}
    before = _KEPT | {"phase1": STAGE_NAMES["phase1"]}
    names = {stage: before.get(stage, stage) for stage in changed[:-1]}
    later = epochs[stages.index(reached) + 1 :]
    why = ""
    if len(later):
        tried = "fine-tuning" if reached == stages[0] else "more fine-tuning"
        why = f" ({tried} was tried and was not better)" if later.gt(0).any() else f" (no {tried})"
    return names | {last: f"final model: {_KEPT.get(reached, reached)}{why}"}
