"""Recipes: everything that is chosen about training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# As Recipe.views: augmentation drawn anew for every epoch.
FRESH = -1

# What may stand in a recipe's fields that name something.
CHOICES = {
    "view": ("resize", "crop"),
    "pooling": ("average", "multilevel"),
    "head": ("study", "small", "linear", "logistic"),
    "degradation": ("", "half"),
    "rare": ("weights", "views"),
    "batch_norm": ("frozen", "trained"),
}


def _check_choices(settings: object, choices: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError for the first field that holds none of its choices."""
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{type(settings).__name__}: {name} is {getattr(settings, name)!r}, expected {expected}")


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Attributes:
        epochs: at most this many passes over the training images.
        learning_rate: Adam's, at the start of the stage.
        schedule: `constant`, or `cosine` down to zero over the stage.
        patience: stop after this many epochs without a better validation AUC; None never stops early.
        images: an epoch uses at most this many training images, drawn anew each time; None uses all.
        margin: the stage's start is kept unless an epoch's validation AUC is higher by more than this many standard errors
            of their difference; 1.645 is a one-sided test at 5%. With few validation images an epoch is often higher by chance.
    """

    epochs: int
    learning_rate: float
    schedule: str = "constant"
    patience: int | None = None
    images: int | None = None
    margin: float = 0.0

    def __post_init__(self):
        _check_choices(self, {"schedule": ("constant", "cosine")})

    def epoch_images(self, images: int) -> int:
        """Images of an epoch where the training split has `images`."""
        return min(images, self.images or images)


@dataclass(frozen=True)
class Recipe:
    """Everything that is chosen about training; `original` says what the original study states, `tuned` what works.

    Attributes:
        view: `resize` squeezes the whole image to `image_size`; `crop` takes `image_size` pixels at native resolution.
        pooling: `average` of the last activation, or `multilevel`: mean and standard deviation over space of every
            block's depthwise output.
        head: `study` (1024-512-256-1 with dropout), `small` (64-1 with dropout, on standardised features) or `linear`,
            started from a ridge regression; `logistic` is one that is started from a logistic regression.
        views: augmented versions of each training image beside the plain one, drawn once and kept; FRESH draws a new
            one for every epoch and keeps none.
        degradation: of the augmented versions: none, or `half`: every other one is compressed, scaled, blurred or noisy.
        rare: how a class with fewer training images comes to count as much: by `weights` in the loss, or by `views`: its
            images are used several times, each time augmented in another way, and weights make up for the rest.
        batch_norm: `frozen` (its statistics are used as they are, in every stage) or `trained`.
        unfreeze_from: first block that the partial stage trains.
        label_smoothing: 0 to 1, how far targets move from 0 and 1 towards 0.5.
    """

    name: str
    view: str
    pooling: str
    head: str
    phase1: Phase
    partial: Phase
    full: Phase
    views: int = 2
    degradation: str = ""
    rare: str = "weights"
    image_size: int = 224
    batch_size: int = 32
    unfreeze_from: int = 6
    label_smoothing: float = 0.0
    batch_norm: str = "frozen"

    def __post_init__(self):
        _check_choices(self, CHOICES)

    def phase(self, stage: str) -> Phase:
        """The settings of stage `phase1`, `partial` or `full`."""
        return getattr(self, stage)

    def quick(self) -> Recipe:
        """The same recipe made small: no fine-tuning, which takes longest, and one augmented view at most."""
        return dataclasses.replace(
            self,
            views=min(self.views, 1),
            partial=dataclasses.replace(self.partial, epochs=0),
            full=dataclasses.replace(self.full, epochs=0),
        )


RECIPES = {
    # Learning rates, head, augmentation, class weights: the original study's. It states no number of epochs; 20, 3
    # and 2 are ours, long enough for phase 1's validation AUC to stop rising. One augmented view is kept of each image: two,
    # three and fresh ones for every epoch are no better on validation (tests/benchmarks/cached_views.py, docs/experiments.md).
    "original": Recipe(
        name="original",
        view="resize",
        pooling="average",
        head="study",
        views=1,
        phase1=Phase(epochs=20, learning_rate=1e-3),
        partial=Phase(epochs=3, learning_rate=1e-5),
        full=Phase(epochs=2, learning_rate=1e-8),
    ),
    # Each choice has a row in the ablation table (`run_all.py --also ablation`, docs/experiments.md). The partial stage is left
    # out, because the full one alone does as well; an epoch of it has a fixed number of images, so that a larger dataset
    # does not take longer.
    "tuned": Recipe(
        name="tuned",
        view="crop",
        pooling="multilevel",
        head="linear",
        degradation="half",
        rare="views",
        phase1=Phase(epochs=15, learning_rate=1e-4, schedule="cosine", patience=5),
        partial=Phase(epochs=0, learning_rate=1e-4, schedule="cosine", margin=1.645),
        full=Phase(epochs=1, learning_rate=1e-4, schedule="cosine", images=1200, margin=1.645),
    ),
}

# A larger window sees more of a picture, for 1.3 times the computation. What it gave: docs/experiments.md.
RECIPES["wide"] = dataclasses.replace(RECIPES["tuned"], name="wide", image_size=256)

# Of both classes together. With them the interval of the test AUC of dataset 1 began above 0.75 for each of five seeds (7 to
# 11), with 300 of them at 0.53 for one; with 160 the AUC was at chance.
QUICK_IMAGES = 400

# What a person is told of a quick run.
QUICK_WORDS = (
    f"a sample of at most {QUICK_IMAGES} images, and no fine-tuning. Expect an AUC above 0.5 on stand-ins (on the control: "
    "around it) with a wide interval, and more of a full run"
)
