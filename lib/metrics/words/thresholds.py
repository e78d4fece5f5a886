"""Sentences of notebook 04: ranking, thresholds and what they do, parts of the images, costs and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.metrics import fairness
from lib.metrics.by_value import names_of
from lib.metrics.checks import Interval, decimals, share
from lib.metrics.comparison import verdict
from lib.metrics.measures import RECALLS
from lib.metrics.thresholds import Costs
from lib.metrics.words.shared import BREAK, SEEN, WIDE, code, verbatim

MEASURE_WORDS = {"roc_auc": "AUC", "recall_real": "recall of real", "recall_synthetic": "recall of synthetic"}


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


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
    errors, gaps = {}, {}
    for name, found in policies.items():
        errors[name] = found["confusion"]["false_synthetic"] + found["confusion"]["false_real"]
        gaps[name] = abs(found["recall_real"]["value"] - found["recall_synthetic"]["value"])
    best, uneven = min(errors, key=errors.get), max(gaps, key=gaps.get)
    real, synthetic = (policies[uneven][name]["value"] for name in ("recall_real", "recall_synthetic"))
    return (
        f"{SEEN}`{best}` makes the fewest errors on test ({errors[best]:,}). `{uneven}` is the most uneven: it finds {share(real)} of "
        f"the real and {share(synthetic)} of the synthetic images. No policy is right as such: it depends on which error is worse for "
        "you. That choice was made on validation; to pick the best row here would be to choose on test."
    )


def crossing_seen(rows: pd.DataFrame, balanced: float, fixed: float) -> str:
    """What the balanced threshold gains over 0.5 on validation, for both classes.

    Args:
        rows: columns y and score of validation images.
        balanced, fixed: the two thresholds.
    """
    real, synthetic = (rows.loc[rows["y"] == label, "score"] for label in (0, 1))
    said = [
        f"{share((real < limit).mean())} of the real and {share((synthetic >= limit).mean())} of the synthetic"
        for limit in (balanced, fixed)
    ]
    near = abs(balanced - fixed) < 0.05
    end = "the two lie close together" if near else "0.5 is not where this model's classes part"
    return (
        f"{SEEN}On validation the balanced threshold calls {said[0]} images rightly, 0.5 calls {said[1]}: {end}. Every step to the right "
        "gains real images and loses synthetic ones."
    )


def band_seen(band: Mapping, threshold: float) -> str:
    """Which scores stay undecided, what that gains on validation, and what it costs.

    Args:
        band: a policy's band, the fields of `abstention.Band`.
        threshold: of the same policy.
    """
    if band["why"]:
        return (
            f"{SEEN}The stated error is not reached: {band['why']}. This detector must be used with that error in mind."
        )
    low, high, error = band["low"], band["high"], decimals(band["error"])
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
    apart = [
        f"{code(row['value'])} ({code(row['by'])}): {said} {Interval.of(row, f'{name}_difference')}"
        for name, said in MEASURE_WORDS.items()
        for row in table[table[f"{name}_p_holm"] < 0.05].to_dict("records")
    ]
    lines = [_gaps_line(by, rows) for by, rows in table.groupby("by", sort=False)]
    lines.append(f"Different from the rest, after Holm's correction: {'; '.join(apart) or 'none'}.")
    if not apart:
        lines.append("That is no proof of equality: the intervals say how large a difference may still be.")
    if without := int((~table["kind"].isin((fairness.GROUP, fairness.GAP))).sum()):
        lines.append(f"Without numbers: {without} groups, because they are too small, too many, or have no value.")
    lines.append(f"Groups are those of the table's columns; nothing was inferred from pictures. Source: {source}.")
    return SEEN + BREAK.join(lines)


def _gaps_line(by: str, rows: pd.DataFrame) -> str:
    """How many groups of a column have numbers, and how far they lie apart."""
    gap = rows[rows["kind"] == fairness.GAP].iloc[0]
    found = {name: Interval.of(gap, name) for name in RECALLS}
    known = [f"{MEASURE_WORDS[name]} {width}" for name, width in found.items() if not np.isnan(width.value)]
    some = "; ".join(known) or "not known, because fewer than two groups have enough images and people"
    return f"{code(by)}, {(rows['kind'] == fairness.GROUP).sum()} groups with numbers. Largest gap: {some}."
