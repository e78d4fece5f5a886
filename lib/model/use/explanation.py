"""Explanations of a detector: Grad-CAM, contributions that add up to the logit, and a sanity check without training.

Maps explain the logit, not the probability, whose slope is zero when a decision is certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lib.data.audit.appearance import sample_rows
from lib.data.images.batches import load_views
from lib.data.images.parts import Parts, parts_of
from lib.data.images.views import WHOLE, ImageFile, View
from lib.metrics.checks import decimals
from lib.model.features import BATCH
from lib.model.native import keras, tf
from lib.model.pooling import pooling_layer
from lib.model.scores import run_files, run_view
from lib.show.progress import progress
from lib.study.names import LABELS
from lib.study.run import Run

# Images explained at a time. The activations of all layers are held at once: 80 MB for an image of 224 pixels.
AT_ONCE = 16
# The side of all maps is the image's side divided by this: 28 for 224 pixels.
CELL = 8
# Images of each class in an average map.
EACH, QUICK_EACH = 100, 4
# Images of each class, and number of shuffled models, in the sanity check.
SANITY_EACH, SHUFFLES, QUICK_SHUFFLES = 20, 5, 1


class Maps(NamedTuple):
    """Maps of some images: positive where the image looks synthetic, negative where it looks real.

    Attributes:
        logit: float32 (images,), of `synthetic`.
        grad_cam: float32 (images, height, width), on the grid of the last block.
        contributions: float32 (images, blocks, side / CELL, side / CELL), in units of the logit.
    """

    logit: np.ndarray
    grad_cam: np.ndarray
    contributions: np.ndarray


def pooled_blocks(detector: keras.Model) -> list[str]:
    """Names of the activations that the detector pools, in order; its `contributions` come from them."""
    if len(detector.get_layer("backbone").outputs) == 1:
        return ["top"]
    names = [layer.name for layer in detector.get_layer("backbone").layers]
    return [found.group(1) for name in names if (found := re.fullmatch(r"(block\d[a-z])_dwconv", name))]


def explain(detector: keras.Model, images: np.ndarray) -> Maps:
    """Maps of the parts of each image that the logit comes from.

    `contributions`: each pooled feature's gradient times its value, spread over the positions that the value comes
    from. For a channel's mean this is its activation at each position; for its standard deviation, the squared distance
    from the mean. For a linear head, the mean over space, summed over blocks, is the logit up to one constant. So
    nothing is lost.

    `grad_cam`: the channels of the last pooled activation, each weighted by its mean gradient over space, summed
    (Selvaraju et al. 2017; their last step, which drops negative values, is `towards`). With average pooling this
    equals the map of contributions. With multi-level pooling it covers one block of many, and the mean gradient drops
    the effect of standard deviations; one position sees most of a small image.

    Args:
        detector: as `network.assemble` makes it.
        images: (images, side, side, 3), 0-255; side a multiple of 32.
    """
    parts = [_explain(detector, images[first : first + AT_ONCE]) for first in range(0, len(images), AT_ONCE)]
    return Maps(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _explain(detector: keras.Model, images: np.ndarray) -> Maps:
    backbone, head = detector.get_layer("backbone"), detector.get_layer("head")
    last = head.layers[-1]
    before = keras.Model(head.input, last.input)
    found = backbone(tf.cast(images, tf.float32), training=False)
    activations = list(found) if isinstance(found, list | tuple) else [found]
    pooling, _ = pooling_layer(detector)
    pooled = pooling.features(activations)
    with tf.GradientTape() as tape:
        tape.watch(pooled)
        logit = (before(tf.concat(pooled, -1), training=False) @ last.kernel + last.bias)[:, 0]
    gradients = tape.gradient(logit, pooled)
    grid, kinds = images.shape[1] // CELL, len(pooled) // len(activations)
    maps = []
    for block, activation in enumerate(activations):
        mine = slice(block * kinds, (block + 1) * kinds)
        places = pooling.places(activation, pooled[mine])
        by_part = [tf.reduce_sum(g[:, None, None] * place, -1) for g, place in zip(gradients[mine], places)]
        by_mean = by_part[0]
        maps.append(tf.image.resize(tf.add_n(by_part)[..., None], (grid, grid), method="area")[..., 0])
    # Over space, the gradient of a mean is constant, and that of a standard deviation is 0 on average.
    grad_cam = by_mean / (by_mean.shape[1] * by_mean.shape[2])
    return Maps(logit.numpy(), grad_cam.numpy(), tf.stack(maps, 1).numpy())


def randomised(detector: keras.Model, seed: int = 0) -> keras.Model:
    """The detector with the values of every kernel shuffled: nothing learnt remains, but the weights keep their size."""
    model = keras.models.clone_model(detector)
    model.set_weights(detector.get_weights())
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "kernel" in weight.path:
            weight.assign(rng.permutation(np.ravel(weight)).reshape(weight.shape))
    return model


def rank_correlations(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation between two maps of each image.

    Args:
        maps, others: (images, height, width).

    Returns:
        (images,), -1 to 1; NaN if a map is constant.
    """
    pairs = zip(maps.reshape(len(maps), -1), others.reshape(len(others), -1))
    return np.array([np.nan if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b).statistic for a, b in pairs])


