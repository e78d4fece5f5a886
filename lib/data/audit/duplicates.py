"""Copies of images, exact and near, inside a dataset and across datasets, from the hashes in the image table alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dct
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from lib.data.audit.split import clusters
from lib.study.names import UserError
from lib.study.steps import PAIR_COLUMNS

# The hash: signs of the 192 lowest frequencies of an image's brightness, taken twice, of the whole image and of its
# centre without CENTRE_CUT of the width at each edge. The distance of two images is the least of whole-whole,
# whole-centre and centre-whole, so a copy that lost a narrow border is compared with the part that it still shows.
# Near copies are at most NEAR of 192 bits apart. Measured by tests/benchmarks/near_duplicates.py on 2,200 aligned faces
# (FFHQ and StyleGAN, 256 pixels, 2.4 million pairs):
# - found: copies as JPEG at quality 50, of half the size, 10% brighter, cropped by 3% of the width or by 3% at each edge,
#   100%; the last halved and at quality 50 besides, 99.9%. Beyond it: 5% cropped at each edge (1% found), 3% off one side
#   (58%) or one corner (8%), mirrored or turned.
# - false pairs: none; the closest stands at 31 bits, and every 3 bits more there are about twice as many. Of the five
#   pairs of StyleGAN faces that differ in their finest detail only, three are found; two stand at 28 and 37.
# - of 1,500 drawn stand-ins (1.1 million pairs) the closest two stand at 42 bits.
# Plain pHash cannot do this: with at most two false pairs its 64 bits find 70% of the 3% crops and 13% of those at each
# edge, 256 bits of it 22% of the latter. The view of the centre is what makes the difference.
# 23 is also the most that the search below can promise: 12 words, two wrong bits in each, less one.
NEAR = 23
BITS = 192
CENTRE_CUT = 0.0225  # half way between the two readings of "3% cropped", 1.5% and 3% at each edge
# An image has no hash if most of its coefficients are smaller than this (in grey levels times 16). The smallest median
# of 2,200 faces is 13.6, of 600 drawings 11.2. Blank images, even gradients and stripes have about 0; rounding alone
# would decide their bits and make them look alike.
FAINT = 1.0
# Above this number, only the closest pairs that still connect the same images are kept: n copies have n²/2 pairs.
MOST_PAIRS = 5_000_000

_BASE = 128  # every image is first scaled to this side
_SIDE = 32
_WORD = 16
_WORDS = BITS // _WORD
_VIEWS = 2
_DIGITS = _VIEWS * BITS // 4
_BLOCK = 1 << 20  # candidate pairs compared at once, about 80 bytes each


def _lowest_frequencies() -> np.ndarray:
    """Positions of the BITS lowest frequencies without the mean in a (_SIDE, _SIDE) spectrum, in the order of the bits.

    Word k holds the frequencies k, k + 12, k + 24 … by rank. A word of low frequencies only would distinguish few
    images, because aligned faces share them.
    """
    down, across = np.mgrid[:_SIDE, :_SIDE]
    rank = np.argsort((down**2 + across**2).ravel(), kind="stable")[1 : BITS + 1]
    return rank.reshape(_WORD, _WORDS).T.ravel()


def _transform(cut: float) -> np.ndarray:
    """(_SIDE, _BASE): averages the part of _BASE pixels without `cut` at each edge to _SIDE, then transforms it."""
    edges = np.linspace(_BASE * cut, _BASE * (1 - cut), _SIDE + 1)
    pixel = np.arange(_BASE)
    # The part of each pixel between two edges; each row sums to 1.
    inside = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    means = np.maximum(inside, 0) / np.diff(edges)[:, None]
    return (dct(np.eye(_SIDE), axis=0, norm="ortho") @ means).astype(np.float32)


_FREQUENCIES = _lowest_frequencies()
_TRANSFORMS = [_transform(cut) for cut in (0.0, CENTRE_CUT)]
_FLIPS = np.array([0, *(1 << bit for bit in range(_WORD))], np.uint16)  # words at most one bit from a word


# --------------------------------------------------------------------------------------------------------------- hash


def perceptual_hash(image: np.ndarray | Image.Image) -> str:
    """The picture in 96 hex digits: whole image, then its centre; images of any size and shape can be compared.

    After pHash (Zauner 2010): brightness, averaged to 32 x 32, cosine transform, one bit per coefficient.

    Args:
        image: 8-bit RGB or grey.

    Returns:
        Empty for a (nearly) blank image: it has nothing to recognise, and only its bytes and pixels identify copies.
    """
    return perceptual_hashes(small_grey(image)[None])[0]


def small_grey(image: np.ndarray | Image.Image) -> np.ndarray:
    """The part of an image (8-bit RGB or grey) that the hash uses: brightness averaged to (_BASE, _BASE), uint8."""
    pixels = np.asarray(image)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    return cv2.resize(grey, (_BASE, _BASE), interpolation=cv2.INTER_AREA)


def perceptual_hashes(small: np.ndarray) -> list[str]:
    """`perceptual_hash` of many images at once, several times faster.

    Args:
        small: `small_grey` of each, (images, _BASE, _BASE).
    """
    grey = small.astype(np.float32)
    whole, centre = ((view @ grey @ view.T).reshape(len(grey), _SIDE * _SIDE)[:, _FREQUENCIES] for view in _TRANSFORMS)
    bits = np.packbits(np.concatenate([whole, centre], axis=1) > 0, axis=1)
    faint = np.median(np.abs(whole), axis=1) < FAINT
    return ["" if blank else row.tobytes().hex() for row, blank in zip(bits, faint)]


# ------------------------------------------------------------------------------------------------------------- search


def pairs_within(hashes: Sequence[str] | pd.Series) -> np.ndarray:
    """Pairs of rows whose hashes are at most NEAR bits apart.

    Every such pair of different hashes is found, between the first rows that have them. Rows with an equal hash are
    paired only with the first of them. Beyond MOST_PAIRS, the closest pairs that connect the same rows are kept.

    Args:
        hashes: of `perceptual_hash`; rows without one are in no pair.

    Returns:
        (m, 3) int64: row a < row b, distance in bits; sorted by rows.

    Raises:
        UserError: a hash of another kind.
    """
    rows, views, copies = _distinct(hashes)
    whole, centre = views[:, 0], views[:, 1]
    joins = [_join(whole, whole, once=True), _join(whole, centre)]
    found = _closest(_ordered(joins), len(rows))
    near = np.column_stack([rows[found[:, :2]], found[:, 2]])
    near[:, :2].sort(axis=1)
    return _sorted(np.concatenate([near, copies]))


def pairs_between(first: Sequence[str] | pd.Series, second: Sequence[str] | pd.Series) -> np.ndarray:
    """Pairs of a row of `first` and a row of `second` whose hashes are at most NEAR bits apart.

    Every row with a partner is in a pair. Among rows with an equal hash, the first is paired with all its partners, the
    others with the first of each set of equal partners. Beyond MOST_PAIRS, pairs are reduced as in `pairs_within`.

    Returns:
        (m, 3) int64: row of `first`, row of `second`, distance in bits; sorted by rows.

    Raises:
        UserError: a hash of another kind.
    """
    rows, views, copies = _distinct(first)
    other_rows, other_views, other_copies = _distinct(second)
    # Both sides share one numbering, so that the reduction treats them as nodes of one graph.
    joins = (
        found + np.array([0, len(rows), 0])
        for mine, theirs in ((0, 0), (0, 1), (1, 0))
        for found in _join(views[:, mine], other_views[:, theirs])
    )
    found = _closest(joins, len(rows) + len(other_rows)) - np.array([0, len(rows), 0])
    near = np.column_stack([rows[found[:, 0]], other_rows[found[:, 1]], found[:, 2]])
    return _sorted(np.concatenate([near, _repeated(near, copies, 0), _repeated(near, other_copies, 1)]))


def _distinct(hashes: Sequence[str] | pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each different hash, its bits as (n, _VIEWS, 24) uint8, and the repetitions as (m, 3) pairs."""
    texts = pd.Series(list(hashes), dtype=object)
    texts = texts[texts != ""]
    lengths = texts.str.len()
    if (lengths != _DIGITS).any():
        raise UserError(
            f"perceptual hash {texts[lengths != _DIGITS].iloc[0]!r}: expected {_DIGITS} hex digits; "
            "it is of another version, so audit that dataset again (notebook 01_data_audit)"
        )
    rows = texts.index.to_numpy()
    codes, kinds = pd.factorize(texts)
    is_first = ~pd.Series(codes).duplicated().to_numpy(bool)
    firsts = rows[is_first]
    again = np.column_stack([firsts[codes[~is_first]], rows[~is_first], np.zeros((~is_first).sum(), int)])
    views = np.frombuffer(bytes.fromhex("".join(kinds)), np.uint8).reshape(-1, _VIEWS, BITS // 8)
    return firsts, views, again.astype(np.int64)


def _join(first: np.ndarray, second: np.ndarray, *, once: bool = False) -> Iterable[np.ndarray]:
    """Blocks of (m, 3): row of `first`, row of `second`, distance; each pair at most NEAR bits apart occurs once.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012): NEAR bits cannot change each of the 12 words by two or more.
    So a near pair has a word that is equal or one bit away, and only rows in those buckets are compared.

    Args:
        first, second: (n, 24) uint8, hashes of one view.
        once: both are the same set; only pairs with row a < row b.
    """
    assert NEAR < 2 * _WORDS, "a near pair could be missed"
    words, other_words = _whole(first, np.uint16), _whole(second, np.uint16)
    longs, other_longs = _whole(first, np.uint64), _whole(second, np.uint64)
    for word in range(_WORDS):
        order = np.argsort(other_words[:, word], kind="stable").astype(np.int32)
        starts = np.searchsorted(other_words[order, word], np.arange((1 << _WORD) + 1))
        for flip in _FLIPS:
            bucket = words[:, word] ^ flip
            begin, end = starts[bucket], starts[bucket.astype(np.intp) + 1]
            for left, place in _expanded(begin, end):
                right = order[place]
                if once:
                    left, right = left[left < right], right[left < right]
                distance = np.bitwise_count(longs[left] ^ other_longs[right]).sum(axis=1, dtype=np.uint8)
                near = np.flatnonzero(distance <= NEAR)
                # Each pair once: at the first of its close words.
                earlier = words[left[near], :word] ^ other_words[right[near], :word]
                near = near[(np.bitwise_count(earlier) > 1).all(axis=1)]
                if len(near):
                    yield np.column_stack([left[near], right[near], distance[near]]).astype(np.int64)


def _whole(hashes: np.ndarray, kind: type) -> np.ndarray:
    """The bytes of each hash as words of another width."""
    return np.ascontiguousarray(hashes).view(kind)


def _expanded(begin: np.ndarray, end: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Row and position for each position in begin[row] … end[row] - 1, in blocks of about _BLOCK."""
    ends = np.cumsum(end - begin)
    row, done, total = 0, 0, int(ends[-1]) if len(ends) else 0
    while done < total:
        # At least one row, whose bucket is at most the whole other side.
        stop = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), row + 1)
        sizes = (end - begin)[row:stop]
        left = np.repeat(np.arange(row, stop, dtype=np.int32), sizes)
        first_places = begin[row:stop] - (ends[row:stop] - sizes - done)
        yield left, np.repeat(first_places, sizes) + np.arange(len(left))
        row, done = stop, int(ends[stop - 1])


def _ordered(joins: Iterable[Iterable[np.ndarray]]) -> Iterable[np.ndarray]:
    """The blocks of several joins of a set with itself: smaller row first, no row with itself."""
    for join in joins:
        for found in join:
            found = found[found[:, 0] != found[:, 1]]
            found[:, :2].sort(axis=1)
            yield found


def _closest(blocks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Each pair of the blocks once, with its least distance; not many more than MOST_PAIRS are in memory.

    Args:
        blocks: (m, 3) arrays: two rows, smaller than `count`, and their distance.
    """
    kept, waiting = np.empty((0, 3), np.int64), []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) > MOST_PAIRS:
            kept, waiting = _thinned(_least(np.concatenate([kept, *waiting])), count), []
    return _thinned(_least(np.concatenate([kept, *waiting])), count)


def _least(pairs: np.ndarray) -> np.ndarray:
    """Each pair of rows once, with its least distance, sorted by rows."""
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    again = (pairs[1:, :2] == pairs[:-1, :2]).all(axis=1)
    return pairs[np.concatenate([[True], ~again])[: len(pairs)]]


def _thinned(pairs: np.ndarray, count: int) -> np.ndarray:
    """The pairs; if there are more than MOST_PAIRS, the closest of them that still connect the same rows."""
    if len(pairs) <= MOST_PAIRS:
        return pairs
    # Distances start at one here, because a zero would not be an edge.
    graph = coo_matrix((pairs[:, 2] + 1, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    tree = minimum_spanning_tree(graph).tocoo()
    return np.column_stack([tree.row, tree.col, tree.data - 1]).astype(np.int64)


def _repeated(near: np.ndarray, copies: np.ndarray, side: int) -> np.ndarray:
    """The pairs again for each further row that has the hash of the row in column `side`."""
    copied = pd.DataFrame(copies[:, :2], columns=["kept", "row"])
    pairs = pd.DataFrame(near, columns=["first", "second", "distance"])
    name = pairs.columns[side]
    joined = copied.merge(pairs, left_on="kept", right_on=name).drop(columns=name).rename(columns={"row": name})
    return joined[["first", "second", "distance"]].to_numpy(np.int64)


def _sorted(pairs: np.ndarray) -> np.ndarray:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


# ------------------------------------------------------------------------------------------------------------- tables


def find_duplicates(images: pd.DataFrame) -> pd.DataFrame:
    """Pairs of images of one dataset that are the same file, the same pixels or nearly the same picture.

    `exact` pairs connect each image with the first one of the same bytes or pixels, whatever their hashes are. `near`
    pairs are those of `pairs_within`, without exact copies of an earlier image. So every copy is in a pair and every
    set of copies is connected, but a set of n copies does not have all its n²/2 pairs.

    Args:
        images: rows to compare; columns image_id, label, sha256, phash and, if known, pixel_sha256.

    Returns:
        Columns PAIR_COLUMNS, in the order of `images`; distance in bits, 0 if an image has no hash; `across_split` is
        False until splits are drawn.

    Raises:
        UserError: a hash of another kind.
    """
    images = images.reset_index(drop=True)
    exact = np.concatenate([_repetitions(images[column]) for column in _content(images)])
    exact = np.unique(exact, axis=0)
    alone = np.setdiff1d(np.arange(len(images)), exact[:, 1])
    near = pairs_within(images["phash"].iloc[alone])
    near[:, :2] = alone[near[:, :2]]
    return _table(images, images, exact, near, "")


def find_overlap(images: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Pairs of an image of this dataset and an image of another that are copies, as in `find_duplicates`.

    Every image of either side that has a copy on the other is in a pair.

    Args:
        images: rows to compare.
        others: name of each other dataset to its rows; `image_b` is one of their ids.

    Returns:
        Columns PAIR_COLUMNS; `other_dataset` is the name, `across_split` False.

    Raises:
        UserError: a hash of another kind; names the dataset.
    """
    images = images.reset_index(drop=True)
    found = [_overlap(images, other.reset_index(drop=True), name) for name, other in others.items()]
    return pd.concat(found, ignore_index=True) if found else _table(images, images, _NONE[:, :2], _NONE, "")


def conflicts(images: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """Whether each image is in a set of copies that has both labels, so that its own label is not reliable.

    Sets are used because `find_duplicates` connects a set without all of its pairs.

    Args:
        images: columns image_id, label.
        pairs: of `find_duplicates`, among these images.

    Returns:
        bool, index of `images`.
    """
    row = pd.Series(np.arange(len(images)), images["image_id"])
    numbers = np.column_stack([row[pairs["image_a"]], row[pairs["image_b"]]]).reshape(-1, 2)
    cluster = clusters(pd.Series("", images.index), numbers)
    return images["label"].groupby(cluster).transform("nunique") > 1


_NONE = np.empty((0, 3), np.int64)


def _content(*tables: pd.DataFrame) -> list[str]:
    """The columns that identify exact copies; images.csv of another run may lack the second."""
    return [name for name in ("sha256", "pixel_sha256") if all(name in table for table in tables)]


def _repetitions(content: pd.Series) -> np.ndarray:
    """(m, 2) rows: the first row with some content, and each later one with the same; empty content is ignored."""
    content = content[content != ""]
    first = content.index.to_series().groupby(content).transform("first")
    later = first[first != first.index]
    return np.column_stack([later, later.index]).astype(np.int64).reshape(-1, 2)


def _overlap(images: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """`find_overlap` with one dataset."""
    exact = np.concatenate([_equal(images[column], other[column]) for column in _content(images, other)])
    try:
        near = pairs_between(images["phash"], other["phash"])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return _table(images, other, np.unique(exact, axis=0), near, name)


def _equal(first: pd.Series, second: pd.Series) -> np.ndarray:
    """(m, 2) rows with equal content: the first of each side with all of the other."""
    mine, theirs = (
        pd.DataFrame({"content": side, "row": side.index})[side.to_numpy() != ""] for side in (first, second)
    )
    starts, other_starts = mine.drop_duplicates("content"), theirs.drop_duplicates("content")
    joined = [mine.merge(other_starts, on="content"), starts.merge(theirs, on="content")]
    return pd.concat(joined)[["row_x", "row_y"]].to_numpy(np.int64)


def _table(
    images: pd.DataFrame, other: pd.DataFrame, exact: np.ndarray, near: np.ndarray, other_dataset: str
) -> pd.DataFrame:
    """The pair table from exact pairs (m, 2) and pairs by hash (n, 3), some of which are exact too."""
    distances = _bits_apart(images["phash"].iloc[exact[:, 0]], other["phash"].iloc[exact[:, 1]])
    rows = pd.DataFrame(np.concatenate([np.column_stack([exact, distances]), near]), columns=["a", "b", "distance"])
    rows = rows.drop_duplicates(["a", "b"]).sort_values(["a", "b"], ignore_index=True)
    same = np.zeros(len(rows), bool)
    for column in _content(images, other):
        content = images[column].to_numpy(object)[rows["a"]]
        same |= (content == other[column].to_numpy(object)[rows["b"]]) & (content != "")
    labels, other_labels = images["label"].to_numpy(object)[rows["a"]], other["label"].to_numpy(object)[rows["b"]]
    pairs = pd.DataFrame(
        {
            "image_a": images["image_id"].to_numpy(object)[rows["a"]],
            "image_b": other["image_id"].to_numpy(object)[rows["b"]],
            "kind": np.where(same, "exact", "near").astype(object),
            "distance": rows["distance"].astype("int64"),
            "same_label": (labels == other_labels).astype(bool),
            "across_split": False,
            "other_dataset": other_dataset,
        }
    )
    return pairs[PAIR_COLUMNS].astype({"across_split": bool, "other_dataset": object})


def _bits_apart(first: Iterable[str], second: Iterable[str]) -> np.ndarray:
    """Distance of each pair of hashes as in `pairs_within`, 0 if one is missing."""
    return np.array([_distance(a, b) for a, b in zip(first, second, strict=True)], np.int64)


def _distance(first: str, second: str) -> int:
    if not first or not second or first == second:
        return 0
    half = _DIGITS // 2
    views = ((first[:half], second[:half]), (first[:half], second[half:]), (first[half:], second[:half]))
    return min((int(a, 16) ^ int(b, 16)).bit_count() for a, b in views)
