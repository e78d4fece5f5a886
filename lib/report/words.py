"""Plain words for the report's numbers: what an AUC means, what a recall means, how to read each figure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lib.metrics.checks import Interval, decimals, share
from lib.metrics.comparison import AT_CHANCE, BETTER, verdict
from lib.metrics.figures.style import POLICY_NAMES
from lib.metrics.stages import STAGE_NAMES
from lib.metrics.words.shared import shares

UNDEFINED = "undefined"

# Figure to its title and how to read it; names that begin with one of these are of the same kind.
FIGURES = {
    "roc": (
        "ROC curves on test",
        "Each point is a threshold: how many synthetic images are found (up) at the price of how many real ones called "
        "synthetic (right). A curve along the dashed diagonal is guessing; the closer to the upper left corner, the better.",
    ),
    "scores": (
        "Scores of the test images",
        "How the scores of real and of synthetic images are spread, with the thresholds as lines. An image at or right of a "
        "line is called synthetic. Two humps apart can be told apart; one heap cannot.",
    ),
    "confusion": (
        "Decisions on test",
        "For each threshold the images by what they are (rows) and what they are called (columns). Right calls are on the "
        "diagonal.",
    ),
    "precision_recall": (
        "Precision and recall on test",
        "Right: how many synthetic images are found. Up: how many of the images called synthetic are so. The dashed line is "
        "what guessing gives; dots are the threshold of best F1, chosen on validation.",
    ),
    "reliability": (
        "Do the scores mean what they say?",
        "Of images scored 0.8, four in five should be synthetic: points on the diagonal. Below it the scores promise too "
        "much, above it too little.",
    ),
    "tippett": (
        "How far likelihood ratios part the classes",
        "For each strength of evidence (right: for synthetic) the share of images with at least so much. Photographs right of "
        "the line LR = 1, and synthetic images left of it, are misleading evidence.",
    ),
    "cross_entropy": (
        "Do the likelihood ratios help?",
        "What is still unknown at each prior, in bits. Below the dotted curve the likelihood ratios help; above it they do harm.",
    ),
    "det": (
        "Detection error tradeoff",
        "Synthetic images that pass (right) against photographs that are accused (up), for every threshold. Marks are thresholds "
        "chosen on validation, with their intervals on test.",
    ),
    "cost": (
        "Expected cost by threshold",
        "What an image in use costs on average at each threshold; the marks are the chosen ones. Lower is better.",
    ),
    "threshold_stability": (
        "How settled the thresholds are",
        "Where each threshold would have fallen on other validation images. A long line: another sample of images would "
        "have given another threshold.",
    ),
    "stages_validation": (
        "What each stage of training added",
        "AUC on validation with its 95% interval after each stage. Intervals that overlap widely say that the stage "
        "brought nothing that could be told.",
    ),
    "phase1_curves": (
        "Training of phase 1",
        "Loss (lower is better) and AUC (higher is better) after each pass over the training images. Training that gets "
        "better while validation does not is learning by heart.",
    ),
    "fine_tuning_curves": (
        "Fine-tuning",
        "As for phase 1, with the network's own blocks trained too. Epoch 0 is where the stage began.",
    ),
    "robustness": (
        "After compression, scaling, blur, noise and crop",
        "Test AUC and both recalls while the pictures get worse from left to right; the threshold stays where clean "
        "images put it. A recall that falls while AUC holds: the scores have moved, not the ranking.",
    ),
    "groups": (
        "Groups of people on test",
        "Each line is a group of the user's columns with its 95% interval; the dotted line is the value on all test images. "
        "Short lines far from it matter; long lines say that the group is small.",
    ),
    "grad_cam": (
        "Where the last block looks (Grad-CAM)",
        "Bright places speak for the images' own class. The maps say where, not why.",
    ),
    "contributions": (
        "Where the decision comes from (all blocks)",
        "What each place adds to the score, over all blocks, against the average of both classes.",
    ),
    "errors_most_certain": (
        "The errors it was most certain of",
        "Test images called wrongly, those furthest beyond the threshold first, each beside what spoke for the wrong call.",
    ),
    "errors_least_certain": (
        "The errors it was least certain of",
        "Test images called wrongly by a hair: another threshold would have called them rightly.",
    ),
    "bootstrap": (
        "How an interval is made",
        "The AUC of the probe in 2,000 resamples of the same images, whole groups at a time. The shaded part holds 95% of them: "
        "that is the interval.",
    ),
    "views": (
        "What the network is shown of one picture",
        "The plain view, augmented ones as training draws them, and degraded ones.",
    ),
    "leak": (
        "What a split by image hides",
        "Labels dealt to people at random mean nothing, so an honest AUC is 0.5. Above it a split by image shows the people that "
        "it has already seen.",
    ),
    "samples": ("A sample of each class", "Pictures drawn by chance from each class, as they are used."),
    "sizes": (
        "Sizes and compression of the files",
        "If the two classes differ here, a detector may learn the files' making and not the pictures.",
    ),
    "mean_images": (
        "Mean image of each class",
        "The average of many pictures. In the difference, grey places stay within what images dealt to the classes at random "
        "(whole groups at a time) give; coloured ones are framing or light, which a detector may use as a shortcut.",
    ),
    "spectra": (
        "Power spectrum of each class",
        "How much fine structure (right) the pictures of each class have. In the difference, grey is what images dealt to the "
        "classes at random give; what leaves the grey band at the right end is a trace of the camera or of the generator.",
    ),
    "split": ("Images of each split", "How many images of each class are trained on, chosen on and tested on."),
    "pairs": (
        "The closest pairs",
        "Pictures that are copies of each other, or nearly; they stay on one side of the split.",
    ),
    "wrong_turns": (
        "What each mistake does to the AUC",
        "The first line is the recipe run correctly, each other one the same with one mistake. Lines across 0.5 are chance.",
    ),
    "ablation": (
        "What another choice changes",
        "Change of the validation AUC when one choice is made otherwise. Lines that cross 0 cannot be told from no change.",
    ),
    "generators": (
        "AUC on what the detector has not seen",
        "Each pair of lines is one generator, or one source of photographs: the detector that has not seen it, and the one that has. "
        "Lines across 0.5 are chance.",
    ),
    "auc_matrix": (
        "AUC of every model on every test set",
        "Rows: what the model was trained on. Columns: what it was tested on. The diagonal is home; what falls off beside "
        "it was learnt about that dataset alone.",
    ),
    "auc_scores_files": (
        "AUC of detectors known by their scores",
        "Each line is a detector on a test set with its 95% interval. Lines across 0.5 are chance.",
    ),
    "learning_curve": (
        "AUC against the number of training images",
        "Each point is a dataset with its 95% interval. A curve that still rises says that more images would help.",
    ),
}


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading, `undefined` if there is none."""
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.{digits}f}"


