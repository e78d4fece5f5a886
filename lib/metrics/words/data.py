"""Sentences of notebook 01, the audit of a dataset; notebook 00 shows one of them about generated images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics.checks import Interval, decimals, share
from lib.metrics.comparison import AT_CHANCE, verdict
from lib.metrics.measures import roc_auc
from lib.metrics.words.shared import SEEN, WIDE, listed


def files_seen(found: int, used: int) -> str:
    """Of `found` files `used` can be used: what is left out, and whether that matters."""
    aside = found - used
    if not aside:
        return f"{SEEN}All {found:,} files are usable pictures, so nothing is missing from what follows."
    much = aside / found > 0.05
    hint = " That is much: read the reasons in the table before you go on." if much else ""
    return (
        f"{SEEN}{aside:,} of {found:,} files ({share(aside / found)}) are set aside, each with its reason above.{hint}"
    )


def probe_seen(auc: Interval, warning: str) -> str:
    """What the AUC of a classifier that sees no pixel means for everything that follows."""
    if warning:
        return (
            f"{SEEN}**Warning: {warning}**, {auc}. A detector may learn that instead of the pixels, and fail on files from "
            'elsewhere. Run this notebook again with `OPTIONS = {"normalise": "256,90"}` and compare.'
        )
    close = verdict(auc) == AT_CHANCE
    end = (
        "the interval holds 0.5, so the files' outside tells nothing that could be measured here"
        if close
        else "the interval leaves out 0.5, but stays below what this study warns of: keep it in mind when you read scores"
    )
    return f"{SEEN}The probe's AUC is {auc}: {end}."


def bootstrap_seen(values: ArrayLike, auc: Interval, images: int) -> str:
    """How wide the interval is, and what more images would do to it."""
    width, spread = auc.high - auc.low, float(np.std(np.asarray(values, float)))
    judged = "wide: differences smaller than that cannot be told" if width > WIDE else "narrow enough to compare with"
    return (
        f"{SEEN}Other images of the same kind would have moved the AUC by about {spread:.3f} either way (one standard "
        f"deviation). The interval spans {width:.3f}, which is {judged}. It shrinks with the root of the number of images: "
        f"half as wide takes about {4 * images:,} of them, where there are {images:,} now."
    )


def sizes_seen(images: pd.DataFrame) -> str:
    """Whether size or compression alone ranks the classes.

    Args:
        images: columns label (`real`, `synthetic`), width, height, bytes.
    """
    y = (images["label"] == "synthetic").to_numpy(int)
    pixels = images["width"] * images["height"]
    known = {"number of pixels": pixels, "number of bytes per pixel": images["bytes"] / pixels}
    aucs = {name: roc_auc(y, values) for name, values in known.items() if values.nunique() > 1}
    told = {name: max(auc, 1 - auc) for name, auc in aucs.items()}
    parts = [f"the {name} ranks them with AUC {decimals(auc)}" for name, auc in told.items()]
    parts += [f"the {name} is the same in all files" for name in known if name not in told]
    cheat = max(told.values(), default=0.5) >= 0.6
    end = "**that is enough to cheat with**" if cheat else "neither gives the label away"
    return f"{SEEN}Of one real and one synthetic file, {' and '.join(parts)}: {end}."


def samples_seen(sheet: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Whether the mean brightness of the pictures shown differs between the classes.

    Args:
        sheet: `real` and `synthetic` to uint8 RGB pictures.
    """
    light = {label: np.array([picture.mean() for picture in pictures]) for label, pictures in sheet.items()}
    if len(light) < 2 or min(map(len, light.values())) < 2:
        return f"{SEEN}Too few pictures to compare."
    real, synthetic = light["real"], light["synthetic"]
    difference = synthetic.mean() - real.mean()
    error = np.sqrt(real.var(ddof=1) / len(real) + synthetic.var(ddof=1) / len(synthetic))
    told = abs(difference) > 2 * error
    end = (
        "more than twice its standard error: the light differs"
        if told
        else "less than twice its standard error: no difference"
    )
    return (
        f"{SEEN}The synthetic pictures here are {abs(difference):.1f} of 255 grey levels {'brighter' if difference > 0 else 'darker'} "
        f"on average, {end}. A sample by eye finds gross faults, such as another crop or a frame. It does not find fine ones: for "
        "those the next two figures use many images."
    )


def difference_seen(sentence: str, found: bool, what: str) -> str:
    """A sentence of `relabelling.Difference`, and what it means.

    Args:
        sentence: of `Difference.sentence`.
        found: whether anything lies beyond chance.
        what: the classes may differ in, such as `framing and light`.
    """
    end = f"a detector can use {what}" if found else f"nothing says that a detector could use {what}"
    return f"{SEEN}{sentence} So {end}."


def pairs_seen(known: Mapping, groups: int, split_groups: int) -> str:
    """Copies and groups in the split.

    Args:
        known: `pairs` of audit.json: exact, near, two_labels, across_split, other_datasets.
        groups: groups of more than one image.
        split_groups: those of them that lie on two sides of the split.
    """
    copies = known["exact"] + known["near"]
    leaks = split_groups + known["across_split"]
    elsewhere = listed([f"{count:,} in {name}" for name, count in known["other_datasets"].items()])
    found = f"{copies:,} pairs of copies ({known['exact']:,} exact, {known['near']:,} near)" if copies else "No copies"
    end = (
        "no picture and no person is on two sides, so a test score is a score on new people"
        if not leaks
        else f"**{split_groups} groups and {known['across_split']} pairs are on two sides: test scores will be too good**"
    )
    people = f"{groups:,} groups of more than one image are known" if groups else "no groups of images are known"
    return f"{SEEN}{found}, and {people}: {end}. Pairs with two labels: {known['two_labels']}; in other datasets: {elsewhere}."


def split_seen(counts: pd.DataFrame) -> str:
    """Whether the classes are balanced in every part, and what the size of the test split allows.

    Args:
        counts: columns split, label, images.
    """
    wide = counts.pivot(index="split", columns="label", values="images").fillna(0)
    shares = wide.max(axis=1) / wide.sum(axis=1)
    balanced = shares.max() < 0.55
    test = int(wide.loc["test"].sum())
    # Standard error of the AUC of a scorer that knows nothing (Bamber 1975), 1.96 of them each way.
    real, synthetic = (max(float(number), 1.0) for number in wide.loc["test"].reindex(["real", "synthetic"]).fillna(0))
    margin = 1.96 * np.sqrt((real + synthetic + 1) / (12 * real * synthetic))
    said = "The classes are balanced in every part" if balanced else "**One class is rarer than the other**"
    return (
        f"{SEEN}{said}. With {test:,} test images a detector that knows nothing gets an AUC between {0.5 - margin:.3f} and "
        f"{0.5 + margin:.3f} in 19 of 20 cases, and in a wider range where people have several images: anything in there is chance."
    )
