"""What notebooks say under their figures: sentences made of the numbers of this very run, so that they are true of any data.

Every function is pure: numbers and frames in, Markdown out. What begins with `SEEN` concludes; it does not repeat a table.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics import fairness
from lib.metrics.by_value import names_of
from lib.metrics.checks import Interval, decimals, share
from lib.metrics.comparison import AT_CHANCE, BETTER, verdict
from lib.metrics.measures import RECALLS, roc_auc
from lib.metrics.stages import TRAINED
from lib.metrics.thresholds import Costs
from lib.metrics.unseen import KINDS, measured

SEEN = "**What we see.** "
# Training that ranks better than validation by more than this has learnt images by heart.
GAP = 0.05
# An interval of AUC that is wider than this says little.
WIDE = 0.1
BREAK = "  \n"
MEASURE_WORDS = {"roc_auc": "AUC", "recall_real": "recall of real", "recall_synthetic": "recall of synthetic"}


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def code(text: str) -> str:
    """A text of the user's as Markdown shows it plainly: nothing in it is markup, HTML or a formula."""
    return f"`{' '.join(str(text).replace('`', chr(39)).split())}`"


def listed(names: Sequence[str], nothing: str = "none") -> str:
    """`a, b`, or the word for nothing."""
    return ", ".join(names) or nothing


# ------------------------------------------------------------------------------------------------------- 01: the data


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
    told = {}
    for name, values in known.items():
        auc = roc_auc(y, values) if values.nunique() > 1 else 0.5
        told[name] = max(auc, 1 - auc)
    same = [name for name, values in known.items() if values.nunique() == 1]
    parts = [f"the {name} ranks them with AUC {decimals(auc)}" for name, auc in told.items() if name not in same]
    parts += [f"the {name} is the same in all files" for name in same]
    worst = max(told.values())
    end = "neither gives the label away" if worst < 0.6 else "**that is enough to cheat with**"
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


# ------------------------------------------------------------------------------------------------------- 02: training


def views_seen(views: Mapping[str, np.ndarray], degraded: Sequence[str]) -> str:
    """How much degradations change of the plain view.

    Args:
        views: words to uint8 (side, side, 3); `plain` among them.
        degraded: which of them are degraded, and show the same part of the picture.
    """
    plain = views["plain"].astype(float)
    changes = {name: float(np.abs(views[name] - plain).mean()) for name in degraded}
    most = max(changes, key=changes.get)
    said = ", ".join(f"{name} {change:.1f}" for name, change in changes.items())
    return (
        f"{SEEN}The degraded views differ from the plain one by a few grey levels of 255 on average ({said}; most: {most}). The "
        "person is the same for the eye, but the fine traces that a detector reads are just as small. Training with such views "
        "teaches it not to lean on the smallest of them."
    )


def weights_seen(images: int, further: int, weights: Mapping[int, float]) -> str:
    """Whether the training classes are balanced, and what is done where they are not.

    Args:
        images: of training.
        further: how many more times an image of the rare class is used in an epoch.
        weights: class weight of 0 (real) and 1 (synthetic).
    """
    uses = (
        f" Images of the rare class are used {further + 1} times an epoch, each time in another view."
        if further
        else ""
    )
    even = max(weights.values()) < 1.05
    end = (
        "so the weights change next to nothing" if even else "so errors on the class with the larger weight count more"
    )
    return f"{images:,} training images.{uses} Class weights: real {weights[0]:.3f}, synthetic {weights[1]:.3f}; 1 is an even share, {end}."


def plain_head_seen(labels: ArrayLike, scores: ArrayLike, tuned: Interval) -> str:
    """A plain head beside the recipe's.

    Args:
        labels: 0 or 1 of validation images.
        scores: of the plain head.
        tuned: AUC of the recipe's head on validation, with its interval.
    """
    auc = roc_auc(labels, scores)
    if auc < tuned.low:
        end = "less than its interval allows: what the recipe adds (views, regularisation, its start) is worth something here"
    elif auc > tuned.high:
        end = "more than its interval allows: on these images the simpler head is the better one"
    else:
        end = "inside its interval: on these images the extra parts of the recipe cannot be told from nothing"
    return f"{SEEN}The four lines reach a validation AUC of {decimals(auc)}, the recipe's head {tuned}. That is {end}."


def curves_seen(history: pd.DataFrame, validation: Interval, images: int) -> str:
    """Overfitting, the best epoch, and how far validation can be trusted.

    Args:
        history: of one stage: columns epoch, roc_auc (training), val_roc_auc, kept.
        validation: AUC of the epoch that is kept.
        images: of validation.
    """
    best, last = history[history["kept"]].iloc[0], history.iloc[-1]
    said = [f"Validation AUC {validation} on {images:,} images: {verdict(validation)}."]
    training = history["roc_auc"].dropna()
    if len(training):
        gap = training.iloc[-1] - last["val_roc_auc"]
        both = [decimals(training.iloc[-1]), decimals(last["val_roc_auc"])]
        pair = f"the last epoch has an AUC of {both[0]} on training images and {both[1]} on validation"
        if gap > GAP:
            said.append(
                f"**This is overfitting**: {pair}. The head knows its training images by heart, and that does not help on new people. "
                "The number to believe is the lower one."
            )
        else:
            said.append(f"No sign of overfitting: {pair}.")
    if best["epoch"] == 0:
        said.append("No epoch ranked validation better than the start, so the start is kept.")
    elif best["epoch"] == history["epoch"].max():
        said.append("The last epoch is the best one: more epochs might have helped.")
    else:
        said.append(f"Epoch {best['epoch']:.0f} is kept; what came after it was no better on validation.")
    return SEEN + " ".join(said)


