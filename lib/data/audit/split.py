"""Splits by group: related images stay in one split, so that no test image can be recognised from training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lib.study.names import LABELS, UserError, generators_of

SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}
MIN_GROUPS = 10
# Generators that are drawn evenly each for itself: those with most images. All others are drawn together.
MOST_GENERATORS = 50


def clusters(groups: pd.Series, pairs: np.ndarray) -> np.ndarray:
    """Number of the cluster of each image: a common group or a copy connects images.

    Args:
        groups: group of each image (a person, say); empty if an image has none.
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


def assign_splits(
    images: pd.DataFrame,
    pairs: np.ndarray,
    seed: int,
    before: pd.Series | None = None,
    shares: Mapping[str, float] = SHARES,
) -> pd.Series:
    """`train`, `validation` or `test` for each image: 70/15/15 in both classes, with no cluster in two splits.

    If there are several generators, each is spread over the splits in these shares too, as far as its clusters allow.

    Seed and names give the order of the clusters, with the largest first if sizes differ much. Each cluster goes to the
    split that is furthest below its share. With MIN_GROUPS clusters in each class, every split gets images of both
    classes. The result depends only on the images and the seed, not on the order of rows.

    Images keep the split of an earlier run, so that no model is tested on images it was trained on. The other images of
    their cluster join them. A new image that would connect two splits gets no split ("") and is set aside by the caller
    with the reason: a copy of images in both, say, or a copy of one that shares a group with the other. If one of
    several new images could be left out, it is the last one by image_id. Earlier images that prove to be copies of each
    other stay in their two splits; only `across_split` of their pair shows it. New images of a group that earlier runs
    left in two splits get "" too.

    Args:
        images: columns image_id, label, group and, if known, generator; used images only.
        pairs: (n, 2) row numbers of duplicates.
        seed: of the order.
        before: split of the images of earlier runs, by image_id; "" and images that no longer exist do not count.
        shares: the splits to fill, and the share of each; the shares sum to 1.

    Raises:
        UserError: a class has fewer than MIN_GROUPS clusters, too few for three splits; or `before` has another split.
    """
    earlier = _earlier_splits(images["image_id"], before, tuple(shares))
    groups, pairs, links = _without_links(images, pairs, earlier)
    kept = ~links
    _, cluster = np.unique(clusters(groups, pairs)[kept], return_inverse=True)
    members = _strata(images[kept])
    counts = np.stack([np.bincount(cluster[mine], minlength=cluster.max(initial=-1) + 1) for mine in members], 1)
    for label, count in zip(LABELS, (counts > 0).sum(axis=0)):
        if count < MIN_GROUPS:
            raise UserError(
                f"the {label} class has {count} independent groups of images (people, or sets of duplicates), "
                f"expected at least {MIN_GROUPS} to fill {len(shares)} splits (--groups none ignores groups of folders or a table)"
            )
    chosen = np.full(len(counts), -1)
    known = earlier[kept] >= 0
    chosen[cluster[known]] = earlier[kept][known]
    names = images["image_id"][kept].groupby(cluster).min().to_numpy()
    split = np.full(len(images), "", object)
    filled = _filled_up(counts.astype(float), chosen, names, seed, np.array(list(shares.values())))
    split[kept] = np.array(list(shares), object)[filled[cluster]]
    return pd.Series(split, images.index, dtype="str", name="split")


def _strata(images: pd.DataFrame) -> list[np.ndarray]:
    """Which images belong to each class and, if there are several, to each generator: bool arrays, classes first."""
    found = [(images["label"] == label).to_numpy() for label in LABELS]
    if len(generators_of(images)) > 1:
        made = images["generator"].where(images["label"] == "synthetic", "")
        counts = made[made != ""].value_counts()
        # By number, then by name, so that the order of the rows does not matter.
        most = sorted(counts.index, key=lambda name: (-counts[name], name))[:MOST_GENERATORS]
        found += [(made == name).to_numpy() for name in most]
        rest = (images["label"] == "synthetic") & ~made.isin(most)
        found += [rest.to_numpy()] if rest.any() else []
    return found


