"""Comparison of models across datasets: how ranking and thresholds chosen at home hold abroad."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics import delong, measures, power_law
from lib.metrics.measures import Interval, UndefinedMeasure

# The columns of results/comparison.csv, one row per model, tested dataset and threshold policy.
COLUMNS = (
    "trained_on",
    "recipe",
    "stage",
    "tested_on",
    "images",
    "overlap_removed",
    "roc_auc",
    "roc_auc_low",
    "roc_auc_high",
    "policy",
    "recall_real",
    "recall_synthetic",
)
AT_CHANCE = "at chance"
BETTER = "better than chance"
WORSE = "worse than chance"
# An exponent is never below 0; with this one, twice the images lower the error by less than 1%.
LEAST_EXPONENT = 0.01

_AUC = ["roc_auc", "roc_auc_low", "roc_auc_high"]


def transfer_rows(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    thresholds: Mapping[str, float],
    *,
    trained_on: str,
    recipe: str,
    stage: str,
    tested_on: str,
    overlap_removed: int,
    resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, str | int | float]]:
    """Reads a model's test scores on one dataset at each threshold chosen at home.

    Args:
        labels: 0 real, 1 synthetic, of the tested dataset's test images, those shared with the training data removed.
        scores: The model's score of each.
        groups: One name per image (see `measures.bootstrap_intervals`); None when images are independent.
        thresholds: Policy to threshold, chosen on validation images of ``trained_on``.
        trained_on: Dataset the model was trained on.
        recipe: Its recipe.
        stage: Its stage.
        tested_on: Dataset the images are from.
        overlap_removed: Number of images removed beforehand because the training data hold them too.
        resamples: Bootstrap resamples of the AUC's interval.
        seed: Their seed.

    Returns:
        One row per policy with the keys `COLUMNS`; the AUC with its 95% interval is the same in each.

    Raises:
        UndefinedMeasure: See `measures.checked` and `measures.bootstrap_intervals`.
        ValueError: No thresholds.
    """
    if not thresholds:
        raise ValueError(f"no thresholds for {trained_on}/{recipe}/{stage}; expected policy -> threshold")
    auc = measures.bootstrap_intervals(labels, scores, groups, measures=["roc_auc"], resamples=resamples, seed=seed)
    interval = auc["roc_auc"]
    shared = {
        "trained_on": trained_on,
        "recipe": recipe,
        "stage": stage,
        "tested_on": tested_on,
        "images": len(np.asarray(labels)),
        "overlap_removed": overlap_removed,
        "roc_auc": interval.value,
        "roc_auc_low": interval.low,
        "roc_auc_high": interval.high,
    }
    return [
        shared
        | {
            "policy": policy,
            "recall_real": measures.recall_real(labels, scores, threshold),
            "recall_synthetic": measures.recall_synthetic(labels, scores, threshold),
        }
        for policy, threshold in thresholds.items()
    ]


def auc_matrix(frame: pd.DataFrame, recipe: str, stage: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lays the comparison out as a matrix, rows trained on, columns tested on, in order of first appearance.

    Args:
        frame: Rows with the columns `COLUMNS`.
        recipe: Recipe to show.
        stage: Stage to show.

    Returns:
        ROC AUC (NaN where a pair was not measured) and, of the same shape, annotations such as "0.81\\n[0.75, 0.86]"
        (empty where not measured).

    Raises:
        ValueError: Columns missing, no row of that recipe and stage, or two different values for one pair.
    """
    _require(frame, ["trained_on", "recipe", "stage", "tested_on", *_AUC])
    chosen = frame[(frame["recipe"] == recipe) & (frame["stage"] == stage)]
    if chosen.empty:
        found = sorted(set(zip(frame["recipe"], frame["stage"])))
        raise ValueError(f"no rows of recipe {recipe!r} and stage {stage!r}; found {found}")
    pairs = _one_per(chosen, ["trained_on", "tested_on"])
    rows = list(dict.fromkeys(pairs["trained_on"]))
    tested = set(pairs["tested_on"])
    # Datasets that were also trained on come first, in the rows' order: the diagonal is then home.
    columns = [name for name in rows if name in tested]
    columns += [name for name in dict.fromkeys(pairs["tested_on"]) if name not in columns]
    pairs["text"] = [f"{value:.2f}\n[{low:.2f}, {high:.2f}]" for value, low, high in pairs[_AUC].to_numpy()]
    wide = pairs.pivot(index="trained_on", columns="tested_on", values=["roc_auc", "text"])
    values = wide["roc_auc"].reindex(index=rows, columns=columns).astype(float)
    texts = wide["text"].reindex(index=rows, columns=columns).fillna("").astype(str)
    return values, texts