def lottery_intervals(dealt: pd.DataFrame) -> dict[str, Interval]:
    """Mean AUC of each kind of split over all deals, with the range that holds 95% of them.

    Args:
        dealt: columns split, deal, roc_auc.
    """
    found = {}
    for name, rows in dealt.groupby("split", sort=False):
        low, high = np.quantile(rows["roc_auc"], [0.025, 0.975])
        found[name] = Interval(float(rows["roc_auc"].mean()), float(low), float(high))
    return found


def lottery_seen(found: Mapping[str, Interval]) -> str:
    """What a split by image pretends, where labels are dealt to people at random.

    Args:
        found: of `lottery_intervals`, with the names `by image` and `by group`; empty where people are not known.
    """
    if not found:
        return "Where people are not known, copies are all that can be kept together."
    image, group = found["by image"], found["by group"]
    gain = image.value - group.value
    end = (
        "The regression has not learnt what real or synthetic means, because these labels mean nothing. It knows the people again. "
        "On the true labels such a split adds the same kind of error to the score, unseen."
        if gain > 0.03
        else "On these images people are not known again, so that a split by image would have done little harm here. "
        "It can on others, and nobody knows before."
    )
    return (
        f"{SEEN}The labels are dealt at random, yet the split by image reports an AUC of {decimals(image.value)}. The split by "
        f"group says {decimals(group.value)}. {end}"
    )


def spread_seen(rows: pd.DataFrame) -> str:
    """How far the scores of the classes lie apart.

    Args:
        rows: columns y (0 real, 1 synthetic) and score, both classes.
    """
    real, synthetic = (rows.loc[rows["y"] == label, "score"] for label in (0, 1))
    above = float((synthetic > real.median()).mean())
    end = (
        "All of them score above the highest real one: a threshold between gets every image right here."
        if synthetic.min() > real.max()
        else "Some of both classes score on the other one's side: no threshold gets all of them right."
    )
    return (
        f"{SEEN}{share(above)} of the synthetic validation images score higher than the middle real one (half of them would by "
        f"chance). {end}"
    )


# ---------------------------------------------------------------------------------------------------- 03: fine-tuning


def changes(history: pd.DataFrame, why: str) -> list[str]:
    """A line for each fine-tuning stage: how far weights and scores moved, and what was kept.

    Args:
        history: columns stage, epoch, kept, weight_change, score_change; without phase 1.
        why: a stage may have no epochs, such as `a quick run`.
    """
    lines = []
    for stage, rows in history.groupby("stage", sort=False):
        last, kept = rows.iloc[-1], rows.loc[rows["kept"], "epoch"].iloc[0]
        name = TRAINED[stage]
        if last["epoch"] == 0:
            lines.append(f"{name}: skipped, {why} gives it no epochs; its model is the one before it")
            continue
        kept_words = "the start: the stage changed nothing" if kept == 0 else f"epoch {kept:.0f}"
        moved = (
            f"weights {last['weight_change']:.1e}, scores {last['score_change']:.1e} after epoch {last['epoch']:.0f}"
        )
        lines.append(f"{name}: {moved}; kept: {kept_words}")
    return lines


def fine_tuning_seen(history: pd.DataFrame) -> str:
    """The lesson of fine-tuning: what was tried, and whether it was kept.

    Args:
        history: as in `changes`.
    """
    tried, kept = [], []
    for stage, rows in history.groupby("stage", sort=False):
        if rows["epoch"].max() > 0:
            tried.append(TRAINED[stage])
            if rows.loc[rows["kept"], "epoch"].iloc[0] > 0:
                kept.append(TRAINED[stage])
    if not tried:
        return (
            f"{SEEN}Nothing was fine-tuned here, so that the final model is phase 1's. Where a full run tries it, the rule is: a "
            "stage that is not better on validation beyond chance is thrown away."
        )
    if not kept:
        return (
            f"{SEEN}**Fine-tuning was tried ({listed(tried)}) and thrown away.** No epoch was better on validation than the start by "
            "more than chance gives. This is the lesson of this notebook: many weights and few images do not make a better model, and "
            "a method that does not help is left out, however usual it is. The final model is phase 1's."
        )
    thrown = [name for name in tried if name not in kept]
    rest = f" Thrown away: {listed(thrown)}." if thrown else ""
    return f"{SEEN}Kept, because validation was better: {listed(kept)}.{rest}"


def stages_seen(aucs: Mapping[str, Interval], names: Mapping[str, str]) -> str:
    """Whether the stages that stand side by side can be told apart.

    Args:
        aucs: stage to validation AUC.
        names: stage to its name.
    """
    if len(aucs) == 1:
        [(stage, auc)] = aucs.items()
        return f"{SEEN}All stages are one model, so there is one row: {names[stage]}, {auc}."
    (first, before), *_, (last, after) = aucs.items()
    apart = after.low > before.value or after.high < before.value
    end = (
        "its interval leaves out the value of the first stage"
        if apart
        else "its interval holds the value of the first stage: on these images they cannot be told apart this way"
    )
    return f"{SEEN}From {names[first]} ({before}) to {names[last]} ({after}): {end}."


