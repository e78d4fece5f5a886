"""Degraded scores: those of pictures degraded by hand, kept as tables and as nothing else."""

import numpy as np
import pytest

from lib import study
from lib.data.images.decode import read_rgb
from lib.data.images.degrade import DEGRADATIONS, degrade, edits
from lib.data.images.views import View
from lib.model import network, scores
from lib.model.use import robustness, transfer

THREE = [("jpeg", 30.0), ("rescale", 0.5), ("noise", 10.0)]


@pytest.fixture(autouse=True)
def three(monkeypatch):
    monkeypatch.setattr(robustness, "degradations", lambda run: THREE)


@pytest.fixture
def converted(monkeypatch, engine):
    """For tests that are not about the model: it is not loaded and converted once more."""
    monkeypatch.setattr(robustness, "saved_engine", lambda path, size: engine)


def test_scores_are_those_of_pictures_degraded_by_hand(trained_run):
    scored = robustness.degraded_scores(trained_run, "full")
    assert list(scored.columns) == ["image_id", "degradation", "level", "y", "group", "score"]
    images = trained_run.used_images()
    model = network.load(trained_run.model_path("full"))
    for kind, level in [("none", None), *THREE[:2]]:
        views = []
        for path in images["path"]:
            picture = read_rgb(trained_run.data + "/" + path)
            if level:
                picture = degrade(picture, kind, level, np.random.default_rng(0))
            views.append(View("resize", 64).apply(picture, ""))
        expected = model(np.array(views, "float32"), training=False).numpy()[:, 0]
        found = scored[scored["degradation"] == kind].set_index("image_id")["score"][images["image_id"]]
        np.testing.assert_allclose(found, expected, atol=2e-4)
    # The degradations are told apart by more than that.
    wide = scored.pivot(index="image_id", columns="degradation", values="score")
    for kind, _ in THREE:
        assert np.abs(wide[kind] - wide["none"]).max() > 2e-3, kind


def test_labels_and_groups_are_the_runs(trained_run, converted):
    scored = robustness.degraded_scores(trained_run, "full")
    part = scored[scored["degradation"] == "jpeg"]
    assert (part["y"] == part["image_id"].str.startswith("synthetic")).all()
    assert (part["group"] == part["image_id"]).all() and len(part) == 24


def test_only_tables_are_kept_and_a_stopped_run_goes_on(trained_run, converted, own_home, monkeypatch):
    before = set(own_home.rglob("*"))
    load, loaded = scores.load_views, []

    def stops_at_the_third(files, view, size):
        loaded.append(view.degradation)
        if len(loaded) == 3:
            raise KeyboardInterrupt
        return load(files, view, size)

    monkeypatch.setattr(scores, "load_views", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        robustness.degraded_scores(trained_run, "full")
    scored = robustness.degraded_scores(trained_run, "full")
    assert loaded == ["jpeg 30", "rescale 0.5", "noise 10", "noise 10"]
    again = robustness.degraded_scores(trained_run, "full")
    assert len(loaded) == 4 and scored.equals(again)
    new = [path for path in own_home.rglob("*") if path not in before and path.is_file()]
    assert len(new) == 3 and {path.suffix for path in new} == {".csv"}
    # Another model is asked anew.
    trained_run.model_path("full").write_bytes(b"another model")
    robustness.degraded_scores(trained_run, "full")
    assert len(loaded) == 7


def test_at_most_so_many_images(trained_run, converted, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_TEST_IMAGES", 5)
    assert (robustness.degraded_scores(trained_run, "full")["degradation"].value_counts() == 5).all()


def test_progress_is_one_bar_over_everything(trained_run, converted, monkeypatch):
    totals, done = [], []

    class Bar:
        def __enter__(self):
            return done.append

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(robustness, "progress", lambda total, *_: totals.append(total) or Bar())
    for calls in (1, 2):  # computed, then kept
        robustness.degraded_scores(trained_run, "full")
        assert totals == [72] * calls and sum(done) == 72 * calls


def test_untrained_stage_is_one_clear_line(trained_run):
    with pytest.raises(study.UserError, match="not there yet"):
        robustness.degraded_scores(trained_run, "partial")


def test_a_quick_run_takes_the_last_level_of_a_few_kinds_with_edits(monkeypatch):
    monkeypatch.undo()
    quick, slow = (robustness.degradations(study.open_run(quick=each)) for each in (True, False))
    assert set(quick) < set(slow) and len(slow) == sum(len(known.levels) for known in DEGRADATIONS.values())
    assert all(level == DEGRADATIONS[kind].levels[-1] for kind, level in quick) and ("jpeg", 30.0) in quick
    kinds = [kind for kind, _ in quick]
    assert len(set(kinds)) == len(kinds) and "share" in kinds and len(set(edits()) & set(kinds)) >= 2
    # Each takes most of a second: a quick run must stay quick.
    assert len(kinds) <= 6