def _filled_up(counts: np.ndarray, chosen: np.ndarray, names: np.ndarray, seed: int, shares: np.ndarray) -> np.ndarray:
    """Number of the split of each cluster: `chosen`, with each -1 replaced by the split furthest below its share.

    Args:
        counts: images of each cluster (rows), of each class and then of each generator (columns).
        names: of the clusters; they and the seed give the order.
        shares: of each split, summing to 1.
    """
    chosen, both = chosen.copy(), len(LABELS)
    target = shares[:, None] * counts.sum(axis=0)
    filled = np.stack([counts[chosen == split].sum(axis=0) for split in range(len(shares))])
    classes = counts / counts.sum(axis=1, keepdims=True)
    # Large clusters first: no others could balance them if they came last.
    magnitude = np.frexp(counts.sum(axis=1))[1]
    order = sorted(np.flatnonzero(chosen < 0), key=lambda cluster: (-magnitude[cluster], _order(seed, names[cluster])))
    left = (counts[order] > 0).sum(axis=0)
    for cluster in order:
        lacking = ((target - filled) / np.maximum(target, 1)) @ classes[cluster]
        missing = filled == 0
        if missing.any():
            # If only these clusters of a class are left, the class must still reach every split, however full it is.
            # Each cluster closes one gap, so it is enough to have as many clusters as gaps (in both classes).
            gaps = missing.sum(axis=0)
            gaps[:both] = gaps[:both].sum()
            urgent = (counts[cluster] > 0) & (left <= gaps)
            if urgent[:both].any():
                # A class in every split is worth more than a generator in every split.
                urgent[both:] = False
            gaps = missing[:, urgent].any(axis=1)
            lacking[~gaps & gaps.any()] = -np.inf
        left -= counts[cluster] > 0
        chosen[cluster] = lacking.argmax()
        filled[chosen[cluster]] += counts[cluster]
    return chosen


def _order(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _earlier_splits(names: pd.Series, before: pd.Series | None, splits: Sequence[str]) -> np.ndarray:
    """Number of the earlier split of each image, -1 for none."""
    if before is None:
        return np.full(len(names), -1)
    found = names.map(before).fillna("")
    wrong = ~found.isin(["", *splits])
    if wrong.any():
        raise UserError(
            f"image {names[wrong].iloc[0]}: an earlier run gave it the split {found[wrong].iloc[0]!r}, "
            f"expected one of {', '.join(splits)}"
        )
    return found.map({split: number for number, split in enumerate(["", *splits], start=-1)}).to_numpy(int)


def _without_links(
    images: pd.DataFrame, pairs: np.ndarray, earlier: np.ndarray
) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Groups and pairs without links between earlier images of two splits, and the new images to leave out for this.

    Args:
        earlier: number of the split that each image had before, -1 for new images.

    Returns:
        Groups and pairs whose clusters hold earlier images of one split at most; bool array, True for images left out.
    """
    groups, old = images["group"].astype(str).reset_index(drop=True), earlier >= 0
    nothing = np.zeros(len(groups), bool)
    if not old.any():
        return groups, pairs, nothing
    # A link between two earlier images cannot be undone; it must not decide the split of new ones.
    first, second = earlier[pairs].T
    pairs = pairs[(first == second) | (first < 0) | (second < 0)]
    sides = pd.Series(earlier[old]).groupby(groups[old].to_numpy()).nunique()
    torn = groups.isin(sides.index[sides > 1]) & groups.ne("")
    links = (torn & ~old).to_numpy(copy=True)
    links[_linking(images["image_id"].to_numpy(), *_cut(groups, pairs, links, torn), earlier)] = True
    return *_cut(groups, pairs, links, torn), links


def _cut(groups: pd.Series, pairs: np.ndarray, links: np.ndarray, torn: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Groups and pairs without images that are left out, and without groups that are already in two splits."""
    return groups.mask(torn | links, ""), pairs[~links[pairs].any(axis=1)]


def _linking(names: np.ndarray, groups: pd.Series, pairs: np.ndarray, earlier: np.ndarray) -> list[int]:
    """Rows of new images to leave out, so that no cluster holds earlier images of two splits.

    Images are added to their clusters one by one, earlier ones first. One that would connect two splits is not added.
    """
    number, old = clusters(groups, pairs), earlier >= 0
    sides = pd.Series(earlier[old]).groupby(number[old]).nunique()
    doubtful = np.isin(number, sides.index[sides > 1])
    near: dict[object, list] = {row: [groups[row]] if groups[row] else [] for row in np.flatnonzero(doubtful)}
    for a, b in pairs[doubtful[pairs[:, 0]]]:
        near[a].append(b)
        near[b].append(a)
    # Nodes of a union-find are rows and the names of groups; a row is present after it has been added.
    parent: dict[object, object] = {group: group for group in groups[doubtful]}
    side: dict[object, int] = {}

    def root(node):
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    left_out = []
    for row in sorted(near, key=lambda row: (not old[row], names[row])):
        roots = {root(node) for node in near[row] if node in parent}
        found = {earlier[row], *(side.get(node, -1) for node in roots)} - {-1}
        if len(found) > 1:
            left_out.append(row)
            continue
        parent |= dict.fromkeys([row, *roots], row)
        side[row] = found.pop() if found else -1
    return left_out