# ----------------------------------------------------------------------------------------------------- 04: thresholds


def parts_words(model: str, validation: int, test: int) -> str:
    """Which model is read on how many images of each split."""
    return (
        f"{_capital(model)}. Validation: {validation:,} images, on which everything is chosen. Test: {test:,} images."
    )


def ranking_seen(aucs: Mapping[str, Interval], names: Mapping[str, str], images: int) -> str:
    """AUC in words a person can use."""
    lines = [
        f"{_capital(names[stage])}: {auc}, {verdict(auc)}. Of a real and a synthetic test image drawn at random, the synthetic one scores "
        f"higher in {share(auc.value)} of cases (0.5 is a coin)."
        for stage, auc in aucs.items()
    ]
    width = max(auc.high - auc.low for auc in aucs.values())
    wide = f"The interval spans {width:.2f} with {images:,} test images: read the two ends, not the middle."
    return SEEN + BREAK.join([*lines, wide] if width > WIDE else lines)


def baseline_seen(table: pd.DataFrame, network: str) -> str:
    """Whether the network beats the baselines.

    Args:
        table: of `baselines.baseline_table`.
        network: which scorer is the network.
    """
    rows = dict(zip(table["scorer"], Interval.all_of(table, "roc_auc")))
    mine = rows.pop(network)
    name, best = max(rows.items(), key=lambda pair: pair[1].value)
    if mine.low > best.value:
        end = (
            "the network is better than it, by more than its own interval leaves open. It has found something that tiny pictures "
            "do not show"
        )
    elif mine.value > best.value:
        end = "the network is higher, but its interval holds the baseline's value: on this many images that is no proof"
    else:
        end = "**the network is no better than that.** Nothing here speaks for a network"
    return f"{SEEN}The best baseline ({name}) has an AUC of {best}, the network {mine}: {end}."


def precision_seen(mark: tuple, prevalence: float) -> str:
    """What the marked point says, against calling everything synthetic.

    Args:
        mark: recall and precision of synthetic images at the threshold; precision None where nothing was called so.
        prevalence: share of synthetic images, 0 to 1.
    """
    recall, precision = mark
    if precision is None:
        return f"{SEEN}At this threshold nothing is called synthetic on test."
    gain = precision - prevalence
    end = (
        "better than calling everything synthetic"
        if gain > 0.05
        else "hardly more than calling everything synthetic gives"
    )
    return (
        f"{SEEN}At the threshold of best F1, {share(recall)} of the synthetic test images are found, and of the images called "
        f"synthetic {share(precision)} are so; calling everything synthetic would give {share(prevalence)}. That is {end}. Where "
        "synthetic images are rarer in use than here, precision falls with them; recall does not."
    )


def chance_seen(chance: pd.Series, found: Sequence[str]) -> str:
    """What best F1 does to a model that knows nothing, and warnings of this run.

    Args:
        chance: row `best_f1` of `evaluation.at_chance`.
        found: of `evaluation.warnings`.
    """
    warnings = (
        f"**Warning: thresholds of this run that call (nearly) everything one class.**{BREAK}{BREAK.join(found)}"
        if found
        else "No threshold of this run calls nearly everything one class."
    )
    return (
        f"{SEEN}At chance the best-F1 threshold finds {share(chance['recall_synthetic'])} of the synthetic images and "
        f"{share(chance['recall_real'])} of the real ones (median of 100 deals), and reports an F1 of {chance['f1_synthetic']:.3f}. "
        f"So an F1 near that number proves nothing.{BREAK}{warnings}"
    )


def unset_words(unset: Sequence[str]) -> str:
    """Which policies cannot be set for lack of real validation images."""
    if not unset:
        return "There are enough real validation images for every policy."
    return f"**Not enough real validation images.**{BREAK}{BREAK.join(unset)}"


def stability_seen(settled: Mapping[str, Interval]) -> str:
    """Which thresholds other validation images would have moved most and least.

    Args:
        settled: policy to threshold with its interval; those without width are left out.
    """
    widths = {policy: found.high - found.low for policy, found in settled.items() if found.high > found.low}
    if not widths:
        return f"{SEEN}No threshold depends on the validation images."
    most, least = max(widths, key=widths.get), min(widths, key=widths.get)
    return (
        f"{SEEN}`{most}` is the least settled (its interval spans {widths[most]:.3f}), `{least}` the most ({widths[least]:.3f}). A "
        "threshold that a few images decide will not do on test what it did on validation."
    )


def overlap_seen(rows: pd.DataFrame, threshold: float) -> str:
    """How much the histograms of the classes overlap.

    Args:
        rows: columns y and score of test images.
        threshold: the balanced one.
    """
    wrong = float(((rows["score"] >= threshold) != (rows["y"] == 1)).mean())
    middle = float(rows["score"].between(0.25, 0.75).mean())
    if not wrong:
        return f"{SEEN}The two humps lie apart: every test image is on its own side of the balanced threshold."
    return (
        f"{SEEN}{share(wrong)} of the test images lie on the wrong side of the balanced threshold: that is where the two humps "
        f"overlap. {share(middle)} have a score between 0.25 and 0.75, where the model is not sure. Moving the line trades one error for "
        "the other; only another model makes both smaller."
    )


