"""Batches of views; all cores prepare them ahead of the caller."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from lib.data.images.views import FRESH_VERSION, ImageFile, View, recipe_view
from lib.study.recipes import Recipe

Item, Loaded = TypeVar("Item"), TypeVar("Loaded")


def load_views(files: Sequence[ImageFile], view: View, batch_size: int) -> Iterator[np.ndarray]:
    """Views of image files, in order. All cores decode the next batch while the caller uses the current one.

    Yields:
        uint8 arrays (batch, size, size, 3); the last one may be smaller.

    Raises:
        UserError: a file has changed since the audit.
    """

    def load(part: list[ImageFile]) -> np.ndarray:
        batch = np.empty((len(part), view.size, view.size, 3), "uint8")
        last, prepared = None, None
        for row, file in enumerate(part):
            # The parts of an image follow each other: it is read once.
            if (file.path, file.use) != last:
                last, prepared = (file.path, file.use), view.prepared(file.read(), file.use)
            batch[row] = view.part_of(prepared, file.use, file.part)
        return batch

    return (batch for _, batch in ahead(load, files, batch_size))


def ahead(
    load: Callable[[list[Item]], Loaded], items: Iterable[Item], size: int
) -> Iterator[tuple[list[Item], Loaded]]:
    """Groups of at most `size` items with the results of `load`, in order; all cores load ahead of the caller."""
    workers, rest = os.cpu_count() or 1, iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        while part := list(itertools.islice(rest, size)):
            waiting.append((part, pool.submit(load, part)))
            if len(waiting) > workers:
                part, future = waiting.popleft()
                yield part, future.result()
        for part, future in waiting:
            yield part, future.result()


def training_batches(
    files: Sequence[ImageFile],
    labels: np.ndarray,
    weights: np.ndarray,
    recipe: Recipe,
    seed: int,
    done: int = 0,
    images: int | None = None,
    scale: tuple[int, int, int] | None = None,
):
    """An endless tf.data pipeline of shuffled, freshly augmented training batches.

    Args:
        files: the training images.
        labels: 0 or 1 of each image.
        weights: weight of each image in the loss.
        done: epochs that an interrupted call has already given; the next batch is the first one after them.
        images: number of images in an epoch, drawn anew each time; None uses all.
        scale: of the training pictures, as in `View`.

    Returns:
        Dataset of (float32 images (batch, size, size, 3) 0-255, float32 labels (batch, 1), float32 weights (batch, 1)),
        and the number of batches of an epoch. Epoch and image decide the augmentation, so the same seed gives the same
        batches in any order of threads.
    """
    import tensorflow as tf

    size, count = recipe.image_size, len(files)
    steps = -(-(images or count) // recipe.batch_size)

    def order() -> Iterator[tuple[int, int]]:
        epoch = 0
        while True:
            epoch += 1
            for index in np.random.default_rng([seed, epoch]).permutation(count)[:images]:
                yield epoch, index

    def load(epoch, index):
        file = files[int(index)]
        view = recipe_view(recipe, version=FRESH_VERSION + int(epoch), seed=seed, scale=scale)
        return view.apply(file.read(), file.use, file.part)

    def tensors(epoch, index):
        image = tf.numpy_function(load, (epoch, index), tf.uint8)
        image.set_shape((size, size, 3))
        label = tf.gather(tf.constant(labels, tf.float32), index)
        weight = tf.gather(tf.constant(weights, tf.float32), index)
        return tf.cast(image, tf.float32), label[None], weight[None]

    def rest() -> Iterator[tuple[int, int]]:
        # A batch may contain the end of one pass over the images and the start of the next, so images are counted.
        return itertools.islice(order(), done * steps * recipe.batch_size, None)

    dataset = tf.data.Dataset.from_generator(
        rest, output_signature=(tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.int64))
    )
    dataset = dataset.map(tensors, num_parallel_calls=os.cpu_count(), deterministic=True)
    return dataset.batch(recipe.batch_size).prefetch(2), steps
