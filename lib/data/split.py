"""Splits by group: everything that could let a test image be recognised rather than judged stays on one side."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lib.study import LABELS, SPLITS, UserError

SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}
MIN_GROUPS = 10


def clusters(groups: pd.Series, pairs: np.ndarray) -> np.ndarray:
    """Number of the cluster of each image: images are joined by a common group or by being duplicates.

    Args:
        groups: group of each image (a person, say); empty where an image has none.
        pairs: (n, 2) row numbers of images that are duplicates of each other.

    Returns:
        int array, one number per image.
    """
    named = groups.astype(str).to_numpy()
    codes, _ = pd.factorize(pd.Series([name or f"\0{row}" for row, name in enumerate(named)]))
    count = len(named)
    # Images and groups are nodes of one graph; its components are the clusters.
    rows = np.concatenate([np.arange(count), pairs[:, 0]])
    columns = np.concatenate([codes + count, pairs[:, 1]])
    size = count + codes.max(initial=0) + 1
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1][:count]


def assign_splits(images: pd.DataFrame, pairs: np.ndarray, seed: int) -> pd.Series:
    """`train`, `validation` or `test` for each image: 70/15/15 in both classes, no cluster on two sides.

    Clusters are taken in an order drawn from the seed and their names, largest first where sizes differ much, and each
    goes to the split that is furthest below its share. The answer depends on the images and the seed only, not on the
    order of rows.

    Args:
        images: columns image_id, label, group; used images only.
        pairs: (n, 2) row numbers of duplicates.
        seed: of the order.

    Raises:
        UserError: a class has fewer than MIN_GROUPS clusters, too few for three splits.
    """
    frame = images[["image_id", "label"]].assign(cluster=clusters(images["group"], pairs))
    per_class = frame.groupby("label")["cluster"].nunique().reindex(LABELS, fill_value=0)
    for label, count in per_class.items():
        if count < MIN_GROUPS:
            raise UserError(
                f"the {label} class has {count} independent groups of images (people, or sets of duplicates), "
                f"expected at least {MIN_GROUPS} to fill three splits"
            )
    sizes = frame.groupby(["cluster", "label"]).size().unstack(fill_value=0).reindex(columns=LABELS, fill_value=0)
    names = frame.groupby("cluster")["image_id"].min()
    order = sorted(sizes.index, key=lambda cluster: _order(seed, names[cluster]))
    # Large clusters first: placed last, they could not be balanced by others any more.
    order.sort(key=lambda cluster: -int(np.log2(sizes.loc[cluster].sum())))
    counts = sizes.to_numpy(float)
    position = {cluster: row for row, cluster in enumerate(sizes.index)}
    target = np.array([[SHARES[split]] for split in SPLITS]) * counts.sum(axis=0)
    filled = np.zeros_like(target)
    chosen = {}
    for cluster in order:
        members = counts[position[cluster]]
        lacking = ((target - filled) / np.maximum(target, 1)) @ (members / members.sum())
        split = int(lacking.argmax())
        filled[split] += members
        chosen[cluster] = SPLITS[split]
    return frame["cluster"].map(chosen).rename("split")


def _order(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