def confusion_seen(policies: Mapping[str, Mapping]) -> str:
    """Which policy makes fewest errors, and which favours one class most.

    Args:
        policies: policy to metrics.json's content: confusion, recall_real and recall_synthetic.
    """
    errors = {
        name: found["confusion"]["false_synthetic"] + found["confusion"]["false_real"]
        for name, found in policies.items()
    }
    recalls = {
        name: (found["recall_real"]["value"], found["recall_synthetic"]["value"]) for name, found in policies.items()
    }
    uneven = max(recalls, key=lambda name: abs(recalls[name][0] - recalls[name][1]))
    real, synthetic = recalls[uneven]
    best = min(errors, key=errors.get)
    return (
        f"{SEEN}`{best}` makes the fewest errors on test ({errors[best]:,}). `{uneven}` is the most uneven: it finds {share(real)} of "
        f"the real and {share(synthetic)} of the synthetic images. No policy is right as such: it depends on which error is worse for "
        "you. That choice was made on validation; to pick the best row here would be to choose on test."
    )


def band_seen(band: Mapping, threshold: float) -> str:
    """Which scores stay undecided, what that gains on validation, and what it costs.

    Args:
        band: a policy's band, the fields of `abstention.Band`.
        threshold: of the same policy.
    """
    low, high, error = band["low"], band["high"], decimals(band["error"])
    if band["why"]:
        return (
            f"{SEEN}The stated error is not reached: {band['why']}. This detector must be used with that error in mind."
        )
    if low == high:
        return (
            f"{SEEN}No band is needed: with every validation image decided, the balanced error at {decimals(threshold)} is {error}, "
            f"which is at most the stated {share(band['stated_error'])}."
        )
    left_out = [share(1 - band[f"coverage_{label}"]) for label in ("real", "synthetic")]
    return (
        f"{SEEN}Scores from {decimals(low)} to {decimals(high)} stay undecided. That leaves out {left_out[0]} of the real and "
        f"{left_out[1]} of the synthetic validation images, and the balanced error of the others is {error}. The numbers are a "
        "little too good, because the band was chosen on these very images."
    )


def decided_seen(read: Mapping, plain: Mapping, stated_error: float) -> str:
    """What a band does on test: whether the stated error holds there, and what is gained.

    Args:
        read: `decided` of a policy in metrics.json.
        plain: the same policy in metrics.json, with every image decided.
        stated_error: the error that the band was chosen for.
    """
    found = {name: Interval.from_dict(read[name]) for name in ("coverage", "recall_real", "recall_synthetic", "error")}
    if np.isnan(found["error"].value):
        return f"{SEEN}On test no image of one class is decided, so nothing can be said of the error."
    error, before = found["error"], 1 - plain["balanced_accuracy"]["value"]
    if error.low > stated_error:
        held = f"the whole interval is above the stated {share(stated_error)}, so the promise of validation does not hold on test"
    elif error.high <= stated_error:
        held = f"the whole interval is at most the stated {share(stated_error)}, so the promise of validation holds on test"
    else:
        held = f"the interval holds the stated {share(stated_error)}, so these images neither confirm nor refute it"
    return (
        f"{SEEN}On test {found['coverage']} of the images are decided. Of those, recall of real images is {found['recall_real']} and of "
        f"synthetic images {found['recall_synthetic']}. Their balanced error is {error}, with every image decided it is "
        f"{decimals(before)}: {held}. All this is true of images like these alone."
    )


def crossing_seen(rows: pd.DataFrame, balanced: float, fixed: float) -> str:
    """What the balanced threshold gains over 0.5 on validation, for both classes.

    Args:
        rows: columns y and score of validation images.
        balanced, fixed: the two thresholds.
    """
    real, synthetic = (rows.loc[rows["y"] == label, "score"] for label in (0, 1))
    pairs = {
        name: (float((real < limit).mean()), float((synthetic >= limit).mean()))
        for name, limit in (("b", balanced), ("f", fixed))
    }
    said = [f"{share(pairs[name][0])} of the real and {share(pairs[name][1])} of the synthetic" for name in "bf"]
    near = abs(balanced - fixed) < 0.05
    end = "the two lie close together" if near else "0.5 is not where this model's classes part"
    return (
        f"{SEEN}On validation the balanced threshold calls {said[0]} images rightly, 0.5 calls {said[1]}: {end}. Every step to the right "
        "gains real images and loses synthetic ones."
    )


def cost_seen(costs: Costs | None, expected: str) -> str:
    """What wrong calls cost at the threshold of least cost, against one answer for all; a sentence where none were given.

    Args:
        costs: of wrong decisions.
        expected: cost at the policy `cost`, with its interval.
    """
    if costs is None:
        return "No costs were given (`COSTS`), so none is weighed."
    return (
        f"{SEEN}A false alarm costs {costs.false_alarm:g}, a miss {costs.miss:g}, and {100 * costs.prevalence:g}% of the images in use "
        f"are synthetic. At the threshold of least cost an image costs {expected}. Calling everything real would cost "
        f"{costs.expected(1, 0):.3f}, calling everything synthetic {costs.expected(0, 1):.3f}: where the detector is not below both, "
        "you are better off without it."
    )


