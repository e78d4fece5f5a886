"""What a detector looks at: Grad-CAM, contributions to the logit that add up, and what is left of them without training.

Maps are of the logit, not of the probability, whose slope is zero where a decision is certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.stats import spearmanr

from lib.data.audit.appearance import sample_rows
from lib.data.images.batches import load_views
from lib.data.images.views import recipe_view
from lib.metrics.checks import decimals
from lib.model.features import BATCH
from lib.model.pooling import pooling_layer
from lib.model.scores import run_files
from lib.show.progress import progress
from lib.study.names import LABELS
from lib.study.run import Run

# Images that are explained at a time: the activations of all layers are held at once, 80 MB an image of 224 pixels.
AT_ONCE = 16
# Maps of all blocks are brought to this part of the image's side: 28 for 224 pixels.
CELL = 8
# Images of each class that average maps are made of.
EACH, QUICK_EACH = 100, 4
# Images of each class, and shuffled models, of the sanity check.
SANITY_EACH, SHUFFLES, QUICK_SHUFFLES = 20, 5, 1


class Maps(NamedTuple):
    """Maps of some images, positive where the image looks synthetic and negative where it looks real.

    Attributes:
        logit: float32 (images,), of `synthetic`.
        grad_cam: float32 (images, height, width), on the grid of the last block.
        contributions: float32 (images, blocks, side / CELL, side / CELL), in units of the logit.
    """

    logit: np.ndarray
    grad_cam: np.ndarray
    contributions: np.ndarray


def pooled_blocks(detector: keras.Model) -> list[str]:
    """Names of the activations that the detector pools, first one first: those that its `contributions` come from."""
    if len(detector.get_layer("backbone").outputs) == 1:
        return ["top"]
    names = [layer.name for layer in detector.get_layer("backbone").layers]
    return [found.group(1) for name in names if (found := re.fullmatch(r"(block\d[a-z])_dwconv", name))]


def explain(detector: keras.Model, images: np.ndarray) -> Maps:
    """Where in the images the logit comes from.

    `contributions`: each pooled feature's gradient times its value, laid out over the places that the value comes from:
    for a channel's mean its activation at each place, for its standard deviation the squared distance from the mean. The
    mean over space, added up over blocks, is the logit of a linear head but for one constant, so that nothing is lost.

    `grad_cam`: the channels of the last activation that is pooled, each weighted by its mean gradient over space, added up
    (Selvaraju et al. 2017; their last step, which drops what is negative, is `towards`). With average pooling that is the
    contributions' map. With multi-level pooling it is one block of many, and the mean gradient drops what goes through
    standard deviations; a place of it sees most of a small image.

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
    # Over space, the gradient of a mean is the same everywhere, and that of a standard deviation 0 on average.
    grad_cam = by_mean / (by_mean.shape[1] * by_mean.shape[2])
    return Maps(logit.numpy(), grad_cam.numpy(), tf.stack(maps, 1).numpy())


def randomised(detector: keras.Model, seed: int = 0) -> keras.Model:
    """The detector with the values of every kernel shuffled: nothing learnt is left, but the weights are as large as before."""
    model = keras.models.clone_model(detector)
    model.set_weights(detector.get_weights())
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "kernel" in weight.path:
            weight.assign(rng.permutation(np.ravel(weight)).reshape(weight.shape))
    return model


def rank_correlations(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each map with the other one of the same image.

    Args:
        maps, others: (images, height, width).

    Returns:
        (images,), -1 to 1; NaN where a map is the same everywhere.
    """
    pairs = zip(maps.reshape(len(maps), -1), others.reshape(len(others), -1))
    return np.array([np.nan if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b).statistic for a, b in pairs])


# ------------------------------------------------------------------------------------------------- a run's own images


def sample(run: Run) -> pd.DataFrame:
    """Rows of at most EACH test images of each class; chosen by content, so that they are always the same ones."""
    test = run.used_images().query("split == 'test'")
    return sample_rows(test, QUICK_EACH if run.quick else EACH).reset_index(drop=True)


def explain_images(run: Run, detector: keras.Model, images: pd.DataFrame) -> tuple[np.ndarray, Maps]:
    """What the network sees of each image, uint8 (images, side, side, 3), and its maps.

    Args:
        images: rows of the run's image table.
    """
    files, pictures, parts = run_files(run, images), [], []
    with progress(len(files), "maps") as advance:
        for batch in load_views(files, recipe_view(run.recipe), BATCH):
            pictures.append(batch)
            parts.append(explain(detector, batch))
            advance(len(batch))
    return np.concatenate(pictures), Maps(*(np.concatenate(part) for part in zip(*parts)))


def average_map(maps: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The map of the average image, both classes counting the same: what maps are read against.

    What all images share (padding at the border, where a face is) says nothing of the class, and zero has no meaning of
    its own for activations before their normalisation.

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
        Class to what speaks for it on its images, 0 upwards: the mean of their maps, each against `average_map` and
        without what speaks against the class. And the difference of the classes' mean maps, synthetic - real.
    """
    average = average_map(maps, y)
    own = {label: towards(maps[y == number] - average, label).mean(axis=0) for number, label in enumerate(LABELS)}
    return own, maps[y == 1].mean(axis=0) - maps[y == 0].mean(axis=0)


def towards(maps: np.ndarray, label: str) -> np.ndarray:
    """What of maps (positive towards synthetic) speaks for a class, 0 upwards: the last step of Grad-CAM."""
    return np.maximum(maps if label == "synthetic" else -maps, 0)


def block_table(contributions: np.ndarray, y: np.ndarray, blocks: Sequence[str]) -> pd.DataFrame:
    """What each stage of the network brings to the difference between the classes' mean logits.

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
    """Whether the maps are of what was learnt (Adebayo et al. 2018): how like those of shuffled weights are they?

    Args:
        images: rows of the run's image table; the first SANITY_EACH of each class are used.

    Returns:
        One row per shuffled model: seed, and the mean rank correlation over images of `grad_cam` and of `contributions`
        (added up over blocks) with those of the trained detector. Near 1, the maps would show edges, not what was learnt.
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
    """Wrong decisions as `figures.error_gallery` takes them: image, map and caption with path, classes and score.

    The map is what speaks for the class that the image was called, against the average test image at the same place.

    Args:
        errors: columns image_id, y, called, score (of `metrics.errors`).
        average: `average_map` of the contributions, added up over blocks; None for a model that has nothing to explain:
            there are no maps then.
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
