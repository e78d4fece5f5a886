"""A training that is killed goes on from its last whole epoch, to the scores of an unbroken one."""

import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
from support import HOME, PROJECT

from lib.model.training.checkpoint import Checkpoint, Progress

# The real stages on few and small images.
SCRIPT = """
import dataclasses, os, shutil, sys
from lib import study
from lib.data.source import sources
from lib.data.audit import audit
from lib.data.standin import dataset
from lib.model.training.stages import fine_tune, train_phase1
recipe = study.RECIPES["original"]
study.RECIPES["original"] = dataclasses.replace(
    recipe, image_size=64, views=1, batch_size=16,
    phase1=study.Phase(3, 1e-3), partial=study.Phase(4, 1e-3, patience=9),
)
run = study.open_run(dataset="control", recipe="original", backbone="efficientnet-lite0")
for task in sys.argv[1:]:
    if task == "phase1":
        source = sources.find_source("control")
        dataset.draw_standins(source, run, 96, lambda count: None)
        images = audit.audit_files(source, audit.list_files(source, 96), lambda count: None)
        pairs = audit.find_pairs(run, images)
        run.write_audit(audit.split_images(images, pairs, run.seed), pairs, {"seed": run.seed})
        train_phase1(run)
    elif task == "partial":
        fine_tune(run, "partial")
    elif task == "again":
        before = run.model_path("partial").stat().st_mtime_ns
        fine_tune(run, "partial")
        assert run.model_path("partial").stat().st_mtime_ns == before, "a stage that is done was trained again"
    else:
        shutil.copytree(os.environ["STUDY_HOME"], task)
"""


def train(home, *tasks):
    environment = {**os.environ, "STUDY_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *tasks], env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def results(home):
    folder = home / "results" / "control" / "original"
    return (folder / "scores.csv").read_bytes(), pd.read_csv(folder / "history.csv")


def test_a_killed_stage_resumes_to_the_scores_of_an_unbroken_one():
    unbroken, broken = HOME / "unbroken", HOME / "broken training"
    # One process for all that need not be one of its own: each takes ten seconds to start.
    finish(train(unbroken, "phase1", str(broken), "partial"))
    checkpoint = broken / "models" / "control" / "original" / "partial.checkpoint.npz"
    process = train(broken, "partial")
    deadline = time.time() + 200
    while not checkpoint.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
    with np.load(checkpoint, allow_pickle=False) as stored:
        assert 1 <= str(stored["note"]).count("val_roc_auc") - 1 < 4  # epochs that need not be trained again
    finish(train(broken, "partial", "again"))
    scores, history = results(unbroken)
    resumed, resumed_history = results(broken)
    assert resumed == scores
    pd.testing.assert_frame_equal(resumed_history, history, check_exact=True)
    assert history.query("stage == 'partial'")["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert not checkpoint.exists()


def small_model(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def test_dropout_and_optimiser_go_on_where_they_were(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")[:, :, :3], np.zeros((8, 1), "float32")
    model, other = small_model(1), small_model(2)
    state = Progress([{"epoch": 0}, {"epoch": 1}], 1, 0.75, model.get_weights())
    model.fit(x[0], y, epochs=2, verbose=0)
    checkpoint = Checkpoint(tmp_path / "a.npz", "key")
    checkpoint.save(model, state)
    restored = checkpoint.restore(other)
    assert (restored.rows, restored.best_epoch, restored.best_auc, restored.epochs) == (state.rows, 1, 0.75, 1)
    for trained in (model, other):
        trained.fit(x[0], y, epochs=2, verbose=0, shuffle=False)
    for one, two in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_a_checkpoint_of_other_settings_or_a_broken_one_is_not_used(tmp_path):
    model = small_model(1)
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    path = tmp_path / "a.npz"
    assert Checkpoint(path, "key").restore(model) is None
    Checkpoint(path, "key").save(model, Progress([{}], 0, 0.5, model.get_weights()))
    assert Checkpoint(path, "other").restore(model) is None
    assert Checkpoint(path, "key").restore(model) is not None
    path.write_bytes(path.read_bytes()[:200])
    assert Checkpoint(path, "key").restore(model) is None
    Checkpoint(path, "key").remove()
    assert not path.exists()