def calibration_seen(content: Mapping, errors: Mapping[str, Interval]) -> str:
    """Whether the scores may be read as probabilities, and whether a correction is worth it.

    Args:
        content: of one stage in calibration.json.
        errors: method to expected calibration error on test.
    """
    best, plain = content["recommended"], errors["uncalibrated"]
    if best == "uncalibrated":
        advice = "Validation recommends to leave the scores as they are."
    else:
        brier = Interval.from_dict(content["test"][best]["brier_score"]["change"])
        told = brier.high < 0
        sure = "the interval leaves out 0, so it helps" if told else "the interval holds 0, so it may be nothing"
        advice = (
            f"Validation recommends {best}: {errors[best]}. The Brier score changes by {brier.value:+.3f} "
            f"[{brier.low:+.3f}, {brier.high:+.3f}]: {sure}."
        )
    return (
        f"{SEEN}As scored, promise and outcome differ by {plain} on average (expected calibration error on test). {advice} Of few "
        "images this error is too large by nature, its interval more so."
    )


def balanced_seen(row: Mapping[str, str], settled: Interval, images: int, source: str) -> str:
    """Both recalls at the balanced threshold, as the last word of notebook 04.

    Args:
        row: row `balanced` of `evaluation.policy_table`.
        settled: the threshold with its interval.
        images: of test.
        source: where the images come from.
    """
    return (
        f"{SEEN}At the balanced threshold of {settled}, recall of real images is {row['recall_real']} and of synthetic images "
        f"{row['recall_synthetic']} on {images:,} test images. Accuracy alone would hide which of the two is the weaker. Source: {source}."
    )


def generators_seen(entries: Sequence[Mapping]) -> str:
    """Whether the detector finds some generators and not others.

    Args:
        entries: of `by_value.by_value`, the lowest recall first; empty if there are no two generators.
    """
    if not entries:
        return f"{SEEN}The images name fewer than two generators, so there is nothing to compare between them."
    measured = [entry for entry in entries if entry["recall_synthetic"]["value"] is not None]
    few = sum(entry["values"] for entry in entries) - len(measured)
    left = f" {few:,} {'has' if few == 1 else 'have'} too few test images to be judged." if few else ""
    if len(measured) < 2:
        return (
            f"{SEEN}Fewer than two generators have enough test images, so none can be called worse than another.{left}"
        )
    first, *_, last = map(verbatim, names_of(measured))
    worst, best = (Interval.from_dict(entry["recall_synthetic"]) for entry in (measured[0], measured[-1]))
    told = worst.high < best.low
    end = (
        "Their intervals do not overlap: one recall for all synthetic images hides that some are missed more often"
        if told
        else "Their intervals overlap: on these images no generator can be called worse than another"
    )
    return (
        f"{SEEN}Recall is lowest for {first} ({worst}) and highest for {last} ({best}), of {len(measured):,} "
        f"generators. {end}.{left} A generator that is not in the data is not measured at all."
    )


def verbatim(text: str, most: int = 40) -> str:
    """A value of the user's as Markdown that shows it as it is, on one line, cut to `most` letters; no markup."""
    line = " ".join(text.split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+\-.!|$~])", r"\\\1", line))


def groups_seen(table: pd.DataFrame | None, source: str) -> str:
    """Whether groups of people are told apart, or how to ask for them.

    Args:
        table: of `fairness.group_table`; None if no columns were named.
        source: where the images come from.
    """
    if table is None:
        return (
            'No columns were named. With columns of your own table, `OPTIONS = {"by": "sex,age_band"}` (run_all.py '
            "`--by sex,age_band`) compares groups of people here. Nothing about a person is inferred from a picture."
        )
    lines = []
    for by, rows in table.groupby("by", sort=False):
        groups, gap = rows[rows["kind"] == fairness.GROUP], rows[rows["kind"] == fairness.GAP].iloc[0]
        found = {name: Interval.of(gap, name) for name in RECALLS}
        gaps = [f"{MEASURE_WORDS[name]} {gap}" for name, gap in found.items() if not np.isnan(gap.value)]
        some = "; ".join(gaps) or "not known, because fewer than two groups have enough images and people"
        lines.append(f"{code(by)}, {len(groups)} groups with numbers. Largest gap: {some}.")
    apart = []
    for name, said in MEASURE_WORDS.items():
        for row in table[table[f"{name}_p_holm"] < 0.05].to_dict("records"):
            difference = Interval.of(row, f"{name}_difference")
            apart.append(f"{code(row['value'])} ({code(row['by'])}): {said} {difference}")
    counted = table[~table["kind"].isin((fairness.GROUP, fairness.GAP))]
    lines.append(f"Different from the rest, after Holm's correction: {'; '.join(apart) or 'none'}.")
    if not apart:
        lines.append("That is no proof of equality: the intervals say how large a difference may still be.")
    if len(counted):
        lines.append(f"Without numbers: {len(counted)} groups, because they are too small, too many, or have no value.")
    lines.append(f"Groups are those of the table's columns; nothing was inferred from pictures. Source: {source}.")
    return SEEN + BREAK.join(lines)


# ----------------------------------------------------------------------------------------------------- 05: comparison


def compared_words(sources: Mapping[str, str], datasets: int, models: int, others: int) -> str:
    """What is compared, or that there is nothing to compare yet."""
    if len(sources) > 1 or others:
        return f"Datasets: {datasets}. Their models: {models}. Detectors known by their scores: {others}."
    return (
        f"**Only {listed(list(sources))} has been run so far**, so there is nothing to compare across datasets yet: what follows shows "
        "the models at home. Run another one, then this notebook again."
    )


def away_seen(lines: Sequence[str]) -> str:
    """Sentences of `comparison.transfer_sentences`, or that nothing is known."""
    if not lines:
        return f"{SEEN}One dataset so far: nothing is known yet about other data, and a good AUC at home is no promise."
    return SEEN + BREAK + BREAK.join(lines)