# ------------------------------------------------------------------------------------------------- a run's own images


def sample(run: Run) -> pd.DataFrame:
    """Rows of at most EACH test images of each class; chosen by content, so always the same ones."""
    test = run.used_images().query("split == 'test'")
    return sample_rows(test, QUICK_EACH if run.quick else EACH).reset_index(drop=True)


def explain_images(run: Run, detector: keras.Model, images: pd.DataFrame) -> tuple[np.ndarray, Maps]:
    """What the network sees of each image, uint8 (images, side, side, 3), and its maps, as `whole_maps` gives them.

    Args:
        images: rows of the run's image table.
    """
    return explain_files(run_files(run, images), run_view(run), detector)


def explain_files(files: Sequence[ImageFile], view: View, detector: keras.Model) -> tuple[np.ndarray, Maps]:
    """`explain_images` of image files under a view."""
    pictures, maps = [], []
    with progress(len(files), "maps") as advance:
        for first in range(0, len(files), BATCH):
            some = parts_of(files[first : first + BATCH], view)
            views = np.concatenate(list(load_views(some.files, view, BATCH)))
            found, shown = whole_maps(explain(detector, views), views, some, view)
            pictures.append(shown)
            maps.append(found)
            advance(len(shown))
    if any(found.grad_cam.shape[1:] != maps[0].grad_cam.shape[1:] for found in maps):
        maps = [_finer(found) for found in maps]
    return np.concatenate(pictures), Maps(*(np.concatenate(part) for part in zip(*maps)))


def whole_maps(maps: Maps, views: np.ndarray, parts: Parts, view: View) -> tuple[Maps, np.ndarray]:
    """Maps of whole images from those of their parts, and what they lie over.

    A part's map is laid over its place in the image, so that the mean over space stays the image's logit (up to the constant):
    places that several parts show add up.

    Args:
        maps: of the parts.
        views: of the parts, uint8 (rows, side, side, 3).
        parts: the images that the rows belong to.
        view: gives the places of the parts.

    Returns:
        Maps of the images; and for each the view that they lie over: the whole image, squeezed, or its only part.
    """
    if not parts.several:
        return maps, views
    fine, count = _finer(maps), parts.image[-1] + 1
    grad_cam = np.zeros((count, *fine.grad_cam.shape[1:]), "float32")
    contributions = np.zeros((count, *fine.contributions.shape[1:]), "float32")
    shown = np.zeros((count, *views.shape[1:]), "uint8")
    for row, (file, image, weight) in enumerate(zip(parts.files, parts.image, parts.weight)):
        alone = (parts.image == image).sum() == 1
        if alone or file.part == WHOLE:
            shown[image] = views[row]
        box = (0.0, 0.0, 1.0, 1.0) if alone else view.boxes(*file.size)[file.part]
        grad_cam[image] += weight * _laid(fine.grad_cam[row], box)
        contributions[image] += weight * np.stack([_laid(block, box) for block in fine.contributions[row]])
    return Maps(parts.mean(maps.logit).astype("float32"), grad_cam, contributions), shown


def _finer(maps: Maps) -> Maps:
    """Maps with Grad-CAM on the grid of the contributions."""
    side = maps.contributions.shape[-1]
    return maps._replace(grad_cam=np.stack([cv2.resize(one, (side, side)) for one in maps.grad_cam]))


