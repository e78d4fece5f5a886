"""Where a stage of training stands: all that the next epoch depends on, saved after each epoch.

A killed training goes on from the last whole epoch to the same scores as an unbroken one: the model's variables (weights,
and the seeds of its dropout), the optimiser's, the best weights so far and the history are all there. Arrays only, no
pickle, so that reading one can run nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from lib.study.files import written_whole


@dataclass
class Progress:
    """What a stage has reached.

    Attributes:
        rows: history, one dictionary per epoch, the first for the model as the stage began.
        best_epoch: the epoch with the highest validation AUC.
        best_auc: that AUC, 0-1.
        best_weights: the weights after that epoch.
    """

    rows: list[dict]
    best_epoch: int
    best_auc: float
    best_weights: list[np.ndarray]

    @property
    def epochs(self) -> int:
        """Epochs that are finished."""
        return len(self.rows) - 1


class Checkpoint:
    """The file that holds a stage's progress; one of another key is not used."""

    def __init__(self, path: Path, key: str):
        """Args: path: ends in .npz. key: changes with everything that the training depends on."""
        self.path, self.key = path, key

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Save what `model` (compiled, in training) and `progress` are now."""
        note = {
            "key": self.key,
            "rows": progress.rows,
            "best_epoch": progress.best_epoch,
            "best_auc": progress.best_auc,
        }
        arrays = {
            **_numbered("model", [variable.numpy() for variable in model.variables]),
            **_numbered("optimizer", [variable.numpy() for variable in model.optimizer.variables]),
            **_numbered("best", progress.best_weights),
        }
        with written_whole(self.path) as temporary:
            np.savez(temporary, note=np.array(json.dumps(note)), **arrays)

    def restore(self, model: keras.Model) -> Progress | None:
        """Put a compiled model back to where its training stood; None where there is nothing to go on from."""
        model.optimizer.build(model.trainable_variables)
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                note = json.loads(str(stored["note"]))
                if note["key"] != self.key:
                    return None
                parts = {kind: _list(stored, kind) for kind in ("model", "optimizer", "best")}
        except (OSError, ValueError, KeyError, BadZipFile):  # none yet, or one that cannot be read: from the start
            return None
        for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            for variable, value in zip(variables, parts[kind], strict=True):
                variable.assign(value)
        return Progress(note["rows"], note["best_epoch"], note["best_auc"], parts["best"])

    def remove(self) -> None:
        """Forget the progress: the stage is done."""
        self.path.unlink(missing_ok=True)


def _numbered(kind: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{kind}-{number:04d}": array for number, array in enumerate(arrays)}


def _list(stored: np.lib.npyio.NpzFile, kind: str) -> list[np.ndarray]:
    return [stored[name] for name in sorted(stored.files) if name.startswith(f"{kind}-")]
