"""Comparison of models across datasets: their ranking and thresholds on other datasets than their own."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.metrics import delong, measures, power_law, resampling, thresholds
from lib.metrics.checks import decimals
from lib.metrics.measures import Interval, UndefinedMeasure
from lib.metrics.stages import STAGE_NAMES

# Measures of the scores themselves, the same at every threshold.
RANKINGS = [name for name in measures.TABLE_MEASURES if name in measures.SCORE_MEASURES]
# The columns of results/comparison.csv, one row per model, tested dataset and threshold policy.
COLUMNS = (
    "trained_on",
    "recipe",
    "stage",
    "tested_on",
    "images",
    "overlap_removed",
    *(column for name in RANKINGS for column in Interval.names(name)),
    "policy",
    *Interval.names("recall_real"),
    *Interval.names("recall_synthetic"),
)
# Stands for the policy of a detector without validation images: only its ranking is compared.
NO_THRESHOLD = "no threshold"
# Stands for the policy if images allow no measure, such as images of one class.
NOT_MEASURED = "not measured"
# The columns of results/paired_tests.csv, one row per test set and two models.
PAIRED_COLUMNS = (
    "tested_on",
    "home",
    "first",
    "second",
    "images",
    "left_out",
    "roc_auc_first",
    "roc_auc_second",
    "difference",
    "low",
    "high",
    "z",
    "p_value",
    "p_holm",
    "different",
)
AT_CHANCE = "at chance"
BETTER = "better than chance"
UNINFORMATIVE = "uninformative"
# An exponent is never below 0; with this one, twice the images lower the error by less than 1%.
LEAST_EXPONENT = 0.01

_AUC = Interval.names("roc_auc")
_MODEL = ["trained_on", "recipe"]
_NONE = Interval(np.nan, np.nan, np.nan)


def transfer_rows(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    chosen: Mapping[str, float],
    *,
    trained_on: str,
    recipe: str,
    stage: str,
    tested_on: str,
    overlap_removed: int,
    resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, str | int | float]]:
    """A model's test results on one dataset at each threshold chosen on its own dataset.

    Args:
        labels: 0 real, 1 synthetic, of the tested dataset's test images, without those shared with the training data.
        scores: The model's score of each.
        groups: One name per image (see `measures.bootstrap_intervals`); None when images are independent.
        chosen: Policy to threshold, chosen on validation images of ``trained_on``; may be empty.
        trained_on: Dataset the model was trained on.
        recipe: Its recipe.
        stage: Its stage.
        tested_on: Dataset the images are from.
        overlap_removed: Number of images removed beforehand because the training data contain them too.
        resamples: Bootstrap resamples of the intervals.
        seed: Their seed.

    Returns:
        One row per policy with the keys `COLUMNS`; the AUC is the same in each. Without thresholds there is one row of
        policy `NO_THRESHOLD`, whose recalls are NaN. Intervals are of 95%.

    Raises:
        UndefinedMeasure: See `measures.checked` and `measures.bootstrap_intervals`.
    """
    options = {"measures": RANKINGS, "resamples": resamples, "seed": seed}
    rankings = measures.bootstrap_intervals(labels, scores, groups, **options)
    shared = {
        "trained_on": trained_on,
        "recipe": recipe,
        "stage": stage,
        "tested_on": tested_on,
        "images": len(np.asarray(labels)),
        "overlap_removed": overlap_removed,
    }
    for name, found in rankings.items():
        shared |= found.columns(name)
    read = _recalls(labels, scores, groups, chosen, resamples, seed) or {NO_THRESHOLD: (_NONE, _NONE)}
    return [
        {**shared, "policy": policy, **real.columns("recall_real"), **synthetic.columns("recall_synthetic")}
        for policy, (real, synthetic) in read.items()
    ]


def _recalls(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None,
    chosen: Mapping[str, float],
    resamples: int,
    seed: int,
) -> dict[str, tuple[Interval, Interval]]:
    """Policy to both recalls, as `measures.bootstrap_intervals` gives them; all thresholds share one set of draws."""
    if not chosen:
        return {}
    labels, scores = measures.checked(labels, scores)
    blocks = resampling.blocks(labels, scores, groups, resamples, seed)
    # (policies, both recalls, resamples)
    drawn = np.concatenate([[_both(block.confusion(limit)) for limit in chosen.values()] for block in blocks], axis=2)
    read, trials = (measures.recall_real, measures.recall_synthetic), resampling.independent_images(labels, groups)
    return {
        policy: tuple(
            resampling.share_interval(point(labels, scores, limit), number, values)
            for point, number, values in zip(read, trials, both)
        )
        for (policy, limit), both in zip(chosen.items(), drawn)
    }


def _both(confusion: tuple) -> np.ndarray:
    true_real, false_synthetic, false_real, true_synthetic = confusion
    return np.array([true_real / (true_real + false_synthetic), true_synthetic / (true_synthetic + false_real)])


def choose_thresholds(scored: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, float]]:
    """Thresholds of detectors by every policy, chosen on their validation scores.

    Args:
        scored: columns trained_on, recipe, stage, split, y, score; only rows of `validation` are used.

    Returns:
        (trained_on, recipe, stage) to policy to threshold. 0.5 (`fixed`) is included only if scores lie between 0 and
        1. A detector without validation images has no thresholds.

    Raises:
        UndefinedMeasure: See `measures.checked`.
    """
    found = {}
    for names, rows in scored.groupby([*_MODEL, "stage"], sort=False):
        validation = rows[rows["split"] == "validation"]
        policies = thresholds.choose_all(validation["y"], validation["score"]) if len(validation) else {}
        if not validation["score"].between(0, 1).all():
            del policies["fixed"]
        found[names] = {policy: chosen.threshold for policy, chosen in policies.items()}
    return found


def last_stage(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of every model's last stage by order of appearance: the result of its training."""
    last = frame.groupby(_MODEL, sort=False)["stage"].transform("last")
    return frame[frame["stage"] == last]