def matrix_seen(compared: pd.DataFrame) -> str:
    """The lowest AUC away from home against the lowest one at home.

    Args:
        compared: rows of comparison.csv of last stages, columns trained_on, tested_on, roc_auc.
    """
    known = compared.dropna(subset=["roc_auc"])
    home = known[known["trained_on"] == known["tested_on"]]["roc_auc"]
    away = known[known["trained_on"] != known["tested_on"]]["roc_auc"]
    if home.empty or away.empty:
        return (
            f"{SEEN}Home alone is measured here: the diagonal. It says how well a detector knows images of the kind that it was "
            "trained on, and nothing about others."
        )
    lost = home.mean() - away.mean()
    end = (
        "a detector here knows its own dataset, not synthetic images as such"
        if lost > GAP
        else "what was learnt holds on these datasets"
    )
    return f"{SEEN}From home ({home.mean():.3f} on average) to elsewhere ({away.mean():.3f}) the AUC changes by {-lost:+.3f}: {end}."


def sizes_of_training_seen(found: Sequence[str], left_out: Sequence[str]) -> str:
    """What the learning curve says, and which datasets are not in it."""
    said = BREAK.join(found) or "None of datasets 1 to 4 is among these: nothing is known about sizes."
    more = (
        f"{BREAK}Not in the curve, because their images are of another kind: {listed(left_out)}."
        if left_out and found
        else ""
    )
    return f"{SEEN}{BREAK}{said}{more}"


def adapted_seen(table: pd.DataFrame) -> str:
    """What a few labelled pictures of another dataset gain there, and what that costs at home.

    Args:
        table: of `adaptation.few_pictures`; empty if there is one dataset only.
    """
    if table.empty:
        return (
            f"{SEEN}One dataset so far: there is no new source to adapt to. Run another one, then this notebook again."
        )
    gained = table["roc_auc_after"] - table["roc_auc_before"]
    # A draw of the pictures can be lucky: nearly all of them have to be better.
    sure = int((table["roc_auc_after_low"] > table["roc_auc_before"]).sum())
    lost = table["roc_auc_home"] - table["roc_auc_home_before"]
    cost = "little is lost there" if lost.min() > -GAP else "what was known at home is partly lost"
    return (
        f"{SEEN}With a few pictures the AUC on the other dataset changes by {gained.mean():+.3f} on average ({gained.min():+.3f} to "
        f"{gained.max():+.3f}); in {sure} of {len(table)} cases nearly every draw of them helps. At home it changes by "
        f"{lost.mean():+.3f} on average, at worst by {lost.min():+.3f}: {cost}."
    )


def pictures_needed_seen(curve: pd.DataFrame) -> str:
    """How many pictures of each class a gain on a new source takes.

    Args:
        curve: columns pictures (of each class, rising from 0), roc_auc, roc_auc_low, roc_auc_high.
    """
    before, tried = curve.iloc[0], curve.iloc[1:]
    if tried.empty:
        return "How many are needed cannot be said: no pictures are left to read smaller numbers of them on."
    sure = tried[tried["roc_auc_low"] > before["roc_auc"]]
    best = tried.loc[tried["roc_auc"].idxmax()]
    most = f"the best mean AUC is {decimals(best['roc_auc'])}, with {int(best['pictures'])} of each class"
    if sure.empty:
        return f"How many are needed: {most}; no number tried helps in nearly every draw of the pictures."
    least = int(sure["pictures"].iloc[0])
    return f"How many are needed: from {least} of each class on nearly every draw of the pictures helps; {most}."


# ----------------------------------------------------------------------------------------------------- 06: robustness


def robustness_seen(table: pd.DataFrame, policy: str, source: str) -> str:
    """What degradations do to the ranking, and to the threshold.

    Args:
        table: of `robustness.robustness_table`; the first row is of the images as they are.
        policy: of the threshold.
        source: where the images come from.
    """
    clean, *degraded = table.itertuples()
    rows = {f"{row.degradation} {row.level:g}": row for row in degraded}
    auc, *ranked = Interval.all_of(table, "roc_auc")
    real, synthetic = (Interval.all_of(table, name)[0] for name in ("recall_real", "recall_synthetic"))
    lower = [f"{name} ({row.roc_auc_change:+.3f})" for name, row in rows.items() if row.roc_auc_change_high < 0]
    chance = [name for name, found in zip(rows, ranked, strict=True) if verdict(found) != BETTER]
    lost = [name for name, row in rows.items() if min(row.recall_real, row.recall_synthetic) < 0.5]
    # The ranking holds, the threshold does not.
    moved = [name for name in lost if name not in chance]
    lines = [
        f"As they are, {clean.images:,} test images have an AUC of {auc}, {verdict(auc)}; recall of real "
        f"{real}, of synthetic {synthetic} at the {policy} threshold.",
        f"AUC lower, with a 95% interval of the change that leaves out 0: {listed(lower)}.",
        f"Not better than chance: {listed(chance)}. There the traces themselves are gone.",
        f"Ranking better than chance, but less than half of a class recognised: {listed(moved)}. There the scores have moved away from "
        "the threshold; another threshold would help, if one knew what had happened to a picture.",
        f"Source: {source}.",
    ]
    return SEEN + BREAK.join(lines)


