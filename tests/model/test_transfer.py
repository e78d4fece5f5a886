"""Scores of models on other datasets: what two datasets share is looked for once, whatever the number of their models."""

from collections import Counter

import pandas as pd
import pytest
from support import finish, refused

from lib.model import transfer
from lib.study import open_run


@pytest.fixture
def runs(own_home):
    found = [open_run(dataset=name, recipe=recipe) for name in ("1", "2") for recipe in ("original", "tuned")]
    for run in found:
        finish(run, count=60, evaluated=False)
    return found


def test_overlap_is_looked_for_once_for_each_pair_of_datasets(runs, monkeypatch):
    asked = Counter()
    overlap = transfer.find_overlap

    def counted(images, others):
        asked.update((*others, len(images)))
        return overlap(images, others)

    def without_a_model(trained, tested, unseen):
        return pd.DataFrame(
            {"pair": [(trained.name, trained.recipe.name, tested.name)], "left": [unseen and unseen[1]]}
        )

    monkeypatch.setattr(transfer, "find_overlap", counted)
    monkeypatch.setattr(transfer, "cross_scores", without_a_model)
    scored = transfer.all_cross_scores(runs)
    assert asked["dataset_1"] == asked["dataset_2"] == 1
    assert len(scored) == 8 and len(set(scored["pair"])) == 8
    # All images of one are in the other here, byte for byte.
    away = scored[[trained != tested for trained, _, tested in scored["pair"]]]
    assert (away["left"] == 20).all() and scored["left"].isna().sum() == 4


def test_a_missing_model_is_named_in_one_line(runs):
    assert "phase1.keras is not there, which scores dataset_2" in refused(transfer.cross_scores, runs[0], runs[2])


def test_at_home_the_scores_are_those_that_are_saved(runs):
    scored = transfer.cross_scores(runs[0], runs[0])
    assert set(scored["tested_on"]) == {"dataset_1"} and len(scored) == 3 * 20
