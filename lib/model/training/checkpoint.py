"""The progress of a training stage: everything that the next epoch needs, saved after each epoch.

A killed training continues from the last whole epoch and ends with the same scores as an unbroken one. The file holds
the variables of the model (weights, seeds of dropout) and of the optimiser, the best weights so far, and the history.
It holds arrays only, no pickle, so that reading it cannot run code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lib.model.native import keras
from lib.study.files import written_whole


@dataclass
class Progress:
    """The progress of a stage.

    Attributes:
        rows: history, one dictionary per epoch; the first one is the model at the start of the stage.
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
        """Number of finished epochs."""
        return len(self.rows) - 1


class Checkpoint:
    """The file with a stage's progress. A file with another key is ignored."""

    def __init__(self, path: Path, key: str):
        """Args: path: ends in .npz. key: changes with everything that the training depends on."""
        self.path, self.key = path, key

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Save the current state of `model` (compiled, in training) and of `progress`."""
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
        """Restore a compiled model to the saved progress; None if there is none."""
        model.optimizer.build(model.trainable_variables)
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                note = json.loads(str(stored["note"]))
                if note["key"] != self.key:
                    return None
                parts = {kind: _list(stored, kind) for kind in ("model", "optimizer", "best")}
        except (OSError, ValueError, KeyError, BadZipFile):  # missing or unreadable: training starts anew
            return None
        for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            for variable, value in zip(variables, parts[kind], strict=True):
                variable.assign(value)
        return Progress(note["rows"], note["best_epoch"], note["best_auc"], parts["best"])

    def remove(self) -> None:
        """Delete the progress: the stage is done."""
        self.path.unlink(missing_ok=True)


def _numbered(kind: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{kind}-{number:04d}": array for number, array in enumerate(arrays)}


def _list(stored: np.lib.npyio.NpzFile, kind: str) -> list[np.ndarray]:
    return [stored[name] for name in sorted(stored.files) if name.startswith(f"{kind}-")]
