"""Small experiments that notebooks teach with, on the features that phase 1 has kept; nothing that is used depends on them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold

from lib.data.images.parts import parts_of
from lib.model.features import features_kind, frozen_features
from lib.model.scores import run_files, run_view
from lib.study.names import STAGES, UserError, as_int, independent_groups
from lib.study.recipes import Recipe
from lib.study.run import Run
from lib.study.steps import step_of

# Images of a split that an experiment looks at, at most: 70 MB of features.
MOST_IMAGES = 1000
# Of a ridge regression on standardised features, for each feature.
PENALTY = 0.1


class Kept(NamedTuple):
    """What phase 1 has kept of images of one split: a row for each part of each image.

    Attributes:
        features: float32 (rows, features) of the plain view.
        labels: 0 real, 1 synthetic, shape (rows,).
        groups: name of the group of each image (a person, say), shape (rows,).
    """

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def kept_features(run: Run) -> tuple[Kept, Kept]:
    """The frozen features of the training and of the validation images, at most MOST_IMAGES of each.

    Raises:
        UserError: phase 1 has not been trained, or its features are not kept any more.
    """
    run.require(run.model_path("phase1"), step_of("phase1"))
    known = run.recorded()
    kinds = {features_kind(run.recipe, known["weights_sha256"]): known["network"]["features"]}

    def not_kept():
        raise UserError(
            "the features of phase 1 are not kept any more: delete the models of this run, then run 02_phase1_training again"
        )

    found, view = [], run_view(run)
    for split in ("train", "validation"):
        # By content, so that a part is a fair sample and always the same one.
        images = run.used_images()
        rows = images[images["split"] == split].sort_values("sha256").head(MOST_IMAGES)
        options = {"kinds": kinds, "engine": not_kept, "on_progress": lambda _: None}
        parts = parts_of(run_files(run, rows), view)
        (kept,) = frozen_features(parts.files, view, **options)
        labels, groups = as_int(rows["label"]).to_numpy()[parts.image], independent_groups(rows).to_numpy()[parts.image]
        found.append(Kept(kept[:].astype("float32"), labels, groups))
    return tuple(found)


def dealt_labels(kept: Kept, deals: int = 20, seed: int = 0) -> pd.DataFrame:
    """What a split is worth on labels that mean nothing: each person gets one at random, the same for all their images.

    There is nothing to learn, so an honest AUC is 0.5 on average. A regression is fitted to four fifths of the images and scores
    the last fifth, in turn; once the fifths are of images, once of whole groups.

    Args:
        kept: features, and groups of which some hold several images; others are left out.
        deals: how often labels are dealt.
        seed: of the dealing and of the fifths.

    Returns:
        Columns split (`by image`, `by group`), deal and roc_auc; empty where fewer than ten groups hold several images.
    """
    group, place = np.unique(kept.groups, return_inverse=True)
    several = np.bincount(place)[place] > 1
    features, place = kept.features[several], np.unique(place[several], return_inverse=True)[1]
    people = place.max() + 1 if len(place) else 0
    if people < 10:
        return pd.DataFrame(columns=["split", "deal", "roc_auc"])
    spread = np.maximum(features.std(axis=0), 1e-3)
    standard = (features - features.mean(axis=0)) / spread
    # Fewer images than features: solved through the images' products, which all deals share.
    products = standard @ standard.T / standard.shape[1]
    random = np.random.default_rng(seed)
    # (images, deals): all deals are solved at once.
    labels = np.stack([random.permutation(np.arange(people) % 2)[place] for _ in range(deals)], axis=1).astype(float)
    folds = {
        "by image": KFold(5, shuffle=True, random_state=seed).split(place),
        "by group": GroupKFold(5, shuffle=True, random_state=seed).split(place, groups=place),
    }
    rows = []
    for name, parts in folds.items():
        scores = np.empty(labels.shape)
        for train, rest in parts:
            scores[rest] = _ridge(products, labels, train, rest)
        aucs = [roc_auc_score(labels[:, deal], scores[:, deal]) for deal in range(deals)]
        rows += [{"split": name, "deal": deal, "roc_auc": auc} for deal, auc in enumerate(aucs)]
    return pd.DataFrame(rows)


def _ridge(products: np.ndarray, labels: np.ndarray, train: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Scores of `rest` by ridge regressions on `train`, one for each column of labels."""
    within = products[np.ix_(train, train)] + PENALTY * np.eye(len(train))
    mean = labels[train].mean(axis=0)
    return mean + products[np.ix_(rest, train)] @ np.linalg.solve(within, labels[train] - mean)


def recipe_tables(recipe: Recipe) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every setting of a recipe as text, `-` where it is not used: what holds throughout, and what each stage has of its own.

    Returns:
        One row per setting with the column value; and one row per setting of `Phase` with a column for each stage.
    """
    settings = dataclasses.asdict(recipe)
    stages = pd.DataFrame({stage: settings.pop(stage) for stage in STAGES}, dtype=object)
    found = [pd.DataFrame({"value": pd.Series(settings, dtype=object)}), stages]
    return tuple(table.where(table.notna() & (table != ""), "-").astype(str) for table in found)


def stage_table(run: Run) -> pd.DataFrame:
    """The network by stage: which blocks a stage opens, how many weights it trains, and how.

    Returns:
        One row per stage: blocks (`none`, or numbers; 0 is the stem before block 1), weights_trained, share (of all weights, 0
        to 1), learning_rate, epochs (at most).

    Raises:
        UserError: phase 1 has not been trained.
    """
    run.require(run.model_path("phase1"), step_of("phase1"))
    known, rows = run.recorded()["network"], []
    for stage in STAGES:
        opened, phase = known["opened"][stage], run.recipe.phase(stage)
        rows.append(
            {
                "stage": stage,
                "blocks": opened["blocks"],
                "weights_trained": opened["weights"],
                "share": opened["weights"] / known["weights"],
                "learning_rate": phase.learning_rate,
                "epochs": phase.epochs,
            }
        )
    return pd.DataFrame(rows).set_index("stage")
