"""Recipes: all settings of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Value of Recipe.views: new augmentation in every epoch.
FRESH = -1

# The allowed values of a recipe's fields.
CHOICES = {
    "view": ("resize", "crop"),
    "pooling": ("average", "multilevel"),
    "head": ("study", "small", "linear", "logistic"),
    # `mask` and `frequency` are experiments: rows of the ablation that no recipe uses.
    "degradation": ("", "half", "sharing", "mask", "frequency"),
    "rare": ("weights", "views"),
    "batch_norm": ("frozen", "trained"),
    # `even` is an experiment too: a row of the ablation of data with several generators.
    "generators": ("as_they_are", "even"),
}


def _check_choices(settings: object, choices: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError for the first field whose value is not allowed."""
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{type(settings).__name__}: {name} is {getattr(settings, name)!r}, expected {expected}")


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Attributes:
        epochs: maximum number of passes over the training images.
        learning_rate: of Adam, at the start of the stage.
        schedule: `constant`, or `cosine` down to zero over the stage.
        patience: stop after this many epochs without a better validation AUC; None never stops early.
        images: maximum number of training images in an epoch, drawn anew for each epoch; None uses all.
        margin: an epoch replaces the start only if its validation AUC is higher by more than `margin` standard errors
            of the difference. 1.645 is a one-sided test at 5%. With few validation images, chance alone often gives a
            gain.
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
        """Number of images in an epoch, if the training split has `images`."""
        return min(images, self.images or images)


@dataclass(frozen=True)
class Recipe:
    """All settings of training. `original` follows the original study; `tuned` holds our best choices.

    Attributes:
        view: `resize` squeezes the whole image to `image_size`; `crop` takes windows of `image_size` pixels at native
            resolution, and of a large image the whole too, squeezed (lib/data/images/views.py).
        pooling: `average` of the last activation, or `multilevel`: mean and standard deviation over space of every
            block's depthwise output.
        head: `study` (1024-512-256-1 with dropout), `small` (64-1 with dropout, on standardised features), `linear`
            (starts from a ridge regression) or `logistic` (a linear head that starts from a logistic regression).
        views: number of augmented versions of each training image beside the plain one, drawn once and kept. FRESH
            draws a new one for every epoch and keeps none.
        degradation: applied to every other augmented version. `half`: it is compressed, scaled, blurred or noisy.
            `sharing`: one to three compressions and resizes in a row. `mask`: a square is hidden. `frequency`: some
            frequencies are missing. Empty: none.
        rare: how a class with fewer training images gets equal weight. `weights`: by weights in the loss. `views`: its
            images are used several times, each time augmented differently, and weights make up the rest.
        batch_norm: `frozen` (its statistics stay fixed in every stage) or `trained`.
        unfreeze_from: first block that the partial stage trains.
        label_smoothing: 0 to 1, how far targets move from 0 and 1 towards 0.5.
        generators: how much the images of each generator count in the loss. `as_they_are`: every image the same.
            `even`: every generator the same within the synthetic class, however many images it has.
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
    generators: str = "as_they_are"

    def __post_init__(self):
        _check_choices(self, CHOICES)

    def phase(self, stage: str) -> Phase:
        """The settings of stage `phase1`, `partial` or `full`."""
        return getattr(self, stage)

    def quick(self) -> Recipe:
        """A small version of the recipe: no fine-tuning, which takes longest, and at most one augmented view."""
        return dataclasses.replace(
            self,
            views=min(self.views, 1),
            partial=dataclasses.replace(self.partial, epochs=0),
            full=dataclasses.replace(self.full, epochs=0),
        )


RECIPES = {
    # The original study gives the learning rates, head, augmentation and class weights, but no number of epochs. 20, 3
    # and 2 are ours, long enough for phase 1's validation AUC to stop rising. Each image has one augmented view: two,
    # three or fresh ones in every epoch give no better validation AUC (tests/benchmarks/cached_views.py,
    # docs/experiments.md).
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
    # Each choice has a row in the ablation table (`run_all.py --also ablation`, docs/experiments.md). The partial stage
    # is left out, because the full stage alone does as well. Its epoch has a fixed number of images, so a larger
    # dataset does not take longer.
    "tuned": Recipe(
        name="tuned",
        view="crop",
        image_size=256,
        pooling="multilevel",
        head="linear",
        degradation="half",
        rare="views",
        phase1=Phase(epochs=15, learning_rate=1e-4, schedule="cosine", patience=5),
        partial=Phase(epochs=0, learning_rate=1e-4, schedule="cosine", margin=1.645),
        full=Phase(epochs=1, learning_rate=1e-4, schedule="cosine", images=1200, margin=1.645),
    ),
}

# Both classes together. With 400 images, the interval of the test AUC of dataset 1 began above 0.75 for each of five
# seeds (7 to 11). With 300, one began at 0.53; with 160 the AUC was at chance.
QUICK_IMAGES = 400

# The text that describes a quick run to the user.
QUICK_WORDS = (
    f"a sample of at most {QUICK_IMAGES} images, and no fine-tuning. Expect an AUC above 0.5 on stand-ins (on the control: "
    "around it) with a wide interval, and more of a full run"
)