def edits_seen(table: pd.DataFrame, policy: str, edits: Sequence[str]) -> str:
    """How many edited photographs are called synthetic, and which edit makes it most.

    Args:
        table: of `robustness.robustness_table`; the first row is of the images as they are.
        policy: of the threshold.
        edits: kinds of degradation that are edits of photographs.
    """
    clean, edited = table.iloc[0], table[table["degradation"].isin(edits)]
    if edited.empty:
        return f"{SEEN}No edit was tried: nothing is known about edited photographs."
    names = [f"{row.degradation} {row.level:g}" for row in edited.itertuples()]
    recalls = [f"{name} {found}" for name, found in zip(names, Interval.all_of(edited, "recall_real"), strict=True)]
    alarms = dict(zip(names, 1 - edited["recall_real"], strict=True))
    most = max(alarms, key=alarms.get)
    before = 1 - clean["recall_real"]
    told = [name for name, high in zip(names, edited["recall_real_change_high"], strict=True) if high < 0]
    lines = [
        f"An edited photograph is still a photograph. Recall of real at the {policy} threshold: "
        f"{Interval.of(clean, 'recall_real')} as they are; {listed(recalls)}.",
        f"Recall of real lower, with a 95% interval of the change that leaves out 0: {listed(told)}.",
    ]
    if alarms[most] > before:
        lines.append(
            f"Most photographs are called synthetic after {most}: {share(alarms[most])}, against {share(before)} as "
            "they are. A person who edits photographs would meet these false alarms."
        )
    else:
        lines.append(f"No edit makes more photographs be called synthetic than the {share(before)} as they are.")
    return SEEN + BREAK.join(lines)


def no_explanation(auc: Interval) -> str:
    """Why no map is shown of a model that has not been shown to tell the classes apart."""
    return (
        f"**No explanation.** With an AUC of {auc} ({verdict(auc)}) this model has not been shown to tell the classes apart, so that a "
        "map of its score would be noise that looks like a reason."
    )