def auc_matrix(frame: pd.DataFrame, recipe: str, stage: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lays the comparison out as a matrix, rows trained on, columns tested on, in order of first appearance.

    Args:
        frame: Rows with the columns `COLUMNS`.
        recipe: Recipe to show.
        stage: Stage to show; None shows the last of every model.

    Returns:
        ROC AUC (NaN where a pair was not measured) and, of the same shape, annotations such as "0.810\\n[0.750, 0.860]"
        (empty where not measured).

    Raises:
        ValueError: Columns missing, no row of that recipe and stage, or two different values for one pair.
    """
    _require(frame, ["trained_on", "recipe", "stage", "tested_on", *_AUC])
    chosen = last_stage(frame) if stage is None else frame[frame["stage"] == stage]
    chosen = chosen[chosen["recipe"] == recipe]
    if chosen.empty:
        found = sorted(set(zip(frame["recipe"], frame["stage"])))
        raise ValueError(f"no rows of recipe {recipe!r} and stage {stage or 'last'!r}; found {found}")
    pairs = _one_per(chosen, ["trained_on", "tested_on"])
    rows = list(dict.fromkeys(pairs["trained_on"]))
    tested = set(pairs["tested_on"])
    # Datasets with trained models come first, in the order of the rows. So the diagonal is each model's own dataset.
    columns = [name for name in rows if name in tested]
    columns += [name for name in dict.fromkeys(pairs["tested_on"]) if name not in columns]
    pairs["text"] = [str(Interval(*found)).replace(" [", "\n[") for found in pairs[_AUC].to_numpy(float)]
    pairs.loc[pairs["roc_auc"].isna(), "text"] = NOT_MEASURED.replace(" ", "\n")
    wide = pairs.pivot(index="trained_on", columns="tested_on", values=["roc_auc", "text"])
    values = wide["roc_auc"].reindex(index=rows, columns=columns).astype(float)
    texts = wide["text"].reindex(index=rows, columns=columns).fillna("").astype(str)
    return values, texts


def auc_intervals(frame: pd.DataFrame) -> dict[str, Interval]:
    """AUC of every model's last stage on every test set, by "trained_on on tested_on"."""
    rows = _one_per(last_stage(frame), ["trained_on", "tested_on"]).dropna(subset="roc_auc")
    names = [f"{trained_on} on {tested_on}" for trained_on, tested_on in zip(rows["trained_on"], rows["tested_on"])]
    return dict(zip(names, Interval.all_of(rows, "roc_auc")))


def learning_curve(frame: pd.DataFrame, training_images: Mapping[str, int]) -> pd.DataFrame:
    """Growth of the AUC on the model's own dataset with the number of training images.

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


def ends_of_training(curve: pd.DataFrame, names: Mapping[tuple[str, str], Mapping[str, str]]) -> pd.DataFrame:
    """The last stage of every model, and the first one of recipes whose fine-tuning was kept for any dataset.

    Args:
        curve: what `learning_curve` returns, stages in their order.
        names: (trained_on, recipe) to the stages that changed the model, as `stages.stage_names` gives them.
    """
    ends = curve.groupby(["trained_on", "recipe"], sort=False)["stage"].agg(["first", "last"])
    first, last = (
        pd.MultiIndex.from_frame(curve[["trained_on", "recipe"]]).map(ends[end]) for end in ("first", "last")
    )
    changed = {recipe for (_, recipe), known in names.items() if len(known) > 1}
    return curve[(curve["stage"] == last) | ((curve["stage"] == first) & curve["recipe"].isin(changed))]


def learning_fits(curve: pd.DataFrame, **options) -> tuple[pd.DataFrame, list[str]]:
    """Fits a power law to each learning curve with enough sizes, and describes each result in a sentence.

    Args:
        curve: Output of `learning_curve`.
        **options: Of `power_law.fit`.

    Returns:
        The fitted curves, columns ``recipe, stage, training_images, roc_auc, low, high, extrapolated`` (empty if none
        could be fitted), and one sentence for each recipe and stage, also for those without a fit.
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


def paired_by_test_set(
    scored: pd.DataFrame, names: Mapping[tuple[str, str], Mapping[str, str]] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """`paired_tests` on every test set, each with its own Holm correction.

    The last stages of every two models are compared. A model trained on the tested dataset is also compared with its
    first stage, to show the gain of fine-tuning. Images without a score from one of the models are left out and
    counted.

    Args:
        scored: columns trained_on, recipe, stage, tested_on, image_id, y, score, group.
        names: (trained_on, recipe) to the stages that changed the model, as `stages.stage_names` gives them. If
            fine-tuning was not kept, the first and the last stage are one model, which is not compared with itself.

    Returns:
        The tests, columns `PAIRED_COLUMNS`, models named "trained_on, recipe, stage"; ``home`` is true if neither was
        trained on another of the tested datasets. Also a sentence for each test set without tests.
    """
    if names:
        keys = zip(scored["trained_on"], scored["recipe"], scored["stage"])
        scored = scored[[stage in names.get((name, recipe), {stage}) for name, recipe, stage in keys]]
    stages = scored.groupby([*_MODEL, "tested_on"], sort=False)["stage"]
    first, last = (scored["stage"] == stages.transform(end) for end in ("first", "last"))
    wanted = last | (first & (scored["trained_on"] == scored["tested_on"]))
    sentences = []
    # Without shared images, a test set may have only one class. This must not stop the others.
    for (*names, tested_on), rows in scored[last].groupby([*_MODEL, "tested_on"], sort=False):
        if rows["y"].nunique() < 2:
            sentences.append(f"{tested_on}: {', '.join(names)} is left out, its images here are of one class")
            wanted[rows.index] = False
    compared = scored.assign(last=last)[wanted]
    compared = compared.assign(model=compared[[*_MODEL, "stage"]].agg(", ".join, axis=1))
    tables = []
    for tested_on, rows in compared.groupby("tested_on", sort=False):
        if rows["model"].nunique() < 2:
            sentences.append(f"{tested_on}: one model, nothing to compare it with")
            continue
        try:
            table = paired_tests(rows, common=True)
        except UndefinedMeasure as error:
            sentences.append(f"{tested_on}: {error}")
            continue
        models = rows.drop_duplicates("model").set_index("model")
        one, two = (models.loc[table[side]].reset_index() for side in ("first", "second"))
        same = (one[_MODEL] == two[_MODEL]).all(axis=1)
        away = set(scored["tested_on"]) - {tested_on}
        table = table.assign(tested_on=tested_on, home=~(one["trained_on"].isin(away) | two["trained_on"].isin(away)))[
            same | (one["last"] & two["last"])
        ]
        # Fewer tests than those of all pairs, so corrected again.
        adjusted = delong.holm(table["p_value"])
        tables.append(table.assign(p_holm=adjusted, different=adjusted < 0.05))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=list(PAIRED_COLUMNS)), sentences


def paired_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Paired tests as a table for reading, without models trained on other datasets."""
    shown = tests[tests["home"].astype(bool)]
    intervals = [str(Interval(*numbers)) for numbers in shown[["difference", "low", "high"]].to_numpy(float)]
    columns = ["tested_on", "first", "second", "images", "left_out", "roc_auc_first", "roc_auc_second"]
    named = {side: [_model_name(model) for model in shown[side]] for side in ("first", "second")}
    aucs = {name: shown[name].map(decimals) for name in ("roc_auc_first", "roc_auc_second")}
    said = {**named, **aucs, "difference": intervals, "p_holm": [f"{p:.2g}" for p in shown["p_holm"]]}
    return shown[columns].assign(**said, different=shown["different"]).reset_index(drop=True)


def _model_name(model: str) -> str:
    """A model of paired_tests.csv, its stage in words."""
    rest, _, stage = model.rpartition(", ")
    return f"{rest}, {STAGE_NAMES.get(stage, stage)}"


def paired_sentences(tests: pd.DataFrame) -> list[str]:
    """Sentences: how many of the pairs of each test set differ."""
    sentences = []
    for tested_on, rows in tests.groupby("tested_on", sort=False):
        home = rows["home"].astype(bool)
        counts = [
            f"{int(part['different'].sum())} of {len(part)} pairs {kind} differ"
            for kind, part in (("shown", rows[home]), ("with a model trained on another dataset", rows[~home]))
            if len(part)
        ]
        left_out = rows["left_out"].iloc[0]
        said = f"; {left_out:,} images that not every model was scored on are left out" if left_out else ""
        sentences.append(f"{tested_on}: {', '.join(counts)}{said}")
    return sentences


def transfer_table(
    frame: pd.DataFrame, policy: str = "balanced", names: Mapping[tuple[str, str], Mapping[str, str]] | None = None
) -> pd.DataFrame:
    """The last stage of every model on every test set, for reading; recalls at the threshold from the model's own
    dataset.

    Args:
        frame: rows with the columns `COLUMNS` and optionally warning.
        policy: of the threshold; models without thresholds are shown too.
        names: (trained_on, recipe) to the names of its stages, as `stages.stage_names` gives them.
    """
    rows = _read_at(frame, policy)
    columns = ["trained_on", "recipe", "stage", "tested_on", "images", "overlap_removed"]
    known = [(names or {}).get(model, STAGE_NAMES) for model in zip(rows["trained_on"], rows["recipe"])]
    named = {name: [str(found) for found in Interval.all_of(rows, name)] for name in ("roc_auc", *measures.RECALLS)}
    missing = (NO_THRESHOLD, NOT_MEASURED)
    for name in measures.RECALLS:
        named[name] = [policy if policy in missing else said for policy, said in zip(rows["policy"], named[name])]
    unmeasured = rows["policy"] == NOT_MEASURED
    verdicts = [
        NOT_MEASURED if no else verdict(found) for no, found in zip(unmeasured, Interval.all_of(rows, "roc_auc"))
    ]
    said = [of_model.get(stage, stage) for of_model, stage in zip(known, rows["stage"])]
    table = rows[columns].assign(stage=said, **named, ranking=verdicts)
    warned = "warning" in rows and rows["warning"].any()
    return (table.assign(warning=rows["warning"]) if warned else table).reset_index(drop=True)


def transfer_sentences(frame: pd.DataFrame, policy: str = "balanced") -> list[str]:
    """Sentences on every model's results on other datasets: its ranking, and its threshold of one policy.

    Args:
        frame: rows with the columns `COLUMNS`.
        policy: of the threshold.
    """
    rows = _read_at(frame, policy)
    away = rows[rows["trained_on"] != rows["tested_on"]]
    sentences = []
    for row, auc, real, synthetic in zip(
        away.itertuples(), *(Interval.all_of(away, name) for name in ("roc_auc", *measures.RECALLS))
    ):
        shared = (
            f"; {row.overlap_removed} images that its own dataset holds too left out" if row.overlap_removed else ""
        )
        if row.policy == NOT_MEASURED:
            sentences.append(f"{row.trained_on} ({row.recipe}) on {row.tested_on}: **{row.warning}**{shared}")
            continue
        found = verdict(auc)
        said = f"**{found}**" if found != BETTER else found
        if row.policy == NO_THRESHOLD:
            recalls = "no validation images, hence no threshold"
        else:
            recalls = f"at its {row.policy} threshold recall of real {real}, of synthetic {synthetic}"
            if min(real.value, synthetic.value) < thresholds.NEARLY_NONE:
                recalls += ": **it calls nearly everything one class here**"
        sentences.append(f"{row.trained_on} ({row.recipe}) on {row.tested_on}: {said}, AUC {auc}; {recalls}{shared}")
    return sentences


def _read_at(frame: pd.DataFrame, policy: str) -> pd.DataFrame:
    return last_stage(frame)[lambda rows: rows["policy"].isin([policy, NO_THRESHOLD, NOT_MEASURED])]


def verdict(interval: Interval) -> str:
    """The verdict that a ROC AUC's interval allows: `AT_CHANCE` when it covers 0.5, else `BETTER` or `UNINFORMATIVE`.

    At chance means that this number of images cannot distinguish it from 0.5. An interval below 0.5 is no evidence by
    itself: one in 40 models that learnt nothing has it. Only a ranking far below 0.5 suggests inverted scores.

    Raises:
        UndefinedMeasure: The interval's limits are not numbers.
    """
    if np.isnan(interval.low) or np.isnan(interval.high):
        raise UndefinedMeasure(f"no verdict on an undefined interval: {interval.low} to {interval.high}")
    if interval.contains(0.5):
        return AT_CHANCE
    return BETTER if interval.low > 0.5 else UNINFORMATIVE


def _require(frame: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(f"comparison lacks the columns {missing}; found {list(frame.columns)}")


def _one_per(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The AUC of each key, once, because policies repeat it."""
    rows = frame[[*keys, *_AUC]].drop_duplicates(ignore_index=True)
    twice = rows[rows.duplicated(keys, keep=False)]
    if len(twice):
        raise ValueError(f"different ROC AUC for the same {keys}: {twice.to_dict('records')}")
    return rows


def compare(
    scored: pd.DataFrame,
    chosen: Mapping[tuple[str, str, str], Mapping[str, float]],
    missing: Sequence[Mapping[str, str | int]] = (),
) -> pd.DataFrame:
    """comparison.csv from scores of models on test images.

    Args:
        scored: columns trained_on, recipe, stage, tested_on, overlap_removed, y, score, group; one row per image.
        chosen: (trained_on, recipe, stage) to policy to threshold; no policies for a model without validation images.
        missing: models that have no scores on a dataset: trained_on, recipe, stage, tested_on, overlap_removed and
            `why`.

    Returns:
        One row per model, tested dataset and policy, columns `COLUMNS`. If the images allow no measure (no image, one
        class or one group is left) or scores are missing, there is one row of policy `NOT_MEASURED` without numbers,
        and a column `warning` states why.
    """
    keys = ["trained_on", "recipe", "stage", "tested_on", "overlap_removed"]
    rows = []
    for values, part in scored.groupby(keys, sort=False):
        names = dict(zip(keys, values))
        home = chosen[names["trained_on"], names["recipe"], names["stage"]]
        try:
            rows += transfer_rows(part["y"], part["score"], part["group"].tolist(), home, **names)
        except UndefinedMeasure as error:
            rows.append(_unmeasured(names, len(part), str(error)))
    rows += [_unmeasured({name: found[name] for name in keys}, 0, str(found["why"])) for found in missing]
    frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, "warning"])
    return frame.fillna({"warning": ""}) if (frame["policy"] == NOT_MEASURED).any() else frame[list(COLUMNS)]


def _unmeasured(names: Mapping[str, str | int], images: int, why: str) -> dict[str, str | int]:
    return {**names, "images": images, "policy": NOT_MEASURED, "warning": f"{NOT_MEASURED}: {why}"}


def adapted_table(adapted: pd.DataFrame) -> pd.DataFrame:
    """What a few pictures of another dataset change, as a table for reading.

    Args:
        adapted: of `adaptation.few_pictures`; may be empty.
    """
    columns = {
        "AUC there, before": "roc_auc_before",
        "AUC there, after": "roc_auc_after",
        "AUC at home, before": "roc_auc_home_before",
        "AUC at home, after": "roc_auc_home",
    }
    rows = []
    for _, row in adapted.iterrows():
        names = {"detector": f"{row['trained_on']}, {row['recipe']}", "adapted to": row["adapted_to"]}
        rows.append(names | {title: str(Interval.of(row, column)) for title, column in columns.items()})
    return pd.DataFrame(rows, columns=["detector", "adapted to", *columns]).set_index("detector")