def learning_curve(frame: pd.DataFrame, training_images: Mapping[str, int]) -> pd.DataFrame:
    """How the AUC at home grows with the number of training images.

    Args:
        frame: Rows with the columns `COLUMNS`; those with ``trained_on == tested_on`` are used.
        training_images: Number of training images of each dataset.

    Returns:
        Columns ``trained_on, recipe, stage, training_images, roc_auc, roc_auc_low, roc_auc_high``, sorted by
        ``training_images``; one row per dataset, recipe and stage.

    Raises:
        ValueError: Columns missing, a dataset without a number, or two different values for one model.
    """
    _require(frame, ["trained_on", "recipe", "stage", "tested_on", *_AUC])
    home = frame[frame["trained_on"] == frame["tested_on"]]
    unknown = sorted(set(home["trained_on"]) - set(training_images))
    if unknown:
        raise ValueError(f"no number of training images for {unknown}; got one for {sorted(training_images)}")
    curve = _one_per(home, ["trained_on", "recipe", "stage"])
    curve.insert(3, "training_images", curve["trained_on"].map(training_images).astype(int))
    return curve.sort_values("training_images", kind="stable", ignore_index=True)


def learning_fits(curve: pd.DataFrame, **options) -> tuple[pd.DataFrame, list[str]]:
    """Fits a power law to each learning curve that has enough sizes, and says of each what was found.

    Args:
        curve: What `learning_curve` returns.
        **options: Of `power_law.fit`.

    Returns:
        The fitted curves, columns ``recipe, stage, training_images, roc_auc, low, high, extrapolated`` (empty where
        none could be fitted), and one sentence for each recipe and stage, those without a fit included.
    """
    fitted, sentences = [], []
    for (recipe, stage), rows in curve.groupby(["recipe", "stage"], sort=False):
        try:
            law = power_law.fit(*(rows[name] for name in ("training_images", *_AUC)), **options)
        except UndefinedMeasure as error:
            sentences.append(f"{recipe}, {stage}: {error}")
            continue
        fitted.append(law.curve.assign(recipe=recipe, stage=stage))
        helps = (
            "more images help"
            if law.exponent.low > LEAST_EXPONENT
            else "that more images help cannot be told from these"
        )
        sentences.append(f"{recipe}, {stage}: {law} from {law.sizes} sizes: {helps}")
    columns = ["recipe", "stage", "training_images", "roc_auc", "low", "high", "extrapolated"]
    return (pd.concat(fitted, ignore_index=True) if fitted else pd.DataFrame(columns=columns))[columns], sentences