def map_seen(means: Mapping[str, np.ndarray]) -> str:
    """Whether a mean map points anywhere: how much of it lies in its brightest tenth.

    Args:
        means: label to the mean map (height, width), 0 upwards.
    """
    parts = []
    for label, values in means.items():
        flat = np.sort(np.asarray(values, float).ravel())[::-1]
        total = flat.sum()
        if total > 0:
            parts.append((label, float(flat[: max(1, len(flat) // 10)].sum() / total)))
    if not parts:
        return f"{SEEN}The maps are empty: no place speaks for its own class more than the average image does."
    said = " and ".join(f"{share(part)} ({label})" for label, part in parts)
    focused = max(part for _, part in parts) > 0.3
    end = (
        "much of it comes from few places"
        if focused
        else "it is spread widely, as traces of an encoder or a generator are"
    )
    return (
        f"{SEEN}The brightest tenth of the map holds {said} of what speaks for a class, where an even map would have 10%: {end}. A map "
        "says where, not why: look at those places before you believe a story about eyes or hair."
    )


def maps_seen(blocks: pd.DataFrame, alike: pd.DataFrame, images: int, networks: int, source: str) -> str:
    """Whether the maps are of what was learnt.

    Args:
        blocks: of `explanation.block_table`: columns blocks, difference, share.
        alike: rank correlation with shuffled networks: row `mean`, columns grad_cam and contributions.
        images: explained.
        networks: shuffled.
        source: where the images come from.
    """
    most = blocks.loc[blocks["difference"].idxmax()]
    last = blocks["share"].iloc[-1]
    shares = (
        f"; {most['blocks']} brings most of it ({most['share']:.0%}), the last one {last:.0%}"
        if len(blocks) > 1
        else ""
    )
    read = alike.loc["mean"].abs().max() < 0.5
    end = (
        "change with the weights, so they do show what was learnt"
        if read
        else "**hardly change with the weights: do not read them**"
    )
    return (
        f"{SEEN}The classes' mean logits lie {blocks['difference'].sum():.3f} apart on {images} test images{shares}. Rank correlation with "
        f"the maps of {networks} shuffled networks: Grad-CAM {alike.loc['mean', 'grad_cam']:.3f}, contributions "
        f"{alike.loc['mean', 'contributions']:.3f}. The maps {end}. Source: {source}."
    )


def certain_seen(certain: pd.DataFrame, wrong: pd.DataFrame) -> str:
    """Whether the most certain errors are of one class.

    Args:
        certain: the most certain errors, column y.
        wrong: all errors, column y.
    """
    if wrong.empty:
        return f"{SEEN}There are no errors, so there is nothing to look at."
    real, among = float((wrong["y"] == 0).mean()), float((certain["y"] == 0).mean())
    end = (
        "they are of one class more than errors are as a whole: look for what these pictures share"
        if abs(among - real) > 0.25
        else "about as among all errors: no class stands out"
    )
    return f"{SEEN}{share(among)} of the most certain errors are real pictures, {share(real)} of all errors; {end}."


def errors_seen(wrong: pd.DataFrame, images: int, recalls: Mapping[str, Interval], source: str) -> str:
    """Errors of both classes at the threshold, as the last word of notebook 06.

    Args:
        wrong: errors, column y.
        images: of test.
        recalls: recall_real and recall_synthetic.
        source: where the images come from.
    """
    real, synthetic = (int((wrong["y"] == number).sum()) for number in (0, 1))
    return (
        f"{SEEN}{len(wrong)} of {images:,} test images are called wrongly: {real} real ones (recall {recalls['recall_real']}) and "
        f"{synthetic} synthetic ones (recall {recalls['recall_synthetic']}). The least certain errors are a matter of the threshold, the "
        f"most certain ones are not: only another model gets those right. Source: {source}."
    )


# ------------------------------------------------------------------------------------------------ 07, 08, 09: experiments


def turns_seen(table: pd.DataFrame, source: str) -> str:
    """Which wrong turns bring the recipe to chance.

    Args:
        table: of `repeats.turns_table`, with the turns a (none) and g (threshold chosen on test).
        source: where the images come from.
    """
    chance = [row.turn for row in table.itertuples() if row.roc_auc_low <= 0.5 <= row.roc_auc_high]
    one_class = [row.turn for row in table.itertuples() if row.degenerate]
    rows = table.set_index("turn").to_dict("index")
    correct = Interval.of(rows["a"], "roc_auc")
    if "a" in chance:
        start = "Run correctly, the recipe is at chance itself on these images, so that no turn can be blamed here"
    else:
        start = "Run correctly, the recipe is no coin: a result of 0.5 speaks of a mistake, not of hard data"
    return (
        f"{SEEN}{start} (test AUC {correct}). Not told from chance: {listed(chance)}. Nearly everything called one class: "
        f"{listed(one_class)}. Choosing the threshold on the test images (g) reports an F1 of "
        f"{rows['g']['f1_synthetic']:.3f}, choosing it on validation {rows['a']['f1_synthetic']:.3f}: the difference is "
        f"not there on new images. Source: {source}."
    )


def moved_seen(table: pd.DataFrame) -> str:
    """Which trainings moved no weight that could matter.

    Args:
        table: columns turn, weight_change, score_change.
    """
    still = [row.turn for row in table.itertuples() if row.weight_change < 1e-5]
    if not still:
        return f"{SEEN}In every training the weights moved by more than a hundred-thousandth."
    most = max(row.score_change for row in table.itertuples() if row.turn in still)
    return (
        f"{SEEN}In {listed(still)} no weight moved by more than a hundred-thousandth, and no score by more than {most:.1e}: such a stage "
        "has cost time and changed no decision. Looking at this one number would have shown it."
    )


def ablation_seen(table: pd.DataFrame, source: str) -> str:
    """Which choices matter beyond chance.

    Args:
        table: of `repeats.ablation_table`.
        source: where the images come from.
    """
    worse, better = table[table["difference_high"] < 0], table[table["difference_low"] > 0]
    named = [
        "; ".join(f"{row.choice}: {row.setting} ({row.difference:+.3f})" for row in part.itertuples()) or "none"
        for part in (worse, better)
    ]
    return (
        f"{SEEN}Worse than the recipe beyond chance: {named[0]}. Better beyond chance: {named[1]}. All others cannot be told from it on "
        f"these images: the cheaper one of two such choices is the better one. Source: {source}."
    )


def imbalance_seen(table: pd.DataFrame) -> str:
    """What a rare class costs.

    Args:
        table: of `repeats.recall_table`, the first row balanced: columns case, roc_auc, recall_real, recall_synthetic.
    """
    first, *others = table.itertuples()
    if not others:
        return f"{SEEN}One case alone: nothing to compare."
    worst = min(others, key=lambda row: row.roc_auc)
    gaps = {row.case: abs(row.recall_real - row.recall_synthetic) for row in others}
    uneven = max(gaps, key=gaps.get)
    return (
        f"{SEEN}The AUC changes by {worst.roc_auc - first.roc_auc:+.3f} at most ({worst.case}). The recalls of the classes lie furthest "
        f"apart in `{uneven}` ({gaps[uneven]:.3f}): accuracy alone would have hidden that."
    )


def unseen_seen(table: pd.DataFrame) -> str:
    """What detectors know about generators, and sources of photographs, that they have not seen.

    Args:
        table: of `unseen.unseen_table`; empty if there is nothing to leave out.
    """
    if table.empty:
        return (
            f"{SEEN}The images name fewer than two generators, and fewer than two sources of photographs, so none can be left "
            "out: what this detector does on a generator that it has not seen is not known."
        )
    lines = [_unseen_line(rows, KINDS[column]) for column, rows in table.groupby("column")]
    return SEEN + BREAK.join(filter(None, lines))


def _unseen_line(rows: pd.DataFrame, kind: str) -> str:
    known = measured(rows)
    few = len(rows) - len(known)
    left = f" Not measured, because there are too few images: {few:,}." if few else ""
    if known.empty:
        return f"For no left-out value ({kind}) are there enough images.{left}"
    worst = known.loc[known["roc_auc"].idxmin()]
    auc, seen, change = (Interval.of(worst, name) for name in ("roc_auc", "roc_auc_seen", "difference"))
    lower = [verbatim(row.value) for row in known.itertuples() if row.difference_high < 0]
    return (
        f"On {kind} that the detector has not seen, the AUC is lowest for {verbatim(worst['value'])}: {auc}, "
        f"{verdict(auc)}. The detector that has seen it: {seen}; difference {change}. Recall there, not seen: real "
        f"{Interval.of(worst, 'recall_real')}, synthetic {Interval.of(worst, 'recall_synthetic')}. AUC lower without "
        f"having seen it, with an interval that leaves out 0: {listed(lower)}.{left}"
    )
