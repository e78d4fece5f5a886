"""Fitting a stage: keep the best epoch by validation, save progress, and stop early without improvement."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from lib.metrics.checks import UndefinedMeasure
from lib.metrics.delong import paired_test
from lib.model.features import Rows
from lib.model.native import keras, tf
from lib.model.training.checkpoint import Checkpoint, Progress
from lib.show.progress import progress
from lib.study.recipes import Phase, Recipe

# Judges an epoch: a function that gives the model's current validation scores, the labels (0 or 1), and the group name
# of each image (a person, say), or None if images are independent.
Judged = tuple[Callable[[], np.ndarray], np.ndarray, np.ndarray | None]


def make_deterministic(seed: int) -> None:
    """Fix every source of randomness: the same seed gives the same scores on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def probabilities(infer: Callable, features: np.ndarray | Rows, rows: int = 1024) -> np.ndarray:
    """Scores (images,) by the `inference` of a head or of the network's upper half. Batches are small: 1,024 rows of
    the upper half would take gigabytes.
    """
    chunks = (features[start : start + rows].astype("float32") for start in range(0, len(features), rows))
    return np.concatenate([np.asarray(infer(tf.constant(chunk)))[:, 0] for chunk in chunks])


def inference(model: keras.Model) -> Callable:
    """The model as a function, traced once for all epochs: weights change, but the graph does not."""
    return tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)


def validation_measures(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """The history's measures of validation scores (0-1)."""
    loss = float(log_loss(truth, np.clip(scores, 1e-7, 1 - 1e-7)))
    return {"val_loss": loss, "val_roc_auc": float(roc_auc_score(truth, scores))}


def fit_stage(
    model: keras.Model,
    data: Callable[[int], tf.data.Dataset],
    steps: int,
    judged: Judged,
    recipe: Recipe,
    stage: str,
    checkpoint: Checkpoint | None = None,
    start: np.ndarray | None = None,
    together: int = 1,
) -> pd.DataFrame:
    """Fit a stage, restore the best epoch by validation AUC (see `Phase.margin`), and return the history.

    Args:
        data: from the number of finished epochs to an endless dataset of (inputs, labels, weights) from there on.
        steps: batches of an epoch.
        judged: gives the validation scores of an epoch.
        checkpoint: the file of the progress; training continues from it.
        start: validation scores before the first epoch, if already known.
        together: steps that Keras takes at a time; a divisor of `steps`.
    """
    phase = recipe.phase(stage)
    rate = phase.learning_rate
    if phase.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, max(1, steps * phase.epochs))
    # A second model shares the weights, but keeps optimiser and metrics out of the saved file.
    trainee = keras.Model(model.inputs, model.outputs)
    trainee.compile(
        FusedAdam(rate),
        keras.losses.BinaryCrossentropy(label_smoothing=recipe.label_smoothing),
        weighted_metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.AUC(name="roc_auc"),
        ],
        steps_per_execution=together,
    )
    with progress(steps * phase.epochs, f"{stage} training", "batches", each=recipe.batch_size) as advance:
        keeper = _BestEpoch(judged, phase, advance, checkpoint)
        reached = keeper.begin(trainee, start)
        advance(steps * reached)
        if reached < phase.epochs and not keeper.is_stuck():
            fit = {"steps_per_epoch": steps, "initial_epoch": reached, "epochs": phase.epochs}
            trainee.fit(data(reached), **fit, verbose=0, shuffle=False, callbacks=[keeper])
    trainee.set_weights(keeper.state.best_weights)
    history = pd.DataFrame(keeper.state.rows)
    return history.assign(kept=history["epoch"] == keeper.state.best_epoch)


class FusedAdam(keras.optimizers.Adam):
    """Adam by TensorFlow's single operation: Keras' formula, in a third of the time for a head with millions of
    weights.
    """

    def update_step(self, gradient, variable, learning_rate):
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        changed = {"var": variable, "m": self._momentums[index], "v": self._velocities[index]}
        # Keras passes TensorFlow's own variables here, and keeps the moments in its own.
        held = {name: one.value if isinstance(one, keras.Variable) else one for name, one in changed.items()}
        tf.raw_ops.ResourceApplyAdam(
            var=held["var"].handle,
            m=held["m"].handle,
            v=held["v"].handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class _BestEpoch(keras.callbacks.Callback):
    """Scores validation after every epoch, remembers the best weights, saves progress and stops early."""

    def __init__(
        self,
        judged: Judged,
        phase: Phase,
        advance: Callable[[int], None],
        checkpoint: Checkpoint | None,
    ):
        super().__init__()
        self._score, self._truth, self._groups = judged
        self._phase = phase
        self._advance, self._checkpoint = advance, checkpoint
        self.state = Progress([], 0, -math.inf, [])

    def begin(self, model: keras.Model, start: np.ndarray | None) -> int:
        """Continue from the checkpoint, or score the initial model; returns the number of finished epochs."""
        self._first = model.get_weights()
        self._first_scores = np.asarray(self._score() if start is None else start)
        restored = self._checkpoint.restore(model) if self._checkpoint else None
        if restored:
            self.state = restored
        else:
            self._take(model, 0, {}, self._first_scores)
        return self.state.epochs

    def is_stuck(self) -> bool:
        """Whether validation has not improved for `patience` epochs."""
        patience = self._phase.patience
        return patience is not None and self.state.epochs - self.state.best_epoch >= patience

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        # `batch` is the last one of the group, counted from 0.
        self._advance(batch + 1 - self._steps)
        self._steps = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        names = ("loss", "accuracy", "precision", "recall", "roc_auc")
        self._take(self.model, epoch + 1, {name: float(logs[name]) for name in names}, self._score())
        if self._checkpoint:
            self._checkpoint.save(self.model, self.state)
        if self.is_stuck():
            self.model.stop_training = True

    def _take(self, model: keras.Model, epoch: int, row: dict, scores: np.ndarray) -> None:
        measured = validation_measures(self._truth, scores)
        auc = measured["val_roc_auc"]
        moved = max(float(np.abs(now - first).max()) for now, first in zip(model.get_weights(), self._first))
        moved_scores = float(np.abs(scores - self._first_scores).max())
        measured |= {"weight_change": moved, "score_change": moved_scores}
        self.state.rows.append({"epoch": epoch, **row, **measured})
        if auc > self.state.best_auc and self._is_beyond_chance(scores):
            self.state.best_auc, self.state.best_epoch = auc, epoch
            self.state.best_weights = model.get_weights()

    def _is_beyond_chance(self, scores: np.ndarray) -> bool:
        """Whether scores rank better than those of the stage's start by more than the margin (DeLong's paired test)."""
        if not self._phase.margin or scores is self._first_scores:
            return True
        try:
            test = paired_test(self._truth, self._first_scores, scores, self._groups)
            return test.z > self._phase.margin
        except UndefinedMeasure:  # a class has only one group, or no image: the error cannot be estimated
            return True