def _laid(map_: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """A map (side, side) of a part, laid over its place in the image; the mean stays, around it is 0."""
    side = len(map_)
    top, left, height, width = (round(share * side) for share in box)
    height, width = max(1, height), max(1, width)
    top, left = min(top, side - height), min(left, side - width)
    small = cv2.resize(map_, (width, height), interpolation=cv2.INTER_AREA)
    found = np.zeros_like(map_)
    found[top : top + height, left : left + width] = small * (side * side / (height * width))
    return found


def average_map(maps: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The map of the average image, with equal weight for both classes; other maps are compared with it.

    Features that all images share (padding at the border, the position of a face) carry no information on the class.
    Zero has no special meaning for activations before their normalisation.

    Args:
        maps: (images, height, width).
        y: label of each, 0 real or 1 synthetic.
    """
    return np.mean([maps[y == number].mean(axis=0) for number in range(len(LABELS))], axis=0)


def class_maps(maps: np.ndarray, y: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Average maps of the classes, for `figures.heat_maps`.

    Args:
        maps: (images, height, width), positive towards synthetic.
        y: label of each, 0 real or 1 synthetic.

    Returns:
        Class to its evidence on its own images, from 0 upwards: the mean of their maps, each minus `average_map`,
            without evidence against the class. Also the difference of the classes' mean maps, synthetic - real.
    """
    average = average_map(maps, y)
    own = {label: towards(maps[y == number] - average, label).mean(axis=0) for number, label in enumerate(LABELS)}
    return own, maps[y == 1].mean(axis=0) - maps[y == 0].mean(axis=0)


def towards(maps: np.ndarray, label: str) -> np.ndarray:
    """The evidence for a class in maps (positive towards synthetic), from 0 upwards: the last step of Grad-CAM."""
    return np.maximum(maps if label == "synthetic" else -maps, 0)


def block_table(contributions: np.ndarray, y: np.ndarray, blocks: Sequence[str]) -> pd.DataFrame:
    """The contribution of each stage of the network to the difference between the classes' mean logits.

    Args:
        contributions: of `explain`.
        y: label of each image.
        blocks: of `pooled_blocks`.

    Returns:
        One row per stage: `blocks` (such as `block3`; `top`), `difference` (synthetic - real, in logits) and `share` of
            the sum (can be negative).
    """
    means = contributions.mean(axis=(2, 3))
    difference = means[y == 1].mean(axis=0) - means[y == 0].mean(axis=0)
    table = pd.DataFrame({"blocks": [name.rstrip("abcd") for name in blocks], "difference": difference})
    table = table.groupby("blocks", sort=False, as_index=False).sum()
    return table.assign(share=table["difference"] / table["difference"].sum())


def sanity(run: Run, detector: keras.Model, images: pd.DataFrame) -> pd.DataFrame:
    """Whether the maps depend on what was learnt: a comparison with maps of shuffled weights.

    After the test of Adebayo et al. 2018, who draw the weights anew. Shuffled ones keep their size.

    Args:
        images: rows of the run's image table; the first SANITY_EACH of each class are used.

    Returns:
        One row per shuffled model: seed, and the mean rank correlation over images of `grad_cam` and of `contributions`
            (summed over blocks) with those of the trained detector. Near 1, the maps would show edges, not what was
            learnt.
    """
    some = images.groupby("label", sort=False).head(SANITY_EACH)
    _, maps = explain_images(run, detector, some)
    rows = []
    for seed in range(QUICK_SHUFFLES if run.quick else SHUFFLES):
        _, others = explain_images(run, randomised(detector, seed), some)
        pairs = {
            "grad_cam": (maps.grad_cam, others.grad_cam),
            "contributions": (maps.contributions.sum(axis=1), others.contributions.sum(axis=1)),
        }
        rows.append({name: np.nanmean(rank_correlations(*pair)) for name, pair in pairs.items()} | {"seed": seed})
    return pd.DataFrame(rows)[["seed", "grad_cam", "contributions"]]


def error_cases(
    run: Run, detector: keras.Model, errors: pd.DataFrame, average: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray | None, str]]:
    """Wrong decisions for `figures.error_gallery`: image, map and caption with path, classes and score.

    The map shows the evidence for the predicted class, compared with the average test image at the same position.

    Args:
        errors: columns image_id, y, called, score (of `metrics.errors`).
        average: `average_map` of the contributions, summed over blocks; None if the model cannot be explained. Then
            there are no maps.
    """
    if errors.empty:
        return []
    images = run.images().set_index("image_id").loc[errors["image_id"]].reset_index()
    pictures, maps = explain_images(run, detector, images)
    cases = []
    for row, path, picture, found in zip(errors.itertuples(), images["path"], pictures, maps.contributions.sum(axis=1)):
        called = LABELS[row.called]
        caption = f"{path}\n{LABELS[row.y]} called {called}, score {decimals(row.score)}"
        cases.append((picture, None if average is None else towards(found - average, called), caption))
    return cases