def standing(auc: Interval) -> str:
    """`comparison.verdict`, or `undefined` if the measure is."""
    return UNDEFINED if math.isnan(auc.low) or math.isnan(auc.high) else verdict(auc)


def ranking(auc: Interval) -> str:
    """The meaning of a test AUC, in a sentence without statistics."""
    found = standing(auc)
    if found == UNDEFINED:
        return "How well the model ranks is undefined on these images."
    limits = f"95% interval {share(auc.low)} to {share(auc.high)}"
    often = f"ranks a random synthetic image above a random real one {share(auc.value)} of the time ({limits})"
    if found == AT_CHANCE:
        return f"The model {often}, which cannot be told from guessing (50%)."
    if found == BETTER:
        return f"The model {often}; guessing would do so half of the time."
    return (
        f"Uninformative: the model {often}, below guessing (50%), as happens to models that learnt nothing; far below it, "
        "labels or scores are turned round somewhere."
    )


def deciding(policy: str, threshold: float, real: Interval, synthetic: Interval) -> str:
    """The meaning of both recalls at a threshold."""
    return (
        f"At the threshold {decimals(threshold)} ({POLICY_NAMES.get(policy, policy)}, chosen on validation) it recognises "
        f"{shares(real)} of the real test images and {shares(synthetic)} of the synthetic ones."
    )


def figure_words(name: str) -> tuple[str, str]:
    """Title of a figure and how to read it; for an unknown figure, its name and no text."""
    kinds = [kind for kind in FIGURES if name == kind or name.startswith(f"{kind}_")]
    if not kinds:
        return name.replace("_", " "), ""
    kind = max(kinds, key=len)
    title, how = FIGURES[kind]
    rest = name[len(kind) + 1 :]
    return (f"{title}: {STAGE_NAMES.get(rest, rest)}" if rest else title), how


def listed(values: Mapping[str, object]) -> str:
    """`a 0.9; b 0.8`."""
    return "; ".join(f"{key} {value}" for key, value in values.items())