def paired_tests(scored: pd.DataFrame, common: bool = False, level: float = 0.95) -> pd.DataFrame:
    """DeLong's paired test of every two models on the same test images, with Holm's correction for their number.

    Args:
        scored: Columns model, image_id, y (0 real, 1 synthetic), score, group (see `delong.auc_interval`); one row per
            model and image, in any order.
        common: Where the models were tested on different images: True takes those that all of them have and says how
            many were left out, False refuses.
        level: Nominal coverage of the differences' intervals, 0 to 1; they are not corrected for their number.

    Returns:
        One row per pair: ``first, second`` (models, in order of appearance), ``images, left_out, roc_auc_first,
        roc_auc_second, difference`` (second - first), ``low, high, z, p_value, p_holm`` and ``different`` (p_holm
        below 1 - level).

    Raises:
        ValueError: Columns missing, fewer than two models, an image twice, models that disagree about an image's class
            or group, or different images and ``common`` False.
        UndefinedMeasure: See `delong.paired_test`; also when no image is common to all.
    """
    _require(scored, ["model", "image_id", "y", "score", "group"])
    models = list(dict.fromkeys(scored["model"]))
    if len(models) < 2:
        raise ValueError(f"found models {models}; a paired test expects at least two")
    twice = scored[scored.duplicated(["model", "image_id"])]
    if len(twice):
        raise ValueError(f"image {twice['image_id'].iloc[0]!r} appears twice for model {twice['model'].iloc[0]!r}")
    wide = scored.pivot(index="image_id", columns="model", values="score")[models]
    held = scored.groupby("model")["image_id"].agg(set)
    shared = sorted(set.intersection(*held))
    left_out = len(wide) - len(shared)
    if left_out and not common:
        sizes = ", ".join(f"{model}: {len(held[model]):,}" for model in models)
        raise ValueError(
            f"models were tested on different images ({sizes}; {len(shared):,} common to all): expected the same, or "
            "common=True to compare on the common ones"
        )
    if not shared:
        raise UndefinedMeasure("no test image is common to all models; a paired test expects the same images")
    truth = scored[scored["image_id"].isin(shared)].drop_duplicates(["image_id", "y", "group"])
    unclear = truth[truth.duplicated("image_id")]
    if len(unclear):
        raise ValueError(f"models disagree about the class or group of image {unclear['image_id'].iloc[0]!r}")
    truth, wide = truth.set_index("image_id").loc[shared], wide.loc[shared]
    pairs = list(combinations(models, 2))
    tests = [delong.paired_test(truth["y"], wide[one], wide[two], truth["group"], level) for one, two in pairs]
    rows = [
        {
            "first": one,
            "second": two,
            "images": test.images,
            "left_out": left_out,
            "roc_auc_first": test.first,
            "roc_auc_second": test.second,
            "difference": test.difference.value,
            "low": test.difference.low,
            "high": test.difference.high,
            "z": test.z,
            "p_value": test.p_value,
        }
        for (one, two), test in zip(pairs, tests)
    ]
    adjusted = delong.holm([test.p_value for test in tests])
    return pd.DataFrame(rows).assign(p_holm=adjusted, different=adjusted < 1 - level)


def verdict(interval: Interval) -> str:
    """Says what a ROC AUC's interval allows to say: `AT_CHANCE` when it covers 0.5, else `BETTER` or `WORSE`.

    At chance means: not to be told from it on this many images.

    Raises:
        UndefinedMeasure: The interval's limits are not numbers.
    """
    if np.isnan(interval.low) or np.isnan(interval.high):
        raise UndefinedMeasure(f"no verdict on an undefined interval: {interval.low} to {interval.high}")
    if interval.contains(0.5):
        return AT_CHANCE
    return BETTER if interval.low > 0.5 else WORSE


def _require(frame: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(f"comparison lacks the columns {missing}; found {list(frame.columns)}")


def _one_per(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The AUC of each key, once: policies repeat it."""
    rows = frame[[*keys, *_AUC]].drop_duplicates(ignore_index=True)
    twice = rows[rows.duplicated(keys, keep=False)]
    if len(twice):
        raise ValueError(f"different ROC AUC for the same {keys}: {twice.to_dict('records')}")
    return rows


def compare(scored: pd.DataFrame, thresholds: Mapping[tuple[str, str, str], Mapping[str, float]]) -> pd.DataFrame:
    """comparison.csv from scores of models on test images.

    Args:
        scored: columns trained_on, recipe, stage, tested_on, overlap_removed, y, score, group; one row per image.
        thresholds: (trained_on, recipe, stage) to policy to threshold.

    Returns:
        One row per model, tested dataset and policy, columns `COLUMNS`.
    """
    keys = ["trained_on", "recipe", "stage", "tested_on", "overlap_removed"]
    rows = []
    for values, part in scored.groupby(keys, sort=False):
        names = dict(zip(keys, values))
        home = thresholds[names["trained_on"], names["recipe"], names["stage"]]
        rows += transfer_rows(part["y"], part["score"], part["group"].tolist(), home, **names)
    return pd.DataFrame(rows, columns=list(COLUMNS))
